// Package simui is the simulator's page: every telephone and exchange line of the
// simulated board drawn, worked, heard and spoken into from a browser. cmd/sotto builds
// a [Server] over the simulator's board and package ui mounts it behind the log-in.
//
//	page, forms ──► act ──────────► World: lift, keys, flash, call in, hang up …
//	WebSocket  ──► act
//	           ◄── states          ◄── World.Telephones, World.Lines
//	           ◄── earpiece, 20 ms ◄── channel ◄─┐ [Tap], 10 ms, in the board's goroutine
//	           ──► mouth, 20 ms    ──► channel ──┘
//
// Without script the page shows how things stood when it was asked for, and forms do
// all but sound. A key that is pressed is real DTMF at the simulated telephone and what
// the loudspeaker plays is what its earpiece heard: nothing here is taken from the switch.
//
// All that a browser sends is bounded: the size and the rate of messages, the pages, the
// telephones that one page listens to. The tap never waits and never allocates; sound
// that nobody takes in time is dropped, oldest first, and counted. The package keeps no
// data of the office, logs no digit and no text of a display, and shows those to nobody
// whom [Config.Personal] does not name. It knows no sessions and no certificates.
package simui

import (
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
)

// Config is what the page needs.
type Config struct {
	World World
	// Frame puts the page's content into the frame of the admin page. Nil: a page of
	// its own that uses /static/sotto.css.
	Frame Frame
	// Session names the log-in of a request; a log-in has one live page, the newest. Nil:
	// every page counts for itself.
	Session func(*http.Request) string
	// Personal tells whether the one who asks may see what displays show and what was
	// dialled. Nil: nobody may.
	Personal func(*http.Request) bool
	// Country, as "gb", lets the lamps of ringing telephones keep the cadence.
	Country string
	Log     *slog.Logger // nil: none
}

// Page is the content of the page for [Config.Frame]: a heading of the first order and
// what follows it, for the main element.
type Page struct {
	Title   string
	Status  int           // of HTTP, which the frame is to send
	Country string        // for data-country of the html element; may be empty
	Body    template.HTML // made by this package's templates, escaped
	Styles  []string      // addresses of style sheets after the common one
	Scripts []string      // addresses of scripts, each to be loaded as a module
}

// Frame writes a whole document with a page's content. The request is the one for the
// page: the frame reads the log-in from its context as it does elsewhere.
type Frame func(w http.ResponseWriter, r *http.Request, p Page)

// PolicyAdditions are what this page's Content-Security-Policy needs, beyond
// default-src 'none', style-src 'self' and form-action 'self'. The script opens a
// WebSocket to its own host and loads one AudioWorklet. There is nothing inline.
const PolicyAdditions = "script-src 'self'; worker-src 'self'; connect-src 'self'"

// PermissionsPolicy is the value of the Permissions-Policy header of this page: it may
// ask for the microphone, once a person presses "Speak".
const PermissionsPolicy = "microphone=(self)"

// Path is where the server is to be mounted, with its path left in front.
const Path = "/sim/"

// MaxPages bounds the live pages at the same time.
const MaxPages = 8

// Counters count what went wrong since the start.
type Counters struct {
	DroppedHeard  uint64 // blocks of 20 ms for a browser that did not take them in time
	DroppedSpoken uint64 // frames of 10 ms spoken faster than the line takes them
	Starved       uint64 // times that a spoken stream ran dry
	Refused       uint64 // messages and requests that were malformed, too many or not possible
	Lost          uint64 // pages that went away without a word or were too slow
}

// Server is the page. It implements [http.Handler].
type Server struct {
	cfg      Config
	mux      *http.ServeMux
	channels []*channel // telephones, then lines
	phones   int

	protection http.CrossOriginProtection // of forms

	dropped, spoken, starved, refused, lost atomic.Uint64

	mu     sync.Mutex
	closed bool
	pages  map[*page]struct{}
	done   sync.WaitGroup
}

// Counters gives the counters; any goroutine.
func (s *Server) Counters() Counters {
	return Counters{DroppedHeard: s.dropped.Load(), DroppedSpoken: s.spoken.Load(), Starved: s.starved.Load(), Refused: s.refused.Load(), Lost: s.lost.Load()}
}

var _ http.Handler = (*Server)(nil)

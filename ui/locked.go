package ui

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"sotto/storage/root"
)

// Lock is what the page of a box needs whose data a passphrase opens that nobody has given
// yet.
type Lock struct {
	// Unlock opens the data with a passphrase as it was typed, and wipes that. The error is
	// [root.ErrPassphrase] if it is wrong; with any other the data does not open even so.
	// Any goroutine; those who come at once wait for each other.
	Unlock func(passphrase []byte) error

	Hosts []string // as in [Config]
	Log   *slog.Logger
}

// NewLocked gives a server that has one page: the form for the passphrase. It shows
// nothing of the box, nobody's name and no port. It starts nothing; [Server.Run] serves it
// until the data is open and another server takes its place.
func NewLocked(l Lock) *Server {
	s := &Server{cfg: Config{Hosts: l.Hosts, Log: l.Log}, began: time.Now(), pages: loadPages()}
	s.sessions.init()
	s.guard.init()
	mux := http.NewServeMux()
	serve := func(pattern string, f func(*request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			q := &request{w: w, r: r, now: time.Now()}
			if err := f(q); err != nil {
				s.fail(q, err)
			}
		})
	}
	serve("GET /static/{name}", s.static)
	serve("GET /{$}", func(q *request) error {
		s.show(q, http.StatusOK, "locked", "locked.title", lockedView{})
		return nil
	})
	serve("POST /unlock", func(q *request) error { return s.unlock(q, l.Unlock) })
	serve("GET /", func(q *request) error {
		redirect(q, "/")
		return nil
	})
	s.handler = s.chain(mux)
	return s
}

type lockedView struct {
	Wrong string // a sentence about what was typed; empty: none
	Fault string // a sentence about the box; empty: none
}

// nobody stands for whoever asks: tries are counted for the whole box, because there is
// one secret and many addresses.
var nobody netip.Addr

// unlock takes a passphrase. Nothing of it is ever sent back.
func (s *Server) unlock(q *request, open func([]byte) error) error {
	word, err := passphraseIn(q.w, q.r)
	defer clear(word)
	if err != nil {
		return err
	}
	t, wait := s.guard.begin("", nobody, q.now)
	if wait > 0 {
		q.w.Header().Set("Retry-After", seconds(wait))
		s.show(q, http.StatusTooManyRequests, "locked", "locked.title", lockedView{Wrong: T("login.wait", waitWords(wait))})
		return nil
	}
	switch err := open(word); {
	case errors.Is(err, root.ErrPassphrase):
		v := lockedView{Wrong: T("locked.wrong") + " "}
		switch free, wait := s.guard.left(t, q.now); free {
		case 0:
			v.Wrong += T("login.now", waitWords(wait))
		case 1:
			v.Wrong += T("login.one", waitWords(firstWait))
		default:
			v.Wrong += T("login.more", free, waitWords(firstWait))
		}
		s.show(q, http.StatusUnprocessableEntity, "locked", "locked.title", v)
	case err != nil:
		s.guard.undone(t)
		s.show(q, http.StatusServiceUnavailable, "locked", "locked.title", lockedView{Fault: T("locked.fault")})
	default:
		s.show(q, http.StatusOK, "unlocked", "unlocked.title", nil)
	}
	return nil
}

// maxTyped bounds the form: 256 characters of four bytes, each byte as %XX.
const maxTyped = len(typedField) + root.MaxLen*4*3

const typedField = "passphrase="

// passphraseIn reads the form (application/x-www-form-urlencoded, WHATWG URL 5) into
// memory that can be wiped, which [http.Request.ParseForm] does not. What the connection
// has buffered is out of reach. The caller wipes what it gives.
func passphraseIn(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	form := make([]byte, maxTyped+1) // never moved, so that one clear wipes it
	defer clear(form)
	n, err := io.ReadFull(http.MaxBytesReader(w, r.Body, int64(maxTyped)), form)
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, formError(err)
	}
	if n < len(typedField) || string(form[:len(typedField)]) != typedField {
		return nil, errForm
	}
	word := make([]byte, 0, n)
	for b := form[len(typedField):n]; len(b) > 0; b = b[1:] {
		switch b[0] {
		case '&':
			clear(word)
			return nil, errForm
		case '+':
			word = append(word, ' ')
		case '%':
			if len(b) < 3 || hexDigit(b[1]) < 0 || hexDigit(b[2]) < 0 {
				clear(word)
				return nil, errForm
			}
			word = append(word, byte(hexDigit(b[1])<<4|hexDigit(b[2])))
			b = b[2:]
		default:
			word = append(word, b[0])
		}
	}
	return word, nil
}

// hexDigit gives the value of a hexadecimal digit, -1 for what is none.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

package ua

import (
	"crypto/rand"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// Leg is one INVITE usage of the box (RFC 5057 section 3). It is not safe for concurrent
// use: one loop owns it.
type Leg struct {
	cfg    Config
	count  *Counters
	state  State
	caller bool // the box sent the INVITE, so the Call-ID is its own

	callID   string
	tag      string  // of the box
	local    sip.Uri // of the box's end, as it stands in From or To
	remote   sip.Uri // of the telephone's
	name     string  // of the caller, for From
	target   sip.Uri // of the INVITE
	routes   []sip.Uri
	seq      uint32 // the last CSeq that the box used
	dialogs  []*dialog
	d        *dialog // the one that has the call: as called from the start, as caller from its 2xx
	settled  bool    // as caller: a 2xx came
	cleared  time.Time
	agreedBy *dialog // as caller: whose answer Media holds
	over     bool    // [Over] was told
	rang     bool
	held     bool

	invite   incoming   // as called
	outgoing Client     // as caller: the INVITE; 0 once it failed
	inviteNo uint32     // as caller: its CSeq
	tries    int        // as caller: INVITEs begun anew because of 422
	ok       confirming // a 2xx to INVITE that waits for its ACK
	rel      reliable   // as called: the latest reliable provisional response
	cause    pbx.Cause  // of a hang-up that could not be told yet

	clients []client // that wait for their final answer
	clientN Client
	session session
	reoffer reoffer

	timers [numTimers]time.Time
	out    []Action
}

// client is a request of the box that has no final answer yet.
type client struct {
	n      Client
	method sip.RequestMethod
	d      *dialog // nil: the first INVITE
	since  time.Time
}

// NewServer takes a call: req is an INVITE without To tag that has shown who it is of and
// is to reach somebody; tx answers it. It is false if the leg refused the INVITE at once
// (400, 415, 420, 422 or 488): then only its actions are to be done. Otherwise nothing is
// answered yet.
func NewServer(now time.Time, cfg Config, req *sip.Request, tx Server) (*Leg, bool) {
	l := newLeg(cfg)
	l.state = Incoming
	l.takeCall(now, req, tx)
	return l, l.state != Gone
}

// NewClient makes a call: its INVITE is the first action, with an offer of cfg.Media.
func NewClient(now time.Time, cfg Config, to Call) *Leg {
	l := newLeg(cfg)
	l.state, l.caller = Calling, true
	l.callID, l.tag = l.random(16), l.random(16)
	l.local, l.remote, l.name = bare(to.From), bare(to.To), plain(to.Name)
	l.target = *to.Target.Clone()
	l.target.Headers = nil
	for _, r := range to.Route[:min(len(to.Route), maxRoutes)] {
		l.routes = append(l.routes, *r.Clone())
	}
	l.call(now)
	return l
}

func newLeg(cfg Config) *Leg {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.T1, 500*time.Millisecond)
	def(&cfg.T2, 4*time.Second)
	def(&cfg.Expires, 1800*time.Second)
	cfg.MinSE = max(cfg.MinSE, leastSE)
	cfg.Expires = max(cfg.Expires, cfg.MinSE)
	if cfg.Rand == nil {
		cfg.Rand = func(p []byte) { rand.Read(p) }
	}
	if cfg.Counters == nil {
		cfg.Counters = &Counters{}
	}
	return &Leg{cfg: cfg, count: cfg.Counters}
}

// Ring tells the caller that the telephone rings: 180, sent reliably if the INVITE
// requires it (RFC 3262). Ringing is told again every minute until the answer.
func (l *Leg) Ring(now time.Time) { l.do(DoRing, arg{now: now}) }

// Answer takes the call: 200, as soon as what was sent reliably is acknowledged. If the
// description cannot be answered any more the call is refused, and [HangsUp] follows.
func (l *Leg) Answer(now time.Time) { l.do(DoAnswer, arg{now: now}) }

// Reject refuses the call with a final status of 300 to 699, 500 for any other. With
// retryAfter, in whole seconds, it says when another try may succeed.
func (l *Leg) Reject(now time.Time, status int, retryAfter time.Duration) {
	if status < 300 || status > 699 {
		status = 500
	}
	l.do(DoReject, arg{now: now, status: status, retry: retryAfter})
}

// Hangup ends the leg in any state. It may have to wait with its BYE (RFC 3261 section
// 15), or for the end of a cancelled INVITE; [Over] says when it has finished.
func (l *Leg) Hangup(now time.Time, cause pbx.Cause) { l.do(DoHangup, arg{now: now, cause: cause}) }

// Reoffer offers the description anew by re-INVITE, since something in it has changed:
// at once, or when the rules of offer and answer allow it (RFC 3261 section 14.1). Before
// the call is up it waits if the offer was made already, and else changes nothing.
func (l *Leg) Reoffer(now time.Time) { l.do(DoReoffer, arg{now: now}) }

// Request takes a request that [Leg.Matches] says is of the leg: of any method but CANCEL,
// and an ACK only if it is for a 2xx; tx is 0 for it. Everything else is answered before
// it returns.
func (l *Leg) Request(now time.Time, req *sip.Request, tx Server) {
	l.request(arg{now: now, req: req, tx: tx})
	l.pump(now)
}

// Canceled tells that the INVITE of tx was cancelled. The CANCEL itself is answered by
// the caller, with 200, before.
func (l *Leg) Canceled(now time.Time, tx Server) {
	if tx == 0 || tx != l.invite.tx {
		l.count.Stray++ // of a re-INVITE, or of an INVITE that has its answer: no effect
		return
	}
	l.do(GotCancel, arg{now: now})
}

// Response takes a response to client transaction c; of an INVITE also those 2xx that
// come later (RFC 6026 section 7.2).
func (l *Leg) Response(now time.Time, res *sip.Response, c Client) {
	l.response(now, res, c)
	l.pump(now)
}

// Timeout tells that client transaction c ended without a final answer: for the leg this
// is a 408 (RFC 3261 section 8.1.3.1).
func (l *Leg) Timeout(now time.Time, c Client) {
	l.noResponse(now, c, 408)
	l.pump(now)
}

// Lost tells that client transaction c could not be sent: for the leg this is a 503.
func (l *Leg) Lost(now time.Time, c Client) {
	l.noResponse(now, c, 503)
	l.pump(now)
}

// Deadline is when [Leg.Expire] has something to do; zero: never.
func (l *Leg) Deadline() time.Time {
	var first time.Time
	for _, t := range l.timers {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Expire does what is due at now.
func (l *Leg) Expire(now time.Time) {
	for range 2 * numTimers { // a timer that sets itself anew is not due again before T1
		due := -1
		for i, t := range l.timers {
			if !t.IsZero() && !t.After(now) && (due < 0 || t.Before(l.timers[due])) {
				due = i
			}
		}
		if due < 0 {
			return
		}
		l.timers[due] = time.Time{}
		l.do(firstTimer+Input(due), arg{now: now})
	}
}

// Take gives what is to be done since the last time, in order, nil for nothing. The slice
// is the receiver's: the leg may be called while it is worked off.
func (l *Leg) Take() []Action {
	out := l.out
	l.out = nil
	return out
}

// State is where the leg is in its life.
func (l *Leg) State() State { return l.state }

// CallID is the Call-ID of all dialogs of the leg.
func (l *Leg) CallID() string { return l.callID }

// LocalTag is the tag of the box in all dialogs of the leg: 128 random bits in letters
// and digits, so that it is a key by itself.
func (l *Leg) LocalTag() string { return l.tag }

// Matches tells whether a request belongs to a dialog of the leg: its Call-ID, To tag and
// From tag must all be exactly those (RFC 3261 section 12.2.2).
func (l *Leg) Matches(req *sip.Request) bool { return l.dialogOf(req) != nil }

// Target is the remote target of the dialog that has the call, or, before there is one,
// the request URI of the INVITE.
func (l *Leg) Target() sip.Uri {
	if l.d != nil {
		return *l.d.target.Clone()
	}
	return *l.target.Clone()
}

// Routes is the route set of the dialog that has the call, or of the INVITE. It must not
// be changed.
func (l *Leg) Routes() []sip.Uri {
	if l.d != nil {
		return l.d.routes
	}
	return l.routes
}

// do takes one event through the table, and sends what had to wait for it.
func (l *Leg) do(e Input, a arg) {
	l.step(e, a)
	l.pump(a.now)
}

// step takes one event through the table. It is false if the state does not allow it.
func (l *Leg) step(e Input, a arg) bool {
	m, ok := LegTable.Find(l.state, e)
	if !ok {
		l.count.Strange++
		return false
	}
	from := l.state
	m.Do(l, a)
	if !m.Allows(from, l.state) {
		l.count.Astray++
	}
	if l.state == Gone && !l.over {
		l.over = true
		l.clients, l.timers = nil, [numTimers]time.Time{}
		l.tell(Event{Kind: Over})
	}
	return true
}

func (l *Leg) tell(e Event) { l.out = append(l.out, Action{Kind: Tell, Event: e}) }

// set makes a timer due; it is one of the inputs that time gives.
func (l *Leg) set(timer Input, at time.Time) { l.timers[timer-firstTimer] = at }
func (l *Leg) stop(timer Input)              { l.timers[timer-firstTimer] = time.Time{} }

func (l *Leg) stopAll() { l.timers = [numTimers]time.Time{} }

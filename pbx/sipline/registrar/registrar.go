package registrar

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/plan"
	"sotto/pbx/sipline/wire"
)

// Config bounds a registrar. Where a field is zero, the value in its comment holds.
type Config struct {
	MinExpires     time.Duration // 60 s: who asks for less is told so (423)
	MaxExpires     time.Duration // 3600 s: who asks for more gets this
	DefaultExpires time.Duration // 3600 s: for who does not say
	MaxContacts    int           // 8 for each user
	MaxUsers       int           // 4096 with a telephone registered at a time
}

// repeatFor is how long a request is known again: as long as a client sends it again
// (Timer F, 64*T1: RFC 3261 section 17.1.2.2).
const repeatFor = 32 * time.Second

// maxRepeats bounds the requests of one user that are known again.
const maxRepeats = 8

// Result is the answer to a REGISTER.
type Result struct {
	Status  int
	Reason  string
	Headers []sip.Header // to be added to the answer, not to be changed: Contact, Min-Expires, Date...
	Changed bool         // a binding is new, gone or moved
	Save    bool         // hand Bindings to storage now: Changed, or a refresh that is due (see the package)
}

// Stats counts what a [Registrar] did since its start.
type Stats struct {
	Changed, Refreshed, Repeated, Queried uint64 // answered 200
	Bad, Brief, OutOfOrder, Full          uint64 // answered 400, 423, 500, and 403 or 503
	Replaced                              uint64 // bindings of a rebooted telephone that made room for the next
	Expired                               uint64 // bindings
	Unreadable                            uint64 // bindings that Restore dropped
}

// Registrar knows where telephones are. It belongs to one goroutine.
type Registrar struct {
	cfg   Config
	users map[plan.UserID]*user
	due   dueHeap
	seen  map[endpoint]int // live bindings by where they came from
	conns map[uint64]int   // and by connection
	turn  uint64           // counts updates
	stats Stats

	hash   maphash.Hash // with a seed of its own
	text   bytes.Buffer
	in     request
	date   string // as of dateAt
	dateAt int64
}

type endpoint struct {
	proto wire.Proto
	addr  netip.AddrPort
}

// user is who has bindings, or had some lately.
type user struct {
	id       plan.UserID
	bindings []*binding
	repeats  []repeat
	next     time.Time // when something of it ends
	at       int       // in the heap
}

// repeat is a request that was carried out.
type repeat struct {
	hash uint64
	at   time.Time
}

// New makes a registrar that knows of no telephone.
func New(cfg Config) *Registrar {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.MinExpires, time.Minute)
	def(&cfg.MaxExpires, time.Hour)
	def(&cfg.DefaultExpires, time.Hour)
	if cfg.MaxContacts <= 0 {
		cfg.MaxContacts = 8
	}
	if cfg.MaxUsers <= 0 {
		cfg.MaxUsers = 4096
	}
	return &Registrar{cfg: cfg, users: make(map[plan.UserID]*user), seen: make(map[endpoint]int), conns: make(map[uint64]int)}
}

// Register carries out a REGISTER of a user who has shown who he is, and that came by
// flow. The caller checks the Request-URI, Require and Max-Forwards, as for every method.
//
//	200  done, or nothing asked: all bindings of the user, with the seconds each has left
//	400  against RFC 3261 section 10 or the bounds of this package
//	403  no room for another contact of this user
//	423  shorter than MinExpires asked for, which the answer gives
//	500  CSeq not above the last of the same Call-ID: out of order
//	503  no room for another user
//
// Unless it is 200, nothing was changed.
func (r *Registrar) Register(now time.Time, id plan.UserID, req *sip.Request, flow wire.Flow) Result {
	in := &r.in
	if why := r.read(req, in); why != "" {
		return r.bad(why)
	}
	u := r.users[id]
	if in.n == 0 && !in.star {
		r.stats.Queried++
		return r.answer(now, u, in)
	}
	hash := r.fingerprint(in)
	if u.knows(now, hash) {
		r.stats.Repeated++
		return r.answer(now, u, in)
	}
	next, res := r.plan(now, id, u, in, flow)
	if res.Status != 0 {
		return res
	}
	if u == nil {
		if len(r.users) >= r.cfg.MaxUsers {
			r.stats.Full++
			return Result{Status: sip.StatusServiceUnavailable, Reason: "Registrar Full",
				Headers: []sip.Header{sip.NewHeader("Retry-After", "60")}}
		}
		u = &user{id: id, at: -1}
		r.users[id] = u
	}
	res = r.commit(now, u, next, hash)
	answer := r.answer(now, u, in)
	answer.Changed, answer.Save = res.Changed, res.Save
	return answer
}

// Again answers a REGISTER that Register answered with 200 in the last 32 s, once more
// and without any effect; ok is false if this is not exactly one. It is for a request
// whose credentials are right but used up: when an answer is lost, that is how the
// telephone's next try looks.
func (r *Registrar) Again(now time.Time, id plan.UserID, req *sip.Request) (res Result, ok bool) {
	if r.read(req, &r.in) != "" {
		return Result{}, false
	}
	u := r.users[id]
	if !u.knows(now, r.fingerprint(&r.in)) {
		return Result{}, false
	}
	r.stats.Repeated++
	return r.answer(now, u, &r.in), true
}

// knows tells whether a request was carried out just now.
func (u *user) knows(now time.Time, hash uint64) bool {
	return u != nil && slices.ContainsFunc(u.repeats, func(p repeat) bool {
		return p.hash == hash && now.Sub(p.at) < repeatFor
	})
}

// bad is the answer to what is against the rules.
func (r *Registrar) bad(why bad) Result {
	r.stats.Bad++
	return Result{Status: sip.StatusBadRequest, Reason: string(why)}
}

// fingerprint is equal for requests that ask for the same under the same Call-ID and
// CSeq.
func (r *Registrar) fingerprint(in *request) uint64 {
	h := &r.hash
	h.Reset()
	number := func(n uint64) {
		for range 8 {
			h.WriteByte(byte(n))
			n >>= 8
		}
	}
	text := func(s string) { number(uint64(len(s))); h.WriteString(s) }
	text(in.callID)
	number(uint64(in.cseq))
	for i := range in.contacts[:in.n] {
		c := &in.contacts[i]
		text(c.text)
		text(c.instance)
		number(uint64(c.expires))
		number(uint64(c.q)<<32 | uint64(c.regID))
	}
	for _, p := range in.path {
		text(p)
	}
	return h.Sum64()
}

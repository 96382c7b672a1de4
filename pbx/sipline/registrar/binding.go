package registrar

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/wire"
)

// binding is never changed but for saved and the connection: a refresh makes another.
type binding struct {
	pbx.Binding
	uri       sip.Uri
	flow      wire.Flow
	q         uint16
	turn      uint64 // of the last update
	since     time.Time
	refreshed time.Time
	granted   time.Duration
	saved     time.Time
	shown     string // its value in an answer, up to the seconds of expires
}

// plan works out the bindings that the user would have after in. The status is 0 if that
// is well.
func (r *Registrar) plan(now time.Time, id plan.UserID, u *user, in *request, flow wire.Flow) ([]*binding, Result) {
	var next []*binding
	if u != nil {
		next = make([]*binding, 0, len(u.bindings)+1)
		for _, b := range u.bindings {
			if b.Expires.After(now) {
				next = append(next, b)
			}
		}
	}
	late := func(b *binding) bool { return b.CallID == in.callID && in.cseq <= b.CSeq }
	outOfOrder := Result{Status: sip.StatusInternalServerError, Reason: "Out of Order"}
	if in.star {
		if slices.ContainsFunc(next, late) {
			r.stats.OutOfOrder++
			return nil, outOfOrder
		}
		return nil, Result{}
	}
	begin := r.turn // what was updated later, this request has updated
	for i := range in.contacts[:in.n] {
		c := &in.contacts[i]
		if c.uri.Scheme == "sips" && flow.Proto != wire.TLS {
			return nil, r.bad("Bad Contact") // it asks for a protection that it does not have itself
		}
		if c.expires > 0 && c.expires < r.cfg.MinExpires {
			r.stats.Brief++
			return nil, Result{Status: sip.StatusIntervalToBrief, Reason: "Interval Too Brief",
				Headers: []sip.Header{sip.NewHeader("Min-Expires", decimal(r.cfg.MinExpires))}}
		}
		at := slices.IndexFunc(next, func(b *binding) bool { return b.is(c) })
		if at >= 0 && next[at].turn <= begin && late(next[at]) {
			r.stats.OutOfOrder++
			return nil, outOfOrder
		}
		switch {
		case c.expires == 0:
			if at >= 0 {
				next = slices.Delete(next, at, at+1)
			}
		case at >= 0:
			next[at] = r.bind(now, id, next[at], c, in, flow)
		default:
			if len(next) >= r.cfg.MaxContacts {
				at = oldest(next, begin, c, flow)
				if at < 0 {
					r.stats.Full++
					return nil, Result{Status: sip.StatusForbidden, Reason: "Too Many Contacts"}
				}
				r.stats.Replaced++
				next = slices.Delete(next, at, at+1)
			}
			next = append(next, r.bind(now, id, nil, c, in, flow))
		}
	}
	return next, Result{}
}

// is tells whether a contact is that of a binding: the same flow of the same telephone
// where it says so (RFC 5626 section 6), else the same URI.
func (b *binding) is(c *contact) bool {
	if c.regID != 0 || b.RegID != 0 {
		return c.regID == b.RegID && c.instance == b.Instance
	}
	return b.Contact == c.text || Equal(&b.uri, c.uri)
}

// oldest gives the binding to make room for c: the one updated longest ago among those
// of the same telephone or the same address. A telephone that starts anew at another
// port, again and again, so takes its own place; -1 if all are of others.
func oldest(next []*binding, begin uint64, c *contact, flow wire.Flow) int {
	at := -1
	for i, b := range next {
		own := b.flow.Remote.Addr() == flow.Remote.Addr() || c.instance != "" && b.Instance == c.instance
		if own && b.turn <= begin && (at < 0 || b.turn < next[at].turn) {
			at = i
		}
	}
	return at
}

// bind makes the binding of c; old is what it takes the place of, if anything.
func (r *Registrar) bind(now time.Time, id plan.UserID, old *binding, c *contact, in *request, flow wire.Flow) *binding {
	r.turn++
	granted := min(c.expires, r.cfg.MaxExpires)
	b := &binding{flow: flow, q: c.q, turn: r.turn, since: now, refreshed: now, granted: granted}
	if old != nil && old.Contact == c.text {
		b.Binding, b.uri, b.shown = old.Binding, old.uri, old.shown
	} else {
		b.User, b.Contact = id, c.text
		b.uri, _ = parseURI(c.text) // read has seen that it is one; the parts of c.uri would keep the whole message
	}
	if old == nil || old.flow != flow {
		b.Proto, b.Remote, b.Local = flow.Proto.String(), flow.Remote.String(), ""
		if flow.Local.IsValid() {
			b.Local = flow.Local.String()
		}
	} else {
		b.Proto, b.Remote, b.Local = old.Proto, old.Remote, old.Local
	}
	if old != nil {
		b.since, b.saved = old.since, old.saved
		b.Agent = old.Agent
	}
	if b.CallID != in.callID {
		b.CallID = strings.Clone(in.callID)
	}
	if in.agent != b.Agent {
		b.Agent = agentText(in.agent)
	}
	if b.Instance != c.instance {
		b.Instance = strings.Clone(c.instance)
	}
	b.RegID, b.CSeq, b.Expires = c.regID, in.cseq, now.Add(granted)
	if !slices.Equal(b.Path, in.path) {
		b.Path = slices.Clone(in.path)
	}
	if old == nil || b.shown == "" || old.q != b.q || old.Instance != b.Instance || old.RegID != b.RegID {
		b.shown = show(b)
	}
	return b
}

// moved tells whether what is kept through a restart differs in more than time.
func (b *binding) moved(old *binding) bool {
	return b.Contact != old.Contact || b.Proto != old.Proto || b.Remote != old.Remote || b.Local != old.Local ||
		b.Instance != old.Instance || b.RegID != old.RegID || b.Agent != old.Agent || !slices.Equal(b.Path, old.Path)
}

// commit puts next in the place of the user's bindings.
func (r *Registrar) commit(now time.Time, u *user, next []*binding, hash uint64) (res Result) {
	res.Changed = len(next) != len(u.bindings)
	for i, b := range next {
		switch {
		case res.Changed || i >= len(u.bindings):
		case b != u.bindings[i] && b.moved(u.bindings[i]):
			res.Changed = true
		case now.Sub(b.saved) >= b.granted/3:
			res.Save = true
		}
	}
	if res.Save = res.Save || res.Changed; res.Save {
		for _, b := range next {
			b.saved = now
		}
	}
	if res.Changed {
		r.stats.Changed++
	} else {
		r.stats.Refreshed++
	}
	for _, b := range next {
		r.count(b, 1)
	}
	for _, b := range u.bindings {
		r.count(b, -1)
	}
	u.bindings = next
	u.repeats = slices.DeleteFunc(u.repeats, func(p repeat) bool { return now.Sub(p.at) >= repeatFor })
	if len(u.repeats) == maxRepeats {
		u.repeats = slices.Delete(u.repeats, 0, 1)
	}
	u.repeats = append(u.repeats, repeat{hash, now})
	r.schedule(u)
	return res
}

// count keeps the index of flows.
func (r *Registrar) count(b *binding, n int) {
	c := b.flow.Conn
	if b.flow.Proto.Reliable() && c == 0 {
		return // nothing comes from there any more
	}
	e := endpoint{b.flow.Proto, b.flow.Remote}
	if r.seen[e] += n; r.seen[e] <= 0 {
		delete(r.seen, e)
	}
	if r.conns[c] += n; c == 0 || r.conns[c] <= 0 {
		delete(r.conns, c)
	}
}

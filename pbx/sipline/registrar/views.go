package registrar

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/wire"
)

// Target is where a request for a user goes: URI is its Request-URI, Flow the way, and
// Binding.Path, if any, its Route. Not to be changed.
type Target struct {
	URI     sip.Uri
	Flow    wire.Flow // Conn 0 on a stream: to be opened, if it can be
	Binding pbx.Binding
}

// Contacts gives where the telephones of a user are, highest q first, and of equals the
// one that registered last. Of several flows of one telephone (RFC 5626 section 7) only
// the latest is in it: it would ring twice.
//
// A telephone that names the address its REGISTER came from is reached at the port it
// names. Any other is behind NAT, and is reached by the way it came; so is one on a
// connection, as long as that stands.
func (r *Registrar) Contacts(now time.Time, id plan.UserID) []Target {
	u := r.users[id]
	if u == nil {
		return nil
	}
	live := make([]*binding, 0, len(u.bindings))
	for _, b := range u.bindings {
		if b.Expires.After(now) {
			live = append(live, b)
		}
	}
	slices.SortStableFunc(live, func(a, b *binding) int {
		return cmp.Or(cmp.Compare(b.q, a.q), cmp.Compare(b.turn, a.turn))
	})
	targets := make([]Target, 0, len(live))
	for i, b := range live {
		if b.RegID != 0 && slices.ContainsFunc(live, func(o *binding) bool {
			return o.RegID != 0 && o.Instance == b.Instance && o.turn > b.turn
		}) {
			continue
		}
		targets = append(targets, Target{URI: live[i].uri, Flow: b.way(), Binding: b.Binding})
	}
	return targets
}

// way is how to reach a binding.
func (b *binding) way() wire.Flow {
	flow := b.flow
	if flow.Proto.Reliable() && flow.Conn != 0 || len(b.Path) > 0 {
		return flow
	}
	if port := reach(&b.uri, flow.Remote.Addr()); port != 0 {
		flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), port)
	}
	return flow
}

// Bindings gives what is to be saved for a user. Not to be changed.
func (r *Registrar) Bindings(id plan.UserID) []pbx.Binding {
	u := r.users[id]
	if u == nil {
		return nil
	}
	list := make([]pbx.Binding, len(u.bindings))
	for i, b := range u.bindings {
		list[i] = b.Binding
	}
	return list
}

// Known tells whether a registered telephone's last REGISTER came from exactly there.
func (r *Registrar) Known(addr netip.AddrPort, proto wire.Proto) bool {
	return r.seen[endpoint{proto, addr}] > 0
}

// Phone is one line of the inventory. It has no number and no name.
type Phone struct {
	User      plan.UserID
	Agent     string // what the telephone says it is
	Proto     wire.Proto
	Addr      netip.Addr // that its REGISTER came from
	Since     time.Time  // registered without a gap; the start of the box at the earliest
	Refreshed time.Time
	Expires   time.Time
}

// Inventory gives all bindings, by user and then by age.
func (r *Registrar) Inventory() []Phone {
	var list []Phone
	for _, u := range r.users {
		for _, b := range u.bindings {
			list = append(list, Phone{User: u.id, Agent: b.Agent, Proto: b.flow.Proto, Addr: b.flow.Remote.Addr(),
				Since: b.since, Refreshed: b.refreshed, Expires: b.Expires})
		}
	}
	slices.SortStableFunc(list, func(a, b Phone) int {
		return cmp.Or(cmp.Compare(a.User, b.User), a.Since.Compare(b.Since))
	})
	return list
}

// Len counts bindings.
func (r *Registrar) Len() int {
	n := 0
	for _, u := range r.users {
		n += len(u.bindings)
	}
	return n
}

// Stats gives the counters.
func (r *Registrar) Stats() Stats { return r.stats }

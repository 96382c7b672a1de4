package registrar

import (
	"container/heap"
	"net/netip"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/wire"
)

// dueHeap orders users by when something of them ends.
type dueHeap []*user

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *dueHeap) Push(x any) {
	u := x.(*user)
	u.at = len(*h)
	*h = append(*h, u)
}
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	u := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	u.at = -1
	return u
}

// schedule puts u where its next end belongs. One without bindings stays until its last
// request need not be known again.
func (r *Registrar) schedule(u *user) {
	u.next = time.Time{}
	for _, b := range u.bindings {
		if u.next.IsZero() || b.Expires.Before(u.next) {
			u.next = b.Expires
		}
	}
	if n := len(u.repeats); len(u.bindings) == 0 && n > 0 {
		u.next = u.repeats[n-1].at.Add(repeatFor)
	}
	if u.at >= 0 {
		heap.Fix(&r.due, u.at)
	} else {
		heap.Push(&r.due, u)
	}
}

// Deadline is when Expire wants to be called; zero if never.
func (r *Registrar) Deadline() time.Time {
	if len(r.due) == 0 {
		return time.Time{}
	}
	return r.due[0].next
}

// Expire drops what has run out and names the users that lost bindings, to be saved.
func (r *Registrar) Expire(now time.Time) (changed []plan.UserID) {
	for len(r.due) > 0 && !r.due[0].next.After(now) {
		u := r.due[0]
		var live []*binding
		for _, b := range u.bindings {
			if b.Expires.After(now) {
				live = append(live, b)
				continue
			}
			r.count(b, -1)
			r.stats.Expired++
		}
		if len(live) != len(u.bindings) {
			changed = append(changed, u.id)
		}
		u.bindings = live
		if n := len(u.repeats); len(live) == 0 && (n == 0 || now.Sub(u.repeats[n-1].at) >= repeatFor) {
			heap.Pop(&r.due)
			delete(r.users, u.id)
			continue
		}
		r.schedule(u)
	}
	return changed
}

// Forget drops all of a user, who is gone from the plan or has another secret. It tells
// whether there was anything to save.
func (r *Registrar) Forget(id plan.UserID) (changed bool) {
	u := r.users[id]
	if u == nil {
		return false
	}
	for _, b := range u.bindings {
		r.count(b, -1)
	}
	heap.Remove(&r.due, u.at)
	delete(r.users, id)
	return len(u.bindings) > 0
}

// Closed tells that a connection is gone. The bindings that came by it stay until they
// run out: their telephone may be reached at the port that its contact names, or will
// register anew.
func (r *Registrar) Closed(conn uint64) {
	if conn == 0 || r.conns[conn] == 0 {
		return
	}
	for _, u := range r.users {
		for _, b := range u.bindings {
			if b.flow.Conn == conn {
				r.count(b, -1)
				b.flow.Conn = 0
				r.count(b, 1)
			}
		}
	}
}

// Restore takes in the bindings that were saved, after a restart. Connections are gone
// with it. What has run out, cannot be read or is beyond the bounds is left out, and
// counted as Unreadable unless it has only run out.
func (r *Registrar) Restore(saved []pbx.Binding, now time.Time) {
	for _, s := range saved {
		b := &binding{Binding: s, q: 1000, since: now, refreshed: now, saved: now}
		b.granted = min(s.Expires.Sub(now), r.cfg.MaxExpires)
		if b.granted <= 0 {
			continue
		}
		b.Expires = now.Add(b.granted)
		proto, ok := wire.ParseProto(s.Proto)
		remote, err := netip.ParseAddrPort(s.Remote)
		var fine bool
		if b.uri, fine = parseURI(s.Contact); !ok || err != nil || !fine {
			r.stats.Unreadable++
			continue
		}
		b.flow = wire.Flow{Proto: proto, Remote: remote}
		b.flow.Local, _ = netip.ParseAddrPort(s.Local) // none is no fault
		u := r.users[s.User]
		switch {
		case u == nil && len(r.users) >= r.cfg.MaxUsers, u != nil && len(u.bindings) >= r.cfg.MaxContacts:
			r.stats.Unreadable++
			continue
		case u == nil:
			u = &user{id: s.User, at: -1}
			r.users[s.User] = u
		}
		r.turn++
		b.turn = r.turn
		b.shown = show(b)
		u.bindings = append(u.bindings, b)
		r.count(b, 1)
		r.schedule(u)
	}
}

package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// LiveView is the exchange at one moment as a viewer may see it.
type LiveView struct {
	At    time.Time
	Ports []LivePort
	Calls []LiveCall
}

// LivePort is one port of the board. Without the right policy.SeeRecords Name is empty for a
// station and Call is 0, because two ports in the same call tell who talks to whom. Call is 0
// also of a call of which a party is withheld.
type LivePort struct {
	pbx.PortView          // port, kind, label, lamp, state in words, call
	Name         string   // of the user who has the port, or of the line, in the plan of today; empty if nobody has it
	Ext          plan.Ext // of that user
}

// LiveCall is one call that goes on. A party that is not to be kept is NotKept, with the line
// alone, but to who is in the call.
type LiveCall struct {
	ID        pbx.CallID
	From, To  PartyView
	Began     time.Time
	Answered  time.Time // zero while it rings
	Held      bool
	Emergency bool
}

// String gives the label and the state of the port.
func (p LivePort) String() string { return p.Label + " " + p.State }

// GoString is String, so that %#v shows no more than %v.
func (p LivePort) GoString() string { return p.String() }

// Watcher shows one viewer what goes on, snapshot after snapshot. It keeps nothing but
// who looks, and may be used by several goroutines. Whoever holds it makes sure that the
// viewer is still logged in.
type Watcher struct{ r Reader }

// Watch notes that the viewer begins to look at what goes on: one look, however often the
// view is drawn then. It returns [ErrNotAllowed], or an error if the look cannot be noted.
func (r *Reader) Watch(ctx context.Context) (*Watcher, error) {
	if !r.v.known() {
		return nil, ErrNotAllowed
	}
	if err := r.s.note(ctx, look{viewer: r.v, what: "live view", merge: r.v.often()}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	return &Watcher{*r}, nil
}

// Live is [Reader.Watch] and one [Watcher.View].
func (r *Reader) Live(ctx context.Context, snap *pbx.Snapshot) (LiveView, error) {
	w, err := r.Watch(ctx)
	if err != nil {
		return LiveView{}, err
	}
	return w.View(snap), nil
}

// View gives a snapshot as the viewer may see it, with the names of the plan of today.
// Parties are masked as those of records are, and what is not to be kept is withheld from
// all who are not in the call. Staff get their own ports and calls only, and these whole.
// It does no I/O; a nil snapshot is an empty view.
func (w *Watcher) View(snap *pbx.Snapshot) LiveView {
	if snap == nil {
		return LiveView{}
	}
	at, see, own := w.r.s.plan.Load(), w.r.s.sees(w.r.v), w.r.v.User
	ownAlone := w.r.v.Role == Staff
	v := LiveView{At: snap.At, Ports: make([]LivePort, 0, len(snap.Ports)), Calls: make([]LiveCall, 0, len(snap.Calls))}
	for i := range snap.Ports {
		p := LivePort{PortView: snap.Ports[i]}
		u := at.ports[p.Label]
		switch {
		case ownAlone && (u == nil || u.ID != own):
			continue
		case u != nil:
			p.Name, p.Ext = u.Name, u.Ext
		}
		if see.blind() {
			p.Name, p.Call = "", 0
		}
		if !ownAlone && withheld(snap, p.Call) {
			p.Call = 0
		}
		if u == nil {
			p.Name = at.lines[p.Label]
		}
		v.Ports = append(v.Ports, p)
	}
	for i := range snap.Calls {
		c := &snap.Calls[i]
		if ownAlone && (own == "" || c.From.User != own && c.To.User != own) {
			continue
		}
		v.Calls = append(v.Calls, LiveCall{
			ID: c.ID, From: see.live(&c.From, c.FromUnkept && !ownAlone, at), To: see.live(&c.To, c.ToUnkept && !ownAlone, at),
			Began: c.Began, Answered: c.Answered, Held: c.Held, Emergency: c.Emergency,
		})
	}
	return v
}

// withheld tells whether a party of the call id is not to be kept.
func withheld(snap *pbx.Snapshot, id pbx.CallID) bool {
	return slices.ContainsFunc(snap.Calls, func(c pbx.CallView) bool { return c.ID == id && (c.FromUnkept || c.ToUnkept) })
}

// live is mask for a party of a call that goes on, which may be withheld.
func (see sight) live(p *pbx.Party, withheld bool, at *planAt) PartyView {
	if withheld {
		p = &pbx.Party{Line: p.Line}
	}
	v := see.mask(p, at)
	if withheld && v.State == Nobody {
		v.State = NotKept
	}
	return v
}

package storage

import (
	"errors"
	"log/slog"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// State says what a viewer gets of a party.
type State uint8

const (
	Nobody   State = iota // the box never knew: withheld or absent
	Shown                 // in full
	Masked                // user in full, outside number by its last digits
	Hidden                // the role sees no party
	Erased                // the person was erased
	Unsealed              // the fields do not open: damaged
	Aged                  // kept as long as it was to be, and gone
	Cut                   // as Shown or Masked, but the last digits have aged and an ellipsis is in their place
	NotKept               // not to be kept: a protected line, or the caller asked for it
)

// PartyView is one end of a call as a viewer may see it. It logs and prints its state
// only.
type PartyView struct {
	State  State
	User   plan.UserID
	Name   string // of the user, in the plan of today
	Ext    plan.Ext
	Number string // digits, or masked
	Line   string // exchange line or trunk; shown to all

	Pseudonym string // of somebody erased: tells two of them apart, and nothing else
}

func (s State) String() string {
	return [...]string{"nobody", "shown", "masked", "hidden", "erased", "damaged", "aged", "aged digits", "not kept"}[s%9]
}

// String gives the state.
func (p PartyView) String() string { return p.State.String() }

// GoString is String, so that %#v shows no more than %v.
func (p PartyView) GoString() string { return p.String() }

// LogValue implements [slog.LogValuer].
func (p PartyView) LogValue() slog.Value { return slog.StringValue(p.String()) }

// RecordView is one call as a viewer may see it. Times are in UTC; see [pbx.Record].
type RecordView struct {
	ID           RecordID
	From, To     PartyView
	Direction    Direction
	Began        time.Time
	Rang, Talked time.Duration
	Outcome      pbx.Outcome
	Cause        pbx.Cause
	Held         bool
	Emergency    bool

	FromQuality, ToQuality *pbx.Quality // rounded: see FORMAT.md; they name nobody and are shown to all
}

// view opens one row. fits tells whether the viewer may know of the call at all and asks
// for it; ended is when the call was over, zero if the viewer may not know. The error is
// errAged for a call whose time is over.
func (f *finder) view(row row) (v RecordView, ended time.Time, fits bool, err error) {
	s, r := f.r.s, f.r
	parts, err := s.splitRecord(row)
	if err != nil {
		return v, ended, false, err
	}
	for _, subject := range f.subjects { // the list of subjects is proved by opening the first part
		if !parts.names(subject) {
			return v, ended, false, errRow // an index led here
		}
	}
	var c callJSON
	if err := s.openJSON(&parts, 0, &c); err != nil {
		return v, ended, false, err
	}
	ended = c.ended()
	if !f.q.fits(&c) {
		return v, ended, false, nil
	}
	v = RecordView{
		ID: idOf(row.key), Direction: c.direction(), Began: c.began(),
		Rang: time.Duration(c.Rang) * time.Millisecond, Talked: time.Duration(c.Talked) * time.Millisecond,
		Outcome: c.Outcome, Cause: c.Cause, Held: c.Held != 0, Emergency: c.Emergency != 0,
		FromQuality: (*pbx.Quality)(c.FromQuality), ToQuality: (*pbx.Quality)(c.ToQuality),
	}
	v.From = r.party(&parts, c.From, c.FromLine, c.Private != 0, f.at)
	v.To = r.party(&parts, c.To, c.ToLine, c.Private != 0, f.at)
	return v, ended, true, nil
}

// party opens one party and masks it.
func (r *Reader) party(parts *parts, i int, line string, private bool, at *planAt) PartyView {
	if i == 0 || r.v.Role == Installer {
		v := r.mask(&pbx.Party{Line: line}, at)
		if private && v.State == Nobody {
			v.State = NotKept
		}
		return v
	}
	p, cut, err := r.s.party(parts, i, line)
	switch {
	case errors.Is(err, errErased):
		v := PartyView{State: Aged, Line: line} // and with it all that was kept of the person
		if subject := parts.list[i].subject; r.s.wasErased(subject) {
			v.State, v.Pseudonym = Erased, subject.String()[:8]
		}
		return v
	case errors.Is(err, errAged):
		return PartyView{State: Aged, Line: line}
	case err != nil:
		r.s.unreadable.Add(1)
		return PartyView{State: Unsealed, Line: line}
	}
	v := r.mask(&p, at)
	if cut {
		v.Number = ellipsis
		if v.State == Shown {
			v.Number = p.Number.Reveal() + ellipsis
		}
		v.State = Cut
	}
	return v
}

// ellipsis stands for digits that are not shown.
const ellipsis = "…"

// mask gives a party as the viewer may see it: the choke point of every outlet.
func (r *Reader) mask(p *pbx.Party, at *planAt) PartyView {
	v := PartyView{Line: p.Line}
	switch {
	case r.v.Role < Owner || r.v.Role > Staff || r.v.Role == Installer:
		v.State = Hidden
		return v
	case p.User == "" && p.Ext == "" && p.Number.IsZero():
		return v
	}
	v.User, v.Name, v.Ext = p.User, at.nameOf(p.User), p.Ext
	switch r.v.Role {
	case Owner, Staff:
		v.State, v.Number = Shown, p.Number.Reveal()
	default:
		v.State, v.Number = Masked, p.Number.String()
		if p.User == "" {
			v.Ext = "" // was dialled, so it is a number
		}
	}
	return v
}

package storage

import (
	"errors"
	"log/slog"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
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
}

func (s State) String() string {
	return [...]string{"nobody", "shown", "masked", "hidden", "erased", "damaged"}[s%6]
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
// for it; ended is when the call was over, zero if the viewer may not know. own is the
// viewer's subject.
func (r *Reader) view(row row, own keyring.Subject, at *planAt, q *Query) (v RecordView, ended time.Time, fits bool, err error) {
	sections, err := splitRow(row.value)
	if err != nil {
		return v, ended, false, err
	}
	if r.v.Role == Staff { // the list of subjects is proved by opening the first section
		mine := false
		for _, sec := range sections[1:] {
			mine = mine || sec.subject == own
		}
		if !mine {
			return v, ended, false, nil
		}
	}
	var c callJSON
	if err := r.s.openSection(bucketRecords, row.key, 0, sections, &c); err != nil {
		return v, ended, false, err
	}
	ended = c.ended()
	if !q.fits(&c) {
		return v, ended, false, nil
	}
	v = RecordView{
		ID: idOf(row.key), Direction: c.direction(), Began: c.Began, Rang: c.Rang, Talked: c.Talked,
		Outcome: c.Outcome, Cause: c.Cause, Held: c.Held, Emergency: c.Emergency,
		FromQuality: (*pbx.Quality)(c.FromQuality), ToQuality: (*pbx.Quality)(c.ToQuality),
	}
	v.From = r.party(row.key, c.From, sections, c.FromLine, at)
	v.To = r.party(row.key, c.To, sections, c.ToLine, at)
	return v, ended, true, nil
}

// party opens one party and masks it.
func (r *Reader) party(key []byte, i int, sections []section, line string, at *planAt) PartyView {
	if i == 0 || r.v.Role == Installer {
		return r.mask(&pbx.Party{Line: line}, at)
	}
	p, err := r.s.party(key, i, sections, line)
	switch {
	case errors.Is(err, errErased):
		return PartyView{State: Erased, Line: line}
	case err != nil:
		r.s.unreadable.Add(1)
		return PartyView{State: Unsealed, Line: line}
	}
	return r.mask(&p, at)
}

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

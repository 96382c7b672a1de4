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
	Began        time.Time
	Rang, Talked time.Duration
	Outcome      pbx.Outcome
	Cause        pbx.Cause
	Held         bool
	Emergency    bool

	FromQuality, ToQuality *pbx.Quality // rounded: see FORMAT.md; they name nobody and are shown to all
}

// view opens one row. mine tells whether the viewer may know of the call at all; own is
// the viewer's subject.
func (r *Reader) view(row row, own keyring.Subject, names map[plan.UserID]string) (v RecordView, mine bool, err error) {
	sections, err := splitRow(row.value)
	if err != nil {
		return v, false, err
	}
	if r.v.Role == Staff { // the list of subjects is proved by opening the first section
		for _, sec := range sections[1:] {
			mine = mine || sec.subject == own
		}
		if !mine {
			return v, false, nil
		}
	}
	var c callJSON
	if err := r.s.openSection(bucketRecords, row.key, 0, sections, &c); err != nil {
		return v, false, err
	}
	v = RecordView{
		ID: idOf(row.key), Began: c.Began, Rang: c.Rang, Talked: c.Talked,
		Outcome: c.Outcome, Cause: c.Cause, Held: c.Held, Emergency: c.Emergency,
		FromQuality: (*pbx.Quality)(c.FromQuality), ToQuality: (*pbx.Quality)(c.ToQuality),
	}
	v.From = r.party(row.key, c.From, sections, c.FromLine, names)
	v.To = r.party(row.key, c.To, sections, c.ToLine, names)
	return v, true, nil
}

// party opens one party and masks it: the choke point of every outlet.
func (r *Reader) party(key []byte, i int, sections []section, line string, names map[plan.UserID]string) PartyView {
	v := PartyView{Line: line}
	if r.v.Role == Installer {
		v.State = Hidden
		return v
	}
	if i == 0 {
		return v
	}
	p, err := r.s.party(key, i, sections, line)
	switch {
	case errors.Is(err, errErased):
		v.State = Erased
		return v
	case err != nil:
		r.s.unreadable.Add(1)
		v.State = Unsealed
		return v
	}
	v.User, v.Name, v.Ext = p.User, names[p.User], p.Ext
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

func (r *Reader) names() map[plan.UserID]string {
	names := map[plan.UserID]string{}
	for _, u := range r.s.plan.Load().plan.Users {
		names[u.ID] = u.Name
	}
	return names
}

package storage

import (
	"errors"
	"log/slog"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/policy"
	"sotto/storage/seal"
)

// State says what a viewer gets of a party.
type State uint8

const (
	Nobody   State = iota // the box never knew: withheld or absent
	Shown                 // in full
	Masked                // user in full, outside number without its last digits
	Hidden                // the role sees no party, or no outside one
	Erased                // the person was erased
	Unsealed              // the fields do not open: damaged
	Aged                  // kept as long as it was to be, and gone
	Cut                   // as Shown or Masked, but the last digits have aged: nobody sees them any more
	NotKept               // not to be kept: a protected line, or the caller asked for it
)

// PartyView is one end of a call as a viewer may see it. It logs and prints its state
// only.
type PartyView struct {
	State  State
	User   plan.UserID
	Name   string // of the user, in the plan of today
	Ext    plan.Ext
	Number string // digits; without the last ones an ellipsis is in their place
	Line   string // exchange line or trunk; shown to all
	Place  string // where the telephone of the user stood, if that is kept; staff see their own

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
	Code         string // accounting code, by its name

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
	v = c.view(idOf(row.key))
	if r.s.sees(r.v).blind() {
		v.Code = ""
	}
	v.From = r.party(&parts, c.From, c.FromLine, c.Private != 0, f.at)
	v.To = r.party(&parts, c.To, c.ToLine, c.Private != 0, f.at)
	return v, ended, true, nil
}

// party opens the party of part i and masks it, unless a grant shows it whole; 0 is nobody.
func (r *Reader) party(parts *parts, i int, line string, private bool, at *planAt) PartyView {
	see := r.s.sees(r.v)
	if i == 0 || see.blind() {
		v := see.mask(&pbx.Party{Line: line}, at)
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
	if see.numbers == policy.Masked && r.s.shows(r.v, parts, i) {
		see.numbers = policy.Whole
	}
	v := see.mask(&p, at)
	if cut && v.State != Hidden {
		v.State, v.Number = Cut, cutNumber(p.Number.Reveal(), parts.list[i+1].data, see)
	}
	return v
}

// cutNumber gives what is left of a number, of which last is the sealed end that has aged, as
// somebody sees it: who sees fewer digits than are left sees no more for that.
func cutNumber(front string, last []byte, see sight) string {
	switch gone := len(last) - seal.PartOverhead; {
	case see.numbers == policy.None:
		return ""
	case see.numbers == policy.Masked && gone < see.cut:
		front = front[:max(len(front)-(see.cut-gone), 0)]
	}
	return front + ellipsis
}

// ellipsis stands for digits that are not shown.
const ellipsis = "…"

// sight is how much somebody sees of the parties of calls.
type sight struct {
	users   bool         // who in the office it was
	numbers policy.Sight // of outside numbers
	cut     int          // digits that are not seen of one that is masked
	own     plan.UserID  // of staff: where the telephones of others stood is not seen
}

// sees tells how much a viewer sees. Staff see nothing but their own calls, and these whole.
func (s *Store) sees(v Viewer) sight {
	p := s.policy()
	if v.Role == Staff && v.User != "" {
		return sight{true, policy.Whole, p.Cut, v.User}
	}
	return sight{p.May(v.Role, policy.SeeRecords), p.Sees(v.Role), p.Cut, ""}
}

// blind tells whether no party is seen at all.
func (see sight) blind() bool { return !see.users }

// mask gives a party as somebody sees it: the choke point of every outlet.
func (see sight) mask(p *pbx.Party, at *planAt) PartyView {
	v := PartyView{Line: p.Line}
	switch {
	case see.blind():
		v.State = Hidden
		return v
	case p.User == "" && p.Ext == "" && p.Number.IsZero():
		return v
	case p.User == "" && see.numbers == policy.None:
		v.State = Hidden
		return v
	}
	v.User, v.Name, v.Ext = p.User, at.nameOf(p.User), p.Ext
	if see.own == "" || see.own == p.User {
		v.Place = p.Place
	}
	switch see.numbers {
	case policy.Whole:
		v.State, v.Number = Shown, p.Number.Reveal()
	case policy.Masked:
		v.State, v.Number = Masked, maskNumber(p.Number.Reveal(), see.cut)
	default:
		v.State = Masked
	}
	if v.State == Masked && p.User == "" && p.Ext != "" {
		v.Ext, v.Number = "", ellipsis // was dialled, so it is a number
	}
	return v
}

// maskNumber gives a number with an ellipsis in place of its last digits, of cut or of all of a
// short one: it looks as one does whose last digits have aged, see splitNumber. No number gives
// nothing.
func maskNumber(n string, cut int) string {
	if n == "" {
		return ""
	}
	front, _ := splitNumber(n, cut)
	return front + ellipsis
}

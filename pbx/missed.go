package pbx

import (
	"slices"

	"sotto/pbx/plan"
)

// Who missed a call is noted while it rings, and forgotten when somebody answers.

// miss notes that c was for u, whose telephone rings, is busy or refuses: it is missed by u
// unless somebody answers. The telephone of a call to a user rings for that user, whosever
// it has become.
func (c *call) miss(u *plan.User) {
	id := c.to.User
	if id == "" && u != nil {
		id = u.ID
	}
	if id != "" && id != c.from.User && c.answered.IsZero() && !slices.Contains(c.missed, id) {
		c.missed = append(c.missed, id)
	}
}

// keepMissed takes out of r who does not learn of having missed c:
//
//   - everybody, where who is called is not kept;
//   - with the number or name of the caller in r, whoever alone would not have it there: a
//     protected user, and one who is only shown numbers;
//   - users whom the plan has no more.
func (s *Switch) keepMissed(c *call, r *Record, unkept bool) {
	if unkept {
		r.Missed = nil
		return
	}
	hidden := protected
	if c.from.User == "" {
		hidden = showsOnly
	}
	named := r.From != (Party{Line: r.From.Line})
	r.Missed = slices.DeleteFunc(r.Missed, func(id plan.UserID) bool {
		return s.left(Party{User: id}) || named && s.holds(c, id, hidden)
	})
}

package pbx

import (
	"slices"

	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// What is not to be kept of a call never gets into its record, and the snapshot says of it
// that it is not to be kept, so that nobody else is shown it while the call lasts. At the
// telephone that rings it is shown as any other.

// unkept tells which parties of c are not to be kept, as things stand:
//
//   - who is at the other end from a protected user, and who is called behind the
//     private-call prefix;
//   - the number of an outside caller, on a line or for a user that only shows it;
//   - a user whom the plan has no more: the record of an erased person would bring it back.
//
// A call that rang several users and that nobody answered is theirs only if what holds for
// one holds for all. The plan that the call began with and the present one count, whichever
// keeps less. An emergency call is kept but for users who are gone. It allocates nothing.
func (s *Switch) unkept(c *call) (from, to bool) {
	from, to = s.left(c.from), s.left(c.to)
	if !c.emergency {
		from = from || s.called(c, protected)
		if c.from.User == "" {
			from = from || s.called(c, showsOnly) || s.lineShowsOnly(c)
		}
		to = to || c.private || s.holds(c, c.from.User, protected)
	}
	return from, to
}

// keep takes out of r, the record of c, what is not to be kept.
func (s *Switch) keep(c *call, r *Record) {
	from, to := s.unkept(c)
	if from {
		r.From, r.FromQuality = Party{Line: r.From.Line}, nil
	}
	if to {
		r.To, r.Sent, r.ToQuality = Party{Line: r.To.Line}, number.Number{}, nil
	}
	r.Private = from || to
	s.keepMissed(c, r, to)
}

// called tells whether is holds for the user whom c is to, or for each who is rung until one
// answers. It is false for a call to the exchange.
func (s *Switch) called(c *call, is func(*plan.User) bool) bool {
	if c.to.User != "" {
		return s.holds(c, c.to.User, is)
	}
	for _, u := range c.rings {
		if !s.holds(c, u.ID, is) {
			return false
		}
	}
	return len(c.rings) > 0
}

func protected(u *plan.User) bool { return u.Protected }
func showsOnly(u *plan.User) bool { return u.Protected || u.ShowOnly }

// holds tells whether is holds for a user by either plan.
func (s *Switch) holds(c *call, id plan.UserID, is func(*plan.User) bool) bool {
	a, b := c.numbers.User(id), s.numbers.User(id)
	return a != nil && is(a) || b != nil && is(b)
}

// left tells whether p is a user whom the present plan has no more.
func (s *Switch) left(p Party) bool { return p.User != "" && s.numbers.User(p.User) == nil }

// lineShowsOnly tells whether c came in on a line whose callers are not kept.
func (s *Switch) lineShowsOnly(c *call) bool {
	is := func(x plan.Line) bool { return x.ShowOnly && x.Name == c.from.Line }
	return slices.ContainsFunc(c.numbers.Plan.Lines, is) || slices.ContainsFunc(s.numbers.Plan.Lines, is)
}

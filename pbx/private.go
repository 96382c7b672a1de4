package pbx

import (
	"slices"

	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// What is not to be kept of a call never gets into its record. While the call lasts it is
// shown as any other: at the telephone that rings and in the snapshot.

// keep takes out of r, the record of c, what is not to be kept:
//
//   - who is at the other end from a protected user, and who is called behind the
//     private-call prefix;
//   - the number of an outside caller, on a line or for a user that only shows it;
//   - a user whom the plan has no more: the record of an erased person would bring it back.
//
// A call that rang several users and that nobody answered is theirs only if what holds for
// one holds for all. The plan that the call began with and the present one count, whichever
// keeps less. An emergency call is kept but for users who are gone.
func (s *Switch) keep(c *call, r *Record) {
	from, to := s.left(c.from), s.left(c.to)
	if !c.emergency {
		called := c.calledBy()
		from = from || s.each(c, called, protected)
		if c.from.User == "" {
			from = from || s.each(c, called, showsOnly) || s.lineShowsOnly(c)
		}
		to = to || c.private || s.each(c, []plan.UserID{c.from.User}, protected)
	}
	if from {
		r.From, r.FromQuality = Party{Line: r.From.Line}, nil
	}
	if to {
		r.To, r.Sent, r.ToQuality = Party{Line: r.To.Line}, number.Number{}, nil
	}
	r.Private = from || to
	s.keepMissed(c, r, to)
}

// calledBy gives the users whom c is to, all who are rung until one answers, none for a call to the exchange.
func (c *call) calledBy() (l []plan.UserID) {
	if c.to.User != "" {
		return []plan.UserID{c.to.User}
	}
	for _, u := range c.rings {
		l = append(l, u.ID)
	}
	return l
}

func protected(u *plan.User) bool { return u.Protected }
func showsOnly(u *plan.User) bool { return u.Protected || u.ShowOnly }

// each tells whether is holds for each of users, by either plan. It is false for none.
func (s *Switch) each(c *call, users []plan.UserID, is func(*plan.User) bool) bool {
	for _, id := range users {
		if a, b := c.numbers.User(id), s.numbers.User(id); (a == nil || !is(a)) && (b == nil || !is(b)) {
			return false
		}
	}
	return len(users) > 0
}

// left tells whether p is a user whom the present plan has no more.
func (s *Switch) left(p Party) bool { return p.User != "" && s.numbers.User(p.User) == nil }

// lineShowsOnly tells whether c came in on a line whose callers are not kept.
func (s *Switch) lineShowsOnly(c *call) bool {
	is := func(x plan.Line) bool { return x.ShowOnly && x.Name == c.from.Line }
	return slices.ContainsFunc(c.numbers.Plan.Lines, is) || slices.ContainsFunc(s.numbers.Plan.Lines, is)
}

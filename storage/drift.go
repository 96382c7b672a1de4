package storage

import (
	"context"
	"strings"

	"sotto/storage/policy"
)

// What makes the box collect, keep or show more than before has a line of its own in the audit
// trail, beside that of the change and in the same transaction, so that nobody has to find
// it among others. It says what in words, without a name or a number.

// pendDrift has the next commit write that line, if d says that there is more. It is under wmu,
// as pend.
func (s *Store) pendDrift(v Viewer, d policy.Diff) {
	more := d.More()
	if len(more) == 0 {
		return
	}
	words := make([]string, len(more))
	for i, c := range more {
		words[i] = c.Text
	}
	s.pend(look{viewer: v, what: "collects more", rows: len(more), after: strings.Join(words, "; ")})
}

// pendPlanDrift is pendDrift for a change of the plan. While no settings were saved they follow
// the plan's country: then what that changes has its own line, too. The first plan is no drift.
func (s *Store) pendPlanDrift(v Viewer, old, next *planAt) {
	if old.rev == 0 {
		return
	}
	d := policy.CompareFacts(s.facts(old, next), s.facts(next, old))
	if s.settings.Load() == nil {
		preset := policy.Compare(old.preset, next.preset)
		if len(preset) > 0 {
			before, after := diffTexts(preset)
			s.pend(look{viewer: v, what: "privacy settings follow the country", rows: len(preset), before: before, after: after})
		}
		d = append(d, preset...)
	}
	s.pendDrift(v, d)
}

// facts counts in a plan what tells how much the box collects. Of whom and of what less is kept
// only those count that are in other as well, or all if that is nil: that one of them leaves
// or comes is no change for who stays.
func (s *Store) facts(at, other *planAt) policy.Facts {
	p := &at.plan
	f := policy.Facts{Users: len(p.Users), Lines: len(p.Lines), Codes: len(p.Codes), PrivatePrefix: p.PrivatePrefix != ""}
	for _, field := range p.Fields {
		f.Fields = append(f.Fields, string(field))
	}
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	for i := range p.Users {
		u := &p.Users[i]
		stays := other == nil || other.users[u.ID] != nil
		count(&f.SIP, u.SIP)
		count(&f.Protected, u.Protected && stays)
		count(&f.ShowOnlyUsers, u.ShowOnly && stays)
		count(&f.NoJournal, s.silent.has(u.ID) && stays)
	}
	for _, l := range p.Lines {
		stays := other == nil || other.lines[l.Port] != ""
		count(&f.ShowOnlyLines, l.ShowOnly && stays)
	}
	return f
}

// Facts tells in figures what the plan of now has the box collect. It needs the right
// [policy.SeePapers], else it is [ErrNotAllowed]. It holds no personal data, so no look is
// noted.
func (r *Reader) Facts(ctx context.Context) (policy.Facts, error) {
	if !r.s.may(r.v, policy.SeePapers) {
		return policy.Facts{}, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return policy.Facts{}, err
	}
	return r.s.facts(r.s.plan.Load(), nil), nil
}

package storage

import (
	"slices"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// planChange is the look that tells of a change of the plan, without a name or a number: what
// changes in words, and whom it is about. It is called when the users of both plans are known.
func (s *Store) planChange(v Viewer, old, next *plan.Plan) look {
	l := look{viewer: v, what: "change plan"}
	var words []string
	var users []plan.UserID
	for _, c := range plan.Diff(old, next) {
		words = append(words, c.String())
		for _, id := range c.Users {
			if !slices.Contains(users, id) {
				users = append(users, id)
			}
		}
	}
	l.rows, l.after = len(words), strings.Join(words, "; ")
	for _, id := range users {
		if subject, ok := s.ring.Lookup(keyring.User, string(id)); ok {
			l.about = append(l.about, subject)
		}
	}
	return l
}

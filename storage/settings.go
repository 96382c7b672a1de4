package storage

import "sotto/storage/policy"

// policy gives the settings of now: those that were saved, else the preset of the plan's
// country. They are not changed.
func (s *Store) policy() *policy.Settings {
	if p := s.settings.Load(); p != nil {
		return p
	}
	p := policy.Preset(s.plan.Load().plan.Country)
	return &p
}

// may tells whether a viewer's role has a right.
func (s *Store) may(v Viewer, right policy.Right) bool { return s.policy().May(v.Role, right) }

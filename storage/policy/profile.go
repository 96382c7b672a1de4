package policy

import (
	_ "embed"
	"slices"
)

// Roles gives all roles, the one that may do most first.
func Roles() []Role { return []Role{Owner, Admin, PrivacyOfficer, Installer, Staff} }

// RoleNamed gives the role that String calls so; false if there is none.
func RoleNamed(name string) (Role, bool) {
	for _, r := range Roles() {
		if r.String() == name {
			return r, true
		}
	}
	return 0, false
}

// Rights gives all rights there are.
func Rights() []Right {
	return []Right{SeeRecords, SeePlan, SeeAccounts, SeeAudit, SeePapers, ChangePlan, ChangePolicy, ChangeAccounts,
		AskUnmask, AgreeUnmask, EraseNumber, EraseUser, EraseAccount, Export}
}

// profile is what a role may see and do. No setting changes rights: an office that could take
// [ChangePolicy] from its owner would lock itself out.
type profile struct {
	Sight  Sight   `json:"sight"`
	Rights []Right `json:"rights"`
}

//go:embed profiles.json
var profilesJSON []byte

var profiles = func() (p [Staff + 1]profile) { // the zero Role has none
	var byName map[string]profile
	embedded("profiles.json", profilesJSON, &byName)
	for name, one := range byName {
		r, ok := RoleNamed(name)
		if !ok {
			panic("profiles.json: no role " + name)
		}
		p[r] = one
	}
	return p
}()

// May tells whether a role has a right. An unknown role has none.
func (s *Settings) May(r Role, right Right) bool {
	return r <= Staff && slices.Contains(profiles[r].Rights, right)
}

// Sees tells how a role sees the outside numbers in calls of others: as its profile has it, or
// narrower where Numbers says so, never wider. What is a viewer's own is seen whole by
// everybody and is not asked for here: of [Staff], whose calls are all own ones, it gives
// [None], and of an unknown role, too.
func (s *Settings) Sees(r Role) Sight {
	if r > Staff {
		return None
	}
	sight := profiles[r].Sight
	if n, ok := s.Numbers[r]; ok {
		sight = min(sight, n)
	}
	return sight
}

package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestProfiles is the whole table of who may do what; a line is a right, a column a role.
func TestProfiles(t *testing.T) {
	const table = `
	                  owner admin privacy-officer installer staff
	records           x     x     x               -         -
	plan              x     x     x               -         -
	accounts          x     -     -               -         -
	audit             x     -     x               -         -
	papers            x     x     x               -         -
	change-plan       x     x     -               -         -
	change-policy     x     x     -               -         -
	change-accounts   x     -     -               -         -
	ask-to-unmask     x     x     x               -         -
	agree-to-unmask   x     -     x               -         -
	erase-number      x     x     x               -         -
	erase-user        x     x     -               -         -
	erase-account     x     -     -               -         -
	export            x     x     x               -         -`
	lines := strings.Split(strings.TrimSpace(table), "\n")
	s := Preset("GB")
	var rights []Right
	for _, line := range lines[1:] {
		f := strings.Fields(line)
		right := Right(strings.ReplaceAll(f[0], "-", " "))
		rights = append(rights, right)
		for i, r := range Roles() {
			if got, want := s.May(r, right), f[1+i] == "x"; got != want {
				t.Errorf("%v may %s: %v, want %v", r, right, got, want)
			}
		}
	}
	if !slices.Equal(rights, Rights()) {
		t.Errorf("rights are %v, the table has %v", Rights(), rights)
	}
	for i, r := range Roles() {
		if strings.Fields(lines[0])[i] != strings.ReplaceAll(r.String(), " ", "-") {
			t.Errorf("column %d is not %v", i, r)
		}
	}
	for r, p := range profiles {
		for _, right := range p.Rights {
			if !slices.Contains(Rights(), right) {
				t.Errorf("%v has %q, which is no right", Role(r), right)
			}
		}
	}
}

func TestNobodyMayNothing(t *testing.T) {
	s := Preset("GB")
	s.Numbers = Sights{0: Whole, Staff + 1: Whole, 255: Whole}
	for _, r := range []Role{0, Staff + 1, 255} {
		for _, right := range append(Rights(), "", "x") {
			if s.May(r, right) {
				t.Errorf("role %d may %q", r, right)
			}
		}
		if got := s.Sees(r); got != None {
			t.Errorf("role %d sees %v", r, got)
		}
	}
	if s.May(Owner, "x") {
		t.Error("the owner has a right that there is none of")
	}
}

func TestSeesIsNeverWidened(t *testing.T) {
	want := map[Role]Sight{Owner: Whole, Admin: Masked, PrivacyOfficer: Masked, Installer: None, Staff: None}
	s := Preset("GB")
	for r, w := range want {
		if got := s.Sees(r); got != w {
			t.Errorf("%v sees %v, want %v", r, got, w)
		}
		for _, n := range []Sight{None, Masked, Whole, 9} { // also one that Validate refuses
			s := Preset("GB")
			s.Numbers = Sights{r: n}
			if got := s.Sees(r); got != min(n, w) {
				t.Errorf("%v, set to %v, sees %v", r, n, got)
			}
		}
	}
}

// TestOwnerIsNotLockedOut: whatever is set, somebody can set it back.
func TestOwnerIsNotLockedOut(t *testing.T) {
	s := Preset("GB")
	s.Numbers = Sights{Owner: None}
	if err := s.Validate(); err != nil || !s.May(Owner, ChangePolicy) || !s.May(Owner, ChangeAccounts) {
		t.Error("an owner who sees nothing cannot change it:", err)
	}
}

func TestSightInJSON(t *testing.T) {
	b, err := json.Marshal(Sights{Owner: Masked, PrivacyOfficer: None})
	if err != nil || string(b) != `{"owner":"masked","privacy officer":"none"}` {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := json.Marshal(Sights{Owner: 9}); err == nil {
		t.Error("a sight that there is none of has a name")
	}
	if got := Sight(9).String(); got != "unknown" {
		t.Error(got)
	}
	m := Sights{Admin: None}
	if err := json.Unmarshal([]byte(`{"owner":"whole"}`), &m); err != nil || len(m) != 1 || m[Owner] != Whole {
		t.Errorf("%v, %v: what was there before stays out of it", m, err)
	}
}

func TestRoleNamed(t *testing.T) {
	for _, r := range Roles() {
		if got, ok := RoleNamed(r.String()); !ok || got != r {
			t.Errorf("%v: %v, %v", r, got, ok)
		}
	}
	for _, s := range []string{"", "nobody", "Owner"} {
		if r, ok := RoleNamed(s); ok {
			t.Errorf("%q is %v", s, r)
		}
	}
}

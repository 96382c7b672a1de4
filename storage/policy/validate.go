package policy

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with settings, in words for an admin.
type Problem struct {
	Field string // where, as in the JSON of settings: "keep.records", "cut", "unmask.minutes", "numbers.admin"
	Text  string // "must be 1 to 9999 days"
}

// Problems is everything that is wrong with settings, as an error.
type Problems []Problem

func (p Problem) String() string { return p.Field + " " + p.Text }

func (l Problems) Error() string {
	s := make([]string, len(l))
	for i, p := range l {
		s[i] = p.String()
	}
	return strings.Join(s, "; ")
}

// MaxMinutes is how long an unmasked number is shown at most.
const MaxMinutes = 60

// Bounds gives the shortest and the longest term of a kind, in days; zeros for no kind.
//
// A deleted user's data has the bounds of other office telephone servers. A trace is for a
// fault of now. An audit trail shorter than a quarter could be let run out by who has
// something to hide in it.
func Bounds(k Kind) (least, most int) {
	switch k {
	case Digits, Records, Journal, Counts, Messages, Recordings:
		return 1, 9999
	case Removed:
		return 3, 9999
	case Traces:
		return 1, 14
	case Audit:
		return 90, 9999
	}
	return 0, 0
}

// ladder has the terms that cannot be longer than another one. Last digits are part of call
// records and of journals and fade before both: if they stayed longer their keys would outlive
// the rows, and a page that says "digits 30 days" of rows gone after 7 would say what is not so.
// Counts are what stays of call records. Journals and call records do not depend on each other.
var ladder = []struct {
	short, long Kind
	why         string
}{
	{Digits, Records, "must not be longer than call records are kept: they are part of them"},
	{Digits, Journal, "must not be longer than journals are kept: they are part of them"},
	{Records, Counts, "must not be longer than counts are kept: these are what stays of call records"},
}

// Validate gives nil or [Problems]: everything that is wrong.
func (s *Settings) Validate() error {
	var l Problems
	add := func(field, text string, args ...any) { l = append(l, Problem{field, fmt.Sprintf(text, args...)}) }
	if !isCode(s.Country) {
		add("country", "must be a country code, or empty for the general preset")
	}
	good := map[Kind]bool{}
	for _, k := range Kinds() {
		least, most := Bounds(k)
		if good[k] = s.Keep[k] >= least && s.Keep[k] <= most; !good[k] {
			add("keep."+string(k), "must be %d to %d days", least, most)
		}
	}
	for k := range s.Keep {
		if _, known := good[k]; !known {
			add("keep", "names a kind of data that there is none of")
			break
		}
	}
	for _, r := range ladder {
		if good[r.short] && good[r.long] && s.Keep[r.short] > s.Keep[r.long] {
			add("keep."+string(r.short), "%s", r.why)
		}
	}
	if s.Cut != 3 && s.Cut != 4 {
		add("cut", "must be 3 or 4 digits")
	}
	if s.Unmask.Minutes < 1 || s.Unmask.Minutes > MaxMinutes {
		add("unmask.minutes", "must be 1 to %d", MaxMinutes)
	}
	for _, r := range Roles() {
		switch n, ok := s.Numbers[r]; {
		case !ok:
		case n > Whole:
			add("numbers."+r.String(), "must be none, masked or whole")
		case n > profiles[r].Sight:
			add("numbers."+r.String(), "can only be narrower than what the role sees by its profile: %v", profiles[r].Sight)
		}
	}
	for r := range s.Numbers {
		if r < Owner || r > Staff {
			add("numbers", "names a role that there is none of")
			break
		}
	}
	if l == nil {
		return nil
	}
	return l
}

// isCode tells whether s may be a code of package country, which this package does not see.
func isCode(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(s) <= 8
}

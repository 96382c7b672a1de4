package plan

import (
	"fmt"
	"reflect"
	"slices"

	"sotto/pbx/country"
)

// Change is one way in which a plan differs from another, for the audit trail: counts and
// names of settings, and nothing that stands in the plan. Its texts hold no name, number,
// extension or address.
type Change struct {
	What   string   // "users added", "users made protected", "country"
	Count  int      // how many users, lines, rules, codes or numbers it is about; 0 for a setting of the office
	Before string   // of a setting: "off", "on", "none", "set" or the code of a country; else empty
	After  string   // the same of the later plan; equal to Before where only the value behind it changed
	Users  []UserID // of users: whom it is about, in the order of the plan they are in; those without an id are left out
}

// String gives the change in words: "users added: 2", "field place: off to on".
func (c Change) String() string {
	switch {
	case c.Before != "" && c.Before == c.After:
		return c.What + ": changed"
	case c.Before != "":
		return c.What + ": " + c.Before + " to " + c.After
	}
	return fmt.Sprintf("%s: %d", c.What, c.Count)
}

// Diff gives what changes from one plan to another, always in the same order, and nil when
// they are the same. Users are told apart by id, those without one by extension; lines, rules
// and codes by name. Neither plan need be valid.
func Diff(from, to *Plan) []Change {
	var d diff
	d.office(from, to)
	d.users(from, to)
	d.lines(from, to)
	listed(&d, "rules", from.Rules, to.Rules, func(r *Rule) string { return r.Name }, func(a, b *Rule) bool {
		x, y := *a, *b
		x.Lines, y.Lines = nil, nil
		return reflect.DeepEqual(x, y) && slices.Equal(a.Lines, b.Lines)
	})
	listed(&d, "accounting codes", from.Codes, to.Codes, func(c *Code) string { return c.Name }, func(a, b *Code) bool { return *a == *b })
	listed(&d, "emergency numbers", from.Emergency, to.Emergency, func(s *string) string { return *s }, func(*string, *string) bool { return true })
	return d
}

// diff collects changes.
type diff []Change

// setting notes a setting of the office that is told by before and after.
func (d *diff) setting(what string, changed bool, before, after string) {
	if changed {
		*d = append(*d, Change{What: what, Before: before, After: after})
	}
}

// count notes what is told by how many it is about, if it is about any.
func (d *diff) count(what string, n int, users []UserID) {
	if n > 0 {
		*d = append(*d, Change{What: what, Count: n, Users: users})
	}
}

func (d *diff) office(from, to *Plan) {
	for _, x := range []struct{ what, before, after string }{
		{"name of the office", from.Office, to.Office},
		{"prefix of accounting codes", from.CodePrefix, to.CodePrefix},
		{"digit for outside calls", from.OutsidePrefix, to.OutsidePrefix},
		{"prefix of private calls", from.PrivatePrefix, to.PrivatePrefix},
		{"area code", from.AreaCode, to.AreaCode},
	} {
		d.setting(x.what, x.before != x.after, isSet(x.before != ""), isSet(x.after != ""))
	}
	d.setting("country", from.Country != to.Country, landName(from.Country), landName(to.Country))
	d.setting("ringing time", from.RingSeconds != to.RingSeconds, isSet(from.RingSeconds != 0), isSet(to.RingSeconds != 0))
	for _, f := range Fields() {
		d.setting("field "+string(f), from.Keeps(f) != to.Keeps(f), onOff(from.Keeps(f)), onOff(to.Keeps(f)))
	}
}

func isSet(is bool) string {
	if is {
		return "set"
	}
	return "none"
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// landName gives the code of a country that there is, and nothing else that a plan may hold.
func landName(code string) string {
	if land, ok := country.Lookup(code); ok {
		return land.Code
	}
	return "none"
}

func (d *diff) lines(from, to *Plan) {
	name := func(l *Line) string { return l.Name }
	before := byKey(from.Lines, name)
	on, off := 0, 0
	for i := range to.Lines {
		x := &to.Lines[i]
		if old := before[x.Name]; old != nil && !old.ShowOnly && x.ShowOnly {
			on++
		} else if old != nil && old.ShowOnly && !x.ShowOnly {
			off++
		}
	}
	d.count("lines made to show numbers and keep none", on, nil)
	d.count("lines made to keep numbers again", off, nil)
	listed(d, "lines", from.Lines, to.Lines, name, func(a, b *Line) bool {
		x, y := *a, *b
		x.Rings, y.Rings = nil, nil
		x.ShowOnly, y.ShowOnly = false, false
		return reflect.DeepEqual(x, y) && slices.Equal(a.Rings, b.Rings)
	})
}

// userChanges is how a user may differ.
var userChanges = []struct {
	what string
	is   func(from, to *User) bool
}{
	{"users made protected", func(a, b *User) bool { return !a.Protected && b.Protected }},
	{"users no more protected", func(a, b *User) bool { return a.Protected && !b.Protected }},
	{"users made to see numbers and keep none", func(a, b *User) bool { return !a.ShowOnly && b.ShowOnly }},
	{"users made to keep numbers again", func(a, b *User) bool { return a.ShowOnly && !b.ShowOnly }},
	{"users given telephones on the network", func(a, b *User) bool { return !a.SIP && b.SIP }},
	{"users left without telephones on the network", func(a, b *User) bool { return a.SIP && !b.SIP }},
	{"users with another name", func(a, b *User) bool { return a.Name != b.Name }},
	{"users with another extension", func(a, b *User) bool { return a.Ext != b.Ext }},
	{"users with other ports", func(a, b *User) bool { return !slices.Equal(a.Ports, b.Ports) }},
	{"users with another place", func(a, b *User) bool { return a.Place != b.Place }},
	{"users with another department", func(a, b *User) bool { return a.Department != b.Department }},
	{"users with another e-mail address", func(a, b *User) bool { return a.Email != b.Email }},
	{"users with another mobile number", func(a, b *User) bool { return a.Mobile != b.Mobile }},
	{"users with another polarity on answer", func(a, b *User) bool { return a.ReverseOnAnswer != b.ReverseOnAnswer }},
}

// userKey tells users apart.
func userKey(u *User) string {
	if u.ID != "" {
		return "id " + string(u.ID)
	}
	return "ext " + string(u.Ext)
}

func (d *diff) users(from, to *Plan) {
	before, after := byKey(from.Users, userKey), byKey(to.Users, userKey)
	// those of list for whom is holds: how many, and who has an id
	of := func(list []User, is func(u *User) bool) (n int, ids []UserID) {
		for i := range list {
			if u := &list[i]; is(u) {
				if n++; u.ID != "" {
					ids = append(ids, u.ID)
				}
			}
		}
		return n, ids
	}
	n, ids := of(to.Users, func(u *User) bool { return before[userKey(u)] == nil })
	d.count("users added", n, ids)
	n, ids = of(from.Users, func(u *User) bool { return after[userKey(u)] == nil })
	d.count("users removed", n, ids)
	for _, c := range userChanges {
		n, ids = of(to.Users, func(u *User) bool { old := before[userKey(u)]; return old != nil && c.is(old, u) })
		d.count(c.what, n, ids)
	}
}

// byKey gives what list holds by what tells it apart.
func byKey[T any](list []T, key func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for i := range list {
		m[key(&list[i])] = &list[i]
	}
	return m
}

// listed notes how many of a list are added, removed and changed, or that just their order is
// another.
func listed[T any](d *diff, what string, from, to []T, key func(*T) string, same func(a, b *T) bool) {
	before, after := byKey(from, key), byKey(to, key)
	added, removed, changed := 0, 0, 0
	for i := range to {
		if old := before[key(&to[i])]; old == nil {
			added++
		} else if !same(old, &to[i]) {
			changed++
		}
	}
	for i := range from {
		if after[key(&from[i])] == nil {
			removed++
		}
	}
	d.count(what+" added", added, nil)
	d.count(what+" removed", removed, nil)
	d.count(what+" changed", changed, nil)
	if added+removed+changed == 0 && !slices.EqualFunc(from, to, func(a, b T) bool { return key(&a) == key(&b) }) {
		d.count(what+" in another order", len(to), nil)
	}
}

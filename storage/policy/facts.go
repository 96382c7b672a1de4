package policy

import (
	"fmt"
	"slices"
)

// Facts is what a plan says about how much the box collects, in figures alone. The caller
// counts them; what this box can do at all (Voicemail, Recording, Traces) is among them.
type Facts struct {
	Fields        []string `json:"fields,omitempty"`          // kept of users beside name and extension: "place", "department", "email", "mobile"
	Users         int      `json:"users"`                     // there are
	SIP           int      `json:"sip,omitempty"`             // users for whom telephones on the network may register
	Protected     int      `json:"protected,omitempty"`       // users whose other party is never kept
	ShowOnlyUsers int      `json:"show_only_users,omitempty"` // to whom numbers are shown and not kept
	NoJournal     int      `json:"no_journal,omitempty"`      // users whose journal is off
	Lines         int      `json:"lines"`                     // exchange lines
	ShowOnlyLines int      `json:"show_only_lines,omitempty"` // on which numbers are shown and not kept
	Codes         int      `json:"codes,omitempty"`           // accounting codes
	PrivatePrefix bool     `json:"private_prefix,omitempty"`  // a caller can have a call not kept
	Voicemail     bool     `json:"voicemail,omitempty"`       // the box takes messages
	Recording     bool     `json:"recording,omitempty"`       // the box records calls
	Traces        bool     `json:"traces,omitempty"`          // the box can write diagnostic traces
}

var fieldNames = map[string]string{
	"place": "The place of users' telephones", "department": "The department of users",
	"email": "The e-mail address of users", "mobile": "The mobile number of users",
}

// CompareFacts tells in what a plan collects more or less than the one before. It goes by
// figures: that one protected user leaves and that another loses the protection look the same,
// unless the caller counts those alone who are in both. How many users and lines there are is no
// change of this kind.
func CompareFacts(old, new Facts) Diff {
	var d Diff
	var fields []string
	fields = append(append(fields, old.Fields...), new.Fields...)
	slices.Sort(fields)
	for _, f := range slices.Compact(fields) {
		was, is := slices.Contains(old.Fields, f), slices.Contains(new.Fields, f)
		name := fieldNames[f]
		if name == "" { // what a caller made up is not repeated
			f, name = "other", "Something else about users"
		}
		d.flag("plan.fields."+f, was, is, More, name+" can be kept", name+" is no longer kept")
	}
	d.flag("plan.sip", old.SIP > 0, new.SIP > 0, More,
		"Telephones on the network can register, and their addresses are kept", "No telephone on the network can register any more")
	for _, n := range []struct {
		field    string
		old, new int
		on, off  string
	}{
		{"protected", old.Protected, new.Protected, "Users now protected", "Users no longer protected"},
		{"show_only_users", old.ShowOnlyUsers, new.ShowOnlyUsers, "Users to whom numbers are now shown and not kept", "Users whose callers' numbers are kept again"},
		{"show_only_lines", old.ShowOnlyLines, new.ShowOnlyLines, "Lines on which callers' numbers are now shown and not kept", "Lines on which callers' numbers are kept again"},
		{"no_journal", old.NoJournal, new.NoJournal, "Users whose journal is now off", "Users whose journal is on again"},
	} {
		words, more := n.on, n.new-n.old
		if more < 0 {
			words, more = n.off, -more
		}
		d.number("plan."+n.field, n.old, n.new, Less, fmt.Sprintf("%s: %d", words, more))
	}
	d.flag("plan.codes", old.Codes > 0, new.Codes > 0, More,
		"Calls can be dialled with accounting codes, which call records keep", "No call has an accounting code any more")
	d.flag("plan.private_prefix", old.PrivatePrefix, new.PrivatePrefix, Less,
		"A caller can dial a prefix so that who is called is not kept", "No caller can dial a prefix any more so that who is called is not kept")
	d.flag("plan.voicemail", old.Voicemail, new.Voicemail, More, "Voice messages are taken", "Voice messages are no longer taken")
	d.flag("plan.recording", old.Recording, new.Recording, More, "Calls can be recorded", "Calls can no longer be recorded")
	d.flag("plan.traces", old.Traces, new.Traces, More, "Diagnostic traces can be written", "Diagnostic traces can no longer be written")
	return d
}

package policy

import (
	"fmt"
	"strconv"
)

// Way says which way a change goes for the persons concerned.
type Way uint8

const (
	Neither Way = iota // says nothing about persons
	More               // the box collects, keeps or shows more than before
	Less               // it collects, keeps or shows less
)

// Change is one difference between two settings or two plans. It holds no personal data, so it
// may be logged and may stand in the audit trail.
type Change struct {
	Field    string // as of a [Problem]; of facts as in the JSON of [Facts], after "plan.": "plan.fields.email"
	Way      Way
	Old, New string // "30" and "60", "masked" and "whole", "yes" and "no"
	Text     string // "Call records are kept 60 days instead of 30"
}

func (c Change) String() string { return c.Text }

// Diff is all that differs.
type Diff []Change

// More gives the changes by which the box collects, keeps or shows more: what is told as drift.
func (d Diff) More() []Change { return d.way(More) }

// Less gives the changes by which it collects, keeps or shows less. A shorter audit trail is
// among them: less is kept of who looked, and so less can be proved.
func (d Diff) Less() []Change { return d.way(Less) }

func (d Diff) way(w Way) (l []Change) {
	for _, c := range d {
		if c.Way == w {
			l = append(l, c)
		}
	}
	return l
}

// number adds a figure that differs; rises says which way more of it goes.
func (d *Diff) number(field string, old, new int, rises Way, text string) {
	if old == new {
		return
	}
	if new < old {
		rises = rises.back()
	}
	*d = append(*d, Change{field, rises, strconv.Itoa(old), strconv.Itoa(new), text})
}

// flag adds a switch that differs; on says which way it goes when it is on.
func (d *Diff) flag(field string, old, new bool, on Way, textOn, textOff string) {
	switch {
	case old == new:
	case new:
		*d = append(*d, Change{field, on, "no", "yes", textOn})
	default:
		*d = append(*d, Change{field, on.back(), "yes", "no", textOff})
	}
}

func (w Way) back() Way {
	switch w {
	case More:
		return Less
	case Less:
		return More
	}
	return w
}

// kept says in words what a kind is.
var kept = map[Kind]string{
	Digits: "The last digits of outside numbers are", Records: "Call records are", Journal: "Entries of journals are",
	Counts: "Counts of calls are", Messages: "Voice messages are", Recordings: "Recordings of calls are",
	Removed: "The data of deleted users is", Traces: "Diagnostic traces are", Audit: "The audit trail is",
}

// Compare tells in what new differs from old. Both are valid.
func Compare(old, new Settings) Diff {
	var d Diff
	if old.Country != new.Country {
		d = append(d, Change{"country", Neither, old.Country, new.Country,
			fmt.Sprintf("The settings go by the preset of %s instead of %s", land(new.Country), land(old.Country))})
	}
	for _, k := range Kinds() {
		d.number("keep."+string(k), old.Keep[k], new.Keep[k], More,
			fmt.Sprintf("%s kept %s instead of %d", kept[k], count(new.Keep[k], "day"), old.Keep[k]))
	}
	d.number("cut", old.Cut, new.Cut, Less, fmt.Sprintf("Masked numbers are without their last %d digits instead of %d", new.Cut, old.Cut))
	for _, r := range []struct {
		field    string
		old, new bool
		calls    string
	}{
		{"internal", old.Record.Internal, new.Record.Internal, "Calls between users"},
		{"incoming", old.Record.Incoming, new.Record.Incoming, "Calls that come in"},
		{"outgoing", old.Record.Outgoing, new.Record.Outgoing, "Calls that go out"},
		{"failed", old.Record.Failed, new.Record.Failed, "Calls that nobody answered or that failed"},
	} {
		d.flag("record."+r.field, r.old, r.new, More, r.calls+" make a call record", r.calls+" no longer make a call record")
	}
	d.number("unmask.minutes", old.Unmask.Minutes, new.Unmask.Minutes, More,
		fmt.Sprintf("An unmasked number is shown %s instead of %d", count(new.Unmask.Minutes, "minute"), old.Unmask.Minutes))
	d.flag("unmask.second", old.Unmask.Second, new.Unmask.Second, Less,
		"To unmask a number a second person must agree", "To unmask a number nobody else needs to agree")
	for _, r := range Roles() {
		was, is := old.Sees(r), new.Sees(r)
		d.number("numbers."+r.String(), int(was), int(is), More, "")
		if was != is {
			c := &d[len(d)-1]
			c.Old, c.New = was.String(), is.String()
			c.Text = fmt.Sprintf("The role %v sees outside numbers of others %s instead of %s", r, seen[is], seen[was])
		}
	}
	return d
}

var seen = [...]string{None: "not at all", Masked: "masked", Whole: "whole"}

func land(code string) string {
	if code == "" {
		return "no country"
	}
	return code
}

// count gives "1 day", "2 days".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

package usercsv

import (
	"slices"
	"strings"

	"sotto/pbx/plan"
)

// column is something about a user that a table may hold.
type column struct {
	name  string   // in reports
	words []string // in the first row, beside the name: without spaces, dashes, dots and underscores, in small letters
	field plan.Field

	get func(u *plan.User) string
	set func(u *plan.User, s string) (mistake string)
}

const (
	colID   = "id"
	colName = "name"
	colExt  = "extension"
)

// columns are all there are, in the order in which a report names them.
var columns = []column{
	{name: colID, words: []string{"kennung"}, get: func(u *plan.User) string { return string(u.ID) }, set: func(*plan.User, string) string { return "" }},
	{name: colName, get: func(u *plan.User) string { return u.Name }, set: func(u *plan.User, s string) string { u.Name = s; return "" }},
	{name: colExt, words: []string{"ext", "nebenstelle", "durchwahl"}, get: func(u *plan.User) string { return string(u.Ext) }, set: func(u *plan.User, s string) string { u.Ext = plan.Ext(s); return "" }},
	{name: "ports", words: []string{"port", "anschluss", "anschluß", "anschlüsse", "anschluesse"}, get: func(u *plan.User) string { return strings.Join(u.Ports, "|") }, set: setPorts},
	flag("sip", func(u *plan.User) *bool { return &u.SIP }, "netz", "ip"),
	field(plan.Place, "ort", "raum", "standort", "room", "location"),
	field(plan.Department, "abteilung"),
	field(plan.Email, "emailadresse", "emailaddress", "mail"),
	field(plan.Mobile, "mobil", "handy", "mobilnummer", "mobiltelefon", "mobilephone"),
	flag("protected", func(u *plan.User) *bool { return &u.Protected }, "geschützt", "geschuetzt"),
	flag("show only", func(u *plan.User) *bool { return &u.ShowOnly }, "nuranzeigen"),
	flag("reverse on answer", func(u *plan.User) *bool { return &u.ReverseOnAnswer }, "umpolung", "umpolen"),
}

func field(f plan.Field, words ...string) column {
	return column{name: string(f), words: words, field: f,
		get: func(u *plan.User) string { return u.Field(f) },
		set: func(u *plan.User, s string) string { u.SetField(f, s); return "" }}
}

// flag is a column of yes and no.
func flag(name string, at func(u *plan.User) *bool, words ...string) column {
	return column{name: name, words: words,
		get: func(u *plan.User) string {
			if *at(u) {
				return "yes"
			}
			return ""
		},
		set: func(u *plan.User, s string) string {
			s = strings.ToLower(s)
			switch {
			case s == "" || slices.Contains(noes, s):
				*at(u) = false
			case slices.Contains(yeses, s):
				*at(u) = true
			default:
				return "must be yes or no"
			}
			return ""
		}}
}

var (
	yeses = []string{"yes", "y", "ja", "j", "true", "wahr", "1", "x", "on", "ein"}
	noes  = []string{"no", "n", "nein", "false", "falsch", "0", "-", "off", "aus"}
)

// maxPorts bounds the list in one cell: no box has more.
const maxPorts = 128

func setPorts(u *plan.User, s string) string {
	u.Ports = nil
	for label := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' || r == '|' || r == '\n' }) {
		if label = strings.TrimSpace(label); label == "" {
			continue
		}
		if len(u.Ports) == maxPorts {
			return "has more ports than there are"
		}
		u.Ports = append(u.Ports, label)
	}
	return ""
}

// plain gives the name of a column as words have it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00a0-_.", r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// header says which column each cell of the first row names, nil for an empty one.
func header(cells []string) ([]*column, error) {
	cols := make([]*column, len(cells))
	for i, s := range cells {
		if s == "" {
			continue
		}
		k := slices.IndexFunc(columns, func(c column) bool { return plain(c.name) == plain(s) || slices.Contains(c.words, plain(s)) })
		if k < 0 {
			return nil, bad("column %d has a name that is not known: known are %s", i+1, names())
		}
		if slices.Contains(cols, &columns[k]) {
			return nil, bad("column %d is the second one of the %s", i+1, columns[k].name)
		}
		cols[i] = &columns[k]
	}
	for _, need := range []string{colName, colExt} {
		if !slices.ContainsFunc(cols, func(c *column) bool { return c != nil && c.name == need }) {
			return nil, bad("the first row names no column %q: known are %s", need, names())
		}
	}
	return cols, nil
}

func names() string {
	l := make([]string, len(columns))
	for i := range columns {
		l[i] = columns[i].name
	}
	return strings.Join(l, ", ")
}

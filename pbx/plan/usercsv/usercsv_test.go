package usercsv

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sotto/pbx/plan"
)

// office gives a plan with three users, two lines and all fields but the mobile number.
func office() plan.Plan {
	return plan.Plan{Office: "Office", Country: "DE", OutsidePrefix: "0", Fields: []plan.Field{plan.Place, plan.Department, plan.Email},
		Users: []plan.User{
			{ID: "a", Name: "Anna", Ext: "201", Ports: []string{"FXS 1", "FXS 2"}, Place: "Cellar"},
			{ID: "b", Name: "Boris", Ext: "202", SIP: true, Protected: true},
			{ID: "c", Name: "Carla", Ext: "203", ShowOnly: true, ReverseOnAnswer: true},
		},
		Lines: []plan.Line{{Name: "Amt 1", Port: "FXO 1", Rings: []plan.Ext{"201", "203"}}, {Name: "Amt 2", Port: "FXO 2"}},
	}
}

// rows gives a report, a line for each row, with what else is wrong and who goes.
func rows(r *Report) string {
	var l []string
	for _, x := range r.Rows {
		s := fmt.Sprintf("%d %s", x.Number, x.Outcome)
		if x.User != "" {
			s += " " + string(x.User)
		}
		if len(x.Fields) > 0 {
			s += ": " + strings.Join(x.Fields, ", ")
		}
		for _, m := range x.Mistakes {
			s += "; " + m.Column + " " + m.Text
		}
		l = append(l, s)
	}
	for _, s := range r.Other {
		l = append(l, "other: "+s)
	}
	if len(r.Removed) > 0 {
		l = append(l, fmt.Sprint("removed ", r.Removed))
	}
	return strings.Join(l, "\n")
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, table, want string
		plan              func(p *plan.Plan) // what comes of office; nil: it stays as it is
	}{
		{"same", "name,extension\nAnna,201\nBoris,202", "2 same a\n3 same b", func(p *plan.Plan) {}},
		{"changed", "name,extension,place\nAnne,201,\nBoris,202,Roof\n", "2 changed a: name, place\n3 changed b: place", func(p *plan.Plan) {
			p.Users[0].Name, p.Users[0].Place, p.Users[1].Place = "Anne", "", "Roof"
		}},
		{"added", "Name;Nebenstelle;Anschlüsse;SIP;E-Mail;Geschützt;Nur anzeigen;Umpolung\r\nDora;204;FXS 3 | FXS 4;ja;dora@example.org;Nein;x;1\r\n", "2 added", func(p *plan.Plan) {
			p.Users = append(p.Users, plan.User{Name: "Dora", Ext: "204", Ports: []string{"FXS 3", "FXS 4"}, SIP: true, Email: "dora@example.org", ShowOnly: true, ReverseOnAnswer: true})
		}},
		{"every column, in English", "ID\tNAME\tExtension\tPorts\tSIP\tPlace\tDepartment\tEmail\tMobile\tProtected\tShow only\tReverse on answer\na\tAnna\t201\t\"FXS 1,FXS 2\"\tno\tCellar\t\t\t\tno\t\t\n", "2 same a", func(p *plan.Plan) {}},
		{"byte order mark, sep, quotes and blank lines", "\ufeffsep=;\r\nName;Durchwahl;Abteilung\r\n\r\n\"Anna\";201;\"\"\r\n;;\r\n\"Bo\"\"ris\";202;\"a;b\"\r\n", "3 same a\n5 changed b: name, department", func(p *plan.Plan) {
			p.Users[1].Name, p.Users[1].Department = `Bo"ris`, "a;b"
		}},
		{"apostrophes", "name,extension,department\n\"'=1+1\",'201,'-\n't Hart,'202,''t Hart\n'＝1,203,'\n", "2 changed a: name, department\n3 changed b: name, department\n4 changed c: name, department", func(p *plan.Plan) {
			p.Users[0].Name, p.Users[0].Department, p.Users[1].Name, p.Users[1].Department = "=1+1", "-", "'t Hart", "'t Hart"
			p.Users[2].Name, p.Users[2].Department = "＝1", "'"
		}},
		{"spaces", " Name , Extension \n Anna , 201 \n", "2 same a", func(p *plan.Plan) {}},
		{"by id, extensions swapped", "id,name,extension\na,Anna,202\nb,Boris,201\n", "2 changed a: extension\n3 changed b: extension", func(p *plan.Plan) {
			p.Users[0].Ext, p.Users[1].Ext, p.Lines[0].Rings = "202", "201", []plan.Ext{"202", "203"}
		}},
		{"by id, and one new without", "id;name;extension\na;Anna;205\n;Dora;201\n", "2 changed a: extension\n3 added", func(p *plan.Plan) {
			p.Users[0].Ext, p.Lines[0].Rings = "205", []plan.Ext{"205", "203"}
			p.Users = append(p.Users, plan.User{Name: "Dora", Ext: "201"})
		}},
		{"a port changes hands", "name,extension,ports\nAnna,201,FXS 1\nBoris,202,FXS 2\n", "2 changed a: ports\n3 changed b: ports", func(p *plan.Plan) {
			p.Users[0].Ports, p.Users[1].Ports = []string{"FXS 1"}, []string{"FXS 2"}
		}},
		{"flags go with empty cells", "name,extension,protected,show only,sip\nBoris,202,,,\nCarla,203,nein,-,0\n", "2 changed b: protected, sip\n3 changed c: show only", func(p *plan.Plan) {
			p.Users[1].SIP, p.Users[1].Protected, p.Users[2].ShowOnly = false, false, false
		}},

		{"no name", "name,extension\n,201\n", "2 wrong a; name is missing or empty", nil},
		{"one row of two is wrong", "name,extension\nAnne,201\nDora,112\n", "2 changed a: name\n3 wrong; extension is an emergency number or begins with one, so it could never be reached", nil},
		{"twice", "name,extension\nAnna,201\nAnne,201\n", "2 same a\n3 wrong a; extension is of the same user as row 2", nil},
		{"two new with one extension", "name,extension\nDora,204\nEmil,204\n", "2 added\n3 wrong; extension is also the extension of row 2", nil},
		{"extension of another", "id,name,extension\na,Anna,202\n", "2 wrong a; extension is also the extension of a user who is in no row", nil},
		{"unknown id", "id,name,extension\nx,Anna,204\n", "2 wrong; id is not the id of a user: leave it empty for one who is to be added", nil},
		{"port of another", "name,extension,ports\nDora,204,FXS 2\n", "2 wrong; ports this port is also that of a user who is in no row", nil},
		{"no port", "name,extension,ports\nDora,204,Anna\n", "2 wrong; ports must be the name of a port as it stands on the box, such as FXS 1 or FXO 1", nil},
		{"neither yes nor no", "name,extension,sip,protected\nDora,204,perhaps,nie\n", "2 wrong; sip must be yes or no; protected must be yes or no", nil},
		{"bad address", "name,extension,email\nDora,204,dora\n", "2 wrong; email must be an e-mail address, as name@example.org", nil},
		{"field that is off", "name,extension,mobile\nAnna,201,\nDora,204,0170 1234567\n", "2 same a\n3 wrong; mobile is not kept by this office: switch the field on in the plan first, or empty the column", nil},
		{"field that is off and empty", "name,extension,mobile\nAnna,201,\n", "2 same a", func(p *plan.Plan) {}},
		{"too few cells", "name,extension,place\nAnna,201\n", "2 wrong a;  has 2 cells, and the first row 3", nil},
		{"too many cells", "name,extension\nAnna,201,x,y\n", "2 wrong a;  cell 3 stands in a column without a name", nil},
		{"empty columns", "name,,extension,\nAnna,,201,\n", "2 same a", func(p *plan.Plan) {}},
		{"control character", "name,extension\n\"An\u202ena\",201\n", "2 wrong a; name holds a control character, which cannot be seen", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := office()
			got, r, err := Read(strings.NewReader(c.table), p, Options{})
			want := office()
			if c.plan != nil {
				c.plan(&want)
			}
			if err != nil || rows(&r) != c.want || r.OK() != (c.plan != nil) {
				t.Errorf("%v:\n%s\nwant:\n%s", err, rows(&r), c.want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the plan is\n%+v\nwant\n%+v", got, want)
			}
			if !reflect.DeepEqual(p, office()) {
				t.Error("the plan that was given has changed")
			}
		})
	}
}

func TestRemoveOthers(t *testing.T) {
	for _, c := range []struct {
		table, want string
		users       []plan.UserID // nil: the plan stays
		rings       []plan.Ext
	}{
		{"name,extension\nAnna,201\n", "2 same a\nremoved [b c]", []plan.UserID{"a"}, []plan.Ext{"201"}},
		{"name,extension\nDora,204\nCarla,203\n", "2 added\n3 same c\nremoved [a b]", []plan.UserID{"c", ""}, []plan.Ext{"203"}},
		{"id,name,extension\nb,Boris,201\na,Anna,202\n", "2 changed b: extension\n3 changed a: extension\nremoved [c]", []plan.UserID{"a", "b"}, []plan.Ext{"202"}},
		{"id,name,extension\nb,Boris,203\na,Anna,201\n", "2 changed b: extension\n3 same a\nremoved [c]", []plan.UserID{"a", "b"}, []plan.Ext{"201"}}, // an extension of who goes
		{"name,extension\nBoris,202\n", "2 same b\nother: lines[0].rings: all users whom the line rings would be removed, and it would ring everybody: say first whom it is to ring\nremoved [a c]", nil, nil},
		{"name,extension\nAnna,201\n,204\n", "2 same a\n3 wrong; name is missing or empty\nremoved [b c]", nil, nil},
		{"name,extension\nAnna,201\nDora,202\nEmil,203\n", "2 same a\n3 changed b: name\n4 changed c: name", []plan.UserID{"a", "b", "c"}, []plan.Ext{"201", "203"}},
	} {
		p := office()
		got, r, err := Read(strings.NewReader(c.table), p, Options{RemoveOthers: true})
		if err != nil || rows(&r) != c.want || r.OK() != (c.users != nil) {
			t.Errorf("%v:\n%s\nwant:\n%s", err, rows(&r), c.want)
		}
		if c.users == nil {
			if !reflect.DeepEqual(got, office()) {
				t.Errorf("half done: %+v", got)
			}
			continue
		}
		var ids []plan.UserID
		for _, u := range got.Users {
			ids = append(ids, u.ID)
		}
		if !slices.Equal(ids, c.users) || !slices.Equal(got.Lines[0].Rings, c.rings) || got.Lines[1].Rings != nil {
			t.Errorf("%q, rung are %q", ids, got.Lines[0].Rings)
		}
		if !reflect.DeepEqual(p, office()) {
			t.Error("the plan that was given has changed")
		}
	}
}

func TestNoTable(t *testing.T) {
	const known = "id, name, extension, ports, sip, place, department, email, mobile, protected, show only, reverse on answer"
	long := strings.Repeat("Dora,", 400)
	for _, c := range []struct{ table, want string }{
		{"", "it is empty"},
		{"\ufeff\r\n;\r\n ; \r\n", "it is empty"},
		{"sep=,", "it is empty"},
		{"name,extension\n\n", "it has no row of a user"},
		{"Anna,201\n", "column 1 has a name that is not known: known are " + known},
		{"name;extension,place\nAnna;201;x\n", "column 1 has a name that is not known: known are " + known},
		{"name,ports\nAnna,FXS 1\n", `the first row names no column "extension": known are ` + known},
		{"extension,Ort\n201,x\n", `the first row names no column "name": known are ` + known},
		{"name,extension,Ext\nAnna,201,202\n", "column 3 is the second one of the extension"},
		{"name,extension\nAn\"na,201\n", "line 2: a double quote stands where it does not belong, or one is missing"},
		{"name,extension\nAnna,201\n\"Boris,202\n", "line 3: a double quote stands where it does not belong, or one is missing"},
		{"name,extension\nAnna\x00,201\n", `it is not UTF-8 text, it looks like UTF-16 ("Unicode"): save it as "CSV UTF-8"`},
		{"\xff\xfen\x00", `it is not UTF-8 text, it looks like UTF-16 ("Unicode"): save it as "CSV UTF-8"`},
		{"name,extension\nJ\xfcrgen,201\n", `line 2: a letter is not UTF-8 ("ANSI" or Latin-1?): save it as "CSV UTF-8"`},
		{"name,extension\n" + strings.Repeat("x", MaxCell+1) + ",201\n", "row 2: a cell is larger than 64 KiB"},
		{"name,extension\n" + strings.Repeat("x,1\n", MaxRows+1), "it has more than 2000 rows"},
		{strings.Repeat(" ", MaxSize+1), "it is larger than 1 MiB"},
		{long + "\n", "column 1 has a name that is not known: known are " + known},
	} {
		p, r, err := Read(strings.NewReader(c.table), office(), Options{RemoveOthers: true})
		if !errors.Is(err, ErrTable) || err.Error() != "not a table of users: "+c.want || !reflect.DeepEqual(p, office()) || len(r.Rows) > 0 {
			t.Errorf("%.30q: %v\nwant %s", c.table, err, c.want)
		}
	}
	broken := errors.New("broken")
	if p, _, err := Read(iotest.ErrReader(broken), office(), Options{}); !errors.Is(err, broken) || errors.Is(err, ErrTable) || !reflect.DeepEqual(p, office()) {
		t.Errorf("%v", err)
	}
}

// TestLimits: as many rows as the limit says are read, and what is too much of users is told
// by the plan.
func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString("name,extension\n")
	for i := range MaxRows {
		fmt.Fprintf(&b, "Person,%d\n", 20000+i)
	}
	p := plan.Plan{Office: "Office", Country: "DE"}
	got, r, err := Read(strings.NewReader(b.String()), p, Options{})
	if err != nil || len(r.Rows) != MaxRows || r.OK() || len(r.Other) == 0 || r.Other[0] != "users: has more than 1000 users" || len(got.Users) != 0 {
		t.Errorf("%v, %d rows, %q, %d users", err, len(r.Rows), r.Other, len(got.Users))
	}
}

// TestNothingIsRepeated: what stands in the table and in the plan stands in no report.
func TestNothingIsRepeated(t *testing.T) {
	p := office()
	p.Users[0].Name, p.Lines[0].Name = "Secret Anna", "Secret line"
	for _, table := range []string{
		"id,name,extension,ports,sip,place,email,mobile\nSecret,Secret \x01,Secret,Secret,Secret,Secret\x02,Secret,Secret 0301234567\n",
		"name,extension\nSecret,0301234567\nSecret,112\n,201\n",
		"Secret,name,extension\nx,y,201\n", "name,name,extension\nSecret,x,0301234567\n", "name,extension\nSecret\",0301234567\n", "name,extension\nSecret\xff,0301234567\n",
	} {
		_, r, err := Read(strings.NewReader(table), p, Options{})
		all := fmt.Sprint(rows(&r), err)
		if strings.Contains(all, "Secret") || strings.Contains(all, "0301234567") || strings.Contains(all, "Anna") {
			t.Errorf("%q: %s", table, all)
		}
		if err == nil && r.OK() {
			t.Errorf("%q: nothing is wrong", table)
		}
	}
}

// TestColumnsAreAll: every word is one column's alone, and every field of a user has one.
func TestColumnsAreAll(t *testing.T) {
	seen := map[string]string{}
	for _, c := range columns {
		for _, w := range append(slices.Clone(c.words), plain(c.name)) {
			if seen[w] != "" || w != plain(w) {
				t.Errorf("%q is of %s and %s", w, seen[w], c.name)
			}
			seen[w] = c.name
		}
	}
	if got, want := len(columns), reflect.TypeFor[plan.User]().NumField(); got != want {
		t.Errorf("%d columns, a user has %d fields", got, want)
	}
}

// FuzzRead: whatever a table holds, it is all or nothing, and what comes of it is a plan that
// the same table leaves as it is.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"name,extension\nAnna,201\nDora,204\n", "\ufeffsep=;\r\nID;Name;Nebenstelle;Ort\r\na;Anna;204;x\r\n", "name\textension\tports\tsip\n'=x\t'204\tFXS 3|FXS 4\tja\n", "name,extension\n\n\n\"a\"\"\n\",204", "name,,extension\nx,y,204\n"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, table string, remove bool) {
		o := Options{RemoveOthers: remove}
		got, r, err := Read(strings.NewReader(table), office(), o)
		if err != nil || !r.OK() {
			if !reflect.DeepEqual(got, office()) {
				t.Fatal("half done")
			}
			return
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		last := 1
		for _, x := range r.Rows {
			if x.Number <= last || x.Outcome == Wrong || (x.Outcome == Changed) != (len(x.Fields) > 0) || (x.Outcome == Added) != (x.User == "") {
				t.Fatalf("%+v", x)
			}
			last = x.Number
		}
		n := 0
		got.FillIDs(func() plan.UserID { n++; return plan.UserID(fmt.Sprint("new", n)) })
		if n != r.Count(Added) || len(got.Users) != 3+n-len(r.Removed) {
			t.Fatalf("%d users, %d new ones: %s", len(got.Users), n, rows(&r))
		}
		if len(plan.Diff(new(office()), &got)) == 0 && (r.Count(Same) != len(r.Rows) || len(r.Removed) > 0) {
			t.Fatalf("nothing has changed, and the report says\n%s", rows(&r))
		}
		again, r, err := Read(strings.NewReader(table), got, o)
		if err == nil && r.OK() && (!reflect.DeepEqual(again, got) || r.Count(Same) != len(r.Rows)) {
			t.Fatalf("another time it says\n%s", rows(&r))
		}
	})
}

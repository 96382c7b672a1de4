package plan

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// full gives the plan of testdata that has every field.
func full(t testing.TB) Plan {
	data, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Users {
		p.Users[i].ID = UserID(fmt.Sprint("id", i))
	}
	return p
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		change func(p *Plan)
		want   string
		users  string // of the first change
	}{
		{func(p *Plan) {}, "", ""},
		{func(p *Plan) { p.Users[0].Protected, p.Users[1].Protected = true, true }, "users made protected: 2", "id0 id1"},
		{func(p *Plan) { p.Users[2].Protected, p.Users[2].ShowOnly = false, false }, "users no more protected: 1; users made to keep numbers again: 1", "id2"},
		{func(p *Plan) { p.Users[0].ShowOnly = true }, "users made to see numbers and keep none: 1", "id0"},
		{func(p *Plan) { p.Users[0].SIP, p.Users[2].SIP = true, false }, "users given telephones on the network: 1; users left without telephones on the network: 1", "id0"},
		{func(p *Plan) { p.Users = p.Users[1:]; p.Lines[0].Rings = []Ext{"2"} }, "users removed: 1; lines changed: 1", "id0"},
		{func(p *Plan) {
			p.Users = append(p.Users, User{Name: "Secret", Ext: "77", Protected: true}, User{ID: "n", Name: "Secret", Ext: "78"})
		}, "users added: 2", "n"},
		{func(p *Plan) { p.Users[0].ID = "other" }, "users added: 1; users removed: 1", "other"},
		{func(p *Plan) {
			u := &p.Users[2]
			u.Name, u.Ext, u.Place, u.Department, u.Email, u.Mobile = "Secret", "77", "Secret", "Secret", "s@x", "0301234"
		}, "users with another name: 1; users with another extension: 1; users with another place: 1; users with another department: 1; users with another e-mail address: 1; users with another mobile number: 1", "id2"},
		{func(p *Plan) { p.Office, p.CodePrefix, p.OutsidePrefix, p.AreaCode = "Secret", "*72", "", "40" }, "name of the office: changed; prefix of accounting codes: changed; digit for outside calls: set to none; area code: changed", ""},
		{func(p *Plan) { p.PrivatePrefix, p.RingSeconds = "", 0 }, "prefix of private calls: set to none; ringing time: set to none", ""},
		{func(p *Plan) { p.Country = "us" }, "country: DE to US", ""},
		{func(p *Plan) { p.Country = "Secret 0301234" }, "country: DE to none", ""},
		{func(p *Plan) { p.Fields = []Field{Place, "Secret"} }, "field department: on to off; field email: on to off; field mobile: on to off", ""},
		{func(p *Plan) { p.Codes[0].Name = "Secret" }, "accounting codes added: 1; accounting codes removed: 1", ""},
		{func(p *Plan) { p.Codes[0].Digits = "77" }, "accounting codes changed: 1", ""},
		{func(p *Plan) { slices.Reverse(p.Rules) }, "rules in another order: 4", ""},
		{func(p *Plan) { p.Rules[0].Lines = p.Rules[0].Lines[:1] }, "rules changed: 1", ""},
		{func(p *Plan) { p.Lines[0].ShowOnly, p.Lines[1].ShowOnly = false, true }, "lines made to show numbers and keep none: 1; lines made to keep numbers again: 1", ""},
		{func(p *Plan) { p.Lines[1].Pulse = false }, "lines changed: 1", ""},
		{func(p *Plan) { p.Emergency = []string{"19222", "113"} }, "emergency numbers added: 1; emergency numbers removed: 1", ""},
	} {
		from, to := full(t), full(t)
		c.change(&to)
		d := Diff(&from, &to)
		var l, users []string
		for i, x := range d {
			l = append(l, x.String())
			for _, id := range x.Users {
				if i == 0 {
					users = append(users, string(id))
				}
			}
		}
		if got := strings.Join(l, "; "); got != c.want || strings.Join(users, " ") != c.users || strings.Contains(got, "Secret") {
			t.Errorf("%q of %q, want %q of %q", got, users, c.want, c.users)
		}
		if d != nil && Diff(&to, &from) == nil || d == nil && Diff(&to, &from) != nil {
			t.Errorf("%s: nothing the other way round", c.want)
		}
	}
}

// TestDiffMissesNothing changes every field of a plan, of a user, line, rule and code in
// turn: none is overlooked, also none that comes later.
func TestDiffMissesNothing(t *testing.T) {
	var change func(path string, v reflect.Value, check func(path string))
	change = func(path string, v reflect.Value, check func(path string)) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Int:
			v.SetInt(v.Int() + 1)
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Slice:
			v.Set(reflect.Zero(v.Type()))
			if old.Len() > 0 && old.Index(0).Kind() == reflect.Struct {
				check(path)
				v.Set(old)
				e := v.Index(0)
				for i := range e.NumField() {
					change(path+"."+e.Type().Field(i).Name, e.Field(i), check)
				}
				return
			}
			if old.Len() == 0 {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
		default:
			t.Fatalf("%s is of a kind that is not known", path)
		}
		check(path)
		v.Set(old)
	}
	from, to := full(t), full(t)
	checked := 0
	v := reflect.ValueOf(&to).Elem()
	for i := range v.NumField() {
		change(v.Type().Field(i).Name, v.Field(i), func(path string) {
			checked++
			if len(Diff(&from, &to)) == 0 {
				t.Errorf("a change of %s is overlooked", path)
			}
		})
	}
	if checked < 40 || Diff(&from, &to) != nil {
		t.Errorf("%d fields; at the end %v", checked, Diff(&from, &to))
	}
}

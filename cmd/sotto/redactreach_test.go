package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// changing are the methods of a reader that change something, with what is done of it elsewhere in
// the scenario. All others are called for every role.
var changing = map[string]string{
	"AskUnmask":   "the admin asks, and is agreed to",
	"AgreeUnmask": "the officer agrees",
	"ReadNotices": "marks them as read, and shows none",
}

// reached gives all that the methods of [storage.Reader] give to somebody: whoever adds one says
// here what it is called with.
func reached(t *testing.T, s *storage.Store, v storage.Viewer) (docs []*doc) {
	r := reflect.ValueOf(s.As(v))
	for i := range r.NumMethod() {
		name, m := r.Type().Method(i).Name, r.Method(i)
		if changing[name] != "" {
			continue
		}
		calls := [][]reflect.Value{{}}
		for j := range m.Type().NumIn() {
			var next [][]reflect.Value
			for _, args := range calls {
				for _, a := range argsFor(t, s, m.Type().In(j), name) {
					if _, ok := a.Interface().(*bytes.Buffer); ok {
						a = reflect.ValueOf(&bytes.Buffer{}) // each call its own
					}
					next = append(next, append(args[:len(args):len(args)], a))
				}
			}
			calls = next
		}
		for _, args := range calls {
			var b bytes.Buffer
			for _, x := range m.Call(args) {
				spill(&b, x, 0)
			}
			known := map[string]bool{}
			for _, a := range args {
				switch x := a.Interface().(type) {
				case storage.Person:
					known = knownOf(s, x)
				case *bytes.Buffer:
					b.WriteString("\n")
					docs = append(docs, found("Reader."+name+", what it writes", x.Bytes(), known)...)
				}
			}
			docs = append(docs, found("Reader."+name, b.Bytes(), known)...)
		}
	}
	return docs
}

// found is docsOf with marks that whoever asks knows.
func found(from string, raw []byte, known map[string]bool) []*doc {
	docs := docsOf(from, raw, false)
	for _, d := range docs {
		d.typed = known
	}
	return docs
}

// knownOf gives the marks that are known to who asks for the data of a person, or are part of what is asked for.
func knownOf(s *storage.Store, p storage.Person) map[string]bool {
	for id, m := range marks {
		if m.num != "" && p.Number == number.Must(m.num) {
			return map[string]bool{id: true}
		}
	}
	return map[string]bool{"account of anna": p.User != "" && p.User == userOf(s, "101").ID, "account of bert": p.User != "" && p.User == userOf(s, "102").ID}
}

// argsFor gives what a method is called with in the place of an argument.
func argsFor(t *testing.T, s *storage.Store, in reflect.Type, method string) (l []reflect.Value) {
	add := func(a ...any) {
		for _, x := range a {
			l = append(l, reflect.ValueOf(x))
		}
	}
	persons := func() (l []storage.Person) {
		for _, x := range []plan.Ext{"101", "102", "103", "201"} {
			l = append(l, storage.Person{User: userOf(s, x).ID})
		}
		for _, id := range []string{"out of anna", "in to bert", "shown to admin", "aged", "international"} {
			l = append(l, storage.Person{Number: number.Must(num(id))})
		}
		return l
	}
	var err error
	switch in {
	case reflect.TypeFor[context.Context]():
		add(t.Context())
	case reflect.TypeFor[storage.Query]():
		add(storage.Query{Limit: 500})
		for _, p := range persons() {
			add(storage.Query{Person: p})
		}
	case reflect.TypeFor[storage.AuditQuery]():
		add(storage.AuditQuery{Limit: 500}, storage.AuditQuery{About: storage.Person{User: userOf(s, "101").ID}})
	case reflect.TypeFor[storage.LedgerQuery]():
		add(storage.LedgerQuery{Limit: 500})
	case reflect.TypeFor[storage.Person]():
		for _, p := range persons() {
			add(p)
		}
		all, err := s.As(atTerminal).Accounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			add(storage.Person{Account: a.ID})
		}
	case reflect.TypeFor[storage.Format]():
		add(storage.CSV, storage.JSON)
	case reflect.TypeFor[io.Writer]():
		add(&bytes.Buffer{})
	case reflect.TypeFor[func(int, int)]():
		add((func(int, int))(nil))
	case reflect.TypeFor[*pbx.Snapshot]():
		add(aMoment(s))
	case reflect.TypeFor[time.Time]():
		add(time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	case reflect.TypeFor[policy.Settings]():
		var p policy.Settings
		if p, _, err = s.As(atTerminal).Settings(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Keep[policy.Records]--
		add(p)
	default:
		t.Fatalf("Reader.%s has an argument of %v: say with what it is called here", method, in)
	}
	return l
}

// aMoment is the exchange while somebody rings whose number the exchange shows, which the simulated one does not.
func aMoment(s *storage.Store) *pbx.Snapshot {
	user := func(x plan.Ext) pbx.Party { return pbx.Party{User: userOf(s, x).ID, Ext: x, Place: userOf(s, x).Place} }
	now := time.Now()
	return &pbx.Snapshot{At: now, Ports: []pbx.PortView{{Port: 1, Label: "FXS 1", State: "ringing", Call: 1}, {Port: 3, Label: "FXS 3", State: "talking", Call: 2}}, Calls: []pbx.CallView{
		{ID: 1, From: pbx.Party{Number: number.Must(num("ringing in")), Line: "Amt Nord"}, To: user("101"), Began: now},
		{ID: 3, From: user("101"), To: pbx.Party{Number: number.Must(num("live of anna")), Line: "Amt Nord"}, Began: now},
		{ID: 4, From: user("201"), To: pbx.Party{Number: number.Must(num("live of netty")), Line: "Amt Ost"}, Began: now},
		{ID: 2, From: user("103"), To: pbx.Party{Number: number.Must(num("live protected")), Line: "Amt Ost"}, Began: now, Answered: now, ToUnkept: true},
	}}
}

// spill writes all texts and numbers in a value, those of fields that are not exported, too. A
// store, which a watcher has, is not gone into.
func spill(b *bytes.Buffer, v reflect.Value, depth int) {
	if depth > 12 || !v.IsValid() {
		return
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case *storage.Store, *storage.Watcher, storage.Watcher:
			return
		case number.Number:
			fmt.Fprintf(b, "%s\n", x.Reveal())
			return
		case time.Time, keyring.Subject:
			return
		case error:
			fmt.Fprintf(b, "%v\n", x)
		case fmt.Stringer:
			if v.Kind() != reflect.Pointer || !v.IsNil() {
				fmt.Fprintf(b, "%v %+v %#v\n", x, x, x)
			}
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		spill(b, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			spill(b, v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			for i := range v.Len() {
				b.WriteByte(byte(v.Index(i).Uint()))
			}
			b.WriteByte('\n')
			return
		}
		for i := range v.Len() {
			spill(b, v.Index(i), depth+1)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			spill(b, k, depth+1)
			spill(b, v.MapIndex(k), depth+1)
		}
	case reflect.String:
		b.WriteString(v.String() + "\n")
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		fmt.Fprintf(b, "%v\n", v)
	}
}

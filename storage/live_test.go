package storage

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// aSnapshot is of an office where Anna talks to the outside, Boris to Anna, and a stranger
// rings who shows no number.
func aSnapshot() *pbx.Snapshot {
	at := time.Unix(1_700_000_000, 0)
	a, bo := pbx.Party{User: anna, Ext: "73911"}, pbx.Party{User: boris, Ext: "84062"}
	out := pbx.Party{Number: number.Must("+4930901820"), Line: "Amt Zwetschgenbaum"}
	return &pbx.Snapshot{
		At: at,
		Ports: []pbx.PortView{
			{Port: 1, Label: "FXS 1", Lamp: pbx.LampCall, State: "talking", Holding: true, Call: 7},
			{Port: 2, Label: "FXS 2", Lamp: pbx.LampRing, State: "ringing", Call: 8},
			{Port: 3, Label: "FXS 4", State: "on hook"},
			{Port: 4, Label: "FXO 1", State: "talking", Call: 7},
			{Port: 5, Label: "FXO 2", Lamp: pbx.LampNone, State: "no line"},
		},
		Calls: []pbx.CallView{
			{ID: 7, From: a, To: out, Began: at, Answered: at.Add(time.Second), Held: true},
			{ID: 8, From: a, To: bo, Began: at},
			{ID: 9, From: pbx.Party{Line: "Amt Zwetschgenbaum"}, To: bo, Began: at, Emergency: true},
			{ID: 10, From: bo, To: pbx.Party{Ext: "73911"}, Began: at},
		},
	}
}

// TestLive looks at one moment with every role.
func TestLive(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	const line = "Amt Zwetschgenbaum"
	name := func(id plan.UserID) string { return s.plan.Load().nameOf(id) }
	user := func(st State, id plan.UserID, x plan.Ext) PartyView {
		return PartyView{State: st, User: id, Name: name(id), Ext: x}
	}
	none, hidden := PartyView{Line: line}, PartyView{State: Hidden}
	full := []LiveCall{
		{ID: 7, From: user(Shown, anna, "73911"), To: PartyView{State: Shown, Number: "+4930901820", Line: line}, Held: true},
		{ID: 8, From: user(Shown, anna, "73911"), To: user(Shown, boris, "84062")},
		{ID: 9, From: none, To: user(Shown, boris, "84062"), Emergency: true},
		{ID: 10, From: user(Shown, boris, "84062"), To: PartyView{State: Shown, Ext: "73911"}},
	}
	masked := []LiveCall{
		{ID: 7, From: user(Masked, anna, "73911"), To: PartyView{State: Masked, Number: "+4930901…", Line: line}, Held: true},
		{ID: 8, From: user(Masked, anna, "73911"), To: user(Masked, boris, "84062")},
		{ID: 9, From: none, To: user(Masked, boris, "84062"), Emergency: true},
		{ID: 10, From: user(Masked, boris, "84062"), To: PartyView{State: Masked, Number: "…"}},
	}
	blind := []LiveCall{
		{ID: 7, From: hidden, To: PartyView{State: Hidden, Line: line}, Held: true},
		{ID: 8, From: hidden, To: hidden},
		{ID: 9, From: PartyView{State: Hidden, Line: line}, To: hidden, Emergency: true},
		{ID: 10, From: hidden, To: hidden},
	}
	type port struct {
		label, name string
		ext         plan.Ext
		call        pbx.CallID
	}
	named := []port{{"FXS 1", name(anna), "73911", 7}, {"FXS 2", name(boris), "84062", 8}, {"FXS 4", "", "", 0}, {"FXO 1", line, "", 7}, {"FXO 2", "", "", 0}}
	for _, c := range []struct {
		v     Viewer
		ports []port
		calls []LiveCall
	}{
		{owner, named, full},
		{Viewer{Role: Admin}, named, masked},
		{Viewer{Role: PrivacyOfficer}, named, masked},
		{Viewer{Role: Installer}, []port{{"FXS 1", "", "73911", 0}, {"FXS 2", "", "84062", 0}, {"FXS 4", "", "", 0}, {"FXO 1", line, "", 0}, {"FXO 2", "", "", 0}}, blind},
		{Viewer{Role: Staff, User: anna}, named[:1], full[:2]},
		{Viewer{Role: Staff, User: boris}, named[1:2], full[1:]},
		{Viewer{Role: Staff, User: "stranger"}, nil, nil},
		{Viewer{Role: Staff}, nil, nil},
	} {
		snap := aSnapshot()
		v, err := s.As(c.v).Live(t.Context(), snap)
		if err != nil || !v.At.Equal(snap.At) {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(snap, aSnapshot()) {
			t.Errorf("%v %s: the snapshot was changed", c.v.Role, c.v.User)
		}
		var ports []port
		for _, p := range v.Ports {
			ports = append(ports, port{p.Label, p.Name, p.Ext, p.Call})
			if p.Label == "FXS 1" && (p.State != "talking" || p.Lamp != pbx.LampCall || !p.Holding || p.Port != 1) {
				t.Errorf("%v: %+v", c.v.Role, p.PortView)
			}
		}
		if !reflect.DeepEqual(ports, c.ports) {
			t.Errorf("%v %s: ports %+v, want %+v", c.v.Role, c.v.User, ports, c.ports)
		}
		if len(v.Calls) != len(c.calls) {
			t.Errorf("%v %s: %d calls, want %d", c.v.Role, c.v.User, len(v.Calls), len(c.calls))
			continue
		}
		for i, got := range v.Calls {
			if got.Began.IsZero() || got.Answered.IsZero() != (got.ID != 7) {
				t.Errorf("call %d: times %v, %v", got.ID, got.Began, got.Answered)
			}
			got.Began, got.Answered = time.Time{}, time.Time{}
			if got != c.calls[i] {
				t.Errorf("%v %s: call %d is %#v and %#v, want %#v and %#v", c.v.Role, c.v.User, got.ID,
					[]string{got.From.Name, string(got.From.Ext), got.From.Number}, []string{got.To.Name, string(got.To.Ext), got.To.Number},
					c.calls[i].From, c.calls[i].To)
			}
		}
		for _, text := range []string{fmt.Sprintf("%v %+v %#v", v.Ports, v.Ports, v.Ports), fmt.Sprint(v)} {
			for _, m := range markers {
				if text = strings.ReplaceAll(text, line, ""); strings.Contains(text, m) {
					t.Errorf("a view prints what it shows: %s", text)
				}
			}
		}
	}
	for _, v := range []Viewer{{}, {Role: 99}} {
		if _, err := s.As(v).Live(t.Context(), aSnapshot()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
		if _, err := s.As(v).Watch(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// TestLiveWithheld: a party that is not to be kept is shown to who is in the call. All others
// get the line alone of it, and the ports do not tell who it is either.
func TestLiveWithheld(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	const line = "Amt Zwetschgenbaum"
	snap, plain := aSnapshot(), aSnapshot()
	for i := range snap.Calls {
		snap.Calls[i].Emergency, plain.Calls[i].Emergency = false, false
		snap.Calls[i].From.Place = "Zwetschgenkammer"
	}
	snap.Calls[0].ToUnkept = true   // Anna calls out
	snap.Calls[1].FromUnkept = true // Anna calls Boris
	snap.Calls[2].FromUnkept = true // nobody knows who calls
	snap.Calls[3].FromUnkept, snap.Calls[3].ToUnkept = true, true
	for _, v := range []Viewer{owner, {Role: Admin}, {Role: PrivacyOfficer}, {Role: Installer}} {
		want := must(s.As(v).Live(t.Context(), plain))
		if v.Role != Installer { // who sees no party does not see that one is withheld
			want.Calls[0].To = PartyView{State: NotKept, Line: line}
			want.Calls[0].From.Place = "Zwetschgenkammer"
			want.Calls[1].From = PartyView{State: NotKept}
			want.Calls[2].From = PartyView{State: NotKept, Line: line}
			want.Calls[3].From, want.Calls[3].To = PartyView{State: NotKept}, PartyView{State: NotKept}
		}
		for i := range want.Ports {
			want.Ports[i].Call = 0
		}
		if got := must(s.As(v).Live(t.Context(), snap)); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", v.Role, got, want)
		}
	}
	for i := range snap.Calls {
		snap.Calls[i].From.Place = ""
	}
	for _, id := range []plan.UserID{anna, boris} {
		v := Viewer{Role: Staff, User: id}
		if got, want := must(s.As(v).Live(t.Context(), snap)), must(s.As(v).Live(t.Context(), plain)); !reflect.DeepEqual(got, want) || len(got.Calls) < 2 {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	snap.Calls[0].ToUnkept = false
	if v := must(s.As(owner).Live(t.Context(), snap)); v.Ports[0].Call != 7 || v.Ports[1].Call != 0 || v.Ports[3].Call != 7 || v.Calls[0].To.State != Shown {
		t.Errorf("of one call nothing is withheld: %+v", v)
	}
}

// TestWatch: one look is noted, however often the view is drawn, and the names are those of
// today.
func TestWatch(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	noted := len(linesOf(t, s))
	w, err := s.As(owner).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if v := w.View(aSnapshot()); v.Ports[0].Name != "Anna Zwetschgenbaum" || v.Calls[0].From.Name != v.Ports[0].Name {
			t.Fatal("another name")
		}
	}
	must(s.As(owner).Watch(t.Context())) // drawn anew
	wantTrail(t, s, noted+1, "terminal owner: live view")
	p := testPlan()
	p.Users = p.Users[1:]
	setPlan(t, s, p)
	if v := w.View(aSnapshot()); v.Ports[0].Name != "" || v.Calls[0].From.Name != "" || v.Calls[0].From.Ext != "73911" {
		t.Error("the name has outlived the user")
	}
	if v := w.View(nil); v.Ports != nil || v.Calls != nil {
		t.Error("a view of nothing")
	}
	s.Close()
	if w, err := s.As(owner).Watch(t.Context()); !errors.Is(err, ErrDown) || w != nil {
		t.Errorf("a look that cannot be noted: %v", err)
	}
}

// TestHealthView: who may see it, and that no path or person is in it.
func TestHealthView(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	s.Append(aRecord())
	s.flush()
	s.LogIn(t.Context(), "x", "x")
	for _, r := range []Role{Owner, Admin, PrivacyOfficer, Installer} {
		h, err := s.As(Viewer{Role: r}).Health(t.Context())
		if err != nil || h.Written != 1 || h.Newest != 1 || h.FileBytes == 0 || h.Accounts != 1 || h.LogInsFailed != 1 || h.Down || h.LifelineStale {
			t.Errorf("%v: %+v, %v", r, h, err)
		}
	}
	for _, v := range []Viewer{{}, {Role: Staff, User: anna}, {Role: 99}} {
		if _, err := s.As(v).Health(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", v.Role, err)
		}
	}
	s.Close()
	h, err := s.As(owner).Health(t.Context())
	if err != nil || !h.Down || strings.Contains(fmt.Sprintf("%+v", h), b.dir) {
		t.Errorf("closed: %+v, %v", h, err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[HealthView]()) {
		switch f.Type.Kind() {
		case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64:
		default:
			t.Errorf("%s is no figure", f.Name)
		}
	}
}

// BenchmarkLive is one view of 32 ports and 64 calls as an admin gets it.
func BenchmarkLive(b *testing.B) {
	s := benchStore(b)
	p := testPlan()
	p.Users = bigOffice(1000)
	snap := &pbx.Snapshot{}
	for i := range 32 {
		label := fmt.Sprint("FXS ", i+1)
		p.Users[i].Ports = []string{label}
		snap.Ports = append(snap.Ports, pbx.PortView{Label: label})
	}
	for i := range 64 {
		u := &p.Users[i]
		snap.Calls = append(snap.Calls, pbx.CallView{From: pbx.Party{User: u.ID, Ext: u.Ext}, To: pbx.Party{Number: number.Must(fmt.Sprint("030901", i)), Line: "FXO 1"}})
	}
	if _, err := s.SetPlan(b.Context(), owner, 0, p); err != nil {
		b.Fatal(err)
	}
	w, err := s.As(Viewer{Role: Admin}).Watch(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v := w.View(snap); len(v.Calls) != 64 || v.Calls[63].From.State != Masked {
			b.Fatal("not whole")
		}
	}
}

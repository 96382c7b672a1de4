package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/policy"
)

// The office of the scenario: who is who, and what is marked of them.
const (
	anna   = "Jörglinde Überquast" // 101, has an account of staff
	bert   = "Bärenfried Höltzschuh"
	guard  = "Prünhilde Zwölfinger"   // 103, protected
	left   = "Förmgard Ausgängler"    // 104, has left the plan
	gone   = "Übrigine Tilgemöller"   // 105, erased
	netty  = "Näthaniel Sippwürzig"   // 201, on the network
	place  = "Erkerzimmer Ahornblöße" // of 101
	depart = "Zwirnprüfstelle"
	email  = "quastelinde@ahornbloesse.example"

	codeAnna = "Zwirbeldrößler" // dialled by 101 alone
	codeBert = "Kühnlohenbach"
	codeNone = "Ölzweigmüller" // dialled by nobody
)

// marks are all marks, by id. Numbers have eight digits in front that no other has, and end
// in four that begin with a 0.
var marks = func() map[string]*mark {
	all := map[string]*mark{}
	for id, text := range map[string]string{
		"anna": anna, "bert": bert, "protected": guard, "left": left, "erased user": gone, "netty": netty,
		"place": place, "department": depart, "e-mail": email,
		"code of anna": codeAnna, "code of bert": codeBert, "code of nobody": codeNone,
		"owner": "Olgadine Öbermeister", "admin": "Adelgünde Schlüsselbart", "officer": "Dankwärt Schutzbrüning", "installer": "Ingbörg Lötkolbner",
		"account of anna": "jörglinde-klönschnack", "account of bert": "bärenfried-plüschmors",
		"reason shown": "Kränzchenwagenrückfrage", "reason waiting": "Schlösserhubermahnung", "typed name": "Vertippzeisig Klöppelmann",
		"password": "Pfauenrad-Klötenbügel-77", "wrong password": "Fälschlingkennwort-88", "secret": "",
	} {
		all[id] = &mark{id: id, text: text}
	}
	for i, id := range []string{"mobile", "out of anna", "out of bert", "international", "busy", "private", "protected out", "in to anna", "in to bert", "missed",
		"aged", "too old", "erased number", "shown to admin", "live of anna", "live of netty", "ringing in", "live protected", "typed number", "of netty", "of left", "of erased user"} {
		all[id] = &mark{id: id, num: fmt.Sprintf("03052%02d0%d0%d%d%d", 11+3*i, i%10, i/10+1, (i*7+3)%10, (i*3+4)%10)}
	}
	return all
}()

func num(id string) string { return marks[id].num }

func redactPlan() plan.Plan {
	return plan.Plan{
		Office: "Kanzlei", Country: "DE", AreaCode: "30", OutsidePrefix: "0", PrivatePrefix: "*67", CodePrefix: "*71",
		Fields: []plan.Field{plan.Place, plan.Department, plan.Email, plan.Mobile},
		Users: []plan.User{
			{Name: anna, Ext: "101", Ports: []string{"FXS 1"}, Place: place, Department: depart, Email: email, Mobile: num("mobile")},
			{Name: bert, Ext: "102", Ports: []string{"FXS 2"}},
			{Name: guard, Ext: "103", Ports: []string{"FXS 3"}, Protected: true},
			{Name: left, Ext: "104", Ports: []string{"FXS 4"}},
			{Name: gone, Ext: "105"},
			{Name: netty, Ext: "201", SIP: true},
		},
		Lines: []plan.Line{
			{Name: "Amt Nord", Port: "FXO 1", Rings: []plan.Ext{"101"}},
			{Name: "Amt Ost", Port: "FXO 2", Rings: []plan.Ext{"101", "102"}, ShowOnly: true},
		},
		Rules: []plan.Rule{{Name: "Gesperrt", Prefix: "0900", Forbid: true}},
		Codes: []plan.Code{{Name: codeAnna, Digits: "42"}, {Name: codeBert, Digits: "55"}, {Name: codeNone, Digits: "66"}},
	}
}

// theDay is the day of calls, with telephones and exchange lines. The simulated exchange sends no
// number of who calls: those calls are recorded as the switch would (see [appended]).
func theDay() string {
	out := func(ext, before, id string) string {
		return fmt.Sprintf("%s lifts ; %s hears dial ; %s dials %s0%s# ; line 1 hears %s within 60s ; %s and line 1 talk within 60s ; wait 3s ; %s hangs up ; line 1 is idle ; wait 5s\n", ext, ext, ext, before, num(id), num(id), ext, ext)
	}
	return "101 lifts ; 101 hears dial ; 101 dials 102 ; 102 rings ; 102 lifts ; 101 and 102 talk ; wait 5s ; 101 hangs up ; 102 hangs up ; wait 5s\n" +
		"101 lifts ; 101 hears dial ; 101 dials *7142*102 ; 102 rings ; 102 lifts ; 101 and 102 talk ; wait 5s ; 101 hangs up ; 102 hangs up ; wait 5s\n" +
		"line 1 calls ; 101 rings ; 101 lifts ; 101 and line 1 talk ; wait 5s ; 101 hangs up ; wait 5s\n" +
		"line 1 calls ; 101 rings ; wait 6s ; line 1 abandons ; wait 20s\n" +
		"line 2 calls ; 102 rings ; 102 lifts ; 102 and line 2 talk ; wait 5s ; 102 hangs up ; wait 5s\n" +
		out("101", "", "out of anna") +
		out("102", "*7155*", "out of bert") +
		out("102", "", "shown to admin") +
		out("101", "*67", "private") +
		out("103", "", "protected out") +
		out("104", "", "of left") +
		fmt.Sprintf("102 lifts ; 102 hears dial ; 102 dials 00049%s# ; line 1 hears %s within 60s ; 102 and line 1 talk within 60s ; 102 hangs up ; wait 5s\n", num("international")[1:], num("international")) +
		fmt.Sprintf("line 1 is busy ; 101 lifts ; 101 hears dial ; 101 dials 0%s# ; line 1 hears %s within 60s ; 101 hears busy within 60s ; 101 hangs up ; wait 5s\n", num("busy"), num("busy")) +
		"line 1 answers after 1 rings ; 101 lifts ; 101 hears dial ; 101 dials 0090012 ; 101 hears congestion within 20s ; 101 hangs up ; wait 5s\n" +
		"102 lifts ; 102 hears dial ; 102 dials 112 ; line 1 hears 112 within 60s ; wait 3s ; 102 hangs up ; wait 5s\n"
}

// tape keeps what is logged, at all levels.
type tape struct{ lockedBuffer }

func (t *tape) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(&t.lockedBuffer, &slog.HandlerOptions{Level: slog.LevelDebug - 10, AddSource: true}))
}

// pastOf makes the data of a box with the marks of its past, and a day of calls. It begins in the
// year 2000, as a box does whose clock nobody sets, and takes weeks of that time.
func pastOf(t *testing.T, dir string, log *tape) {
	t.Helper()
	text, err := json.Marshal(redactPlan())
	if err != nil {
		t.Fatal(err)
	}
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), string(text))
	synctest.Test(t, func(t *testing.T) {
		play := func(words string) {
			var out lockedBuffer
			o, err := parse([]string{"-data", dir, "-plan", file, "-sip", "off", "-page", "off", "-no-control"}, io.Discard)
			if err == nil {
				err = start(t.Context(), o, strings.NewReader(words), &out, log.log())
			}
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
			}
		}
		play("wait 100ms")
		withStore(t, dir, 20*24*time.Hour, func(s *storage.Store) {
			next, rev, err := s.As(atTerminal).Settings(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			next.Cut, next.Keep[policy.Digits], next.Keep[policy.Records], next.Keep[policy.Journal] = cutDigits, 3, 21, 21
			if _, _, err := s.SetSettings(t.Context(), atTerminal, rev, next); err != nil {
				t.Fatal(err)
			}
			appended(t, s, "101", "", "too old", false)
		})
		withStore(t, dir, 5*24*time.Hour, func(s *storage.Store) { appended(t, s, "101", "", "aged", false) })
		play(theDay())
		withStore(t, dir, time.Minute, func(s *storage.Store) {
			appended(t, s, "", "101", "in to anna", true)
			appended(t, s, "", "102", "in to bert", true)
			appended(t, s, "", "101", "missed", false)
			appended(t, s, "102", "", "erased number", true)
			appended(t, s, "105", "", "of erased user", true)
			appended(t, s, "105", "102", "", true)
			p, rev := s.CurrentPlan()
			p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.Ext == "104" })
			if _, err := s.SetPlan(t.Context(), atTerminal, rev, p); err != nil {
				t.Fatal(err)
			}
			word := marks["password"].text
			if err := s.Claim(t.Context(), marks["owner"].text, word); err != nil {
				t.Fatal(err)
			}
			for _, a := range []struct {
				id   string
				role storage.Role
				user plan.UserID
			}{{"admin", storage.Admin, ""}, {"officer", storage.PrivacyOfficer, ""}, {"installer", storage.Installer, ""},
				{"account of anna", storage.Staff, userOf(s, "101").ID}, {"account of bert", storage.Staff, userOf(s, "102").ID}} {
				if _, err := s.AddAccount(t.Context(), atTerminal, marks[a.id].text, word, a.role, a.user); err != nil {
					t.Fatal(a.id, err)
				}
			}
		})
	})
}

// withStore lets a store run alone for a time, after f.
func withStore(t *testing.T, dir string, d time.Duration, f func(*storage.Store)) {
	t.Helper()
	s := mustOpen(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	f(s)
	time.Sleep(d)
	stop()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func userOf(s *storage.Store, ext plan.Ext) plan.User {
	p, _ := s.CurrentPlan()
	i := slices.IndexFunc(p.Users, func(u plan.User) bool { return u.Ext == ext })
	return p.Users[i]
}

// appended records a call as the switch does: of a user to a number, or of a number or a user to a user.
func appended(t *testing.T, s *storage.Store, from, to plan.Ext, id string, answered bool) {
	t.Helper()
	party := func(x plan.Ext) pbx.Party {
		if x == "" {
			return pbx.Party{Number: number.Must(num(id)), Line: "Amt Nord"}
		}
		u := userOf(s, x)
		return pbx.Party{User: u.ID, Ext: x, Place: u.Place}
	}
	r := pbx.Record{From: party(from), To: party(to), Began: time.Now(), Rang: 2 * time.Second, Outcome: pbx.Abandoned, Cause: pbx.NormalClearing}
	if answered {
		r.Outcome, r.Talked = pbx.Answered, time.Minute
	} else if to != "" {
		r.Missed = []plan.UserID{userOf(s, to).ID}
	}
	s.Append(r)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// openBox is a box that runs in the process of the test, with page, telephones on the network and
// sub-commands.
type openBox struct {
	boxOnNet
	dir   string
	store *storage.Store
	out   *lockedBuffer
	log   *tape
	end   func() error
}

// openOn starts a box on a data folder as [start] does, and keeps the store within reach.
func openOn(t *testing.T, dir string, log *tape) *openBox {
	t.Helper()
	b := &openBox{boxOnNet: boxOnNet{t: t, addr: freePort(t)}, dir: dir, out: &lockedBuffer{}, log: log}
	o, err := parse([]string{"-data", dir, "-sip", b.addr.String(), "-rtp", rtpPorts(), "-page", "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	logger := log.log()
	off, err := openOffice(ctx, o, person{}, logger)
	if err != nil {
		t.Fatal(err)
	}
	b.store = off.store
	net := openNetwork(o.sip, off, logger)
	brd, err := openSim(ctx, off.numbers, o.dead, logger)
	if err != nil {
		t.Fatal(err)
	}
	stdin, in := io.Pipe()
	b.in = in
	done := make(chan error, 1)
	go func() { done <- serve(ctx, brd, o, off, net, nil, stdin, b.out, logger) }()
	b.end = sync.OnceValue(func() error {
		stop()
		in.Close()
		err := <-done
		net.close()
		off.close(logger)
		return err
	})
	t.Cleanup(func() { b.end() })
	b.prints("page: certificate")
	return b
}

// prints waits until the box has printed something, and gives all that it printed.
func (b *openBox) prints(want string) string {
	b.t.Helper()
	for began := time.Now(); !strings.Contains(b.out.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			b.t.Fatalf("it never said %q:\n%s\n%s", want, b.out.String(), b.log.String())
		}
	}
	return b.out.String()
}

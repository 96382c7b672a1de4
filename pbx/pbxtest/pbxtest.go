// Package pbxtest runs .call scenarios: the switch and the media engine on the simulated
// board, in a testing/synctest bubble, so that an hour of calls is exact and takes
// seconds. Tests of other packages that need a running exchange use it too. It is never
// part of the program.
//
// A scenario is a text of the simulator's words (see sim.Help). Lines that begin with
// an @ set the scene before the first statement:
//
//	@country DE
//	@lines 2
//	@dead FXS 2
//	@ring 30             seconds until no answer
//	@double 101 FXS 1 FXS 4    a user with several telephones
//	@name 101 Jürgen Groß      in place of Person A
//	@reverse 101               the line turns when the called party answers
//	@sip 201 202               users with telephones on the network
//
// What a handset says is read from testdata.
package pbxtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/wav"
	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/scene"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/siptest"
)

// Scene is what a scenario plays in.
type Scene struct {
	Country  string
	Stations int
	Lines    int
	Dead     []string
	Ring     int
	Ports    map[plan.Ext][]string // in place of one port each
	Names    map[plan.Ext]string   // in place of Person A, Person B …
	Reverse  []plan.Ext            // whose line turns on answer
	SIP      []plan.Ext            // users with telephones on the network, beside the stations' or new ones
	Saved    *Registrations        // of before the start, nil for none
}

// ParseScene reads the @ lines of a scenario and gives the rest.
func ParseScene(text string) (Scene, string, error) {
	s := Scene{Country: "DE", Stations: 4, Lines: 2, Ports: map[plan.Ext][]string{}, Names: map[plan.Ext]string{}}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		f := strings.Fields(l)
		if len(f) == 0 || !strings.HasPrefix(f[0], "@") {
			continue
		}
		lines[i] = ""
		arg := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), f[0]))
		var err error
		switch f[0] {
		case "@country":
			s.Country = arg
		case "@stations":
			s.Stations, err = strconv.Atoi(arg)
		case "@lines":
			s.Lines, err = strconv.Atoi(arg)
		case "@ring":
			s.Ring, err = strconv.Atoi(arg)
		case "@dead":
			s.Dead = append(s.Dead, arg)
		case "@name":
			ext, name, _ := strings.Cut(arg, " ")
			s.Names[plan.Ext(ext)] = strings.TrimSpace(name)
		case "@reverse":
			s.Reverse = append(s.Reverse, plan.Ext(arg))
		case "@sip":
			for _, x := range f[1:] {
				s.SIP = append(s.SIP, plan.Ext(x))
			}
		case "@double":
			e := plan.Ext(f[1])
			for _, n := range strings.Split(strings.Join(f[2:], " "), "FXS") {
				if n = strings.TrimSpace(n); n != "" {
					s.Ports[e] = append(s.Ports[e], "FXS "+n)
				}
			}
		default:
			err = fmt.Errorf("%s is not known", f[0])
		}
		if err != nil {
			return s, "", fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, strings.Join(lines, "\n"), nil
}

// Name gives the extension of station i: 101 to 109, then 120 and on, clear of every
// country's emergency numbers.
func Name(i int) string {
	if i < 9 {
		return strconv.Itoa(101 + i)
	}
	return strconv.Itoa(120 + i - 9)
}

// Plan gives the plan of the scene: users by Name on FXS 1, FXS 2 …, lines on FXO 1 …, and
// 0 for outside calls.
func (s *Scene) Plan() plan.Plan {
	p := plan.Plan{Office: "Test", Country: s.Country, RingSeconds: s.Ring, OutsidePrefix: "0"}
	taken := map[string]bool{}
	for _, l := range s.Ports {
		for _, label := range l[1:] {
			taken[label] = true
		}
	}
	for i := range s.Stations {
		label := fmt.Sprintf("FXS %d", i+1)
		u := plan.User{ID: plan.UserID(fmt.Sprintf("u%d", i+1)), Name: fmt.Sprintf("Person %c", 'A'+i), Ext: plan.Ext(Name(i))}
		if n := s.Names[u.Ext]; n != "" {
			u.Name = n
		}
		u.ReverseOnAnswer = slices.Contains(s.Reverse, u.Ext)
		if l := s.Ports[u.Ext]; l != nil {
			u.Ports = l
		} else if !taken[label] {
			u.Ports = []string{label}
		}
		p.Users = append(p.Users, u)
	}
	for _, x := range s.SIP {
		if i := slices.IndexFunc(p.Users, func(u plan.User) bool { return u.Ext == x }); i >= 0 {
			p.Users[i].SIP = true
			continue
		}
		p.Users = append(p.Users, plan.User{ID: plan.UserID("s" + string(x)), Name: "Person " + string(x), Ext: x, SIP: true})
	}
	for i := range s.Lines {
		p.Lines = append(p.Lines, plan.Line{Name: fmt.Sprintf("line %d", i+1), Port: fmt.Sprintf("FXO %d", i+1)})
	}
	return p
}

// Office is a running exchange.
type Office struct {
	Board   *sim.Board
	Switch  *pbx.Switch
	Engine  *media.Engine
	Records *Records
	Log     *bytes.Buffer
	Net     *siptest.Net // of the telephones on the network, nil without
	SIP     *sipline.Server
	RTP     *rtpport.Ports
	Saved   *Registrations
	MayDrop bool // events may be dropped: they are made too many on purpose
	phones  []*siptest.Phone
	numbers *plan.Numbering
	words   *sim.Words
	logMu   sync.Mutex
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Records keeps records and notes each in the room.
type Records struct {
	mu   sync.Mutex
	list []pbx.Record
	room *sim.Room
}

// Append implements pbx.Journal.
func (r *Records) Append(x pbx.Record) {
	r.mu.Lock()
	r.list = append(r.list, x)
	r.mu.Unlock()
	r.room.Note(time.Now(), Line(x))
}

// List gives the records so far.
func (r *Records) List() []pbx.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pbx.Record(nil), r.list...)
}

// Line gives a record in the simulator's words.
func Line(r pbx.Record) string {
	name := func(p pbx.Party) string {
		if p.Ext != "" {
			return string(p.Ext)
		}
		return p.Number.Reveal()
	}
	return sim.RecordLine(name(r.From), name(r.To), r.Outcome.String(), r.Talked, r.Held)
}

// Start starts an exchange. Stop must be called.
func Start(t testing.TB, s Scene) *Office {
	t.Helper()
	n, err := plan.Compile(s.Plan())
	if err != nil {
		t.Fatal(err)
	}
	o := &Office{Log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(lockedWriter{o}, nil))
	var names []string
	for i := range s.Stations {
		names = append(names, Name(i))
	}
	o.Board, err = sim.Open(t.Context(), sim.Config{Telephones: names, Lines: s.Lines, Exchange: scene.Exchange(n.Country), Tones: scene.Tones(n.Country), Guests: guests(s.SIP), Dead: s.Dead, Flash: scene.Flash(n.Country), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	o.words = o.Board.Words()
	o.words.Voice = voice
	o.Records = &Records{room: o.Board.Room}
	o.Engine = media.New(o.Board, len(o.Board.Ports()))
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	cfg := pbx.Config{Ports: o.Board.Ports(), Events: o.Board.Events(), Signal: o.Board.Signal, Digits: o.Engine.Digits(), Heard: o.Engine.Heard(), Publish: o.Engine.Publish, Journal: o.Records, Log: log}
	if len(s.SIP) > 0 {
		o.network(t, &cfg, n, s.Saved, log)
		o.done.Go(func() {
			if err := o.SIP.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	o.Switch = pbx.New(cfg, n)
	o.done.Go(func() { o.Engine.Run(ctx) })
	o.done.Go(func() { o.Switch.Run(ctx) })
	return o
}

// voice reads what a handset says: at most a minute, from testdata and nowhere else.
func voice(name string) ([]int16, error) {
	f, err := os.OpenInRoot("testdata", name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return wav.Read(f, 60*board.SampleRate)
}

// Do says statements, each of which must come true.
func (o *Office) Do(t testing.TB, statements ...string) {
	t.Helper()
	for _, st := range statements {
		if err := o.words.Do(t.Context(), st); err != nil {
			t.Fatalf("%v\n%s", err, o.Text())
		}
	}
}

// Stop ends everything and fails t on what the chips or the tables complained of.
func (o *Office) Stop(t testing.TB) {
	t.Helper()
	for _, p := range o.phones {
		p.Close()
	}
	o.stop()
	if err := o.Board.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	o.done.Wait()
	for _, v := range o.Board.Violations.List() {
		t.Errorf("chip: %s", v)
	}
	if c := o.Switch.Snapshot().Counters; c.Refused+c.LostEvents > 0 || c.Dropped > 0 && !o.MayDrop {
		t.Errorf("counters: %+v\nlog:\n%s", c, o.Text())
	}
}

// Text gives the log so far.
func (o *Office) Text() string {
	o.logMu.Lock()
	defer o.logMu.Unlock()
	return o.Log.String()
}

type lockedWriter struct{ o *Office }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.o.logMu.Lock()
	defer w.o.logMu.Unlock()
	return w.o.Log.Write(b)
}

// Run plays a scenario.
func Run(t testing.TB, text string) *Office {
	t.Helper()
	set, words, err := ParseScene(text)
	if err != nil {
		t.Fatal(err)
	}
	o := Start(t, set)
	if err := o.words.Run(t.Context(), strings.NewReader(words), nil); err != nil {
		t.Errorf("%v\nlog:\n%s", err, o.Text())
	}
	return o
}

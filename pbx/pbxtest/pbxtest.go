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
//	@countries US GB DE        played once in each
//	@long                      too long for the race detector
//	@line 1 pulse reversal show-only break 500 rings 101 102    what the plan says of a line
//	@protected 101             users whose far parties are not kept
//	@show-only 101             users who are only shown who calls from outside
//	@private *67               dialled before a number, so that who is called is not kept
//	@codes *71 42 Client 5 Matter    accounting codes, by digits and name, and what is dialled before one
//	@rule 0190 forbid          numbers that are not called
//	@rule 77 lines 2 1         the lines to try for others
//
// A record of a call with an accounting code is followed by "record with code Client", and
// one that somebody missed by "record missed by 101 102", in the order of extensions.
//
// A tone that a country does not have is expected as the one that stands for it there.
// What a handset says is read from testdata.
package pbxtest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/wav"
	"sotto/pbx"
	"sotto/pbx/country"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/scene"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/siptest"
)

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

	numbers atomic.Pointer[plan.Numbering]
}

// Append implements pbx.Journal.
func (r *Records) Append(x pbx.Record) {
	r.mu.Lock()
	r.list = append(r.list, x)
	r.mu.Unlock()
	now := time.Now()
	r.room.Note(now, Line(x))
	if x.Code != "" {
		r.room.Note(now, "record with code "+x.Code)
	}
	if len(x.Missed) > 0 {
		r.room.Note(now, "record missed by "+strings.Join(r.missed(x), " "))
	}
}

// missed gives the extensions of those who missed a call, sorted.
func (r *Records) missed(x pbx.Record) (l []string) {
	for _, id := range x.Missed {
		if u := r.numbers.Load().User(id); u != nil {
			l = append(l, string(u.Ext))
		}
	}
	slices.Sort(l)
	return l
}

// List gives the records so far.
func (r *Records) List() []pbx.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pbx.Record(nil), r.list...)
}

// Line gives a record in the simulator's words. A user who is not kept is "private",
// an outside party the line alone.
func Line(r pbx.Record) string {
	name := func(p pbx.Party) string {
		switch number := p.Number.Reveal(); {
		case p.Ext != "":
			return string(p.Ext)
		case number != "":
			return number
		case p.Line != "":
			return p.Line
		case r.Private:
			return "private"
		}
		return "nobody"
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
	o := &Office{Log: &bytes.Buffer{}, numbers: n}
	log := slog.New(slog.NewTextHandler(lockedWriter{o}, nil))
	var names []string
	for i := range s.Stations {
		names = append(names, Name(i))
	}
	co := scene.Exchange(n.Country)
	if s.Exchange != nil {
		s.Exchange(&co)
	}
	o.Board, err = sim.Open(t.Context(), sim.Config{Telephones: names, Lines: s.Lines, Exchange: co, Tones: scene.Tones(n.Country), Guests: guests(s.SIP), Dead: s.Dead, Flash: scene.Flash(n.Country), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	o.words = o.Board.Words()
	o.words.Voice = voice
	o.Records = &Records{room: o.Board.Room}
	o.Records.numbers.Store(n)
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
	return Play(t, set, words)
}

// Play plays words in a scene.
func Play(t testing.TB, set Scene, words string) *Office {
	t.Helper()
	o := Start(t, set)
	if err := o.words.Run(t.Context(), strings.NewReader(sameTones(o.numbers.Country, words)), nil); err != nil {
		t.Errorf("%v\nlog:\n%s", err, o.Text())
	}
	return o
}

// sameTones names tones as the country's ears do, which know each just once.
func sameTones(c *country.Country, words string) string {
	for k := range country.NumTones {
		if same := c.Same(k); same != k {
			words = strings.ReplaceAll(words, "hears "+k.String(), "hears "+same.String())
		}
	}
	return words
}

// Replan changes the plan as the program does: the switch takes it, then the telephones on
// the network.
func (o *Office) Replan(t testing.TB, change func(*plan.Plan)) {
	t.Helper()
	p := o.numbers.Plan.Clone()
	change(&p)
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	o.numbers = n
	o.Records.numbers.Store(n)
	o.Switch.Post(pbx.Event{Plan: n})
	if o.SIP != nil {
		o.SIP.SetPlan(n)
	}
}

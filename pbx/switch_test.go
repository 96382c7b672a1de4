package pbx

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
	"sotto/pbx/media/progress"
	"sotto/pbx/plan"
)

var update = flag.Bool("update", false, "write golden files")

func TestLegDiagram(t *testing.T) {
	got := LegTable.Diagram()
	const file = "testdata/leg.golden"
	if *update {
		os.MkdirAll("testdata", 0o755)
		os.WriteFile(file, []byte(got), 0o644)
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("the table differs from %s (%v); run with -update and read the change:\n%s", file, err, got)
	}
}

// bench is a switch without a loop: steps are called by hand.
type bench struct {
	*Switch
	signals []portSignal
	records []Record
	now     time.Time
	seq     uint32
	log     *bytes.Buffer
	net     *network
}

func (b *bench) Append(r Record) { b.records = append(b.records, r) }

const stations, lines = 4, 2

func testPlan(t testing.TB) *plan.Numbering {
	p := plan.Plan{Office: "Test", Country: "DE"}
	for i := range stations {
		p.Users = append(p.Users, plan.User{ID: plan.UserID(rune('a' + i)), Name: "Person", Ext: plan.Ext(fmt.Sprint(101 + i)), Ports: []string{fmt.Sprintf("FXS %d", i+1)}})
	}
	p.Users[3].Ports = nil // 104 is on the network alone
	p.Users[3].SIP = true
	p.Users[0].SIP = true                                // 101 is at both
	p.Users[1].Ports = append(p.Users[1].Ports, "FXS 4") // 102 rings at two telephones
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newBench(t testing.TB) *bench {
	b := &bench{log: &bytes.Buffer{}, net: &network{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	var ports []board.PortInfo
	for i := range stations + lines {
		k, label := board.Station, fmt.Sprintf("FXS %d", i+1)
		if i >= stations {
			k, label = board.ExchangeLine, fmt.Sprintf("FXO %d", i-stations+1)
		}
		ports = append(ports, board.PortInfo{Port: board.Port(i), Kind: k, Label: label})
	}
	b.Switch = New(Config{Ports: ports, Signal: func(p board.Port, s board.Signal) { b.signals = append(b.signals, portSignal{p, s}) },
		Publish: func(*media.Patch) {}, Phones: b.net, Journal: b, Log: slog.New(slog.NewTextHandler(b.log, nil))}, testPlan(t))
	b.flush()
	return b
}

func (b *bench) do(e Event) {
	b.step(b.now, e)
	b.flush()
}

func (b *bench) event(p int, k board.EventKind) {
	b.seq++
	e := board.Event{Port: board.Port(p), Kind: k, At: b.now, Seq: b.seq}
	if k == board.PortFailed {
		e.Err = errors.New("test")
	}
	b.do(Event{Board: &e})
}

func (b *bench) digits(p int, keys string) {
	for i := range len(keys) {
		b.do(Event{Digit: &media.Digit{Port: media.Port(p), Sign: keys[i]}})
	}
}

// pass lets time pass, with the deadlines in between.
func (b *bench) pass(d time.Duration) {
	end := b.now.Add(d)
	for {
		next := b.deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		b.now = next
		b.do(Event{})
	}
	b.now = end
}

// invariants checks what must hold after every step.
func (s *Switch) invariants() error {
	inCall := map[*leg]*call{}
	put := func(l *leg, c *call) error {
		if l == nil {
			return nil
		}
		if o := inCall[l]; o != nil && o != c {
			return fmt.Errorf("leg %d is in two calls", l.id)
		}
		inCall[l] = c
		if l.call != c {
			return fmt.Errorf("leg %d is in call %d, but does not know it", l.id, c.id)
		}
		if l.state == Gone {
			return fmt.Errorf("leg %d is gone, but in call %d", l.id, c.id)
		}
		return nil
	}
	for _, c := range s.calls {
		if c.ended {
			return fmt.Errorf("call %d has ended, but is listed", c.id)
		}
		if c.caller == nil || c.called == nil && len(c.ringing) == 0 && c.caller.line() == nil {
			return fmt.Errorf("call %d has no other end", c.id)
		}
		for _, l := range append([]*leg{c.caller, c.called}, c.ringing...) {
			if err := put(l, c); err != nil {
				return err
			}
		}
		if c.emergency && lineOf(c) == nil {
			return fmt.Errorf("emergency call %d has no line", c.id)
		}
		if ln := lineOf(c); ln != nil && c.caller.line() != nil {
			return fmt.Errorf("call %d is between two lines", c.id)
		}
	}
	rings := map[*station]bool{}
	seen := map[*leg]bool{}
	for _, st := range s.stations {
		for i, l := range []*leg{st.active, st.held} {
			if l == nil {
				continue
			}
			if seen[l] {
				return fmt.Errorf("leg %d stands twice", l.id)
			}
			seen[l] = true
			if l.at != end(st) {
				return fmt.Errorf("leg %d belongs to another port", l.id)
			}
			if (i == 1) != (l.state == Holding) {
				return fmt.Errorf("leg %d is %v as active/held %d", l.id, l.state, i)
			}
			if l.state == Alerting {
				rings[st] = true
			}
			switch l.state {
			case Waiting, Alerting, Talking, Holding, Held:
				if l.call == nil || l.call.ended {
					return fmt.Errorf("leg %d is %v without a call", l.id, l.state)
				}
			case Dialling, Listening, Warned, Silent:
				if l.call != nil {
					return fmt.Errorf("leg %d is %v in a call", l.id, l.state)
				}
			}
		}
		h := st.hook.State()
		if bell := st.hook.Rings(); bell != rings[st] {
			return fmt.Errorf("%s: bell %v, alerted %v (%v)", st.label, bell, rings[st], h)
		}
		if !rings[st] && st.hook.Up() != (st.active != nil) {
			return fmt.Errorf("%s is %v with leg %v", st.label, h, st.active != nil)
		}
		if st.active == nil && st.held != nil {
			return fmt.Errorf("%s holds a call with nobody there", st.label)
		}
	}
	for r, p := range s.phones {
		l := p.leg
		if p.remote != r || l == nil || l.at != end(p) {
			return fmt.Errorf("a telephone on the network does not know its leg")
		}
		seen[l] = true
		if l.call == nil || l.call.ended {
			return fmt.Errorf("leg %d is %v without a call", l.id, l.state)
		}
	}
	for _, ln := range s.lines {
		if err := ln.invariants(); err != nil {
			return err
		}
		if ln.leg != nil {
			seen[ln.leg] = true
		}
	}
	for _, l := range s.legs {
		if !seen[l] {
			return fmt.Errorf("leg %d (%v) is at no port", l.id, l.state)
		}
	}
	if len(s.legs) != len(seen) {
		return fmt.Errorf("%d legs listed, %d at ports", len(s.legs), len(seen))
	}
	return s.patchInvariants()
}

// lineOf gives the line that c goes out on, nil for none.
func lineOf(c *call) *line {
	for _, l := range append([]*leg{c.called}, c.ringing...) {
		if l != nil && l.line() != nil {
			return l.line()
		}
	}
	return nil
}

func (ln *line) invariants() error {
	l := ln.leg
	if l == nil {
		if ln.hook.Up() {
			return fmt.Errorf("%s is %v for nobody", ln.label, ln.hook.State())
		}
		return nil
	}
	if l.at != end(ln) || l.call == nil || l.call.ended {
		return fmt.Errorf("%s: leg %d is %v without a call, or elsewhere", ln.label, l.id, l.state)
	}
	switch l.state {
	case Waiting, Alerting, Talking, Held:
	default:
		return fmt.Errorf("%s: leg %d is %v", ln.label, l.id, l.state)
	}
	switch st := ln.hook.State(); {
	case st == loopstart.Free, st == loopstart.Resting, st == loopstart.OutOfService:
		return fmt.Errorf("%s is %v with a call", ln.label, st)
	case (st == loopstart.Ringing) && l.state != Waiting:
		return fmt.Errorf("%s is %v with a leg that is %v", ln.label, st, l.state)
	}
	return nil
}

// patchInvariants: nobody hears two calls or oneself, and hearing is mutual.
func (s *Switch) patchInvariants() error {
	hears := map[media.Port]media.Port{}
	for _, e := range s.patch.Ears {
		if _, twice := hears[e.Port]; twice {
			return fmt.Errorf("port %d has two ears", e.Port)
		}
		if e.N > 1 {
			return fmt.Errorf("port %d hears %d others", e.Port, e.N)
		}
		if e.N == 1 {
			if e.From[0] == e.Port {
				return fmt.Errorf("port %d hears itself", e.Port)
			}
			hears[e.Port] = e.From[0]
		}
	}
	for a, b := range hears {
		if back, ok := hears[b]; ok && back != a {
			return fmt.Errorf("%d hears %d, who hears %d", a, b, back)
		}
	}
	return nil
}

// FuzzSwitch lets everything happen in every order and holds the invariants after each step.
func FuzzSwitch(f *testing.F) {
	f.Add([]byte{0x00, 0x81, 0x60, 0x61, 0x62, 0x10, 0x90, 0xa0})
	f.Add([]byte{0x00, 0x15, 0xa6, 0x16, 0x15, 0x0e, 0x20, 0x05, 0x0e, 0x09, 0x0e, 0x00, 0x0b})
	f.Add([]byte("0 the quick brown fox jumps over the lazy dog 1234567890"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 600 {
			data = data[:600]
		}
		b := lineBench(t, func(p *plan.Plan) {
			p.Lines[0].Reversal, p.Lines[1].Pulse, p.Lines[1].Rings = true, true, []plan.Ext{"103", "104"}
			p.Users[0].Protected, p.PrivatePrefix = true, "*1"
			p.CodePrefix, p.Codes = "*3", []plan.Code{{Name: "One", Digits: "1"}, {Name: "Two", Digits: "10"}, {Name: "Three", Digits: "3"}}
		})
		office := b.numbers.Plan
		for i, c := range data {
			p := int(c>>4) % (stations + lines)
			switch c & 15 {
			case 0, 1:
				b.event(p, board.LoopClosed)
			case 2:
				b.heard(fxo1+int(c>>4&1), progress.Kind(c>>5)%progress.NumKinds)
			case 3:
				b.event(p, board.LoopOpen)
			case 4:
				b.digits(p, "0123#")
			case 5:
				b.digits(p, "10"+string(rune('1'+c>>4%5)))
			case 6:
				b.digits(p, string("0123456789*#*112"[c>>4]))
			case 7:
				b.event(p, board.PortFailed)
			case 8:
				b.event(p, board.PortRestored)
			case 9:
				b.pass(150 * time.Millisecond)
			case 10:
				b.pass(700 * time.Millisecond)
			case 11:
				b.pass(time.Duration(c>>4) * 7 * time.Second)
			case 12:
				b.event(fxo1+i%2, []board.EventKind{board.CurrentLost, board.CurrentBack, board.LineMissing, board.LinePresent, board.LineInUse, board.LineFree, board.RingOn, board.RingOff, board.PolarityReversed}[int(c>>4)%9])
			case 13:
				b.digits(p, "112")
			case 14:
				if c>>4 == 0 { // another plan: without lines, without 103, or the first
					b.replan(t, func(p *plan.Plan) {
						switch *p = office.Clone(); i % 3 {
						case 0:
							p.Lines, p.Rules = nil, nil
						case 1:
							p.Users, p.Lines[1].Rings = slices.Delete(p.Users, 2, 3), nil
						}
					})
					break
				}
				b.netEvent(int(c >> 4))
			case 15:
				b.flash(p)
			}
			if err := b.invariants(); err != nil {
				t.Fatalf("after step %d (%#x): %v\n%s", i, c, err, b.trace.String())
			}
			if l := b.log.String(); strings.Contains(l, "what=leg") || strings.Contains(l, "leg went") || strings.Contains(l, "what=line port=FXO") && !strings.Contains(l, "port restored") && !strings.Contains(l, "loop ") || strings.Contains(l, "deadlines without end") {
				t.Fatalf("after step %d (%#x): %s\n%s", i, c, l, b.trace.String())
			}
			b.log.Reset()
		}
		b.net.allLeave(b)
		// Whatever happened: when everybody has hung up and time has passed, all is quiet.
		for p := range stations {
			b.event(p, board.PortRestored)
			b.event(p, board.LoopOpen)
		}
		b.pass(10 * time.Minute)
		for p := range stations {
			b.event(p, board.LoopOpen)
		}
		b.pass(10 * time.Minute)
		if err := b.invariants(); err != nil {
			t.Fatalf("at the end: %v", err)
		}
		for _, r := range b.records { // 101 is protected
			if far := r.From; r.To.User == "a" && (far.User != "" || !far.Number.IsZero()) {
				t.Fatalf("kept: who called a protected user, %+v", r)
			}
			if far := r.To; r.From.User == "a" && !r.Emergency && (far.User != "" || !far.Number.IsZero()) {
				t.Fatalf("kept: whom a protected user called, %+v", r)
			}
			if len(r.Missed) > 0 && (r.Outcome == Answered || r.From.User == "a" && !r.Emergency || slices.Contains(r.Missed, r.From.User)) {
				t.Fatalf("missed by somebody, %+v", r)
			}
			if slices.Contains(r.Missed, "a") && (r.From.User != "" || !r.From.Number.IsZero()) {
				t.Fatalf("kept: whose call a protected user missed, %+v", r)
			}
			if missed := slices.Compact(slices.Sorted(slices.Values(r.Missed))); len(missed) != len(r.Missed) {
				t.Fatalf("missed twice, %+v", r)
			}
		}
		if n := len(b.phones); n > 0 {
			t.Fatalf("%d telephones on the network are left", n)
		}
		for i, r := range b.net.all {
			if r.released != 1 {
				t.Fatalf("telephone %d was released %d times", i, r.released)
			}
		}
		if len(b.legs)+len(b.calls) > 0 {
			t.Fatalf("at the end %d legs and %d calls are left\n%s", len(b.legs), len(b.calls), b.trace.String())
		}
	})
}

// BenchmarkStep is the cost of one step of the switch, over whole calls: lift, three
// digits, answer, hang up, with the deadlines in between.
func BenchmarkStep(b *testing.B) {
	x := newBench(b)
	steps := x.count.Steps
	b.ReportAllocs()
	for b.Loop() {
		x.event(0, board.LoopClosed)
		x.pass(100 * time.Millisecond)
		x.digits(0, "103")
		x.pass(time.Second)
		x.event(2, board.LoopClosed)
		x.pass(time.Second)
		x.event(0, board.LoopOpen)
		x.pass(2 * time.Second)
		x.event(2, board.LoopOpen)
		x.pass(2 * time.Second)
		x.records = x.records[:0]
		x.signals = x.signals[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(x.count.Steps-steps), "ns/step")
	b.ReportMetric(float64(x.count.Steps-steps)/float64(b.N), "steps/op")
}

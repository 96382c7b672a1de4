package exchange

import (
	"math"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

const ms = time.Millisecond

// de is an exchange of the German kind.
var de = Config{
	Volts: -60, Milliamps: 30,
	DialDelay:  200 * ms,
	DialTone:   Tone{Hz: []float64{425}, Level: -10},
	Ringback:   Tone{Hz: []float64{425}, Level: -10, Cadence: []time.Duration{time.Second, 4 * time.Second}},
	Busy:       Tone{Hz: []float64{425}, Level: -10, Cadence: []time.Duration{480 * ms, 480 * ms}},
	Congestion: Tone{Hz: []float64{425}, Level: -10, Cadence: []time.Duration{240 * ms, 240 * ms}},
	Ring:       Ringing{Hz: 25, Vrms: 60, Cadence: []time.Duration{time.Second, 4 * time.Second}},
}

// port is what the line is plugged into, by hand.
type port struct {
	*Line
	now     time.Time
	seizure chipsim.Seizure
	supply  chipsim.Supply
	phase   [2]float64
	heard   []int16
}

func newPort(cfg Config) *port {
	return &port{Line: New(cfg), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// run passes d; each frame's audio is kept.
func (p *port) run(d time.Duration) {
	for range d / board.FrameTime {
		p.Line.Line(p.now, &p.seizure, &p.supply)
		p.heard = append(p.heard, p.supply.Audio[:]...)
		for _, e := range p.seizure.Edges {
			p.seizure.Closed = e.Closed
		}
		p.seizure.Edges = p.seizure.Edges[:0]
		p.now = p.now.Add(board.FrameTime)
	}
}

// hook moves the hook switch in the middle of the next frame.
func (p *port) hook(closed bool) {
	p.seizure.Edges = append(p.seizure.Edges, chipsim.Edge{After: 5 * ms, Closed: closed})
	p.seizure.Talk = closed
	p.seizure.Mouth = board.Frame{}
}

// dtmf sends the two tones for on and pauses for off.
func (p *port) dtmf(row, col, rowLevel, colLevel float64, on, off time.Duration) {
	for range on / board.FrameTime {
		p.seizure.Mouth = board.Frame{}
		p.phase[0] = sine(&p.seizure.Mouth, p.phase[0], row, board.Amplitude(rowLevel))
		p.phase[1] = sine(&p.seizure.Mouth, p.phase[1], col, board.Amplitude(colLevel))
		p.run(board.FrameTime)
	}
	p.seizure.Mouth = board.Frame{}
	p.run(off)
}

// level measures what was heard in the last 100 ms.
func (p *port) level(hz float64) float64 { return Level(p.heard[len(p.heard)-800:], hz) }

func (p *port) want(t *testing.T, s State) {
	t.Helper()
	if got := p.State(); got != s {
		t.Fatalf("state %v, want %v", got, s)
	}
}

func between(t *testing.T, what string, got, lo, hi float64) {
	t.Helper()
	if !(got >= lo && got <= hi) {
		t.Errorf("%s is %.2f, want %.2f to %.2f", what, got, lo, hi)
	}
}

func TestOutgoing(t *testing.T) {
	p := newPort(de)
	p.SetFar(Far{Digits: 3, Delay: 500 * ms, Rings: 2, Voice: Voice{Hz: 1000, Level: -12}})
	p.run(time.Second)
	if p.supply.Volts != -60 || p.supply.Milliamps != -30 {
		t.Errorf("battery %v V, %v mA", p.supply.Volts, p.supply.Milliamps)
	}
	p.hook(true)
	p.run(190 * ms)
	p.want(t, Seized)
	p.run(150 * ms)
	p.want(t, Dialtone)
	between(t, "dial tone", p.level(425), -10.1, -9.9)
	p.dtmf(697, 1209, -8, -6, 60*ms, 60*ms)
	p.dtmf(941, 1336, -8, -6, 60*ms, 60*ms)
	p.want(t, Dialling)
	between(t, "dial tone after a digit", p.level(425), math.Inf(-1), -60)
	p.dtmf(852, 1633, -8, -6, 60*ms, 60*ms)
	p.want(t, Proceeding)
	if p.Digits() != "10C" {
		t.Errorf("digits %q", p.Digits())
	}
	p.run(600 * ms)
	p.want(t, Alerting)
	p.run(200 * ms)
	between(t, "ringback", p.level(425), -10.1, -9.9)
	p.run(time.Second)
	between(t, "ringback pause", p.level(425), math.Inf(-1), -60)
	p.run(5 * time.Second)
	p.want(t, Talking)
	p.run(200 * ms)
	between(t, "far voice", p.level(1000), -12.1, -11.9)
	sine(&p.seizure.Mouth, 0, 500, board.Amplitude(-15))
	p.run(200 * ms)
	between(t, "our voice", p.Level(500), -15.1, -14.9)
	p.HangUp(EndBusy, 0)
	p.run(200 * ms)
	between(t, "busy", p.level(425), -10.1, -9.9)
	p.run(400 * ms)
	between(t, "busy pause", p.level(425), math.Inf(-1), -60)
	p.hook(false)
	p.run(400 * ms)
	p.want(t, Idle)
	kinds := []NoteKind{NoteSeized, NoteDigit, NoteDigit, NoteDigit, NoteAlerting, NoteAnswered, NoteEnded, NoteReleased}
	notes := p.Notes()
	if len(notes) != len(kinds) {
		t.Fatalf("notes %v", notes)
	}
	for i, n := range notes {
		if n.Kind != kinds[i] || n.Pulse {
			t.Errorf("note %d: %v", i, n)
		}
	}
	if at := notes[7].At; !at.Equal(p.now.Add(-395 * ms)) {
		t.Errorf("released %v ago", p.now.Sub(at))
	}
}

// TestDTMF: what is a digit to the exchange and what is not.
func TestDTMF(t *testing.T) {
	for _, c := range []struct {
		name     string
		row, col float64
		lr, lc   float64
		on, off  time.Duration
		want     string
	}{
		{"plain", 770, 1336, -8, -6, 50 * ms, 50 * ms, "555"},
		{"short", 770, 1336, -8, -6, 40 * ms, 40 * ms, "555"},
		{"too short", 770, 1336, -8, -6, 10 * ms, 60 * ms, ""},
		{"weak", 770, 1336, -27, -25, 50 * ms, 50 * ms, "555"},
		{"too weak", 770, 1336, -45, -45, 50 * ms, 50 * ms, ""},
		{"off by 1.5 %", 782, 1316, -8, -6, 50 * ms, 50 * ms, "555"},
		{"twisted", 770, 1336, -20, -6, 50 * ms, 50 * ms, ""},
		{"one tone", 770, 1336, -90, -6, 50 * ms, 50 * ms, ""},
		{"other tones", 600, 1000, -8, -8, 50 * ms, 50 * ms, ""},
		{"long is one", 770, 1336, -8, -6, 500 * ms, 60 * ms, "555"},
	} {
		p := newPort(de)
		p.hook(true)
		p.run(time.Second)
		for range 3 {
			p.dtmf(c.row, c.col, c.lr, c.lc, c.on, c.off)
		}
		if p.Digits() != c.want {
			t.Errorf("%s: digits %q, want %q", c.name, p.Digits(), c.want)
		}
	}
}

// TestDropOut: a digit with a gap of 10 ms is one digit.
func TestDropOut(t *testing.T) {
	p := newPort(de)
	p.hook(true)
	p.run(time.Second)
	p.dtmf(770, 1336, -8, -6, 60*ms, 10*ms)
	p.dtmf(770, 1336, -8, -6, 60*ms, 60*ms)
	if p.Digits() != "5" {
		t.Errorf("digits %q", p.Digits())
	}
}

func TestEveryKey(t *testing.T) {
	p := newPort(de)
	p.hook(true)
	p.run(time.Second)
	want := ""
	for i, keys := range dtmfKeys {
		for j := range keys {
			p.dtmf(dtmfHz[i], dtmfHz[4+j], -8, -6, 50*ms, 50*ms)
		}
		want += keys
	}
	if p.Digits() != want {
		t.Errorf("digits %q, want %q", p.Digits(), want)
	}
}

func TestPulses(t *testing.T) {
	for _, open := range []time.Duration{30 * ms, 40 * ms, 60 * ms, 70 * ms} {
		p := newPort(de)
		p.hook(true)
		p.run(time.Second)
		for _, n := range []int{3, 1, 10} {
			for range n {
				p.hook(false)
				p.run(open)
				p.hook(true)
				p.run(100*ms - open)
			}
			p.run(700 * ms)
		}
		if p.Digits() != "310" {
			t.Errorf("%v: digits %q", open, p.Digits())
		}
		if n := p.Notes(); len(n) != 4 || !n[1].Pulse {
			t.Errorf("notes %v", n)
		}
		p.run(3 * time.Second)
		if s := p.State(); s != Alerting && s != Talking {
			t.Errorf("the number did not end: state %v", s)
		}
	}
}

func TestIncoming(t *testing.T) {
	p := newPort(de)
	if !p.Call(Voice{Samples: []int16{1, 2, 3}}) || p.Call(Voice{}) {
		t.Fatal("Call")
	}
	rung := 0
	for range 600 {
		p.run(board.FrameTime)
		if p.supply.Ringing {
			rung++
		}
	}
	if rung != 200 {
		t.Errorf("rang for %d frames, want 200", rung)
	}
	p.Abandon()
	p.run(time.Second)
	p.want(t, Idle)
	if p.supply.Ringing {
		t.Error("rings after Abandon")
	}

	p.Call(Voice{Samples: []int16{1, 2, 3}})
	p.run(500 * ms)
	sum := 0.0
	for _, v := range p.supply.Ring {
		sum += float64(v) * float64(v)
	}
	between(t, "ringing", math.Sqrt(sum/board.FrameLen), 30, 85)
	p.hook(true)
	p.run(board.FrameTime)
	if p.supply.Ringing {
		t.Error("rings after the answer")
	}
	p.want(t, Talking)
	if a := p.supply.Audio; a[0] != 1 || a[2] != 3 || a[3] != 0 {
		t.Errorf("voice %v", a[:4])
	}
	p.run(board.FrameTime)
	if a := p.supply.Audio; a[0] != 0 {
		t.Error("voice again")
	}
	p.HangUp(EndBreak, 250*ms)
	broken := 0
	for range 100 {
		p.run(board.FrameTime)
		if p.supply.Volts == 0 && p.supply.Milliamps == 0 {
			broken++
		}
	}
	if broken != 25 {
		t.Errorf("broken for %d frames, want 25", broken)
	}
	p.want(t, Ended)
}

func TestReversals(t *testing.T) {
	cfg := de
	cfg.ReverseOnAnswer = true
	p := newPort(cfg)
	p.SetFar(Far{Digits: 1, Rings: -1})
	p.hook(true)
	p.run(time.Second)
	p.dtmf(697, 1209, -8, -6, 60*ms, 60*ms)
	p.run(20 * time.Second)
	p.want(t, Alerting)
	p.Answer()
	p.run(20 * ms)
	if p.supply.Volts != 60 || p.supply.Milliamps != 30 {
		t.Error("not reversed on answer")
	}
	p.HangUp(EndReversal, 0)
	p.run(20 * ms)
	if p.supply.Volts != -60 {
		t.Error("not reversed at the end")
	}
	p.hook(false)
	p.run(time.Second)
	p.Reverse()
	p.run(20 * ms)
	if p.supply.Volts != 60 {
		t.Error("not reversed by command")
	}
}

func TestRefused(t *testing.T) {
	p := newPort(de)
	p.SetFar(Far{Digits: 1, Delay: 300 * ms, Refuse: EndCongestion})
	p.hook(true)
	p.run(time.Second)
	p.dtmf(697, 1209, -8, -6, 60*ms, 60*ms)
	p.run(400 * ms)
	p.want(t, Ended)
	between(t, "congestion", p.level(425), -10.1, -9.9)
}

func TestLineFaults(t *testing.T) {
	p := newPort(de)
	p.OtherSet(true)
	p.run(20 * ms)
	if !p.supply.InUse || p.supply.Milliamps != -18 {
		t.Errorf("other set: %v mA", p.supply.Milliamps)
	}
	p.OtherSet(false)
	p.Call(Voice{})
	p.run(20 * ms)
	p.OtherSet(true)
	p.run(20 * ms)
	if p.supply.Ringing {
		t.Error("rings though another set answered")
	}
	p.OtherSet(false)
	p.Cut(true)
	p.run(20 * ms)
	if p.supply.Volts != 0 || p.Call(Voice{}) {
		t.Error("a cut line lives")
	}
	p.hook(true)
	p.run(time.Second)
	p.want(t, Idle)
	p.Cut(false)
	p.run(20 * ms)
	if p.supply.Volts != -60 {
		t.Error("joined line is dead")
	}
	p.run(time.Second)
	p.want(t, Dialtone)
}

func TestEchoAndData(t *testing.T) {
	cfg := de
	cfg.EchoLoss = 20
	p := newPort(cfg)
	p.Send([]int16{7, 8})
	p.run(board.FrameTime)
	if p.supply.Audio[0] != 7 || p.supply.Audio[1] != 8 || p.supply.Audio[2] != 0 {
		t.Errorf("data %v", p.supply.Audio[:3])
	}
	p.Call(Voice{})
	p.hook(true)
	p.run(board.FrameTime)
	p.seizure.Mouth[5] = 1000
	p.run(board.FrameTime)
	if p.supply.Audio[5] != 100 {
		t.Errorf("echo %d, want 100", p.supply.Audio[5])
	}
}

func TestAllocs(t *testing.T) {
	p := newPort(de)
	p.SetFar(Far{Digits: 1, Rings: -1})
	for _, step := range []func(){
		func() {},
		func() { p.Call(Voice{Hz: 1000}) },
		func() { p.hook(true) },
		func() { p.HangUp(EndBusy, 0) },
	} {
		step()
		p.run(20 * ms)
		frame := func() { p.Line.Line(p.now, &p.seizure, &p.supply); p.now = p.now.Add(board.FrameTime) }
		if n := testing.AllocsPerRun(50, frame); n != 0 {
			t.Errorf("state %v: %v allocations a frame", p.State(), n)
		}
	}
}

func BenchmarkIdle(b *testing.B) {
	p := newPort(de)
	for b.Loop() {
		p.Line.Line(p.now, &p.seizure, &p.supply)
		p.now = p.now.Add(board.FrameTime)
	}
}

// TestNoDialTone: the line stays silent, takes digits all the same, and gets its tone back.
func TestNoDialTone(t *testing.T) {
	p := newPort(de)
	p.NoDialTone(true)
	p.hook(true)
	p.run(2 * time.Second)
	p.want(t, Seized)
	if between(t, "silence", p.level(425), math.Inf(-1), -60); !p.Silenced() {
		t.Error("it does not say so")
	}
	p.NoDialTone(false)
	p.run(200 * ms)
	p.want(t, Dialtone)
	between(t, "dial tone", p.level(425), -10.1, -9.9)
	p.NoDialTone(true)
	p.run(200 * ms)
	p.want(t, Seized)
	between(t, "silence again", p.level(425), math.Inf(-1), -60)
	p.run(200 * ms)
	p.dtmf(697, 1209, -8, -6, 60*ms, 60*ms)
	if p.want(t, Dialling); p.Digits() != "1" {
		t.Errorf("digits %q", p.Digits())
	}
	p.hook(false)
	p.run(500 * ms)
	p.hook(true) // by pulses
	p.run(time.Second)
	for range 3 {
		p.hook(false)
		p.run(60 * ms)
		p.hook(true)
		p.run(40 * ms)
	}
	p.run(400 * ms)
	if p.Digits() != "3" {
		t.Errorf("digits %q by pulses", p.Digits())
	}
}

// TestPerson: a person at the far end is heard while the call is through and has no voice
// of its own; what happens is told once to who takes it.
func TestPerson(t *testing.T) {
	p := newPort(de)
	var mouth board.Frame
	sine(&mouth, 0, 1000, board.Amplitude(-12))
	p.Person(&mouth)
	p.ReverseOnAnswer(true)
	p.hook(true)
	p.run(300 * ms)
	between(t, "before the call", p.level(1000), math.Inf(-1), -40)
	p.SetFar(Far{Digits: 1})
	p.dtmf(697, 1209, -8, -6, 60*ms, 60*ms)
	p.run(200 * ms)
	p.want(t, Talking)
	between(t, "the person", p.level(1000), -12.1, -11.9)
	if p.supply.Volts != 60 {
		t.Errorf("%v V after the answer", p.supply.Volts)
	}
	p.Say(Voice{Hz: 700, Level: -20})
	p.run(200 * ms)
	between(t, "the person under a voice", p.level(1000), math.Inf(-1), -40)
	l := p.Take(nil)
	kinds := []NoteKind{NoteSeized, NoteDigit, NoteAlerting, NoteAnswered}
	for i, n := range l {
		if len(l) != len(kinds) || n.Kind != kinds[i] {
			t.Fatalf("took %+v", l)
		}
	}
	if l := p.Take(l[:0]); len(l) != 0 || len(p.Notes()) != 4 {
		t.Errorf("took %+v again; notes %+v", l, p.Notes())
	}
}

// TestPulseMap: the digit of a number of pulses is the country's.
func TestPulseMap(t *testing.T) {
	for _, c := range []struct{ pulses, want string }{{"", "3"}, {"0123456789", "2"}, {"9876543210", "7"}} {
		cfg := de
		cfg.Pulses = c.pulses
		p := newPort(cfg)
		p.hook(true)
		p.run(time.Second)
		for range 3 {
			p.hook(false)
			p.run(60 * ms)
			p.hook(true)
			p.run(40 * ms)
		}
		p.run(400 * ms)
		if p.Digits() != c.want {
			t.Errorf("%q: three pulses are %q, want %q", c.pulses, p.Digits(), c.want)
		}
	}
}

package ear

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sotto/board"
)

const msec = time.Millisecond

var begin = time.Unix(5000, 0)

// tones are those of a box whose tones are all 425 Hz, the hardest case.
var tones = []Spec{
	{Name: "dial", Loop: []Burst{{Freqs: []float64{425}}}},
	{Name: "ringback", Loop: []Burst{{Freqs: []float64{425}, On: time.Second, Off: 5 * time.Second}}},
	{Name: "busy", Loop: []Burst{{Freqs: []float64{425}, On: 250 * msec, Off: 250 * msec}}},
	{Name: "congestion", Loop: []Burst{{Freqs: []float64{425}, On: 250 * msec, Off: 750 * msec}}},
	{Name: "once", Intro: []Burst{{Freqs: []float64{425}, On: 100 * msec, Off: 100 * msec}, {Freqs: []float64{425}, On: 300 * msec}}},
	{Name: "info", Loop: []Burst{{Freqs: []float64{950}, On: 330 * msec}, {Freqs: []float64{1400}, On: 330 * msec}, {Freqs: []float64{1800}, On: 330 * msec, Off: time.Second}}},
	{Name: "howler", Loop: []Burst{{Freqs: []float64{1400, 2060, 2450, 2600}, On: 100 * msec, Off: 100 * msec}}},
}

func markers() (hz []float64) {
	for i := range 16 {
		hz = append(hz, 2700+40*float64(i))
	}
	return hz
}

// signal is a voice as a function of the sample number.
type signal func(n int) float64

func sine(level float64, hz ...float64) signal {
	a := board.Amplitude(level)
	return func(n int) (v float64) {
		for i, f := range hz {
			v += a * math.Sin(2*math.Pi*f*float64(n)/board.SampleRate+float64(i))
		}
		return v
	}
}

// during is s from one time to another, with edges of 2 ms.
func during(from, to time.Duration, s signal) signal {
	a, b := samples(from), samples(to)
	return func(n int) float64 {
		if n < a || n >= b {
			return 0
		}
		return s(n) * math.Min(1, math.Min(float64(n-a), float64(b-1-n))/16)
	}
}

// cadence repeats bursts of s.
func cadence(on, off time.Duration, s signal) signal {
	return func(n int) float64 {
		n2 := n % samples(on+off)
		return during(0, on, func(int) float64 { return s(n) })(n2)
	}
}

func sum(s ...signal) signal {
	return func(n int) (v float64) {
		for _, f := range s {
			v += f(n)
		}
		return v
	}
}

// g711 passes s through A-law, by its segments and steps.
func g711(s signal) signal {
	return func(n int) float64 {
		v := math.Max(-32767, math.Min(32767, s(n)))
		m, step := math.Abs(v), 16.0
		for top := 512.0; m >= top && step < 1024; top *= 2 {
			step = top / 16
		}
		return math.Copysign(math.Floor(m/step)*step+step/2, v)
	}
}

func frame(s signal, i int) (f board.Frame) {
	for j := range f {
		f[j] = int16(math.Max(-32768, math.Min(32767, math.Round(s(i*board.FrameLen+j)))))
	}
	return f
}

type heard struct {
	Event
	at, told time.Duration
}

func (h heard) String() string {
	return fmt.Sprintf("%v %s%d at %v told %v %.1f dBm0", h.Kind, h.Name, h.Marker, h.at, h.told, h.Level)
}

func listen(s signal, d time.Duration) (out []heard) {
	e := New(tones, markers())
	for i := range int(d / board.FrameTime) {
		f := frame(s, i)
		start := begin.Add(time.Duration(i) * board.FrameTime)
		for _, ev := range e.Hear(start, &f) {
			out = append(out, heard{ev, ev.At.Sub(begin), start.Add(board.FrameTime).Sub(begin)})
		}
	}
	return out
}

// expect checks the events in order: kind, name, marker and time to 5 ms.
func expect(t *testing.T, got []heard, want ...Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("heard %d events, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Kind != w.Kind || g.Name != w.Name || g.Marker != w.Marker {
			t.Errorf("event %d is %v, want %v %s%d", i, g, w.Kind, w.Name, w.Marker)
		}
		if d := g.At.Sub(w.At); d < -5*msec || d > 5*msec {
			t.Errorf("event %d: %v, want at %v", i, g, w.At.Sub(begin))
		}
	}
}

func event(k Kind, name string, marker int, at time.Duration) Event {
	return Event{Kind: k, Name: name, Marker: marker, At: begin.Add(at)}
}

func TestMarkers(t *testing.T) {
	for i, hz := range markers() {
		got := listen(during(203*msec, 707*msec, sine(-20, hz)), time.Second)
		expect(t, got, event(MarkerOn, "", i, 203*msec), event(MarkerOff, "", i, 707*msec))
		if late := got[0].told - got[0].at; late > 70*msec {
			t.Errorf("marker %d is told %v late", i, late)
		}
		if late := got[1].told - got[1].at; late > 70*msec {
			t.Errorf("the end of marker %d is told %v late", i, late)
		}
		if math.Abs(got[0].Level+20) > 0.5 {
			t.Errorf("marker %d has %.2f dBm0", i, got[0].Level)
		}
	}
}

func TestTwoTalkers(t *testing.T) {
	hz := markers()
	for _, second := range []float64{-20, -26} {
		for other := 4; other < 16; other++ {
			s := sum(during(100*msec, 900*msec, sine(-20, hz[3])), during(333*msec, 666*msec, sine(second, hz[other])))
			expect(t, listen(g711(s), time.Second),
				event(MarkerOn, "", 3, 100*msec), event(MarkerOn, "", other, 333*msec),
				event(MarkerOff, "", other, 666*msec), event(MarkerOff, "", 3, 900*msec))
		}
	}
}

// TestOwnEcho: a telephone that speaks marker 5 hears 20 dB less of it, and others well.
func TestOwnEcho(t *testing.T) {
	hz := markers()
	echo := sine(-40, hz[5])
	expect(t, listen(g711(echo), time.Second))
	expect(t, listen(g711(sum(echo, during(200*msec, 700*msec, sine(-27, hz[6])))), time.Second),
		event(MarkerOn, "", 6, 200*msec), event(MarkerOff, "", 6, 700*msec))
	expect(t, listen(g711(sum(echo, during(0, 2*time.Second, cadence(250*msec, 250*msec, sine(-20, 425))))), 3*time.Second),
		event(ToneOn, "busy", 0, 0), event(ToneOff, "busy", 0, 1750*msec))
}

// TestMarkerOverTone: call waiting and the like are heard through a talker.
func TestMarkerOverTone(t *testing.T) {
	s := sum(sine(-20, markers()[0]), during(500*msec, 5500*msec, sine(-20, 425)))
	expect(t, listen(g711(s), 6*time.Second), event(MarkerOn, "", 0, 0),
		event(ToneOn, "dial", 0, 500*msec), event(ToneOff, "dial", 0, 5500*msec))
}

func TestMarkersAreNotFooled(t *testing.T) {
	check := func(name string, s signal, d time.Duration) {
		t.Helper()
		for _, h := range listen(s, d) {
			if h.Kind == MarkerOn {
				t.Errorf("%s: %v", name, h)
			}
		}
	}
	for i := range 16 {
		low, high := []float64{697, 770, 852, 941}[i/4], []float64{1209, 1336, 1477, 1633}[i%4]
		check("digit "+"123A456B789C*0#D"[i:i+1], g711(cadence(80*msec, 80*msec, sum(sine(-9, low), sine(-7, high)))), time.Second)
	}
	for _, f := range [][]float64{{350, 440}, {480, 620}, {400}, {425}, {950}, {1400}, {1800}, {1776.7}, {2060, 2450}, {2100}, {2130, 2750}, {1400, 2060, 2450, 2600}} {
		if f[len(f)-1] == 2750 {
			continue // the caller-ID alert really has a sine among the markers
		}
		check(fmt.Sprint(f), g711(cadence(100*msec, 100*msec, sine(-10, f...))), time.Second)
	}
	for off := 10.0; off <= 30; off += 10 {
		check("a sine between two", g711(cadence(400*msec, 100*msec, sine(-20, 2740+off))), 3*time.Second)
	}
	for _, level := range []float64{-30, -15, -8} {
		check(fmt.Sprintf("high noise of %g dBm0", level), high(noise(level)), 10*time.Second)
	}
	for _, level := range []float64{-40, -25, -15, -8} {
		check(fmt.Sprintf("speech of %g dBm0", level), g711(speech(level)), 30*time.Second)
		check(fmt.Sprintf("noise of %g dBm0", level), noise(level), 10*time.Second)
	}
}

// noise is white.
func noise(level float64) signal {
	r := rand.New(rand.NewPCG(1, 2))
	a := board.Amplitude(level) / math.Sqrt2
	return func(int) float64 { return a * r.NormFloat64() }
}

// high is s with what lies below 2.5 kHz taken off by four differences.
func high(s signal) signal {
	var last [4]float64
	return func(n int) float64 {
		v := s(n)
		for i := range last {
			v, last[i] = (v-last[i])/2, v
		}
		return v
	}
}

// speech is noise and glottal pulses through resonances that move four times a second,
// with pauses: nothing a person would understand, with the spectrum and rhythm of talk.
func speech(level float64) signal {
	r := rand.New(rand.NewPCG(3, 4))
	type resonance struct{ f, bw, a1, a2, y1, y2 float64 }
	res := []resonance{{bw: 60}, {bw: 90}, {bw: 120}, {bw: 150}}
	ranges := [][2]float64{{250, 850}, {850, 2300}, {2300, 3100}, {3100, 3600}}
	amp, voiced, pitch := 0.0, true, 120.0
	return func(n int) float64 {
		if n%2000 == 0 {
			voiced = r.Float64() < 0.7
			pitch = 90 + 150*r.Float64()
			amp = r.Float64()
			if r.Float64() < 0.15 {
				amp = 0
			}
			for i := range res {
				res[i].f = ranges[i][0] + r.Float64()*(ranges[i][1]-ranges[i][0])
				w := math.Exp(-math.Pi * res[i].bw / board.SampleRate)
				res[i].a1, res[i].a2 = 2*w*math.Cos(2*math.Pi*res[i].f/board.SampleRate), -w*w
			}
		}
		x := r.NormFloat64() * 0.3
		if voiced {
			x *= 0.2
			if math.Mod(float64(n), board.SampleRate/pitch) < 1 {
				x += 8
			}
		}
		v := 0.0
		for i := range res {
			y := x + res[i].a1*res[i].y1 + res[i].a2*res[i].y2
			res[i].y2, res[i].y1 = res[i].y1, y
			v += y / float64(i+1)
		}
		return v * amp * board.Amplitude(level) / 12
	}
}

func TestSpeechIsNoTone(t *testing.T) {
	for _, h := range listen(g711(speech(-15)), 60*time.Second) {
		if h.Kind != Digit && h.Name != Unknown {
			t.Error(h)
		}
	}
}

// TestOneToneAfterAnother: each is named although all have one frequency.
func TestOneToneAfterAnother(t *testing.T) {
	d := sine(-15, 425)
	s := func(n int) float64 {
		switch at := time.Duration(n) * time.Second / board.SampleRate; {
		case at < 2*time.Second:
			return during(0, 2*time.Second, d)(n)
		case at < 3*time.Second:
			return 0
		case at < 10*time.Second:
			return cadence(time.Second, 5*time.Second, d)(n - 3*board.SampleRate)
		case at < 13*time.Second:
			return cadence(250*msec, 250*msec, d)(n - 10*board.SampleRate)
		case at < 16*time.Second:
			return cadence(250*msec, 750*msec, d)(n - 13*board.SampleRate)
		}
		return 0
	}
	expect(t, listen(s, 20*time.Second),
		event(ToneOn, "dial", 0, 0), event(ToneOff, "dial", 0, 2*time.Second),
		event(ToneOn, "ringback", 0, 3*time.Second), event(ToneOff, "ringback", 0, 4*time.Second), // its second burst ran on
		event(ToneOn, "busy", 0, 10250*msec+250*msec), event(ToneOff, "busy", 0, 13250*msec),
		event(ToneOn, "congestion", 0, 14*time.Second), event(ToneOff, "congestion", 0, 15250*msec))
}

// TestJoinedToAnother: without a pause between them, a tone without end is named late
// and a cadence from its next burst on.
func TestJoinedToAnother(t *testing.T) {
	d := sine(-15, 425)
	busy := cadence(250*msec, 250*msec, d)
	s := func(n int) float64 {
		if n < samples(3100*msec) {
			return busy(n)
		}
		return d(n)
	}
	got := listen(s, 10*time.Second)
	expect(t, got, event(ToneOn, "busy", 0, 0), event(ToneOff, "busy", 0, 2750*msec), event(ToneOn, "dial", 0, 3*time.Second))
	if got[2].told < 5*time.Second {
		t.Errorf("%v", got[2])
	}
}

// TestHeardFromTheMiddle: a tone heard from the middle of a burst on.
func TestHeardFromTheMiddle(t *testing.T) {
	d := sine(-15, 425)
	ringback := cadence(time.Second, 5*time.Second, d)
	got := listen(func(n int) float64 { return ringback(n + samples(400*msec)) }, 10*time.Second)
	if len(got) == 0 || got[0].Name != "ringback" {
		t.Errorf("heard %v", got)
	}
	congestion := cadence(250*msec, 750*msec, d)
	got = listen(func(n int) float64 { return congestion(n + samples(150*msec)) }, 10*time.Second)
	if len(got) == 0 || got[0].Name != "congestion" {
		t.Errorf("heard %v", got)
	}
}

// TestCutShort: a sound that happens to end after the length of a burst is not that
// tone yet.
func TestCutShort(t *testing.T) {
	d := sine(-15, 425)
	expect(t, listen(during(0, 250*msec, d), 3*time.Second))
	got := listen(sum(during(0, time.Second, d), during(1300*msec, 5*time.Second, d)), 4*time.Second)
	expect(t, got, event(ToneOn, "dial", 0, 1300*msec))
}

func TestUnknownTone(t *testing.T) {
	got := listen(during(500*msec, 8*time.Second, sine(-30, 700)), 12*time.Second)
	expect(t, got, event(ToneOn, Unknown, 0, 500*msec), event(ToneOff, Unknown, 0, 8*time.Second))
	if got[0].told < 3500*msec || got[0].told > 3600*msec {
		t.Errorf("told at %v", got[0].told)
	}
	if got := listen(during(500*msec, 8*time.Second, sine(-56, 700)), 12*time.Second); len(got) != 0 {
		t.Errorf("below -50 dBm0 heard %v", got)
	}
}

func TestDigits(t *testing.T) {
	const digits = "123A456B789C*0#D"
	for i := range digits {
		low, high := []float64{697, 770, 852, 941}[i/4], []float64{1209, 1336, 1477, 1633}[i%4]
		s := g711(during(100*msec, 200*msec, sum(sine(-18, low), sine(-16, high))))
		expect(t, listen(s, 5*time.Second), event(Digit, digits[i:i+1], 0, 100*msec))
	}
}

func TestClickIsNothing(t *testing.T) {
	s := func(n int) float64 {
		if n%4000 < 40 {
			return 9000
		}
		return 0
	}
	expect(t, listen(s, 10*time.Second))
}

func TestSplitFrames(t *testing.T) {
	// The same sound a few samples later gives the same words.
	for shift := 0; shift < board.FrameLen; shift += 7 {
		s := during(time.Duration(shift)*time.Second/board.SampleRate, 20*time.Second, cadence(250*msec, 250*msec, sine(-30, 425)))
		got := listen(s, 4*time.Second)
		if len(got) != 1 || got[0].Name != "busy" {
			t.Errorf("shifted by %d: %v", shift, got)
		}
	}
}

func TestHearDoesNotAllocate(t *testing.T) {
	for name, s := range map[string]signal{
		"silence": func(int) float64 { return 0 },
		"idle":    func(n int) float64 { return float64(n%3) * 8 },
		"busy":    cadence(250*msec, 250*msec, sine(-20, 425)),
		"talk":    sum(sine(-20, 2700), sine(-20, 2900)),
		"speech":  speech(-15),
	} {
		e := New(tones, markers())
		i := 0
		var frames [300]board.Frame
		for i := range frames {
			frames[i] = frame(s, i)
		}
		if n := testing.AllocsPerRun(1000, func() {
			e.Hear(begin.Add(time.Duration(i)*board.FrameTime), &frames[i%300])
			i++
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", name, n)
		}
	}
}

func BenchmarkHear(b *testing.B) {
	for _, c := range []struct {
		name string
		s    signal
	}{
		{"silence", func(int) float64 { return 0 }},
		{"dial", sine(-20, 425)},
		{"marker", sine(-20, 2700)},
		{"speech", speech(-15)},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := New(tones, markers())
			var frames [100]board.Frame
			for i := range frames {
				frames[i] = frame(c.s, i)
			}
			i := 0
			for b.Loop() {
				e.Hear(begin.Add(time.Duration(i)*board.FrameTime), &frames[i%100])
				i++
			}
		})
	}
}

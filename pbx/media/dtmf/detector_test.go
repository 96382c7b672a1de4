package dtmf

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// hear feeds samples to a detector frame by frame; at is the sample at which each event
// was told.
func hear(d *Detector, pcm []int16) (told []Event, at []int) {
	var f board.Frame
	for n := 0; n+board.FrameLen <= len(pcm); n += board.FrameLen {
		copy(f[:], pcm[n:])
		if e := d.Next(&f); e.Kind != None {
			told, at = append(told, e), append(at, n+board.FrameLen)
		}
	}
	return told, at
}

func clip(v float64) int16 {
	return int16(min(max(math.Round(v), math.MinInt16), math.MaxInt16))
}

// Ten thousand digits of 40 ms with pauses of 40 ms (to 50, so that they fall anywhere in
// a frame), each with its own level, twist, frequencies, phases and noise within the
// contract; a third of them with dial tone, a third through each law.
func TestDigits(t *testing.T) {
	const on = 320
	count := 10_000
	if testing.Short() {
		count = 1_000
	}
	r := rand.New(rand.NewPCG(40, 40))
	within := func(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
	var pcm []int16
	var digits []byte
	var from []int
	number := -1 // of 50 digits each
	dialTone := []sine{{350, board.Amplitude(-31), 0}, {440, board.Amplitude(-31), 1}}
	add := func(n int, s ...sine) {
		i0 := len(pcm)
		noise := s[len(s)-1].peak
		for i := range n {
			v := noise * r.NormFloat64()
			for _, u := range s[:len(s)-1] {
				v += u.at(i)
			}
			if number%3 == 1 {
				v += dialTone[0].at(i0+i) + dialTone[1].at(i0+i)
			}
			x := clip(v)
			switch number / 3 % 3 {
			case 1:
				x = g711.ALaw.Decode(g711.ALaw.Encode(x))
			case 2:
				x = g711.MuLaw.Decode(g711.MuLaw.Encode(x))
			}
			pcm = append(pcm, x)
		}
	}
	for range count {
		digit := Digits[r.IntN(len(Digits))]
		level, twist := within(-25, -3), within(-8, 4)
		low, high := board.Amplitude(level+min(0, -twist)), board.Amplitude(level+min(0, twist))
		noise := sine{peak: math.Hypot(low, high) / math.Sqrt2 * math.Pow(10, -within(15, 40)/20)}
		lo, hi, _ := Frequencies(digit)
		if len(digits)%50 == 0 {
			number++
			add(1600, noise) // dial tone comes and goes between the numbers
		}
		digits, from = append(digits, digit), append(from, len(pcm))
		add(on, sine{lo * (1 + within(-.015, .015)), low, within(0, 6)}, sine{hi * (1 + within(-.015, .015)), high, within(0, 6)}, noise)
		add(on+r.IntN(board.FrameLen), noise)
	}
	add(800, sine{})

	var d Detector
	told, at := hear(&d, pcm)
	found, false_, late := make([]int, count), 0, 0
	p := 0
	for i, e := range told {
		if e.Kind != Start {
			continue
		}
		for p+1 < count && at[i] > from[p+1] {
			p++
		}
		if at[i] > from[p] && e.Digit == digits[p] {
			found[p]++
		} else {
			false_++
		}
		late = max(late, at[i]-from[p])
	}
	missed, doubled := 0, 0
	for _, n := range found {
		if n == 0 {
			missed++
		} else if n > 1 {
			doubled++
		}
	}
	t.Logf("of %d: %d missed, %d doubled, %d false; told at most %d ms after its beginning", count, missed, doubled, false_, late/8)
	if missed > count/1000 || doubled > 0 || false_ > 0 || late > 60*8 {
		t.Error("contract: 99.9 % found, none doubled, none false, within 60 ms")
	}
}

// The End tells how long the tone was.
func TestToneLength(t *testing.T) {
	for _, ms := range []int{40, 50, 80, 200, 1000, 5000} {
		s := scene{digit: '7', presses: 1, lead: 1613, key: Key{Low: -11, High: -9, On: time.Duration(ms) * time.Millisecond}}
		told, _ := hear(new(Detector), s.pcm())
		if len(told) != 2 || told[1].Kind != End || (told[1].Tone-s.key.On).Abs() > 10*time.Millisecond {
			t.Errorf("%d ms: told %v", ms, told)
		}
	}
}

// A faint echo of a digit that fills the pause after it is no digit, and hides none.
func TestEcho(t *testing.T) {
	for _, loss := range []float64{12, 16, 20} {
		for _, delay := range []int{160, 200, 400} {
			r := rand.New(rand.NewPCG(3, 4))
			s := scene{digit: '5', presses: 6, lead: 1640, rand: r,
				key: Key{Low: -8, High: -8, On: 60 * time.Millisecond, Off: 60 * time.Millisecond}}
			dry := s.pcm()
			for i := len(dry) - 1; i >= delay; i-- {
				dry[i] = clip(float64(dry[i]) + float64(dry[i-delay])*math.Pow(10, -loss/20))
			}
			told, _ := hear(new(Detector), dry)
			if n := starts(told); n != s.presses {
				t.Errorf("echo of -%v dB after %d ms: told %d of %d", loss, delay/8, n, s.presses)
			}
		}
	}
}

func starts(told []Event) (n int) {
	for _, e := range told {
		if e.Kind == Start {
			n++
		}
	}
	return n
}

// A tone that drops by any step while it lasts is one digit.
func TestLevelStep(t *testing.T) {
	for db := -30.0; db <= 0; db++ {
		s := scene{digit: '#', presses: 1, lead: 1600, key: Key{Low: -6, High: -6, On: 400 * time.Millisecond}}
		pcm := s.pcm()
		for i := 3013; i < len(pcm); i++ {
			pcm[i] = clip(float64(pcm[i]) * math.Pow(10, db/20))
		}
		if told, _ := hear(new(Detector), pcm); starts(told) != 1 {
			t.Errorf("step of %v dB: %v", db, told)
		}
	}
}

// What else is on a line is no digit.
func TestNoDigit(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const n = 60 * board.SampleRate
	pcm := make([]int16, n)
	check := func(name string, at func(i int) float64) {
		t.Helper()
		for i := range pcm {
			pcm[i] = clip(at(i))
		}
		if told, _ := hear(new(Detector), pcm); len(told) != 0 {
			t.Errorf("%s: %d events", name, len(told))
		}
	}
	for _, hz := range [][]float64{{350, 440}, {425}, {400, 450}, {440, 480}, {480, 620}, {425, 400}, {950}, {1400}, {1800},
		{1400, 2060, 2450, 2600}, {2130, 2750}, {1300}, {2100}, {1100}, {697, 770}, {1209, 1336}, {697, 852, 1209}, {941, 1336, 1477}} {
		tones := make([]sine, len(hz))
		for i := range hz {
			tones[i] = sine{hz[i], board.Amplitude(-10), 0}
		}
		check(fmt.Sprint("cadenced tone ", hz), func(i int) (v float64) {
			if i/800%2 == 0 {
				return 0
			}
			for _, s := range tones {
				v += s.at(i)
			}
			return v
		})
	}
	for _, hz := range frequencies {
		check(fmt.Sprint("one tone of a key ", hz), sine{hz, board.Amplitude(-3), 0}.at)
	}
	check("white noise", func(int) float64 { return 3000 * r.NormFloat64() })
	check("FSK", func() func(int) float64 {
		phase, bit := 0.0, 1
		return func(i int) float64 {
			if i%7 == 0 {
				bit = r.IntN(2)
			}
			phase += 2 * math.Pi * float64(1200+1000*bit) / board.SampleRate
			return board.Amplitude(-13) * math.Sin(phase)
		}
	}())
	// A quick glide through every row under a steady column, over and over.
	check("glide", func(i int) float64 {
		x := float64(i%2000) / board.SampleRate
		return board.Amplitude(-10) * (math.Sin(2*math.Pi*(600*x+1000*x*x)) + sine{1209, 1, 0}.at(i))
	})
}

func TestReset(t *testing.T) {
	var d Detector
	s := scene{digit: '1', presses: 1, lead: 1600, key: Key{Low: -6, High: -6, On: 400 * time.Millisecond}}
	hear(&d, s.pcm()[:3200])
	if !d.on {
		t.Fatal("the digit is not on")
	}
	d.Reset()
	if told, _ := hear(&d, make([]int16, 1600)); len(told) != 0 {
		t.Errorf("after Reset: %v", told)
	}
}

func TestEventHidesDigit(t *testing.T) {
	e := Event{Kind: End, Digit: '7', Tone: 60 * time.Millisecond}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})).Info("digit", "event", e)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", e, e, e, e), b.String()} {
		if strings.ContainsAny(s, "7") || strings.Contains(s, "55") {
			t.Errorf("shows the digit: %s", s)
		}
	}
}

// The response that the comment at filter promises.
func TestFilter(t *testing.T) {
	response := func(hz float64) (whole, pass float64) {
		z := cmplx.Exp(complex(0, -2*math.Pi*hz/board.SampleRate))
		section := func(g, b, a1, a2 complex128) complex128 { return g * (1 + b*z + z*z) / (1 + a1*z + a2*z*z) }
		a := section(gainA, -2, a1A, a2A)
		return cmplx.Abs(a), cmplx.Abs(a * section(gainB, b1B, a1B, a2B) * section(1, b1C, a1C, a2C))
	}
	for hz := 10.0; hz < 3500; hz += 5 {
		_, g := response(hz)
		db := 20 * math.Log10(g)
		switch {
		case hz <= 60, hz >= 335 && hz <= 485:
			if db > -40 {
				t.Errorf("%.0f Hz: %.1f dB", hz, db)
			}
		case hz >= 676 && hz <= 1690:
			if math.Abs(db) > 0.2 {
				t.Errorf("%.0f Hz: %.2f dB", hz, db)
			}
		case hz > 1690:
			if math.Abs(db) > 0.8 {
				t.Errorf("%.0f Hz: %.2f dB", hz, db)
			}
		}
	}
	// The code runs what the formula says, and begins as if an offset had been there for ever.
	var s filter
	var z [board.FrameLen]float32
	var f board.Frame
	for i := range f {
		f[i] = -3000
	}
	s.settle(-3000)
	if whole := s.run(&f, &z); whole[0]+whole[1] > 1 {
		t.Errorf("settled on an offset, yet %v comes through", whole)
	}
	in := sine{470, 10000, 0}
	var whole [2]float32
	var pass float64
	for n := range 100 {
		for i := range f {
			f[i] = clip(in.at(n*board.FrameLen+i) + 3000)
		}
		if n == 0 {
			s.settle(3000)
		}
		whole, pass = s.run(&f, &z), 0
		for _, v := range z {
			pass += float64(v) * float64(v)
		}
	}
	wantWhole, wantPass := response(470)
	rms := math.Sqrt(float64(whole[0]+whole[1])/board.FrameLen) / (10000 / math.Sqrt2)
	if math.Abs(rms-wantWhole) > 0.02 || math.Sqrt(pass/board.FrameLen)/(10000/math.Sqrt2) > wantPass+1e-3 {
		t.Errorf("470 Hz: whole %.3f, want %.3f; passed %.1f", rms, wantWhole, pass)
	}
}

func TestAllocs(t *testing.T) {
	var d Detector
	var g Generator
	pcm := make([]board.Frame, 64)
	if err := g.Send("159D", DefaultKey); err != nil {
		t.Fatal(err)
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		f := &pcm[i%len(pcm)]
		g.Add(f)
		d.Next(f)
		i++
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// Whatever is on the line: no panic, Start and End in turn, End with the digit of its
// Start, Starts at least 30 ms apart.
func FuzzDetector(f *testing.F) {
	f.Add([]byte{0, 0, 255, 127, 0, 128}, byte('5'), uint16(3))
	f.Add(make([]byte, 320), byte('0'), uint16(400))
	f.Fuzz(func(t *testing.T, raw []byte, digit byte, every uint16) {
		if len(raw) < 2 || len(raw) > 1<<14 {
			return
		}
		pcm := make([]int16, 8000)
		for i := range pcm {
			j := i % (len(raw) / 2)
			pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*j:]))
		}
		if lo, hi, ok := Frequencies(digit); ok {
			a, b := sine{lo, 9000, 0}, sine{hi, 9000, 0}
			for i := range pcm {
				if every > 0 && i/int(every)%2 == 0 {
					pcm[i] = clip(float64(pcm[i])/8 + a.at(i) + b.at(i))
				}
			}
		}
		told, at := hear(new(Detector), pcm)
		for i, e := range told {
			if (e.Kind == Start) != (i%2 == 0) || i%2 == 1 && (e.Digit != told[i-1].Digit || e.Tone <= 0) {
				t.Fatalf("event %d: %v", i, e)
			}
			if i >= 2 && i%2 == 0 && at[i]-at[i-2] < 240 {
				t.Fatalf("starts %d samples apart", at[i]-at[i-2])
			}
			if !strings.ContainsRune(Digits, rune(e.Digit)) {
				t.Fatalf("digit %q", e.Digit)
			}
		}
	})
}

func BenchmarkDigit(b *testing.B)   { benchmark(b, board.Amplitude(-10)) }
func BenchmarkSilence(b *testing.B) { benchmark(b, 0) }

// Speech makes most windows fail at a look; noise stands for it.
func BenchmarkNoise(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	pcm := make([]board.Frame, 64)
	for i := range pcm {
		for j := range pcm[i] {
			pcm[i][j] = clip(2000 * r.NormFloat64())
		}
	}
	run(b, pcm)
}

func benchmark(b *testing.B, peak float64) {
	pcm := make([]board.Frame, 64)
	for i := range pcm {
		for j := range pcm[i] {
			n := i*board.FrameLen + j
			pcm[i][j] = clip(sine{852, peak, 0}.at(n) + sine{1477, peak, 0}.at(n))
		}
	}
	run(b, pcm)
}

func run(b *testing.B, pcm []board.Frame) {
	var d Detector
	i := 0
	for b.Loop() {
		d.Next(&pcm[i%len(pcm)])
		i++
	}
}

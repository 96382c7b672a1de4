package display

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sotto/board"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sender is a modem and a line of its own, with all that can be wrong with them.
type sender struct {
	mark, space float64 // Hz
	speed       float64 // 1 is right
	level       float64 // dBm0
	snr         float64 // dB; 0 for no noise
	twist       float64 // dB by which the mark is louder
	seizure     int
	marks       int
	pause       int // mark bits after each byte
	noStop      int // number of a byte whose stop bit is a space; 0 for none
}

var bell, v23 = sender{mark: 1200, space: 2200}, sender{mark: 1300, space: 2100}

// send gives the samples of a body whose checksum it adds.
func (s sender) send(body []byte, r *rand.Rand) []int16 {
	var sum byte
	for _, b := range body {
		sum += b
	}
	msg := append(append([]byte(nil), body...), -sum)
	var bits []bool
	for i := range s.seizure {
		bits = append(bits, i%2 == 1)
	}
	more := func(n int) {
		for range n {
			bits = append(bits, true)
		}
	}
	more(s.marks)
	for n, b := range msg {
		bits = append(bits, false)
		for i := range 8 {
			bits = append(bits, b>>i&1 == 1)
		}
		more(1 + s.pause)
		if s.noStop != 0 && n == s.noStop {
			bits[len(bits)-1-s.pause] = false
		}
	}
	more(5)
	perBit := 8000.0 / 1200 / s.speed
	pcm := make([]int16, int(perBit*float64(len(bits))))
	phase := r.Float64()
	for i := range pcm {
		hz, gain := s.space, -s.twist/2
		if bits[min(int(float64(i)/perBit), len(bits)-1)] {
			hz, gain = s.mark, s.twist/2
		}
		v := board.Amplitude(s.level+gain) * math.Sin(2*math.Pi*phase)
		if s.snr != 0 {
			v += board.Amplitude(s.level-s.snr) / math.Sqrt2 * r.NormFloat64()
		}
		pcm[i] = int16(math.Round(v))
		phase += hz / 8000
	}
	return pcm
}

// hear shows samples to a new display, with silence before and after, from sample shift
// of a frame on.
func hear(pcm []int16, shift int) (all []Message) {
	d := New()
	pcm = append(append(make([]int16, 160+shift), pcm...), make([]int16, 80*board.FrameLen)...)
	for n := 0; n+board.FrameLen <= len(pcm); n += board.FrameLen {
		f := board.Frame(pcm[n:])
		if m, ok := d.Hear(start.Add(time.Duration(n)*time.Second/8000), &f); ok {
			all = append(all, m)
		}
	}
	return all
}

var call = []byte("\x80\x15\x01\x0812241830\x02\x03101\x07\x04Anna")

func TestModems(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, m := range map[string]sender{"Bell 202": bell, "V.23": v23} {
		for _, speed := range []float64{0.99, 0.995, 1, 1.005, 1.01} {
			for _, level := range []float64{-8, -22, -36} {
				for _, snr := range []float64{0, 25} {
					for _, twist := range []float64{-6, 0, 6} {
						m.speed, m.level, m.snr, m.twist, m.seizure, m.marks = speed, level, snr, twist, 300, 180
						if twist != 0 && level == -36 {
							continue
						}
						l := hear(m.send(call, r), r.IntN(80))
						if len(l) != 1 || l[0].Number != "101" || l[0].Name != "Anna" || l[0].Time != "12241830" || l[0].Modem != name || l[0].Bad != "" {
							t.Errorf("%s at %g, %g dBm0, SNR %g, twist %g: %+v", name, speed, level, snr, twist, l)
						}
					}
				}
			}
		}
		for _, shift := range []float64{0.985, 1.015} { // ETSI's carriers, 1.5 %
			s := sender{mark: m.mark * shift, space: m.space * shift, speed: 1, level: -13, snr: 25, seizure: 300, marks: 180}
			if l := hear(s.send(call, r), 0); len(l) != 1 || l[0].Number != "101" || l[0].Modem != name {
				t.Errorf("%s, carrier times %g: %+v", name, shift, l)
			}
		}
	}
}

func TestLead(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		seizure, marks, pause int
		ok                    bool
	}{
		{96, 55, 0, true}, {315, 90, 0, true}, {300, 205, 10, true}, {100, 60, 3, true},
		{60, 180, 0, false}, {300, 30, 0, false}, {0, 180, 0, false}, {300, 500, 0, false},
	} {
		s := v23
		s.speed, s.level, s.seizure, s.marks, s.pause = 1, -13.5, c.seizure, c.marks, c.pause
		l := hear(s.send(call, r), 17)
		if c.ok != (len(l) == 1 && l[0].Number == "101") {
			t.Errorf("%+v: %+v", c, l)
		}
		if !c.ok && len(l) > 0 {
			t.Errorf("%+v: %+v", c, l)
		}
		if c.ok && (math.Abs(float64(l[0].Seizure-c.seizure)) > 3 || math.Abs(float64(l[0].Mark-c.marks)) > 2) {
			t.Errorf("%+v: seizure of %d, mark of %d", c, l[0].Seizure, l[0].Mark)
		}
	}
}

func TestBroken(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := bell
	s.speed, s.level, s.seizure, s.marks = 1, -13.5, 300, 180
	broken := s
	broken.noStop, broken.pause = 9, 2 // the right bytes, but for the stop bit
	if l := hear(broken.send(call, r), 0); len(l) != 1 || words(l[0]) != "bad framing" {
		t.Errorf("without a stop bit: %+v", l)
	}
	broken.noStop, broken.pause = 0, 30
	if l := hear(broken.send(call, r), 0); len(l) != 1 || words(l[0]) != "bad cut short" {
		t.Errorf("with pauses of 30 bits: %+v", l)
	}
	pcm := s.send(call, r)
	pcm = append(pcm[:len(pcm)-600], pcm[len(pcm)-550:]...) // 50 samples lost: not whole bits
	if l := hear(pcm, 0); len(l) != 1 || l[0].Bad == "" {
		t.Errorf("with samples lost: %+v", l)
	}
}

func TestMessages(t *testing.T) {
	on, off := "on", "off"
	for _, c := range []struct {
		body string
		want string
	}{
		{"\x82\x03\x0B\x01\xFF", "lamp " + on},
		{"\x82\x03\x0B\x01\x00", "lamp " + off},
		{"\x06\x03BBB", "lamp " + on},
		{"\x06\x03ooo", "lamp " + off},
		{"\x04\x0F122418305551212", "number 5551212 time 12241830"},
		{"\x04\x0912241830P", "withheld time 12241830"},
		{"\x04\x0912241830O", "unavailable time 12241830"},
		{"\x80\x10\x01\x0812241830\x04\x01P\x08\x01P", "withheld time 12241830 no name withheld"},
		{"\x80\x06\x04\x01O\x07\x01X", "unavailable name X"},
		{"\x80\x09\x99\x02!!\x02\x03101", "number 101"}, // a parameter that nobody knows
		{"\x80\x00", ""},
		{"\x80\x05\x02\x09101", "bad length"},
		{"\x80\x01\x02", "bad length"},
		{"\x04\x0812241830", "bad length"},
		{"\x04\x0913241830O", "bad time"},
		{"\x80\x05\x02\x03a01", "bad number"},
		{"\x80\x02\x02\x00", "bad number"},
		{"\x80\x03\x04\x01X", "bad reason"},
		{"\x80\x03\x07\x01\x07", "bad text"},
		{"\x82\x03\x0B\x01\x01", "bad lamp"},
		{"\x06\x03BBo", "bad lamp"},
		{"\x81\x00", "bad type"},
	} {
		var sum byte
		for _, b := range []byte(c.body) {
			sum += b
		}
		if got := words(parse(append([]byte(c.body), -sum))); got != c.want {
			t.Errorf("%q: %s, want %s", c.body, got, c.want)
		}
		if got := words(parse(append([]byte(c.body), 1-sum))); got != "bad checksum" {
			t.Errorf("%q with a wrong checksum: %s", c.body, got)
		}
	}
}

func words(m Message) string {
	s := ""
	add := func(what, v string) {
		if v != "" {
			s += " " + what + v
		}
	}
	add("bad ", m.Bad)
	add("number ", m.Number)
	add("", m.Reason)
	add("name ", m.Name)
	add("time ", m.Time)
	add("no name ", m.NoName)
	if m.Waiting != nil {
		add("lamp ", map[bool]string{true: "on", false: "off"}[*m.Waiting])
	}
	if s == "" {
		return s
	}
	return s[1:]
}

func TestAt(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	s := bell
	s.speed, s.level, s.seizure, s.marks = 1, -13.5, 300, 180
	pcm := s.send(call, r)
	l := hear(pcm, 0)
	end := start.Add(time.Duration(160+len(pcm)) * time.Second / 8000)
	if d := end.Sub(l[0].At); d < -10*time.Millisecond || d > 10*time.Millisecond {
		t.Errorf("the message ended at %v, told %v before", end, d)
	}
}

// What is no message gives none: noise, tones, music of sorts, voices of sorts.
func TestNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for name, f := range map[string]func(n int) float64{
		"noise":       func(n int) float64 { return 3000 * r.NormFloat64() },
		"loud noise":  func(n int) float64 { return 30000 * r.NormFloat64() },
		"dial tone":   func(n int) float64 { return 5000 * math.Sin(2*math.Pi*425*float64(n)/8000) },
		"mark":        func(n int) float64 { return 5000 * math.Sin(2*math.Pi*1200*float64(n)/8000) },
		"centre":      func(n int) float64 { return 5000 * math.Sin(2*math.Pi*1700*float64(n)/8000) },
		"sweep":       func(n int) float64 { return 5000 * math.Sin(float64(n)*float64(n)/8e5) },
		"600 baud":    func(n int) float64 { return 5000 * math.Sin(2*math.Pi*(1700+500*sign(n/13))*float64(n)/8000) },
		"square":      func(n int) float64 { return 20000 * sign(n/4) },
		"clipped":     func(n int) float64 { return 32767 * sign(int(r.Int32())) },
		"voices":      voice(r, 110),
		"high voices": voice(r, 230),
	} {
		d := New()
		n := 0
		for k := range 6000 { // a minute
			var f2 board.Frame
			for i := range f2 {
				f2[i] = int16(min(max(f(n), math.MinInt16), math.MaxInt16))
				n++
			}
			if m, ok := d.Hear(start.Add(time.Duration(k)*board.FrameTime), &f2); ok {
				t.Errorf("%s: %+v", name, m)
			}
		}
	}
}

func sign(n int) float64 { return float64(n&1)*2 - 1 }

// voice makes vowels: harmonics of a pitch that wanders, louder near three formants that
// change four times a second, with pauses.
func voice(r *rand.Rand, pitch float64) func(n int) float64 {
	var formant [3]float64
	phase, gain, drift := 0.0, 0.0, 1.0
	return func(n int) float64 {
		if n%2000 == 0 {
			formant = [3]float64{300 + 500*r.Float64(), 900 + 1300*r.Float64(), 2300 + 700*r.Float64()}
			gain = float64(r.IntN(4)) * 1500
			drift = 0.9 + 0.2*r.Float64()
		}
		phase += pitch * drift / 8000
		v := 0.0
		for k := 1; k < int(3400/(pitch*drift)); k++ {
			a := 0.0
			for _, f := range formant {
				d := (float64(k)*pitch*drift - f) / 120
				a += 1 / (1 + d*d)
			}
			v += a * math.Sin(2*math.Pi*phase*float64(k))
		}
		return gain*v + 20*r.NormFloat64()
	}
}

func TestNoAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	d := New()
	var loud, quiet board.Frame
	for i := range loud {
		loud[i] = int16(r.IntN(20000) - 10000)
	}
	for name, f := range map[string]*board.Frame{"noise": &loud, "silence": &quiet} {
		if n := testing.AllocsPerRun(200, func() { d.Hear(start, f) }); n != 0 {
			t.Errorf("%s: %g allocations a frame", name, n)
		}
	}
}

func BenchmarkHear(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var loud, quiet board.Frame
	for i := range loud {
		loud[i] = int16(r.IntN(20000) - 10000)
	}
	for name, f := range map[string]*board.Frame{"noise": &loud, "silence": &quiet} {
		b.Run(name, func(b *testing.B) {
			d := New()
			b.ReportAllocs()
			for b.Loop() {
				d.Hear(start, f)
			}
		})
	}
}

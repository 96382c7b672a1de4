package conceal

import (
	"math"
	"testing"
)

func sine(hz, amp float64, from, n int) []int16 {
	x := make([]int16, n)
	for i := range x {
		x[i] = int16(math.Round(amp * math.Sin(2*math.Pi*hz*float64(from+i)/8000)))
	}
	return x
}

// voiced is a buzz of all harmonics of hz below 3.4 kHz.
func voiced(hz float64, from, n int) []int16 {
	x := make([]int16, n)
	for i := range x {
		v := 0.0
		for k := 1.0; k*hz < 3400; k++ {
			v += 3000 / k * math.Sin(2*math.Pi*k*hz*float64(from+i)/8000+k*k)
		}
		x[i] = int16(v)
	}
	return x
}

func power(x []int16) (p float64) {
	for _, s := range x {
		p += float64(s) * float64(s) / float64(len(x))
	}
	return p
}

func snr(want, got []int16) float64 {
	off := make([]int16, len(want))
	for i := range off {
		off[i] = want[i] - got[i]
	}
	return 10 * math.Log10(power(want)/power(off))
}

func TestPitch(t *testing.T) {
	for _, hz := range []float64{67, 80, 100, 125, 150, 199} {
		lag, match := Pitch(voiced(hz, 0, PastSpan))
		if d := math.Abs(8000/hz - float64(lag)); d > 1 || match < 0.95 {
			t.Errorf("%v Hz: lag %d, match %.3f", hz, lag, match)
		}
	}
	for _, hz := range []float64{250, 320, 440, 1000, 1633} { // at a multiple of the period
		lag, match := Pitch(sine(hz, 9000, 0, PastSpan))
		if p := float64(lag) * hz / 8000; math.Abs(p-math.Round(p)) > 0.12 || match < 0.7 {
			t.Errorf("%v Hz: lag %d, match %.3f", hz, lag, match)
		}
	}
	if _, match := Pitch(make([]int16, PastSpan)); match != 0 {
		t.Errorf("silence matches %.3f", match)
	}
	if lag, match := Pitch(make([]int16, PitchSpan-1)); lag != MaxLag || match != 0 {
		t.Errorf("short past: %d, %.3f", lag, match)
	}
}

// TestGap holds a gap against the sound that was missing: near it at first, never a step
// that the sound has not got, and gone after 60 ms.
func TestGap(t *testing.T) {
	var c Concealer
	for _, hz := range []float64{80, 110, 142, 200} {
		all := voiced(hz, 0, 2000)
		const at = 1000
		c.Begin(all[:at])
		got := make([]int16, 560)
		for i := 0; i < len(got); i += 7 {
			c.Fill(got[i : i+7])
		}
		r10, r20 := snr(all[at:at+80], got[:80]), snr(all[at+80:at+160], got[80:160])
		var step, natural float64
		for i := 1; i < at; i++ {
			natural = math.Max(natural, math.Abs(float64(all[i])-float64(all[i-1])))
		}
		last := all[at-1]
		for _, v := range got {
			step = math.Max(step, math.Abs(float64(v)-float64(last)))
			last = v
		}
		t.Logf("%v Hz: %.1f dB in the first 10 ms, %.1f dB in the second; steepest step %.2f of the voice's", hz, r10, r20, step/natural)
		if r10 < 10 || r20 < 5 || step > 1.2*natural {
			t.Errorf("%v Hz: %.1f dB, %.1f dB, step %.0f of %.0f", hz, r10, r20, step, natural)
		}
		if p := power(got[400:480]) / power(all[:at]); p > 0.05 {
			t.Errorf("%v Hz: still %.3f of the power after 50 ms", hz, p)
		}
		if p := power(got[480:]); p != 0 || !c.Faded() {
			t.Errorf("%v Hz: power %.0f after 60 ms", hz, p)
		}
	}
}

// TestSeams: the samples of a gap bend no more sharply than those before it, where the voice
// grew and its periods do not meet; and no single period is repeated for long.
func TestSeams(t *testing.T) {
	bend := func(x []int16) (m float64) {
		for i := 2; i < len(x); i++ {
			m = math.Max(m, math.Abs(float64(x[i])-2*float64(x[i-1])+float64(x[i-2])))
		}
		return m
	}
	for at := 1000; at < 1100; at += 9 {
		x := make([]int16, at, at+560)
		for i := range x {
			g := math.Exp(float64(i-at) / 300)
			x[i] = int16(16000 * g * math.Cos(2*math.Pi*float64(i)/83.4))
		}
		var c Concealer
		c.Begin(x)
		natural := bend(x)
		x = x[:at+480]
		c.Fill(x[at:])
		if b := bend(x[at-2:]); b > 8*natural {
			t.Errorf("at %d: bends by %.0f, before it %.0f", at, b, natural)
		}
	}
	noise := make([]int16, 500)
	var c Concealer
	c.SetNoise(1e5)
	c.Fill(noise)
	c.SetNoise(0)
	c.Begin(noise)
	got := make([]int16, 400)
	c.Fill(got)
	// The samples from 280 on are of the last period, those from 160 on of the one before.
	same := 0.0
	for i := 280; i < 360; i++ {
		same += float64(got[i]) * float64(got[i-c.lag])
	}
	if r := same / 80 / math.Sqrt(power(got[280:360])*power(got[160:240])); r > 0.5 {
		t.Errorf("one period of %d repeated: %.2f", c.lag, r)
	}
	if c.lag != MaxLag {
		t.Errorf("noise is repeated every %d samples", c.lag)
	}
}

func TestPause(t *testing.T) {
	var c Concealer
	c.Pause(voiced(100, 0, 500))
	got := make([]int16, 160)
	c.Fill(got[:79])
	if c.Faded() {
		t.Error("faded too soon")
	}
	c.Fill(got[79:])
	if !c.Faded() || got[0] == 0 || power(got[80:]) != 0 {
		t.Errorf("faded %v, begins with %d, power %.0f after 10 ms", c.Faded(), got[0], power(got[80:]))
	}
}

func TestNoise(t *testing.T) {
	x := make([]int16, 8000)
	for _, level := range []byte{30, 40, 60, 127, 10} {
		var c Concealer
		c.SetNoise(NoisePower(level))
		c.Fill(x)
		want := 32768 * 32768 * math.Pow(10, -float64(max(level, loudest))/10)
		if p := power(x); math.Abs(p-want) > 0.05*want+0.4 {
			t.Errorf("level %d: power %.1f, want %.1f", level, p, want)
		}
	}
	var c Concealer
	c.SetNoise(-5)
	if c.Fill(x); power(x) != 0 {
		t.Error("noise of no power")
	}
}

func TestOverlap(t *testing.T) {
	var c Concealer
	if n := c.Overlap(); n != 40 {
		t.Errorf("after silence %d", n)
	}
	c.Begin(voiced(100, 0, 500)) // 80 samples
	for _, want := range []int{20, 52, 80, 80, 80, 80, 40} {
		if n := c.Overlap(); n != want {
			t.Errorf("after %d samples %d, want %d", c.made, n, want)
		}
		c.Fill(make([]int16, 80))
	}
	c.Begin(make([]int16, PastSpan-1))
	if !c.Faded() {
		t.Error("a short past is not faded")
	}
}

func FuzzFill(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 200, 100})
	f.Fuzz(func(t *testing.T, data []byte) {
		past := make([]int16, PastSpan+20)
		for i := range past {
			if len(data) > 1 {
				past[i] = int16(data[i%len(data)])<<8 | int16(data[(i+1)%len(data)])
			}
		}
		var c Concealer
		c.SetNoise(float32(len(data)) * 1000)
		dst := make([]int16, 90)
		for _, d := range data {
			switch {
			case d < 8:
				c.Begin(past[d:])
			case d < 16:
				c.Pause(past[d:])
			default:
				c.Fill(dst[:d%90])
			}
			if n := c.Overlap(); n < 1 || n > mendMax {
				t.Fatalf("overlap %d", n)
			}
		}
	})
}

func TestAllocs(t *testing.T) {
	var c Concealer
	past, dst := voiced(100, 0, 500), make([]int16, 80)
	c.SetNoise(1000)
	if n := testing.AllocsPerRun(100, func() { c.Begin(past); c.Fill(dst); c.Pause(past); c.Fill(dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBegin(b *testing.B) {
	var c Concealer
	past := voiced(100, 0, 500)
	for b.Loop() {
		c.Begin(past)
	}
}

func BenchmarkFill(b *testing.B) {
	var c Concealer
	past, dst := voiced(100, 0, 500), make([]int16, 80)
	c.Begin(past)
	for b.Loop() {
		c.Fill(dst)
		c.made = 160
	}
}

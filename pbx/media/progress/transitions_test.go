package progress

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
)

// talk gives n samples of somebody who says vowels: a gliding pitch, its harmonics under
// two formants, and pauses. Its level while it speaks is about dBm0.
func talk(rng *rand.Rand, n int, dBm0 float64) []int16 {
	out := make([]float64, n)
	sum, spoken := 0.0, 1
	for at := 0; at < n; {
		length := 800 + rng.IntN(2400)
		f0, glide := 90+130*rng.Float64(), 1+0.4*(rng.Float64()-0.5)
		one, two := 300+500*rng.Float64(), 900+1400*rng.Float64()
		phase := 0.0
		for i := at; i < min(at+length, n); i++ {
			x := float64(i-at) / float64(length)
			hz := f0 * math.Pow(glide, x)
			phase += 2 * math.Pi * hz / board.SampleRate
			v := 0.0
			for h := 1.0; h*hz < 3400; h++ {
				near := func(f, width float64) float64 { return 1 / (1 + math.Pow((h*hz-f)/width, 2)) }
				v += (near(one, 80) + 0.5*near(two, 120) + 0.02) * math.Sin(h*phase)
			}
			v *= math.Sin(math.Pi * x)
			out[i] = v
			sum += v * v
			spoken++
		}
		at += length + 200 + rng.IntN(1600)*rng.IntN(2)
	}
	scale := board.Amplitude(dBm0) / math.Sqrt2 / math.Sqrt(sum/float64(spoken))
	pcm := make([]int16, n)
	for i, v := range out {
		pcm[i] = int16(max(-32768, min(32767, v*scale)))
	}
	return pcm
}

// added gives the sum of two sounds.
func added(a, b []int16) []int16 {
	out := slices.Clone(a)
	for i := range out {
		out[i] = int16(max(-32768, min(32767, int(a[i])+int(b[i]))))
	}
	return out
}

// TestCall follows a call from seizure to the far party's end, in every country: dial
// tone, digits, silence, ringback, a conversation, and at once busy or congestion.
func TestCall(t *testing.T) {
	said := talk(rand.New(rand.NewPCG(4, 5)), 20*board.SampleRate, -18)
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		for _, last := range []Kind{Busy, Congestion} {
			rng := rand.New(rand.NewPCG(uint64(last), 5))
			w := tones(c)
			w.SilenceFrames = 3000
			d := new(Detector)
			d.Start(compiled(t, w))
			var pcm []int16
			add := func(s []int16) (at time.Duration) {
				at = time.Duration(len(pcm)) * time.Second / board.SampleRate
				pcm = append(pcm, s...)
				return at
			}
			l := line{level: -6, pitch: 1.004, pace: func() float64 { return 1.03 }, noise: -60, rng: rng}
			add(l.play(w.Dial, 5*time.Second))
			add(l.send(make([]float64, 4*board.SampleRate)))
			add(l.play(w.Ringback, 2*period(w.Ringback)+time.Second))
			add(said)
			end := c.Tone(kinds[last])
			over := add(l.play(end, 5*period(end)))
			var got []Event
			var at time.Duration
			for _, e := range hear(d, pcm) {
				got = append(got, e.Event)
				at = e.at
			}
			want := []Event{{Dial, true}, {Dial, false}, {Ringback, true}, {Ringback, false}, {known(c, last), true}}
			if !slices.Equal(got, want) {
				t.Errorf("%s: told %v, want %v", code, got, want)
				continue
			}
			t.Logf("%s: %v told %v after its beginning, of %v a period", code, last, at-over, period(end))
		}
	}
}

// TestUnderEcho: the near party goes on talking, and what comes back of it, 15 dB fainter
// than the tone, does not hide that the call is over.
func TestUnderEcho(t *testing.T) {
	var all, missed int
	var worst time.Duration
	said := talk(rand.New(rand.NewPCG(6, 7)), 60*board.SampleRate, -30)
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		w := tones(c)
		p := compiled(t, w)
		limit := 2*period(w.Busy) + 300*ms
		if code == "ES" {
			limit += period(w.Busy)
		}
		for i := range 10 {
			rng := rand.New(rand.NewPCG(uint64(i), 6))
			l := line{level: -15 - total(w.Busy), pitch: 0.99 + 0.02*rng.Float64(), pace: exact.pace}
			d := new(Detector)
			d.Start(p)
			at := rng.IntN(50 * board.SampleRate)
			got := hear(d, added(l.play(w.Busy, 10*time.Second), said[at:]))
			all++
			first := slices.IndexFunc(got, func(e told) bool { return e.Event == Event{Busy, true} })
			if first < 0 || got[first].at > limit {
				missed++
				t.Log(code, got)
				continue
			}
			worst = max(worst, got[first].at)
		}
	}
	t.Logf("%d of %d missed or late; the others told after at most %v", missed, all, worst)
	if missed*20 > all {
		t.Error("too many")
	}
}

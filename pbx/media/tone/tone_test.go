package tone

import (
	"math"
	"strings"
	"testing"
	"time"

	"sotto/board"
)

const ms = time.Millisecond

func at(level float64, hz ...float64) []Sine {
	var s []Sine
	for _, f := range hz {
		s = append(s, Sine{f, level})
	}
	return s
}

// play gives the first n frames of t as samples.
func play(t *Tone, n int) []int16 {
	var p Player
	p.Start(t)
	out := make([]int16, 0, n*board.FrameLen)
	for range n {
		var f board.Frame
		p.Next(&f)
		out = append(out, f[:]...)
	}
	return out
}

func rms(x []int16) float64 {
	var e float64
	for _, v := range x {
		e += float64(v) * float64(v)
	}
	return math.Sqrt(e / float64(len(x)))
}

func TestLevel(t *testing.T) {
	for _, level := range []float64{0, -10, -24, -40} {
		x := play(Must(nil, []Step{{Sines: at(level, 1000)}}), 100)
		if got := board.Level(rms(x[80:])); math.Abs(got-level) > 0.05 {
			t.Errorf("a sine of %g dBm0 measures %.2f dBm0", level, got)
		}
	}
	x := play(Must(nil, []Step{{Sines: at(-20, 350, 440)}}), 100)
	if got := board.Level(rms(x[80:])); math.Abs(got+17) > 0.1 {
		t.Errorf("two sines of -20 dBm0 measure %.2f dBm0, want -17", got)
	}
}

func TestFrequencyDoesNotDrift(t *testing.T) {
	// After an hour the phase is what cos and sin of the hour say: less than 1 mHz off.
	tone := Must(nil, []Step{{Sines: at(-10, 425)}})
	p := Player{tone: tone}
	const n = 3600 * board.SampleRate
	p.clock, p.at = n, n
	var f board.Frame
	p.Next(&f)
	var re, im float64
	for i, v := range f {
		w := 2 * math.Pi * 425 * float64(n+i) / board.SampleRate
		re += float64(v) * math.Sin(w)
		im += float64(v) * math.Cos(w)
	}
	if turn := math.Abs(math.Atan2(im, re)) / (2 * math.Pi); turn/3600 > 1e-3 {
		t.Errorf("%.2f turns off after an hour", turn)
	}
}

func TestPhaseRunsOn(t *testing.T) {
	x := play(Must(nil, []Step{{Sines: at(-10, 433.3)}}), 50)
	a := board.Amplitude(-10)
	for i := 80; i < len(x); i++ {
		want := a * math.Sin(2*math.Pi*433.3*float64(i)/board.SampleRate)
		if math.Abs(float64(x[i])-want) > 1.5 {
			t.Fatalf("sample %d is %d, want %.1f", i, x[i], want)
		}
	}
}

// sounding gives the sample numbers at which sound begins and ends, by pauses of pause
// samples or more.
func sounding(x []int16, pause int) (edges []int) {
	quiet, on := pause, false
	for i, v := range x {
		switch {
		case v != 0 && !on:
			edges, on, quiet = append(edges, i), true, 0
		case v != 0:
			quiet = 0
		default:
			if quiet++; on && quiet == pause {
				edges, on = append(edges, i-pause+1), false
			}
		}
	}
	return edges
}

func TestCadenceToTheSample(t *testing.T) {
	// 3 s of intro, then 0.4/0.35/0.225/0.525 for an hour: 1.5 s a round.
	var intro []Step
	for range 6 {
		intro = append(intro, Step{at(-20, 440), 332 * ms, 168 * ms})
	}
	tone := Must(intro, []Step{{at(-20, 400), 400 * ms, 350 * ms}, {at(-20, 400), 225 * ms, 525 * ms}})
	var p Player
	p.Start(tone)
	const hour = 3600 * 100
	n, tail := 0, []int16(nil)
	for i := range hour {
		var f board.Frame
		if !p.Next(&f) {
			t.Fatalf("frame %d: the tone ended", i)
		}
		if i >= hour-150 { // the last round
			tail = append(tail, f[:]...)
		}
		n++
	}
	got := sounding(tail, 400)
	want := []int{0, 3200, 6000, 7800}
	if len(got) != len(want) {
		t.Fatalf("edges at %v, want %v", got, want)
	}
	for i := range want {
		if d := got[i] - want[i]; d < -8 || d > 8 { // the ramps are nearly silent at their ends
			t.Errorf("edge %d at sample %d, want %d", i, got[i], want[i])
		}
	}
	if p.step != len(intro) || p.at != 0 {
		t.Errorf("after an hour at step %d sample %d, want at the loop's beginning", p.step, p.at)
	}
}

func TestIntroWithoutLoopEnds(t *testing.T) {
	var p Player
	p.Start(Must([]Step{{at(-20, 440), 20 * ms, 5 * ms}}, nil))
	var f board.Frame
	n := 0
	for p.Next(&f) {
		n++
		f = board.Frame{}
	}
	if n != 2 || p.Playing() || f[79] != 0 { // 25 ms end in the third frame
		t.Errorf("%d whole frames, playing %v, last sample %d", n, p.Playing(), f[79])
	}
	if f = (board.Frame{7}); p.Next(&f) || f != (board.Frame{7}) {
		t.Error("a player at rest touched the frame")
	}
}

func TestAddsAndSaturates(t *testing.T) {
	tone := Must(nil, []Step{{Sines: at(-10, 1000)}})
	var alone, over board.Frame
	for i := range over {
		over[i] = 100
	}
	var p, q Player
	p.Start(tone)
	p.Next(&alone)
	q.Start(tone)
	q.Next(&over)
	for i := range over {
		if d := over[i] - alone[i] - 100; d < -1 || d > 1 {
			t.Fatalf("sample %d: %d over 100 is %d", i, alone[i], over[i])
		}
	}
	for i := range over {
		over[i] = math.MaxInt16 - 10
	}
	q.Next(&over)
	for i, v := range over {
		if v < 0 {
			t.Fatalf("sample %d wrapped round to %d", i, v)
		}
	}
}

func TestNoClicks(t *testing.T) {
	// What an edge puts above 2 kHz must stay 40 dB below the tone. A second
	// difference weighs the band so: 440 Hz by 0.12, 3 kHz by 3.4.
	for _, s := range [][]Step{
		{{at(-10, 440), 100 * ms, 100 * ms}},
		{{at(-10, 350, 440), 103 * ms, 0}, {at(-10, 440), 97 * ms, 0}},
	} {
		x := play(Must(nil, s), 200)
		steady := 0.0
		for _, w := range s[0].Sines {
			o := 2 * math.Sin(math.Pi*w.Hz/board.SampleRate)
			steady += board.Amplitude(w.Level) * o * o
		}
		for i := 2; i < len(x); i++ {
			d := math.Abs(float64(x[i]) - 2*float64(x[i-1]) + float64(x[i-2]))
			if d > 1.35*steady {
				t.Fatalf("step of %.0f at sample %d, steady tone gives %.0f", d, i, steady)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	ok := at(-20, 440)
	for _, c := range []struct {
		intro, loop []Step
		want        string
	}{
		{nil, nil, "no steps"},
		{nil, []Step{{nil, ms * 100, 0}}, "sines"},
		{nil, []Step{{at(-20, 4000), 100 * ms, 0}}, "4000 Hz"},
		{nil, []Step{{at(-5, 1, 2, 3, 4), 100 * ms, 0}}, "clip"},
		{nil, []Step{{at(math.NaN(), 440), 100 * ms, 0}}, "clip"},
		{[]Step{{ok, 0, 0}}, []Step{{ok, 100 * ms, 0}}, "without end"},
		{nil, []Step{{ok, 0, 100 * ms}}, "pause after"},
		{nil, []Step{{ok, 3 * ms, 0}}, "burst of 3ms"},
		{nil, []Step{{ok, 100 * ms, -ms}}, "-1ms"},
		{nil, []Step{{ok, 100*ms + 1, 0}}, "whole samples"},
		{[]Step{{ok, 100 * ms, 0}}, []Step{{ok, 0, 0}, {ok, 100 * ms, 0}}, "step 2"},
	} {
		if _, err := New(c.intro, c.loop); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: error %v, want %q", c.intro, c.loop, err, c.want)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	var p Player
	p.Start(Must(nil, []Step{{at(-20, 440, 480), 333 * ms, 333 * ms}}))
	var f board.Frame
	if n := testing.AllocsPerRun(500, func() { p.Next(&f) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkNext(b *testing.B) {
	var p Player
	p.Start(Must(nil, []Step{{Sines: at(-20, 350, 440)}}))
	var f board.Frame
	for b.Loop() {
		f = board.Frame{}
		p.Next(&f)
	}
}

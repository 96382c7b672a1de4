package country

import (
	"math"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/ear"
	"sotto/pbx/media/tone"
)

const ms = time.Millisecond

// specs gives the tones of c as a listener knows them.
func specs(c *Country) []ear.Spec {
	bursts := func(steps []tone.Step) []ear.Burst {
		var out []ear.Burst
		for _, s := range steps {
			b := ear.Burst{On: s.On, Off: s.Off, Level: total(s)}
			for _, w := range s.Sines {
				b.Freqs = append(b.Freqs, w.Hz)
			}
			out = append(out, b)
		}
		return out
	}
	var out []ear.Spec
	for k := range NumTones {
		if c.Same(k) == k {
			t := c.Tone(k)
			out = append(out, ear.Spec{Name: k.String(), Intro: bursts(t.Intro()), Loop: bursts(t.Loop())})
		}
	}
	return out
}

// total gives the level of all sines of s.
func total(s tone.Step) float64 {
	p := 0.0
	for _, w := range s.Sines {
		p += math.Pow(10, w.Level/10)
	}
	return 10 * math.Log10(p)
}

// play gives d of t.
func play(t *tone.Tone, d time.Duration) []int16 {
	var p tone.Player
	p.Start(t)
	var out []int16
	for range d / board.FrameTime {
		var f board.Frame
		p.Next(&f)
		out = append(out, f[:]...)
	}
	return out
}

// length gives the time of some steps; an endless one counts as a second.
func length(steps []tone.Step) (d time.Duration) {
	for _, s := range steps {
		if s.On == 0 {
			d += time.Second
		}
		d += s.On + s.Off
	}
	return d
}

// each runs f for every tone of every country that sounds like no other of its country.
func each(t *testing.T, f func(t *testing.T, c *Country, k ToneKind)) {
	for i, code := range Codes() {
		if testing.Short() && i%4 > 0 {
			continue
		}
		c, _ := Lookup(code)
		for k := range NumTones {
			if c.Same(k) == k {
				t.Run(code+"/"+k.String(), func(t *testing.T) { f(t, c, k) })
			}
		}
	}
}

// TestTonesMeasureAsTheDataSays plays every tone and measures it: frequencies to 0.5 %,
// levels to 0.5 dB, bursts and pauses to 5 ms, the first of them at once.
func TestTonesMeasureAsTheDataSays(t *testing.T) {
	each(t, func(t *testing.T, c *Country, k ToneKind) {
		tn := c.Tone(k)
		steps := slices.Clone(tn.Intro())
		if len(tn.Loop()) > 0 {
			steps = append(steps, slices.Repeat(tn.Loop(), 2)...)
		}
		if last := steps[len(steps)-1]; last.On == 0 { // an endless loop is one step
			steps = steps[:len(tn.Intro())+1]
		}
		got := ear.Measure(play(tn, length(steps)))
		if len(got) != len(steps) {
			t.Fatalf("%d segments, want %d: %+v", len(got), len(steps), got)
		}
		at := time.Duration(0)
		for i, s := range steps {
			on := s.On
			if on == 0 {
				on = time.Second
			}
			g := got[i]
			if d := g.Start - at; d < -5*ms || d > 5*ms {
				t.Errorf("step %d begins at %v, want %v", i+1, g.Start, at)
			}
			if d := g.Length - on; d < -5*ms || d > 5*ms {
				t.Errorf("step %d lasts %v, want %v", i+1, g.Length, on)
			}
			sines := slices.SortedFunc(slices.Values(s.Sines), func(a, b tone.Sine) int { return int(a.Hz - b.Hz) })
			if len(g.Freqs) != len(sines) {
				t.Errorf("step %d: %d sines %v, want %v", i+1, len(g.Freqs), g.Freqs, sines)
				continue
			}
			for j, w := range sines {
				if math.Abs(g.Freqs[j]/w.Hz-1) > 0.005 {
					t.Errorf("step %d: %.2f Hz, want %g", i+1, g.Freqs[j], w.Hz)
				}
				if math.Abs(g.Levels[j]-w.Level) > 0.5 {
					t.Errorf("step %d: %g Hz at %.2f dBm0, want %g", i+1, w.Hz, g.Levels[j], w.Level)
				}
			}
			at += on + s.Off
		}
	})
}

// TestTonesAreNamed plays every tone to an ear that knows all tones of its country.
func TestTonesAreNamed(t *testing.T) {
	for _, loss := range []float64{0, -10} {
		each(t, func(t *testing.T, c *Country, k ToneKind) {
			e := ear.New(specs(c), nil)
			begin := time.Unix(1000, 0)
			now := begin
			var p tone.Player
			p.Start(c.Tone(k))
			var heard []ear.Event
			var after time.Duration
			hear := func(f *board.Frame) {
				for _, ev := range e.Hear(now, f) {
					heard = append(heard, ev)
					if len(heard) == 1 {
						after = now.Sub(begin)
					}
				}
				now = now.Add(board.FrameTime)
			}
			scale := math.Pow(10, loss/20)
			for range 20 * 100 {
				var f board.Frame
				p.Next(&f)
				for i, v := range f {
					f[i] = int16(float64(v) * scale)
				}
				hear(&f)
			}
			for range 16 * 100 {
				hear(&board.Frame{})
			}
			if len(heard) != 2 || heard[0].Kind != ear.ToneOn || heard[1].Kind != ear.ToneOff ||
				heard[0].Name != k.String() || heard[1].Name != k.String() {
				t.Fatalf("heard %v", heard)
			}
			if d := heard[0].At.Sub(begin); d < -5*ms || d > 5*ms {
				t.Errorf("begins %v after its beginning", d)
			}
			if after > 2600*ms {
				t.Errorf("named after %v", after)
			}
			t.Logf("named after %v, %.1f dBm0", after, heard[0].Level)
		})
	}
}

package progress

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
)

var soak = flag.Bool("soak", false, "ten hours of speech and music instead of twenty minutes of each, and more lines")

// each runs f for every tone of every country that is looked for.
func each(t *testing.T, f func(t *testing.T, c *country.Country, p *Plan, k Kind)) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		w := tones(c)
		w.SilenceFrames = 700
		p := compiled(t, w)
		for k := Dial; k < Silence; k++ {
			t.Run(code+"/"+k.String(), func(t *testing.T) { f(t, c, p, k) })
		}
	}
}

// known gives the kind under which a tone is told: of two that are alike, the first.
func known(c *country.Country, k Kind) Kind {
	for o := Dial; o < k; o++ {
		if c.Same(kinds[o]) == c.Same(kinds[k]) {
			return o
		}
	}
	return k
}

// TestEveryTone plays every tone of every country as the data says, and then nothing.
func TestEveryTone(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country, p *Plan, k Kind) {
		w := c.Tone(kinds[k])
		d := new(Detector)
		d.Start(p)
		length := max(3*period(w)+time.Second, 5*time.Second)
		got := hear(d, append(append(quietFor(500*ms), exact.play(w, length)...), quietFor(9*time.Second)...))
		want := known(c, k)
		if len(got) != 3 || got[0].Event != (Event{want, true}) || !slices.ContainsFunc(got[1:], func(e told) bool { return e.Event == Event{want, false} }) ||
			!slices.ContainsFunc(got[1:], func(e told) bool { return e.Event == Event{Silence, true} }) {
			t.Fatalf("told %v, want %v, its end, and silence", got, want)
		}
		if w.Loop()[0].On == 0 {
			return
		}
		limit := 2*period(w) + 300*ms
		if c.Code == "ES" && k == Busy { // two periods of it are in congestion
			limit += period(w)
		}
		if at := got[0].at - 500*ms; at > limit {
			t.Errorf("told after %v of %v a period", at, period(w))
		}
	})
}

// random is a line within what must be stood.
func random(rng *rand.Rand, w *tone.Tone) line {
	in := func(low, high float64) float64 { return low + rng.Float64()*(high-low) }
	// The mean of a burst's level is from -4 to -40 dBm0, if need be by less than its
	// own: AU's congestion is partly 10 dB fainter.
	low := math.Inf(1)
	for _, s := range w.Loop() {
		low = min(low, total(tone.Must(nil, []tone.Step{{Sines: s.Sines}})))
	}
	level := in(-40, -4)
	if fainter := total(w) - low; level-fainter < -40 {
		level = -40 + fainter
	}
	l := line{
		level: level - total(w),
		pitch: in(0.985, 1.015),
		pace:  func() float64 { return in(0.86, 1.14) },
		twist: in(-4, 4),
		noise: level - (total(w) - low) - in(15, 30),
		rng:   rng,
	}
	if rng.IntN(3) == 0 {
		l.hum = level - 10
	}
	return l
}

// TestWithinTolerance plays every tone over many lines: faint and loud, off in frequency
// and cadence, noisy, from anywhere in its period, after speech-like noise or nothing.
func TestWithinTolerance(t *testing.T) {
	runs := 4
	if *soak {
		runs = 60
	}
	var all, missed int
	worst := map[Kind]time.Duration{}
	each(t, func(t *testing.T, c *country.Country, p *Plan, k Kind) {
		w := c.Tone(kinds[k])
		for i := range runs {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(k)<<8|uint64(c.Code[0])))
			l := random(rng, w)
			if per := period(w); per > 0 {
				l.skip = time.Duration(rng.Int64N(int64(per))).Round(ms)
			}
			d := new(Detector)
			d.Start(p)
			before := l.send(make([]float64, 4000))
			if i%4 == 1 { // what was said last
				loud := l
				loud.noise = l.level + total(w)
				before = loud.send(make([]float64, 4000))
			}
			length := max(5*period(w)+time.Second, 5*time.Second)
			got := hear(d, append(before, l.play(w, length)...))
			all++
			at := slices.IndexFunc(got, func(e told) bool { return e.Event == Event{known(c, k), true} })
			others := slices.ContainsFunc(got, func(e told) bool { return e.On && e.Kind != known(c, k) })
			if at < 0 || others {
				missed++
				t.Logf("run %d: told %v; level %.1f pitch %.4f twist %.1f noise %.1f skip %v", i, got, l.level+total(w), l.pitch, l.twist, l.noise, l.skip)
				continue
			}
			worst[k] = max(worst[k], got[at].at-500*ms)
		}
	})
	t.Logf("%d of %d missed or taken for another; told after at most %v", missed, all, worst)
	if missed*1000 > all {
		t.Error("too many")
	}
}

// TestJustOutside: a tone that is off by too much is none.
func TestJustOutside(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country, _ *Plan, k Kind) {
		w := c.Tone(kinds[k])
		var only Tones
		*[]**tone.Tone{nil, &only.Dial, &only.Ringback, &only.Busy, &only.Congestion, &only.Unobtainable}[k] = w
		p := compiled(t, only)
		off := 0.035
		if p.sounds[0].smooth > 1 { // two sines in a band: how far off they are is less sure
			off = 0.06
		}
		for _, o := range []struct {
			name string
			l    line
			long bool // has no sense for a tone without pauses
		}{
			{"too high", line{pitch: 1 + off, pace: exact.pace}, false},
			{"too low", line{pitch: 1 - off, pace: exact.pace}, false},
			{"40 % fast", line{pitch: 1, pace: func() float64 { return 0.6 }}, true},
			{"40 % slow", line{pitch: 1, pace: func() float64 { return 1.4 }}, true},
			{"faint", line{level: -50 - total(w), pitch: 1, pace: exact.pace}, false},
			{"in noise as loud", line{noise: total(w), rng: rand.New(rand.NewPCG(1, 2)), pitch: 1, pace: exact.pace}, false},
		} {
			if o.long && w.Loop()[0].On == 0 {
				continue
			}
			d := new(Detector)
			d.Start(p)
			if got := hear(d, o.l.play(w, max(4*period(w), 6*time.Second))); len(got) > 0 {
				t.Errorf("%s: told %v", o.name, got)
			}
		}
	})
}

// TestUnlikeBursts: what has the cadence of a busy tone, but whose bursts are not of one
// tone or whose pauses are not quiet, is none.
func TestUnlikeBursts(t *testing.T) {
	of := func(hz, level float64) tone.Step {
		return tone.Step{Sines: []tone.Sine{{Hz: hz, Level: level}}, On: 500 * ms, Off: 500 * ms}
	}
	p := compiled(t, Tones{Busy: tone.Must(nil, []tone.Step{of(425, -13)})})
	steady := tone.Must(nil, []tone.Step{{Sines: []tone.Sine{{Hz: 1000, Level: -25}}}})
	for _, c := range []struct {
		name  string
		steps []tone.Step
		under float64 // level of another sound, all the time
		want  bool
	}{
		{"alike", []tone.Step{of(425, -13)}, 0, true},
		{"one a little louder", []tone.Step{of(425, -13), of(425, -14)}, 0, true},
		{"one louder", []tone.Step{of(425, -13), of(425, -16)}, 0, false},
		{"one higher", []tone.Step{of(422, -13), of(428, -13)}, 0, false},
		{"a faint sound under it", []tone.Step{of(425, -13)}, -28, true},
		{"a sound in its pauses", []tone.Step{{Sines: of(425, -13).Sines, On: 500 * ms}, {Sines: of(1000, -19).Sines, On: 500 * ms}}, 0, false},
		{"a sound under it", []tone.Step{of(425, -13)}, -20, false},
	} {
		pcm := exact.play(tone.Must(nil, c.steps), 8*time.Second)
		if c.under != 0 {
			l := exact
			l.level = c.under + 25
			pcm = added(pcm, l.play(steady, 8*time.Second))
		}
		d := new(Detector)
		d.Start(p)
		if got := hear(d, pcm); (len(got) > 0) != c.want {
			t.Errorf("%s: told %v", c.name, got)
		}
	}
}

// TestOtherTones: what an exchange plays besides ends no call.
func TestOtherTones(t *testing.T) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		p := compiled(t, tones(c))
		for _, k := range []country.ToneKind{country.Stutter, country.CallWaiting, country.Confirmation, country.Howler, country.Hold} {
			d := new(Detector)
			d.Start(p)
			for _, e := range hear(d, exact.play(c.Tone(k), 20*time.Second)) {
				if e.On && (e.Kind == Busy || e.Kind == Congestion || e.Kind == Unobtainable) {
					t.Errorf("%s: %v is taken for %v after %v", code, k, e.Kind, e.at)
				}
			}
		}
	}
}

// TestDialAlone: a dial tone without pauses is told after 400 ms when nothing else is
// looked for, and its end at once.
func TestDialAlone(t *testing.T) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		w := c.Tone(country.Dial)
		d := new(Detector)
		d.Start(compiled(t, Tones{Dial: w}))
		limit := 500 * ms
		if w.Loop()[0].On > 0 {
			limit = 2 * period(w)
		}
		got := hear(d, append(exact.play(w, 5*time.Second), quietFor(3*time.Second)...))
		if len(got) != 2 || got[0].Event != (Event{Dial, true}) || got[0].at > limit || got[1].Event != (Event{Dial, false}) ||
			w.Loop()[0].On == 0 && got[1].at > 5100*ms {
			t.Errorf("%s: told %v", code, got)
		}
	}
}

// TestStutter: a special dial tone is a dial tone, where its bursts are long enough.
func TestStutter(t *testing.T) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		d := new(Detector)
		d.Start(compiled(t, Tones{Dial: c.Tone(country.Dial), Stutter: c.Tone(country.Stutter)}))
		got := hear(d, exact.play(c.Tone(country.Stutter), 6*time.Second))
		if code == "AU" { // bursts of 100 ms
			continue
		}
		if len(got) == 0 || got[0].Event != (Event{Dial, true}) || got[0].at > 1700*ms {
			t.Errorf("%s: told %v", code, got)
		}
	}
}

// TestDialBesideStutter: an ordinary dial tone is one, too, where a special one beside it is
// looked for, whose band may hold both.
func TestDialBesideStutter(t *testing.T) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		dial := c.Tone(country.Dial)
		p := compiled(t, Tones{Dial: dial, Stutter: c.Tone(country.Stutter)})
		for _, pitch := range []float64{0.985, 1, 1.015} {
			l := exact
			l.pitch = pitch
			d := new(Detector)
			d.Start(p)
			limit := 800 * ms
			if dial.Loop()[0].On > 0 {
				limit = 2 * period(dial)
			}
			got := hear(d, append(quietFor(300*ms), l.play(dial, 5*time.Second)...))
			if len(got) == 0 || got[0].Event != (Event{Dial, true}) || got[0].at > 300*ms+limit {
				t.Errorf("%s, %g of its pitch: told %v", code, pitch, got)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	sine := func(hz ...float64) (s []tone.Sine) {
		for _, f := range hz {
			s = append(s, tone.Sine{Hz: f, Level: -20})
		}
		return s
	}
	loop := func(s ...tone.Step) *tone.Tone { return tone.Must(nil, s) }
	for _, c := range []struct {
		want string
		w    Tones
	}{
		{"busy: the tone ends", Tones{Busy: tone.Must([]tone.Step{{Sines: sine(425), On: 500 * ms, Off: 500 * ms}}, nil)}},
		{"busy: 7 bursts a period, at most 6 can be followed", Tones{Busy: loop(slices.Repeat([]tone.Step{{Sines: sine(425), On: 500 * ms, Off: 500 * ms}}, 7)...)}},
		{"ringback: a burst of 50ms", Tones{Ringback: loop(tone.Step{Sines: sine(425), On: 50 * ms, Off: 500 * ms})}},
		{"ringback: a burst of 1m0s", Tones{Ringback: loop(tone.Step{Sines: sine(425), On: time.Minute, Off: 500 * ms})}},
		{"congestion: a pause of 40ms", Tones{Congestion: loop(tone.Step{Sines: sine(425), On: 500 * ms, Off: 40 * ms})}},
		{"dial: a sine of 100 Hz", Tones{Dial: loop(tone.Step{Sines: sine(100)})}},
		{"unobtainable: more than 12 frequencies in all", Tones{Dial: loop(tone.Step{Sines: sine(350, 450, 550, 650)}),
			Ringback: loop(tone.Step{Sines: sine(750, 850, 950, 1050)}), Busy: loop(tone.Step{Sines: sine(1150, 1250, 1350, 1450)}), Unobtainable: loop(tone.Step{Sines: sine(1550)})}},
		{"silence: a negative time", Tones{SilenceFrames: -1}},
	} {
		if _, err := Compile(c.w); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestSilence: a click is no sound, and hum and noise under -50 dBm0 are none.
func TestSilence(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := new(Detector)
	d.Start(compiled(t, Tones{SilenceFrames: 200}))
	pcm := line{noise: -56, hum: -40, rng: rng}.send(make([]float64, 5*board.SampleRate))
	for i := range 100 {
		pcm[8000+i] = 20000
	}
	loud := line{noise: -46, rng: rng}.send(make([]float64, board.SampleRate))
	got := hear(d, slices.Concat(loud, pcm, loud, pcm))
	want := []told{{Event{Silence, true}, 3 * time.Second}, {Event{Silence, false}, 6 * time.Second}, {Event{Silence, true}, 9 * time.Second}}
	if len(got) != len(want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	for i := range got {
		if d := got[i].at - want[i].at; got[i].Event != want[i].Event || d < -100*ms || d > 100*ms {
			t.Errorf("told %v, want %v", got[i], want[i])
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	c, _ := country.Lookup("US")
	p := compiled(t, tones(c))
	pcm := slices.Concat(exact.play(c.Tone(country.Busy), 3*time.Second), quietFor(4*time.Second))
	d := new(Detector)
	i := 0
	if n := testing.AllocsPerRun(3000, func() {
		if i+board.FrameLen > len(pcm) {
			i = 0
			d.Start(p)
		}
		d.Next((*board.Frame)(pcm[i:]))
		i += board.FrameLen
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, code := range []string{"DE", "US"} {
		c, _ := country.Lookup(code)
		p := compiled(b, tones(c))
		rng := rand.New(rand.NewPCG(5, 6))
		for _, s := range []struct {
			name string
			pcm  []int16
		}{
			{"silence", quietFor(time.Second)},
			{"noise", line{noise: -20, rng: rng}.send(make([]float64, board.SampleRate))},
			{"busy", exact.play(c.Tone(country.Busy), 10*time.Second)},
		} {
			b.Run(code+"/"+s.name, func(b *testing.B) {
				d := new(Detector)
				d.Start(p)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					d.Next((*board.Frame)(s.pcm[i:]))
					if i += board.FrameLen; i == len(s.pcm) {
						i = 0
					}
				}
			})
		}
	}
}

// FuzzNext gives a detector any frames: it stands them, and tells no end without a
// beginning, and no beginning twice.
func FuzzNext(f *testing.F) {
	f.Add([]byte{1, 0, 100, 200, 3})
	f.Add([]byte{0, 255, 255, 0, 128, 7, 50, 50})
	var plans []*Plan
	var all []*country.Country
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		all = append(all, c)
		w := tones(c)
		w.SilenceFrames = 1 + len(code)
		plans = append(plans, compiled(f, w))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 2000 {
			return
		}
		which := int(data[0]) % len(plans)
		d := new(Detector)
		d.Start(plans[which])
		var on [NumKinds]bool
		var player tone.Player
		for i, b := range data[1:] {
			var frame board.Frame
			switch b % 8 { // what comes for some frames
			case 0, 1, 2:
				player.Start(all[which].Tone(country.ToneKind(int(b) / 8 % int(country.NumTones))))
			case 3:
				player.Start(nil)
			case 4:
				for j := range frame {
					frame[j] = int16(int(b)<<8) * int16(1-2*(j&1))
				}
			case 5:
				for j := range frame {
					frame[j] = int16(uint32(i+1) * uint32(j+int(b)) * 2654435761 >> 16)
				}
			}
			for range 1 + int(data[i])%40 {
				now := frame
				player.Next(&now)
				e := d.Next(&now)
				if e.Kind >= NumKinds || e.Kind == None && e.On {
					t.Fatalf("told %v", e)
				}
				if e.Kind != None {
					if on[e.Kind] == e.On {
						t.Fatalf("told %v twice", e)
					}
					on[e.Kind] = e.On
				}
				if d.n == len(d.queue) {
					t.Fatal("the queue is full")
				}
			}
		}
	})
}

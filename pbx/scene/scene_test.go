package scene

import (
	"math"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
)

// each runs f for every country.
func each(t *testing.T, f func(t *testing.T, c *country.Country)) {
	codes := country.Codes()
	if len(codes) < 2 {
		t.Fatal("no countries")
	}
	for _, code := range codes {
		c, _ := country.Lookup(code)
		t.Run(code, func(t *testing.T) { f(t, c) })
	}
}

// TestTonesAreDistinct: no two tones of a country have one name or sound the same.
func TestTonesAreDistinct(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country) {
		l := Tones(c)
		names := map[string]bool{}
		for i, a := range l {
			if names[a.Name] {
				t.Errorf("%s stands twice", a.Name)
			}
			names[a.Name] = true
			if len(a.Loop) == 0 {
				t.Errorf("%s does not go on", a.Name)
			}
			for _, b := range l[:i] {
				if alike(a.Intro, b.Intro) && alike(a.Loop, b.Loop) {
					t.Errorf("%s sounds like %s", a.Name, b.Name)
				}
			}
		}
		for _, k := range []country.ToneKind{country.Dial, country.Stutter, country.Ringback, country.Busy, country.Congestion, country.Unobtainable, country.Howler, country.Hold} {
			if !names[c.Same(k).String()] {
				t.Errorf("%s is not known", k)
			}
		}
	})
}

// alike tells whether an ear may take one for the other: every burst alike, and the
// steps of level between them within 4 dB.
func alike(a, b []ear.Burst) bool {
	near := func(x, y time.Duration) bool { return (x == 0) == (y == 0) && max(x-y, y-x) < 30*time.Millisecond }
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !near(a[i].On, b[i].On) || !near(a[i].Off, b[i].Off) {
			return false
		}
		if !slices.EqualFunc(a[i].Freqs, b[i].Freqs, func(x, y float64) bool { return math.Abs(x-y) < 10 }) {
			return false
		}
		if i > 0 && math.Abs((a[i].Level-a[i-1].Level)-(b[i].Level-b[i-1].Level)) > 4 {
			return false
		}
	}
	return true
}

// TestEarsKnowTheirTones plays each tone of each country to an ear: it says its name and
// no other.
func TestEarsKnowTheirTones(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country) {
		specs := Tones(c)
		for k := range country.NumTones {
			if k == country.Confirmation || k == country.CallWaiting {
				continue
			}
			var p tone.Player
			p.Start(c.Tone(k))
			e := ear.New(specs, nil)
			now := time.Unix(0, 0)
			var heard []string
			for range 1000 { // 10 s: more than a period of the longest
				var f board.Frame
				p.Next(&f)
				for _, ev := range e.Hear(now, &f) {
					if ev.Kind == ear.ToneOn {
						heard = append(heard, ev.Name)
					}
				}
				now = now.Add(board.FrameTime)
			}
			if want := []string{c.Same(k).String()}; !slices.Equal(heard, want) {
				t.Errorf("%s is heard as %q, want %q", k, heard, want)
			}
		}
	})
}

// TestExchange holds that the exchange of each country is one that a line can work with.
func TestExchange(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country) {
		x := Exchange(c)
		for name, tn := range map[string]struct {
			exchange.Tone
			kind country.ToneKind
		}{"dial": {x.DialTone, country.Dial}, "ringback": {x.Ringback, country.Ringback}, "busy": {x.Busy, country.Busy}, "congestion": {x.Congestion, country.Congestion}} {
			first := c.Tone(tn.kind).Loop()[0]
			if len(tn.Hz) == 0 || len(tn.Hz) != len(first.Sines) || tn.Hz[0] != first.Sines[0].Hz {
				t.Errorf("%s: frequencies %v", name, tn.Hz)
			}
			if tn.Level < -40 || tn.Level > -3 {
				t.Errorf("%s: %.1f dBm0", name, tn.Level)
			}
			for i, w := range first.Sines {
				if i >= len(tn.Levels) || tn.Levels[i] != w.Level {
					t.Errorf("%s: levels %v", name, tn.Levels)
				}
			}
			if got := tn.Level + 10*math.Log10(float64(len(tn.Hz))); math.Abs(got-level(first)) > 0.01 {
				t.Errorf("%s: all together %.1f dBm0, want %.1f", name, got, level(first))
			}
			checkCadence(t, name, tn.Cadence)
			if endless := first.On == 0; endless != (len(tn.Cadence) == 0) {
				t.Errorf("%s: cadence %v", name, tn.Cadence)
			}
		}
		if len(x.Ringback.Cadence) == 0 || len(x.Busy.Cadence) == 0 {
			t.Error("ringback or busy tone is steady")
		}
		checkCadence(t, "ringing", x.Ring.Cadence)
		if x.Ring.Hz < 15 || x.Ring.Hz > 68 || len(x.Ring.Cadence) == 0 {
			t.Errorf("ringing of %g Hz, cadence %v", x.Ring.Hz, x.Ring.Cadence)
		}
		if least := float64(c.Exchange.DC.RingVolts); x.Ring.Vrms < least {
			t.Errorf("ringing of %g V, the line sees none below %g V", x.Ring.Vrms, least)
		}
		if x.DialDelay <= 0 || x.DialDelay > time.Second {
			t.Errorf("dial tone after %v", x.DialDelay)
		}
	})
}

func checkCadence(t *testing.T, name string, l []time.Duration) {
	t.Helper()
	var off time.Duration
	for i, d := range l {
		if d < 0 || i%2 == 0 && d < 50*time.Millisecond || d > 10*time.Second {
			t.Errorf("%s: cadence %v", name, l)
		}
		if i%2 == 1 {
			off += d
		}
	}
	if len(l)%2 != 0 || len(l) > 0 && off == 0 {
		t.Errorf("%s: cadence %v", name, l)
	}
}

// TestFlash: the break lies in the window, clear of its edges, and is no dial pulse.
func TestFlash(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country) {
		if f := Flash(c); f < c.Flash.Min+5*time.Millisecond || f > c.Flash.Max-5*time.Millisecond || f <= c.Pulse.BreakMax {
			t.Errorf("%v, the window is %v to %v", f, c.Flash.Min, c.Flash.Max)
		}
	})
	for _, w := range []struct{ min, max, want time.Duration }{
		{80, 310, 100}, {200, 1000, 210}, {95, 105, 100}, {98, 100, 99}, {50, 80, 70},
	} {
		c := &country.Country{Flash: country.Flash{Min: w.min * time.Millisecond, Max: w.max * time.Millisecond}}
		if got := Flash(c); got != w.want*time.Millisecond {
			t.Errorf("%d to %d ms: %v, want %d ms", w.min, w.max, got, w.want)
		}
	}
}

// TestPulses: exchanges and telephones count pulses as the country does.
func TestPulses(t *testing.T) {
	each(t, func(t *testing.T, c *country.Country) {
		if got := Exchange(c).Pulses; got != c.Pulse.Digits {
			t.Errorf("the digits of pulses are %q, want %q", got, c.Pulse.Digits)
		}
	})
}

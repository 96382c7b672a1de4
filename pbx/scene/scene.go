// Package scene turns country data into what the simulator needs to know of a country:
// the tones that its ears can name, the exchange that its lines are plugged into, and
// how its telephones flash. The program (with its simulated board) and pbxtest call it.
// It is pure, and knows nothing of calls.
package scene

import (
	"math"
	"time"

	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
)

// Tones gives what the ears of a country know: its call-progress tones that go on until
// something happens, each once. Confirmation and call waiting are left out: they are
// over before an ear could be sure.
func Tones(c *country.Country) []ear.Spec {
	var l []ear.Spec
	for k := range country.NumTones {
		if c.Same(k) != k || k == country.Confirmation || k == country.CallWaiting {
			continue
		}
		t := c.Tone(k)
		l = append(l, ear.Spec{Name: k.String(), Intro: bursts(t.Intro()), Loop: bursts(t.Loop())})
	}
	return l
}

func bursts(steps []tone.Step) []ear.Burst {
	var l []ear.Burst
	for _, s := range steps {
		b := ear.Burst{Level: level(s), On: s.On, Off: s.Off}
		for _, w := range s.Sines {
			b.Freqs = append(b.Freqs, w.Hz)
		}
		l = append(l, b)
	}
	return l
}

// level gives the level of all sines of a step together, in dBm0.
func level(s tone.Step) float64 {
	var power float64
	for _, w := range s.Sines {
		power += math.Pow(10, w.Level/10)
	}
	return 10 * math.Log10(power)
}

// Exchange gives an exchange of the country. Its tones have the country's frequencies,
// cadence and loudness; all bursts of one sound like the first, which is all that
// exchange.Tone can say.
func Exchange(c *country.Country) exchange.Config {
	return exchange.Config{
		DialDelay:  300 * time.Millisecond,
		DialTone:   exchangeTone(c.Tone(country.Dial)),
		Ringback:   exchangeTone(c.Tone(country.Ringback)),
		Busy:       exchangeTone(c.Tone(country.Busy)),
		Congestion: exchangeTone(c.Tone(country.Congestion)),
		Pulses:     c.Pulse.Digits,
		Ring:       exchange.Ringing{Hz: c.Station.Ringing.Hz, Vrms: c.Station.Ringing.Vrms, Cadence: c.Ring},
	}
}

func exchangeTone(t *tone.Tone) exchange.Tone {
	steps := t.Loop()
	if len(steps) == 0 {
		return exchange.Tone{}
	}
	first := steps[0]
	x := exchange.Tone{Level: level(first) - 10*math.Log10(float64(len(first.Sines)))}
	for _, w := range first.Sines {
		x.Hz, x.Levels = append(x.Hz, w.Hz), append(x.Levels, w.Level)
	}
	if first.On > 0 {
		for _, s := range steps {
			x.Cadence = append(x.Cadence, s.On, s.Off)
		}
	}
	return x
}

// Flash gives a break that the country's exchanges take for a flash: 100 ms where they
// do, as the R key of most telephones sends, else one just inside the window.
func Flash(c *country.Country) time.Duration {
	inside := min(10*time.Millisecond, (c.Flash.Max-c.Flash.Min)/2)
	return min(max(100*time.Millisecond, c.Flash.Min+inside), c.Flash.Max-inside)
}

// Package scene turns country data into what the simulator needs to know of a country:
// the tones that its ears can name and the exchange that its lines are plugged into.
// The program (with its simulated board) and pbxtest call it. It is pure.
package scene

import (
	"time"

	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
)

// Tones gives what the ears of a country know: its call-progress tones, each once.
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
		b := ear.Burst{On: s.On, Off: s.Off}
		for _, w := range s.Sines {
			b.Freqs = append(b.Freqs, w.Hz)
		}
		l = append(l, b)
	}
	return l
}

// Exchange gives an exchange of the country.
func Exchange(c *country.Country) exchange.Config {
	et := func(k country.ToneKind) exchange.Tone {
		s := c.Tone(k).Loop()
		if len(s) == 0 {
			return exchange.Tone{}
		}
		var t exchange.Tone
		for _, w := range s[0].Sines {
			t.Hz, t.Level = append(t.Hz, w.Hz), w.Level
		}
		if s[0].On > 0 {
			for _, x := range s {
				t.Cadence = append(t.Cadence, x.On, x.Off)
			}
		}
		return t
	}
	return exchange.Config{DialDelay: 300 * time.Millisecond, DialTone: et(country.Dial), Ringback: et(country.Ringback), Busy: et(country.Busy),
		Congestion: et(country.Congestion), Ring: exchange.Ringing{Hz: c.Station.Ringing.Hz, Vrms: c.Station.Ringing.Vrms, Cadence: c.Ring}}
}

// Flash gives a break that the country's exchanges take for a flash.
func Flash(c *country.Country) time.Duration {
	return max(c.Flash.Min+10*time.Millisecond, min(100*time.Millisecond, c.Flash.Max))
}

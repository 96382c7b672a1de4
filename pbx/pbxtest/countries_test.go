package pbxtest

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/exchange"
	"sotto/pbx/analog"
	"sotto/pbx/country"
)

// abroad is what a called telephone does in each country: how its bell rings, and when
// its display shows who calls. Where digits are sent there is no name.
var abroad = map[string]struct {
	rings string
	shows string // before the first ring, or after it; "" where it is shown nothing
	name  bool
}{
	"AT":   {"1.0/5.0 at 50 Hz", "after", true},
	"AU":   {"0.4/0.2/0.4/2.0 at 25 Hz", "after", true},
	"CA":   {"2.0/4.0 at 20 Hz", "after", true},
	"CH":   {"1.0/4.0 at 25 Hz", "after", true},
	"DE":   {"1.0/4.0 at 25 Hz", "after", true},
	"ES":   {"1.5/3.0 at 25 Hz", "after", true},
	"ETSI": {"1.0/4.0 at 25 Hz", "after", true},
	"FR":   {"1.5/3.5 at 25 Hz", "after", true},
	"GB":   {"0.4/0.2/0.4/2.0 at 25 Hz", "before", true},
	"IT":   {"1.0/4.0 at 25 Hz", "after", true},
	"JP":   {"1.0/2.0 at 16 Hz", "", false},
	"NL":   {"1.0/4.0 at 25 Hz", "before", false},
	"NZ":   {"0.4/0.2/0.4/2.0 at 20 Hz", "after", true},
	"SE":   {"1.0/5.0 at 25 Hz", "before", false},
	"US":   {"2.0/4.0 at 20 Hz", "after", true},
}

// eachCountry plays in an office of each country, in a year that displays may be told.
func eachCountry(t *testing.T, play func(t *testing.T, o *Office, code string)) {
	for _, code := range country.Codes() {
		t.Run(code, func(t *testing.T) {
			if _, ok := abroad[code]; !ok {
				t.Fatal("the test does not know how its telephones ring")
			}
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2030, 11, 21, 9, 30, 0, 0, time.UTC)))
				o := Start(t, Scene{Country: code, Stations: 4, Lines: 2})
				defer o.Stop(t)
				play(t, o, code)
			})
		})
	}
}

// diary keeps what happened at a telephone.
type diary struct {
	mu  sync.Mutex
	log []sim.Event
}

func follow(o *Office) *diary {
	d := &diary{}
	o.Board.Room.Follow(func(e sim.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.log = append(d.log, e)
	})
	return d
}

// first gives the first thing of a kind that happened at a telephone since a moment.
func (d *diary) first(what sim.What, who string, since time.Time) (sim.Event, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.log {
		if e.What == what && e.Who == who && !e.At.Before(since) {
			return e, true
		}
	}
	return sim.Event{}, false
}

// TestCountries: the plain call of every country, busy, hold and the end, as heard at
// the handsets.
func TestCountries(t *testing.T) {
	eachCountry(t, func(t *testing.T, o *Office, code string) {
		c, _ := country.Lookup(code)
		tone := func(k country.ToneKind) string { return c.Same(k).String() }
		lead := "300ms"
		if abroad[code].shows == "before" {
			lead = "1500ms"
		}
		o.Do(t,
			"101 lifts", "101 hears "+tone(country.Dial)+" within 300ms",
			"101 dials 102", "101 hears "+tone(country.Ringback)+" within 500ms", "102 rings within "+lead,
			"102 rings "+abroad[code].rings,
			"103 lifts", "103 hears "+tone(country.Dial), "103 dials 102", "103 hears "+tone(country.Busy), "103 hangs up", "wait 2s",
			"102 lifts", "101 and 102 talk within 300ms",
			"101 flashes", "102 hears "+tone(country.Hold), "101 hears "+tone(country.Stutter),
			"101 dials 103", "103 rings", "103 lifts", "101 and 103 talk",
			"103 hangs up", "101 hears "+tone(country.Busy),
			"101 flashes", "101 and 102 talk within 500ms",
			"wait 3s", "102 hangs up", "101 hears "+tone(country.Busy),
			"record 101 -> 102 answered", "101 hangs up",
			"101 lifts", "101 hears "+tone(country.Dial), "101 dials 9#", "101 hears "+tone(country.Unobtainable), "101 hangs up", "wait 2s")
	})
}

// TestCallerID: every country's display shows who calls, before or after the first ring.
// Lifted in the middle of it, the call is answered; given up in the middle of it, nothing
// rings on; and the next call is shown whole.
func TestCallerID(t *testing.T) {
	eachCountry(t, func(t *testing.T, o *Office, code string) {
		d := follow(o)
		call := func() time.Time {
			t.Helper()
			o.Do(t, "101 lifts", "101 hears dial", "101 dials 102")
			return o.Board.Room.Set("101").Moved()
		}
		c, _ := country.Lookup(code)
		is := abroad[code]
		if is.shows == "" {
			call()
			o.Do(t, "102 rings", "wait 10s", "101 hangs up", "wait 9s")
			if e, ok := d.first(sim.Shows, "102", time.Time{}); ok {
				t.Errorf("%s", e)
			}
			return
		}
		want := "102 shows 101"
		if is.name {
			want += " Person A"
		}
		whole := func(began time.Time) (shown time.Time) {
			t.Helper()
			o.Do(t, "102 rings", want, "wait 7s", "102 rings")
			s, _ := d.first(sim.Shows, "102", began)
			r, _ := d.first(sim.Rings, "102", began)
			if s.String() != want || s.At.Before(r.At) != (is.shows == "before") {
				t.Errorf("%q is shown at %v, the bell rings at %v", s, s.At.Sub(began), r.At.Sub(began))
			}
			return s.At
		}
		began := call()
		middle := whole(began).Sub(began) - 150*time.Millisecond
		o.Do(t, "102 lifts", "101 and 102 talk", "101 hangs up", "102 hangs up", "wait 4s")

		// Answered in the middle of it.
		began = call()
		time.Sleep(time.Until(began.Add(middle)))
		ear := &tape{}
		o.Board.Room.Set("102").Tap(func(_ time.Time, _, f *board.Frame) { ear.add(f) })
		o.Do(t, "102 lifts", "101 and 102 talk within 500ms", "wait 5s", "101 and 102 talk") // who heard no bell speaks late
		if e, ok := d.first(sim.Shows, "102", began); ok {
			t.Errorf("lifted in the middle of it, %s", e)
		}
		o.Board.Room.Set("102").Tap(nil)
		for at := 480; at < 1280; at += 160 { // 60 to 160 ms after it was lifted
			for _, hz := range []float64{1300, 1700, 2100, 697, 941, 1209, 1633} {
				if l := exchange.Level(ear.all()[at:at+160], hz); l > -45 {
					t.Errorf("lifted in the middle of it, the rest is heard: %.0f Hz at %.0f dBm0", hz, l)
				}
			}
		}
		o.Do(t, "101 hangs up", "102 hangs up", "wait 4s")

		// Given up in the middle of it: a flash might be meant at first.
		began = call()
		decided := c.HangUp() + analog.Grace
		time.Sleep(time.Until(began.Add(middle - decided)))
		o.Do(t, "101 hangs up")
		up := o.Board.Room.Set("101").Moved()
		time.Sleep(9 * time.Second)
		if e, ok := d.first(sim.Shows, "102", began); ok && !strings.HasPrefix(e.Name, "a broken message") {
			t.Errorf("given up in the middle of it, %s", e)
		}
		if e, ok := d.first(sim.Rings, "102", up.Add(decided)); ok {
			t.Errorf("given up in the middle of it, %s", e)
		}
		if e, ok := d.first(sim.RingsNot, "102", began); ok != (is.shows == "after") || e.At.After(up.Add(decided)) {
			t.Errorf("given up in the middle of it, %q", e)
		}

		whole(call())
		o.Do(t, "101 hangs up", "wait 9s")
		for _, who := range []string{"101", "103", "104"} {
			if e, ok := d.first(sim.Shows, who, time.Time{}); ok {
				t.Errorf("nobody called it, but %s", e)
			}
		}
	})
}

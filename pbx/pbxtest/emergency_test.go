package pbxtest

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/exchange"
	"sotto/pbx"
)

// tape keeps what an ear hears.
type tape struct {
	mu  sync.Mutex
	pcm []int16
}

func (t *tape) add(f *board.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pcm = append(t.pcm, f[:]...)
}

func (t *tape) all() []int16 { return t.last(math.MaxInt) }

func (t *tape) last(n int) []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.pcm[max(0, len(t.pcm)-n):])
}

// TestEmergencyReachesTheExchange: the digits arrive at the exchange, whoever answers
// there and the caller hear each other, and the call ends from either side.
func TestEmergencyReachesTheExchange(t *testing.T) {
	for _, country := range []string{"DE", "US", "GB", "SE", "JP"} {
		number := map[string]string{"DE": "112", "US": "911", "GB": "999", "SE": "112", "JP": "119"}[country]
		for _, centre := range []bool{false, true} { // who hangs up
			synctest.Test(t, func(t *testing.T) {
				o := Start(t, Scene{Country: country, Stations: 2, Lines: 2})
				defer o.Stop(t)
				const voice = 2900.0
				for _, l := range o.Board.Lines {
					l.SetFar(exchange.Far{Digits: 3, Delay: 500 * time.Millisecond, Rings: 1, Voice: exchange.Voice{Hz: voice, Level: -16}})
				}
				ear := &tape{}
				o.Board.Room.Set("101").Tap(func(_ time.Time, _, f *board.Frame) { ear.add(f) })
				o.Do(t, "101 lifts")
				o.Do(t, "101 hears dial")
				began := time.Now()
				o.Do(t, "101 dials "+number)
				line := o.Board.Lines[0]
				for line.State() != exchange.Talking {
					if time.Sleep(50 * time.Millisecond); time.Since(began) > 30*time.Second {
						t.Fatalf("%s: the exchange is %v, dialled %q", country, line.State(), line.Digits())
					}
				}
				if line.Digits() != number {
					t.Errorf("%s: the exchange received %q", country, line.Digits())
				}
				for _, n := range line.Notes() {
					if n.Kind == exchange.NoteDigit {
						t.Logf("%s: digit at %v after dialling", country, n.At.Sub(began))
						break
					}
				}
				o.Do(t, "wait 2s")
				if l := exchange.Level(ear.last(4000), voice); l < -30 {
					t.Errorf("%s: the caller hears the centre at %.0f dBm0", country, l)
				}
				if l := line.Level(sim.MarkerHz(0)); l < -30 {
					t.Errorf("%s: the centre hears the caller at %.0f dBm0", country, l)
				}
				o.Do(t, "101 flashes") // an emergency call is not put on hold
				o.Do(t, "wait 1s")
				if l := line.Level(sim.MarkerHz(0)); l < -30 {
					t.Errorf("%s: after a flash the centre hears the caller at %.0f dBm0", country, l)
				}
				if centre {
					line.HangUp(exchange.EndBreak, 800*time.Millisecond)
					o.Do(t, "101 hears busy")
				} else {
					o.Do(t, "101 hangs up")
				}
				o.Do(t, "wait 3s")
				if s := line.State(); s != exchange.Idle && s != exchange.Ended {
					t.Errorf("%s: at the end the line is %v", country, s)
				}
				if l := o.Records.List(); len(l) != 1 || !l[0].Emergency || l[0].Outcome != pbx.AnswerUnknown || l[0].To.Number.Reveal() != number {
					t.Errorf("%s: records %+v", country, l)
				}
			})
		}
	}
}

// TestEmergencyTakesWhatWorks: a missing line, a line in use and a dead chip are passed over.
func TestEmergencyTakesWhatWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: "DE", Stations: 2, Lines: 4, Dead: []string{"FXO 1"}})
		defer o.Stop(t)
		o.Board.Lines[1].Cut(true)
		o.Board.Lines[2].OtherSet(true)
		time.Sleep(5 * time.Second)
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 112", "wait 6s")
		if d := o.Board.Lines[3].Digits(); d != "112" {
			t.Errorf("the good line received %q", d)
		}
		o.Do(t, "101 hangs up", "wait 4s")
	})
}

// TestEmergencyUnderStress: a key held down, a key too many, a line that is cut as it is
// taken, a chip that dies as it dials: the number arrives whole.
func TestEmergencyUnderStress(t *testing.T) {
	for _, c := range []struct {
		name string
		line int // where the call must arrive
		do   func(o *Office, t *testing.T)
	}{
		{"last key held for a second", 0, func(o *Office, t *testing.T) {
			o.Do(t, "101 dials 11")
			o.Board.Room.Set("101").Press("2", time.Second, 10*time.Millisecond)
		}},
		{"a key too many", 0, func(o *Office, t *testing.T) { o.Do(t, "101 dials 112#") }},
		{"more keys out of fear", 0, func(o *Office, t *testing.T) { o.Do(t, "101 dials 1121121") }},
		{"rotary dial", 0, func(o *Office, t *testing.T) { o.Do(t, "101 pulses 112") }},
		{"by habit with a digit for outside calls", 0, func(o *Office, t *testing.T) { o.Do(t, "101 dials 0112") }},
		{"line cut as it is taken", 1, func(o *Office, t *testing.T) {
			o.Do(t, "101 dials 11")
			o.Board.Lines[0].Cut(true)
			o.Do(t, "101 dials 2")
		}},
		{"line cut while it dials", 1, func(o *Office, t *testing.T) {
			o.Do(t, "101 dials 112", "wait 1600ms")
			o.Board.Lines[0].Cut(true)
		}},
		{"chip dies while it dials", 1, func(o *Office, t *testing.T) {
			o.Do(t, "101 dials 112", "wait 1600ms", "port FXO 1 fails")
		}},
		{"first line rings", 1, func(o *Office, t *testing.T) {
			o.Board.Lines[0].Call(exchange.Voice{})
			o.Do(t, "wait 2s", "101 dials 112")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Start(t, Scene{Country: "DE", Stations: 2, Lines: 2})
				defer o.Stop(t)
				for _, l := range o.Board.Lines {
					l.SetFar(exchange.Far{Digits: 3, Rings: 1, Voice: exchange.Voice{Hz: 2900, Level: -16}})
				}
				o.Do(t, "101 lifts", "101 hears dial")
				c.do(o, t)
				o.Do(t, "wait 12s")
				l := o.Board.Lines[c.line]
				if l.State() != exchange.Talking || l.Digits() != "112" {
					t.Errorf("the exchange is %v and received %q", l.State(), l.Digits())
				}
				if v := l.Level(sim.MarkerHz(0)); v < -30 {
					t.Errorf("the centre hears the caller at %.0f dBm0", v)
				}
				o.Do(t, "101 hangs up", "wait 3s")
				if r := o.Records.List(); len(r) != 1 || r[0].Outcome != pbx.AnswerUnknown {
					t.Errorf("records %+v", r)
				}
			})
		})
	}
}

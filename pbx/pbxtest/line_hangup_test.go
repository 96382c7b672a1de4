package pbxtest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board/sim"
	"sotto/board/sim/exchange"
	"sotto/pbx"
	"sotto/pbx/country"
	"sotto/pbx/plan"
)

// oneLine plays f in an office of two telephones and one exchange line, in a country.
func oneLine(t *testing.T, code string, x plan.Line, change func(*exchange.Config), f func(t *testing.T, o *Office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: code, Stations: 2, Lines: 1, Wires: map[int]plan.Line{1: x}, Exchange: change})
		defer o.Stop(t)
		f(t, o)
	})
}

// TestLoopBreaks: a break of the loop ends a call if it is half as long as the line's or
// more, however long it is. It is known as it ends, or half a second after the set length if
// it goes on for longer. A shorter one is none.
func TestLoopBreaks(t *testing.T) {
	const ms = time.Millisecond
	const blur = 30 * ms // frames of the exchange, and how often the box looks
	settings := []int{80, 0, 350, 600}
	if underRace {
		settings = settings[:1]
	}
	for _, code := range five {
		for _, set := range settings {
			oneLine(t, code, plan.Line{Break: set}, nil, func(t *testing.T, o *Office) {
				d := follow(o)
				c, _ := country.Lookup(code)
				whole := time.Duration(set) * ms
				if set == 0 {
					whole = c.CPC.Detect
				}
				name := fmt.Sprintf("%s, line of %v", code, whole)
				o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550123#", "101 and line 1 talk")
				for _, short := range []time.Duration{10 * ms, whole / 4, whole/2 - blur} {
					o.Board.Lines[0].Break(short)
					time.Sleep(2 * second)
				}
				if n := len(o.Records.List()); n != 0 {
					t.Fatalf("%s: a break of less than half of it ended the call", name)
				}
				o.Do(t, "101 and line 1 talk", "101 hangs up", "line 1 is idle", "wait 4s")
				for i, long := range []time.Duration{whole/2 + blur, whole, 2 * whole, second, 3 * second, 10 * second} {
					incoming := i%2 == 0
					if incoming {
						o.Do(t, "line 1 calls", "101 rings", "101 lifts")
					} else {
						o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550123#")
					}
					o.Do(t, "101 and line 1 talk", "wait 2s")
					at := time.Now()
					o.Board.Lines[0].HangUp(exchange.EndBreak, long)
					o.Do(t, "line 1 is idle", "101 hears "+c.Same(country.Busy).String(), "101 hangs up")
					e, _ := d.first(sim.IsIdle, "line 1", at)
					if known := e.At.Sub(at); known > min(long+100*ms, whole+600*ms) {
						t.Errorf("%s: a break of %v was known after %v", name, long, known)
					}
					r := lastRecord(t, o)
					if end := r.Began.Add(r.Rang + r.Talked).Sub(at); end < -30*ms || end > 50*ms {
						t.Errorf("%s: break of %v: the call ended %v after it began", name, long, end)
					}
					time.Sleep(max(0, time.Until(at.Add(long))) + 4*second)
				}
				if n := len(o.Records.List()); n != 7 {
					t.Errorf("%s: %d records, want 7", name, n)
				}
			})
		}
	}
}

// TestTonesAtTheEdges: what an exchange at the edges of what the data allow says is
// understood: dial tone, ringback, busy and congestion, before a conversation and after.
func TestTonesAtTheEdges(t *testing.T) {
	pitches := []float64{0.985, 1.015}
	if underRace {
		pitches = pitches[:1]
	}
	for _, code := range five {
		for _, pitch := range pitches {
			for _, pace := range []float64{0.85, 1.15} {
				edge := func(x *exchange.Config) {
					for _, w := range []*exchange.Tone{&x.DialTone, &x.Ringback, &x.Busy, &x.Congestion} {
						for i := range w.Hz {
							w.Hz[i] *= pitch
						}
						for i := range w.Cadence {
							w.Cadence[i] = time.Duration(float64(w.Cadence[i]) * pace)
						}
					}
				}
				oneLine(t, code, plan.Line{}, edge, func(t *testing.T, o *Office) {
					name := fmt.Sprintf("%s at %g, %g", code, pitch, pace)
					d := follow(o)
					c, _ := country.Lookup(code)
					for _, end := range []struct {
						how     string
						kind    country.ToneKind
						refused bool
						want    pbx.Outcome
					}{
						{"line 1 hangs up with busy", country.Busy, false, pbx.AnswerUnknown},
						{"line 1 hangs up with congestion", country.Congestion, false, pbx.AnswerUnknown},
						{"line 1 is busy", country.Busy, true, pbx.Busy},
						{"line 1 is congested", country.Congestion, true, pbx.Failed},
					} {
						if end.refused {
							o.Do(t, end.how)
						}
						o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550123#", "line 1 hears 5550123")
						if !end.refused {
							o.Do(t, "101 and line 1 talk", "wait 3s", end.how)
						}
						var since time.Time // the tone begins
						for since.IsZero() {
							if o.Board.Lines[0].State() == exchange.Ended {
								since = time.Now()
							}
							time.Sleep(10 * time.Millisecond)
						}
						o.Do(t, "line 1 is idle within 20s")
						var period time.Duration
						for _, s := range c.Tone(end.kind).Loop() {
							period += s.On + s.Off
						}
						e, _ := d.first(sim.IsIdle, "line 1", since)
						if took, most := e.At.Sub(since), time.Duration(3*pace*float64(period))+second/2; took > most {
							t.Errorf("%s: %q took %v, at most %v is wanted", name, end.how, took, most)
						}
						want := end.want
						if want == pbx.Failed && c.Same(country.Congestion) == country.Busy {
							want = pbx.Busy
						}
						if r := lastRecord(t, o); r.Outcome != want {
							t.Errorf("%s: %q is recorded as %v", name, end.how, r.Outcome)
						}
						o.Do(t, "101 hangs up", "wait 4s")
					}
				})
			}
		}
	}
}

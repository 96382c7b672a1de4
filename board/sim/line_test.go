package sim_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
)

// desk is a board without a switch: a test connects the ports by hand.
type desk struct {
	*testing.T
	brd   *sim.Board
	words *sim.Words
	lines []string // noticed

	mu    sync.Mutex
	peer  map[board.Port]board.Port
	noted []board.EventKind
}

const line1, line2 = board.Port(2), board.Port(3)

// onDesk runs f beside a board of two telephones and two exchange lines in a bubble.
func onDesk(t *testing.T, f func(d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		dial := []float64{350, 440}
		brd, err := sim.Open(t.Context(), sim.Config{Telephones: []string{"101", "102"}, Lines: 2,
			Exchange: exchange.Config{
				DialDelay:  200 * time.Millisecond,
				DialTone:   exchange.Tone{Hz: dial, Level: -13},
				Ringback:   exchange.Tone{Hz: []float64{440, 480}, Level: -19, Cadence: []time.Duration{2 * time.Second, 4 * time.Second}},
				Busy:       exchange.Tone{Hz: []float64{480, 620}, Level: -24, Cadence: []time.Duration{500 * time.Millisecond, 500 * time.Millisecond}},
				Congestion: exchange.Tone{Hz: []float64{480, 620}, Level: -24, Cadence: []time.Duration{250 * time.Millisecond, 250 * time.Millisecond}},
				Ring:       exchange.Ringing{Hz: 20, Vrms: 85, Cadence: []time.Duration{2 * time.Second, 4 * time.Second}},
			},
			Tones: []ear.Spec{
				{Name: "dial", Loop: []ear.Burst{{Freqs: dial, Level: -10}}},
				{Name: "ringback", Loop: []ear.Burst{{Freqs: []float64{440, 480}, On: 2 * time.Second, Off: 4 * time.Second}}},
				{Name: "busy", Loop: []ear.Burst{{Freqs: []float64{480, 620}, On: 500 * time.Millisecond, Off: 500 * time.Millisecond}}},
				{Name: "congestion", Loop: []ear.Burst{{Freqs: []float64{480, 620}, On: 250 * time.Millisecond, Off: 250 * time.Millisecond}}},
			}})
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{T: t, brd: brd, words: brd.Words(), peer: map[board.Port]board.Port{}}
		brd.Room.Follow(func(e sim.Event) {
			if s := e.String(); s != "" {
				d.lines = append(d.lines, s)
			}
		})
		var work sync.WaitGroup
		work.Go(d.media)
		work.Go(func() {
			for e := range brd.Events() {
				d.mu.Lock()
				d.noted = append(d.noted, e.Kind)
				d.mu.Unlock()
			}
		})
		defer func() {
			if err := brd.Close(); err != nil {
				t.Error(err)
			}
			work.Wait()
			for _, v := range brd.Violations.List() {
				t.Errorf("chip: %s", v)
			}
		}()
		time.Sleep(500 * time.Millisecond)
		f(d)
	})
}

// media connects the ports that are joined.
func (d *desk) media() {
	n := len(d.brd.Ports())
	out, in := make([]board.Frame, n), make([]board.Frame, n)
	for !errors.Is(d.brd.Exchange(out, in), board.ErrClosed) {
		clear(out)
		d.mu.Lock()
		for a, b := range d.peer {
			out[a], out[b] = in[b], in[a]
		}
		d.mu.Unlock()
	}
}

func (d *desk) join(a, b board.Port) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.peer)
	if a != b {
		d.peer[a] = b
	}
}

func (d *desk) signal(p board.Port, k board.SignalKind) { d.brd.Signal(p, board.Signal{Kind: k}) }

// do does statements, of which none may fail.
func (d *desk) do(words ...string) {
	d.Helper()
	for _, s := range words {
		if err := d.words.Do(d.Context(), s); err != nil {
			d.Fatalf("%s: %v\nnoticed:\n%s", s, err, strings.Join(d.lines, "\n"))
		}
	}
}

// not does statements, which must all fail as expectations do.
func (d *desk) not(words ...string) {
	d.Helper()
	for _, s := range words {
		if err := d.words.Do(d.Context(), s); !errors.As(err, new(*sim.Expected)) {
			d.Errorf("%s: %v, want that it is not so", s, err)
		}
	}
}

// TestLineCalled: the box dials out by keys and by pulses; what the exchange and the far
// party hear is told.
func TestLineCalled(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.do("line 1 is idle", "never line 1 is seized", "101 lifts")
		d.signal(line1, board.Seize)
		d.join(0, line1)
		d.do("line 1 is seized within 200ms", "FXO 1 is seized", "101 hears dial", "line 2 is idle")
		d.not("line 1 is idle within 0s", "line 1 hears 0 within 1s")
		d.do("line 1 answers after 2 rings", "101 dials 0123", "line 1 hears 0123", "101 hears ringback")
		d.not("line 1 hears pulses 0123 within 1s", "line 1 hears 012 within 1s")
		d.do("101 hears voice line 1", "line 1 hears voice 101", "101 and line 1 talk", "line 1 and 101 talk")
		d.do("line 1 sends digit 5", "101 hears digit 5", "101 dials 7", "line 1 hears digit 7")
		d.do("line 1 hushes", "wait 2s", "101 hears nothing", "line 1 speaks", "101 hears voice line 1")
		d.do("line 1 hangs up with busy", "101 hears busy")
		d.not("line 1 hears voice 101 within 1s")
		d.signal(line1, board.Release)
		d.do("line 1 is idle")
		d.do("never line 1 rings", "never line 1 hears 01", "never line 2 is seized")
		d.not("never line 1 hears 0123", "never line 1 is seized")

		// By pulses.
		d.do("line 1 never answers", "wait 1s")
		d.signal(line1, board.Seize)
		d.do("101 hears dial")
		for range 3 {
			d.brd.Signal(line1, board.Signal{Kind: board.Pulses, Train: board.Train{Count: 3, Break: 60 * time.Millisecond, Make: 40 * time.Millisecond}})
			d.do("wait 1s")
		}
		d.do("line 1 hears pulses 333", "line 1 hears 333", "101 hears ringback", "wait 20s")
		d.not("101 hears voice line 1 within 0s")
		d.do("line 1 answers", "101 and line 1 talk")
		d.signal(line1, board.Release)
		d.do("line 1 is idle")

		// Refused.
		for _, c := range []struct{ how, tone string }{{"is busy", "busy"}, {"is congested", "congestion"}} {
			d.do("line 1 "+c.how, "wait 1s")
			d.signal(line1, board.Seize)
			d.do("101 hears dial", "101 dials 9", "101 hears "+c.tone)
			d.signal(line1, board.Release)
			d.do("line 1 is idle")
		}
		d.do("line 1 has no dial tone", "wait 1s")
		d.signal(line1, board.Seize)
		d.do("line 1 is seized")
		d.not("101 hears dial within 3s")
		d.do("line 1 has dial tone", "101 hears dial")
	})
}

// TestLineCalls: a call rings in, is answered, and ends in every way that there is.
func TestLineCalls(t *testing.T) {
	for _, c := range []struct {
		end    string
		hears  string
		events []board.EventKind
	}{
		{"line 1 hangs up", "nothing", nil},
		{"line 1 hangs up with break 400ms", "nothing", []board.EventKind{board.CurrentLost, board.CurrentBack}},
		{"line 1 hangs up with reversal", "nothing", []board.EventKind{board.PolarityReversed}},
		{"line 1 hangs up with busy", "busy", nil},
		{"line 1 hangs up with congestion", "congestion", nil},
		{"line 1 breaks 90ms", "voice line 1", []board.EventKind{board.CurrentLost, board.CurrentBack}},
		{"line 1 is cut", "nothing", []board.EventKind{board.CurrentLost}},
	} {
		t.Run(c.end, func(t *testing.T) {
			onDesk(t, func(d *desk) {
				d.do("line 1 calls", "line 1 rings within 200ms", "line 1 rings 2.0/4.0 at 20 Hz", "101 lifts")
				d.signal(line1, board.Seize)
				d.join(0, line1)
				d.do("line 1 is seized within 100ms", "line 1 stops ringing", "101 and line 1 talk", "101 hears voice line 1")
				d.take()
				d.do(c.end, "wait 1s", "101 hears "+c.hears)
				if got := d.take(); !slices.Equal(got, c.events) {
					d.Errorf("events %v, want %v", got, c.events)
				}
				d.signal(line1, board.Release)
				d.do("line 1 is idle")
			})
		})
	}
	onDesk(t, func(d *desk) {
		d.do("line 1 calls", "line 2 calls after 2s", "line 2 rings within 2200ms", "line 1 abandons", "line 1 stops ringing", "line 1 calls", "line 1 rings", "line 1 lifts another set", "line 1 stops ringing", "line 1 hangs up another set")
		d.take()
		d.do("line 1 reverses", "wait 1s")
		if got := d.take(); !slices.Contains(got, board.PolarityReversed) {
			d.Errorf("events %v", got)
		}
		d.do("line 1 is cut", "wait 2s")
		if err := d.words.Do(d.Context(), "line 2 calls"); err == nil || !strings.Contains(err.Error(), "its call is ringing") {
			d.Errorf("a line that rings is called: %v", err)
		}
		d.do("line 1 is joined", "wait 1s", "101 lifts", "line 1 counts reversal", "line 1 answers after 0 rings")
		d.signal(line1, board.Seize)
		d.join(0, line1)
		d.do("101 hears dial", "101 dials 1")
		d.take()
		d.do("101 and line 1 talk")
		if got := d.take(); !slices.Contains(got, board.PolarityReversed) {
			d.Errorf("events %v, want a reversal with the answer", got)
		}
	})
}

// take gives the events of the board since the last take.
func (d *desk) take() []board.EventKind {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.noted
	d.noted = nil
	return l
}

// TestLineWrongWords: what cannot be is refused, with what to say instead.
func TestLineWrongWords(t *testing.T) {
	onDesk(t, func(d *desk) {
		for _, c := range []struct{ words, help string }{
			{"line 3 calls", `no exchange line "line 3"`}, {"line 1", "help"}, {"line", "help"}, {"line 1 jumps", "help"}, {"line 1 lifts", "help"}, {"line 1 is", "help"}, {"line 1 is red", "help"},
			{"line 1 answers soon", "answers after 2 rings"}, {"line 1 answers after -1 rings", "answers after 2 rings"}, {"line 1 hangs up with joy after 1s", "with break 250ms"}, {"line 1 hangs after 1s", "with break 250ms"},
			{"line 1 after 0s", "help"}, {"line 1 after 1s", "help"}, {"line 1 answers", "is idle"}, {"line 1 abandons", "is idle"}, {"line 1 hangs up", "is idle"}, {"line 1 hangs up with busy", "is idle"},
			{"line 1 breaks", "breaks 90ms"}, {"line 1 breaks soon", "say 300ms"}, {"line 1 sends digit X", "sends digit 5"}, {"line 1 sends digit 5", "nobody is through"}, {"line 1 says hello.wav", "no files"},
			{"101 is seized", "line 1 is seized"}, {"line 1 is seized now", "line 1 is seized"}, {"line 1 hears pulses 12#", "which digits"}, {"101 hears 0123", "no tone"}, {"line 1 calls after lunch", "300ms"},
			{"line 1 and line 9 talk", "no exchange line"}, {"101 hears voice line 9", "no exchange line"},
		} {
			if err := d.words.Do(d.Context(), c.words); err == nil || !strings.Contains(err.Error(), c.help) || errors.As(err, new(*sim.Expected)) {
				d.Errorf("%q: %v, want %q", c.words, err, c.help)
			}
		}
	})
}

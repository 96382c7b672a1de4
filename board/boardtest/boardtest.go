// Package boardtest is the behaviour that every [board.Board] must show, as a suite of
// tests. The test of each board calls [Run]: that of the simulator always, that of a
// box when it has one to run on. What plugs into the ports is played through [Far];
// where there is nobody at the other end, the parts that need one are skipped.
//
// The suite knows the words of package board and no chip, no driver and no simulator.
package boardtest

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

// Suite is what the tests run on.
type Suite struct {
	// Open opens the board anew; the suite closes it. Far is nil if nothing is plugged in.
	Open func(t *testing.T) (board.Board, Far)
	// Bubble runs each part in a testing/synctest bubble, where times must be exact.
	Bubble bool
	// Delay is the most that a voice may take from one telephone's mouth to another's
	// ear when what comes in goes out in the next frame. 0 is 30 ms.
	Delay time.Duration
}

// Far plays what is plugged into the ports.
type Far interface {
	Telephone(board.Port) Telephone // on a station port; nil: nothing
	Exchange(board.Port) Exchange   // on an exchange line; nil: nothing
}

// Telephone is plugged into a station port. It is on the hook at first and silent.
// Its methods are called between frames; what they ask is done in the next one.
type Telephone interface {
	Hook(offHook bool)
	HookAt() time.Time            // when the hook last moved
	Speak(samples []int16)        // once; then silence
	Record() (mouth, ear []int16) // what was said and heard since the last Record, side by side, the last second at least
	Rings() bool                  // ringing voltage, in the last frame
	Volts() float64               // DC, tip to ring, signed, in the last frame
}

// Exchange is what an exchange line is plugged into. It feeds the line and says nothing
// at first. Its methods are called between frames; what they ask is done in the next.
type Exchange interface {
	Feed(on bool)          // off: no battery, as if the wire were cut
	Reverse()              // turns the polarity
	Ring(on bool)          // without a pause
	OtherSet(offHook bool) // of another telephone on the same line
	Speak(samples []int16) // once
	Hear() []int16         // the last 100 ms from the port
	Seized() bool          // the port's loop is closed
	// Loop gives how long the port's loop was open, closed, open … between the edges since
	// the last Loop, of which the first is an opening.
	Loop() []time.Duration
}

type part struct {
	name string
	far  bool // needs somebody at the other end
	run  func(*rig)
}

// Run runs the suite, a subtest a part, each on a board opened anew.
func Run(t *testing.T, s Suite) {
	if s.Delay == 0 {
		s.Delay = 30 * time.Millisecond
	}
	for _, p := range slices.Concat(frameParts, stationParts, lineParts) {
		t.Run(p.name, func(t *testing.T) {
			body := func(t *testing.T) {
				brd, far := s.Open(t)
				if far == nil && p.far {
					brd.Close()
					t.Skip("nobody is at the other end of the ports")
				}
				r := newRig(t, s, brd, far)
				defer brd.Close()
				p.run(r)
				r.orderly()
			}
			if s.Bubble {
				synctest.Test(t, body)
			} else {
				body(t)
			}
		})
	}
}

// rig runs the frames of one board. All is done by the test's goroutine.
type rig struct {
	*testing.T
	s       Suite
	brd     board.Board
	far     Far
	ports   []board.PortInfo
	out, in []board.Frame
	play    []func(*board.Frame) // fills out, a port
	heard   [][]int16            // what came in since listen, a port
	events  []board.Event        // not yet taken
	all     []board.Event
	err     error // of the last Exchange
}

func newRig(t *testing.T, s Suite, brd board.Board, far Far) *rig {
	ports := brd.Ports()
	n := len(ports)
	r := &rig{T: t, s: s, brd: brd, far: far, ports: ports, out: make([]board.Frame, n), in: make([]board.Frame, n),
		play: make([]func(*board.Frame), n), heard: make([][]int16, n)}
	r.run(500 * time.Millisecond) // all is quiet
	if got := r.take(); len(got) > 0 {
		t.Fatalf("events of a board that nobody touches: %v", names(got))
	}
	return r
}

// frame passes one frame and takes what happened.
func (r *rig) frame() {
	for p, f := range r.play {
		if f == nil {
			r.out[p] = board.Frame{}
		} else {
			f(&r.out[p])
		}
	}
	if r.err = r.brd.Exchange(r.out, r.in); r.err != nil {
		r.Fatalf("exchange: %v", r.err)
	}
	for p := range r.in {
		r.heard[p] = append(r.heard[p], r.in[p][:]...)
	}
	if r.s.Bubble {
		synctest.Wait()
	}
	for {
		select {
		case e := <-r.brd.Events():
			r.events = append(r.events, e)
			r.all = append(r.all, e)
			continue
		default:
		}
		return
	}
}

// run passes frames for d.
func (r *rig) run(d time.Duration) {
	r.Helper()
	for range d / board.FrameTime {
		r.frame()
	}
}

// until passes frames until f, and fails after limit.
func (r *rig) until(what string, limit time.Duration, f func() bool) {
	r.Helper()
	for range limit / board.FrameTime {
		if f() {
			return
		}
		r.frame()
	}
	if !f() {
		r.Fatalf("not within %v: %s (events: %v)", limit, what, names(r.events))
	}
}

// take gives the events since the last take.
func (r *rig) take() []board.Event {
	l := r.events
	r.events = nil
	return l
}

// expect waits until an event comes and wants it to be the next, and of this port.
func (r *rig) expect(p board.Port, k board.EventKind, limit time.Duration) board.Event {
	r.Helper()
	r.until(k.String(), limit, func() bool { return len(r.events) > 0 })
	e := r.events[0]
	r.events = r.events[1:]
	if e.Port != p || e.Kind != k {
		r.Fatalf("port %d: %v, want port %d: %v", e.Port, e.Kind, p, k)
	}
	return e
}

// nothing passes frames for d and wants no event.
func (r *rig) nothing(d time.Duration) {
	r.Helper()
	r.run(d)
	if got := r.take(); len(got) > 0 {
		r.Fatalf("events %v, want none", names(got))
	}
}

// orderly checks the numbers and times of all events.
func (r *rig) orderly() {
	last := map[board.Port]time.Time{}
	for i, e := range r.all {
		if i > 0 && e.Seq != r.all[i-1].Seq+1 {
			r.Errorf("event %d has number %d after %d", i, e.Seq, r.all[i-1].Seq)
		}
		if e.At.Before(last[e.Port]) {
			r.Errorf("event %d (%v) is of %v before the one before it", i, e.Kind, last[e.Port].Sub(e.At))
		}
		last[e.Port] = e.At
	}
}

func names(l []board.Event) (s []string) {
	for _, e := range l {
		s = append(s, e.Kind.String())
	}
	return s
}

// near fails unless got is within slack of want, whichever is first.
func (r *rig) near(what string, got, want time.Time, slack time.Duration) {
	r.Helper()
	if d := got.Sub(want); d.Abs() > slack {
		r.Errorf("%s: told as %v after it was, want within %v", what, d, slack)
	}
}

// signal signals, and passes frames until it has had its effect.
func (r *rig) signal(p board.Port, k board.SignalKind) {
	r.Helper()
	r.brd.Signal(p, board.Signal{Kind: k})
	r.run(50 * time.Millisecond)
}

// working gives the ports of a kind that work, with somebody at the other end if there
// is a far end at all. The part is skipped when there is none.
func (r *rig) working(k board.Kind) (l []board.Port) {
	r.Helper()
	for _, p := range r.ports {
		if p.Kind != k || p.Err != nil {
			continue
		}
		if r.far == nil || k == board.Station && r.far.Telephone(p.Port) != nil || k == board.ExchangeLine && r.far.Exchange(p.Port) != nil {
			l = append(l, p.Port)
		}
	}
	if l == nil {
		r.Skipf("the board has no %v to try", k)
	}
	return l
}

// listen forgets what came in so far.
func (r *rig) listen() {
	for p := range r.heard {
		r.heard[p] = r.heard[p][:0]
	}
}

// voice is the level at which the suite speaks, in dBm0.
const voice = -16.0

// sine gives a player of a steady sine.
func sine(hz float64) func(*board.Frame) {
	n := 0
	return func(f *board.Frame) {
		for i := range f {
			f[i] = int16(board.Amplitude(voice) * math.Sin(2*math.Pi*hz*float64(n)/board.SampleRate))
			n++
		}
	}
}

// speech gives d of a sine.
func speech(hz float64, d time.Duration) (l []int16) {
	next := sine(hz)
	for range d / board.FrameTime {
		var f board.Frame
		next(&f)
		l = append(l, f[:]...)
	}
	return l
}

// level measures the frequency hz in samples, in dBm0.
func level(samples []int16, hz float64) float64 {
	var re, im float64
	for i, v := range samples {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / board.SampleRate)
		re += float64(v) * cos
		im += float64(v) * sin
	}
	if len(samples) == 0 {
		return math.Inf(-1)
	}
	return board.Level(math.Hypot(re, im) * math.Sqrt2 / float64(len(samples)))
}

// power measures all of samples, in dBm0.
func power(samples []int16) float64 {
	var sum float64
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return math.Inf(-1)
	}
	return board.Level(math.Sqrt(sum / float64(len(samples))))
}

// last gives the last d of samples.
func last(samples []int16, d time.Duration) []int16 {
	n := int(d * board.SampleRate / time.Second)
	return samples[max(0, len(samples)-n):]
}

// hears fails unless samples hold the sine hz at the level of voice, or, with sounds
// false, nothing to speak of.
func (r *rig) hears(what string, samples []int16, hz float64, sounds bool) {
	r.Helper()
	const slack, silence = 2.0, -55.0
	l := last(samples, 100*time.Millisecond)
	switch {
	case len(l) == 0:
		r.Errorf("%s: nothing was recorded", what)
	case sounds && math.Abs(level(l, hz)-voice) > slack:
		r.Errorf("%s: %.1f dBm0, want %.1f", what, level(l, hz), voice)
	case !sounds && power(l) > silence:
		r.Errorf("%s: %.1f dBm0, want silence", what, power(l))
	}
}

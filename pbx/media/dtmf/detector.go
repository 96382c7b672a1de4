package dtmf

import (
	"log/slog"
	"math"
	"time"

	"sotto/board"
)

// What the receiver calls a digit. Where the standards leave a gap between what must be
// taken and what must be refused, the value lies inside it and the tests hold both ends.
const (
	minLevel       = -35.0  // dBm0 of each tone
	idleLevel      = -42.0  // dBm0 of a frame; nothing below it is looked at
	maxLowOver     = 10.0   // dB that the low group may be stronger
	maxHighOver    = 9.0    // dB that the high group may be stronger
	twistNoise     = 3.0    // dB more in a single window
	maxShift       = 0.0195 // of either frequency: 1.5 % is taken, 3.5 % refused
	windowShare    = 0.60   // of the energy of one window that the two tones must be
	runShare       = 0.92   // of the energy of a run, as two sines of constant phase
	minKeep        = 0.97   // of the amplitude of either tone that a constant pitch explains
	aroundShare    = 0.90   // the same around a drop-out
	lowShare       = 0.25   // energy below the band, in parts of that above it
	steadyLowShare = 4.0    // the same where it was there before the digit: dial tone
	steadyRise     = 2.5    // how much it may exceed what was there before
	need           = 6      // windows in a row that make a digit: more than 25 ms of tone
	needAround     = 7      // windows that make a digit around a drop-out
	maxGap         = 4      // windows that a drop-out of 10 ms spoils
	maxMissed      = 5      // windows without the digit that end it
	depth          = 16     // windows remembered
)

var (
	minEnergy    = float32(sineEnergy(minLevel))
	idleEnergy   = float32(board.FrameLen / 2 * math.Pow(board.Amplitude(idleLevel), 2))
	lowStronger  = math.Pow(10, maxLowOver/10)
	highStronger = math.Pow(10, maxHighOver/10)
	looser       = math.Pow(10, twistNoise/10)
)

// Kind says what an Event tells of.
type Kind uint8

const (
	None  Kind = iota // nothing happened
	Start             // a digit was recognised; told once, and while it still sounds
	End               // the digit told of last is over
)

// Event is what a frame brought.
type Event struct {
	Kind  Kind
	Digit byte          // one of Digits
	Tone  time.Duration // with End: how long the tone was, drop-outs included, in steps of 5 ms
}

// String leaves the digit out: it may be one of a PIN, and events are easily logged whole.
func (e Event) String() string {
	switch e.Kind {
	case Start:
		return "start of a digit"
	case End:
		return "end of a digit after " + e.Tone.String()
	}
	return "no digit"
}

// GoString is String, so that %#v shows no more than %v.
func (e Event) GoString() string { return e.String() }

// LogValue implements [slog.LogValuer].
func (e Event) LogValue() slog.Value { return slog.StringValue(e.String()) }

// Detector recognises the digits of one voice path. The zero value is ready. It holds
// 1.5 kB and is used by one goroutine.
type Detector struct {
	filter  filter
	last    [hop]float32 // the hop before, filtered
	windows [depth]windowState
	n       uint32 // windows so far

	// The run: windows of one look, drop-outs bridged.
	digit int8
	hits  int     // windows in it; 0 is no run
	gap   int     // windows since the last of them
	span  int     // windows from first to last
	below float32 // energy of a hop below the band, averaged over what is no run

	// The digit that is on.
	on              bool
	told            int8    // which, also after its end
	refLow, refHigh float32 // its energy in a window
	length, missed  int     // windows it has lasted, windows since it was last there
	tail            int     // above 0 while no pause has been since: a faint one like it is its echo
	late            Event   // second event of a frame, told with the next
}

// Reset forgets everything that was heard.
func (d *Detector) Reset() { *d = Detector{} }

// Next takes the next frame and says what it brought: a Start about 35 ms after the
// tone's beginning, an End about 30 ms after its end. Between the Start of a digit and
// its End there is no other Start.
func (d *Detector) Next(f *board.Frame) Event {
	ev := d.late
	d.late = Event{}
	var sum, squares int64
	for _, s := range f {
		sum += int64(s)
		squares += int64(int32(s) * int32(s))
	}
	if float32(squares-sum*sum/board.FrameLen) < idleEnergy {
		d.filter.settle(float32(sum) / board.FrameLen)
		d.last = [hop]float32{}
		for range 2 {
			w := d.push()
			w.energy, w.pass, w.low, w.digit = 0, 0, 0, -1
			d.tell(&ev, d.step(w))
		}
		return ev
	}
	var z [board.FrameLen]float32
	whole := d.filter.run(f, &z)
	for i, e := range whole {
		w, newer := d.push(), (*[hop]float32)(z[i*hop:])
		w.measure(&d.last, newer)
		w.low = max(e-w.pass, 0)
		w.digit = w.look()
		d.last = *newer
		d.tell(&ev, d.step(w))
	}
	return ev
}

// tell puts more into ev, or into the next frame's if ev is taken.
func (d *Detector) tell(ev *Event, more Event) {
	switch {
	case more.Kind == None:
	case ev.Kind == None:
		*ev = more
	default:
		d.late = more
	}
}

func (d *Detector) push() *windowState {
	d.n++
	return d.back(0)
}

// back gives the window i hops ago.
func (d *Detector) back(i int) *windowState { return &d.windows[(d.n-1-uint32(i))%depth] }

// step moves the state on by a window.
func (d *Detector) step(w *windowState) Event {
	loud := w.energy > 0 && d.loud(w)
	there := d.on && loud
	if d.tail > 0 {
		d.tail--
		if there || w.digit == d.told {
			d.tail = maxGap
		}
		if w.digit == d.told && !loud {
			// The digit faintly, without a pause since: its echo, or a sudden loss. Not a new one.
			w.digit = -1
		}
	}
	d.follow(w)
	if !d.on {
		if d.gap > 0 || d.hits < need || !d.certain() {
			return Event{}
		}
		d.on, d.told, d.tail = true, d.digit, maxGap
		d.length, d.missed = d.span, 0
		return Event{Kind: Start, Digit: Digits[d.told]}
	}
	d.missed++
	if there {
		d.length += d.missed
		d.missed = 0
	}
	if d.missed < maxMissed {
		return Event{}
	}
	d.on = false
	return Event{Kind: End, Digit: Digits[d.told], Tone: time.Duration(d.length) * board.FrameTime * hop / board.FrameLen}
}

// loud says whether both tones of the told digit are within 9 dB of what they were.
func (d *Detector) loud(w *windowState) bool {
	return w.power(int(d.told/4)) > d.refLow/8 && w.power(int(4+d.told%4)) > d.refHigh/8
}

// follow counts the run. One window of another look may be the edge of a drop-out; two
// are another run.
func (d *Detector) follow(w *windowState) {
	switch {
	case w.digit >= 0 && d.hits > 0 && w.digit == d.digit:
		d.hits++
		d.span += d.gap + 1
		d.gap = 0
	case w.digit >= 0 && d.hits > 0 && w.digit == d.back(1).digit:
		d.digit, d.hits, d.span, d.gap = w.digit, 2, 2, 0
	case w.digit >= 0 && d.hits == 0:
		d.digit, d.hits, d.span, d.gap = w.digit, 1, 1, 0
	case d.hits > 0:
		if d.gap++; d.gap > maxGap {
			d.hits = 0
		}
	}
	if d.hits == 0 {
		d.below += (w.low - d.below) / 8
	}
}

// certain looks at the last windows of the run together. Those that the tone fills less
// than half do not count: six that do mean more than 25 ms of it.
func (d *Detector) certain() bool {
	row, col := int(d.digit/4), int(4+d.digit%4)
	span := min(d.span, depth)
	var maxLow, maxHigh float32
	for i := range span {
		if w := d.back(i); w.digit == d.digit {
			maxLow, maxHigh = max(maxLow, w.power(row)), max(maxHigh, w.power(col))
		}
	}
	var at [needAround]int // hops ago
	var energy, below, pass float32
	n := 0
	for i := 0; i < span && n < needAround && (n < need || at[need-1] != need-1); i++ {
		w := d.back(i)
		if w.digit != d.digit || w.power(row) < maxLow/4 || w.power(col) < maxHigh/4 {
			continue
		}
		at[n] = i
		n++
		energy += w.energy
		below += w.low
		pass += w.pass
	}
	least, dialTone := runShare, float32(steadyLowShare)
	switch {
	case n == needAround:
		least, dialTone = aroundShare, 0
	case n < need || at[need-1] != need-1:
		return false
	}
	if below > lowShare*pass && (below > dialTone*pass || below > steadyRise*float32(n)*d.below) {
		return false
	}
	lowShift, lowKeep, low := d.sine(row, at[:n])
	highShift, highKeep, high := d.sine(col, at[:n])
	if lowKeep < minKeep || highKeep < minKeep {
		return false
	}
	if math.Abs(lowShift) > maxShift || math.Abs(highShift) > maxShift || low > high*lowStronger || high > low*highStronger {
		return false
	}
	if low+high < least*float64(energy) {
		return false
	}
	d.refLow, d.refHigh = maxLow, maxHigh
	return true
}

// sine measures the sine near frequency k over the windows at (hops ago, rising): how
// far off it is, relative, and its energy in them, as far as it keeps its phase.
func (d *Detector) sine(k int, at []int) (shift, keep, energy float64) {
	var re, im, all float64
	for j := 1; j < len(at); j++ {
		if at[j] != at[j-1]+1 {
			continue
		}
		w, v := d.back(at[j-1]), d.back(at[j])
		a, b, x, y := float64(w.re[k]), float64(w.im[k]), float64(v.re[k]), float64(v.im[k])
		re += a*x + b*y
		im += b*x - a*y
	}
	// What the phase turned in a hop beyond what the nominal frequency turns.
	beyond := math.Atan2(re*turnIm[k]+im*turnRe[k], re*turnRe[k]-im*turnIm[k])
	nominal := 2 * math.Pi * frequencies[k] / board.SampleRate * hop

	re, im = 0, 0
	for _, i := range at {
		s, c := math.Sincos((beyond + nominal) * float64(i))
		w := d.back(i)
		a, b := float64(w.re[k]), float64(w.im[k])
		re += a*c - b*s
		im += a*s + b*c
		all += math.Sqrt(a*a + b*b)
	}
	// The Hann shape's response at the shift, in bins of the window.
	gain := 1.0
	if x := beyond / math.Pi; math.Abs(x) > 1e-6 {
		gain = math.Sin(math.Pi*x) / (math.Pi * x * (1 - x*x))
	}
	return beyond / nominal, math.Sqrt(re*re+im*im) / all, share * (re*re + im*im) / float64(len(at)) / (gain * gain)
}

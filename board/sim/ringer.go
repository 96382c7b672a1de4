package sim

import (
	"fmt"
	"math"
	"strings"
	"time"

	"sotto/board/chipsim"
)

// ringer is the bell of a telephone: it measures the ringing on its line.
type ringer struct {
	name string
	out  func(Event)

	on      bool      // within a burst
	onAt    time.Time // the burst began
	offAt   time.Time // the last burst ended
	last    float32   // last sample
	firstX  time.Time // first upward zero crossing of the burst
	lastX   time.Time
	loudAt  time.Time // end of the last sample that is more than nothing
	crosses int
	peak    float32
	hz      float64
	bursts  []time.Duration // on, off, on, off … of the cadence under way
	told    bool            // the cadence was told
	active  bool            // told that it rings
}

const (
	bellVolts  = 25.0                   // peak; a bell does not move below
	stillVolts = 3.0                    // no ringing
	longGap    = 800 * time.Millisecond // a pause of this length ends a cadence
	bellStops  = 7 * time.Second        // without a burst it has stopped: longer than every pause
)

// rings tells whether the bell is in a cadence.
func (r *ringer) rings() bool { return r.active }

func (r *ringer) frame(start time.Time, feed *chipsim.Feed) {
	if !feed.Ringing {
		if r.on && start.Sub(r.lastX) > 40*time.Millisecond { // no crossing for longer than half a period at 15 Hz
			r.ended()
		}
		if r.active && !r.on && start.Sub(r.offAt) > bellStops {
			r.stop(r.offAt)
		}
		return
	}
	loud := -1
	for i, v := range feed.Ring {
		if v > stillVolts || v < -stillVolts {
			loud = i
		}
		r.peak = max(r.peak, v)
		if r.last < 0 && v >= 0 || r.last == 0 && v > 0 && !r.on {
			at := start.Add(time.Duration((float64(i) - float64(v/(v-r.last+1e-9))) * float64(sample)))
			r.cross(at)
		}
		r.last = v
	}
	if loud >= 0 {
		r.loudAt = start.Add(time.Duration(loud+1) * sample)
	}
}

// cross is an upward zero crossing.
func (r *ringer) cross(at time.Time) {
	if !r.on {
		r.on, r.onAt, r.firstX, r.crosses, r.peak = true, at, at, 0, 0
		if r.active && at.Sub(r.offAt) < bellStops {
			gap := at.Sub(r.offAt)
			r.bursts = append(r.bursts, gap)
			if gap >= longGap {
				r.cadence(at)
			}
		} else {
			r.bursts, r.told = r.bursts[:0], false
		}
	}
	r.lastX = at
	if r.crosses++; r.crosses == 2 && r.peak > bellVolts && !r.active {
		r.active = true
		r.out(Event{At: r.onAt, Who: r.name, What: Rings})
	}
}

// ended: the burst is over. It is counted from its first upward zero crossing to the last
// moment that there was a voltage.
func (r *ringer) ended() {
	r.on, r.last = false, 0
	if r.crosses > 1 {
		r.hz = float64(r.crosses-1) / r.lastX.Sub(r.firstX).Seconds()
	}
	r.offAt = r.lastX
	if r.loudAt.After(r.lastX) {
		r.offAt = r.loudAt
	}
	r.bursts = append(r.bursts, r.offAt.Sub(r.onAt))
}

// cadence tells the cadence once it came round.
func (r *ringer) cadence(at time.Time) {
	if !r.told {
		r.told = true
		r.out(Event{At: at, Who: r.name, What: RingsAs, Name: Cadence(r.bursts), Hz: math.Round(r.hz*10) / 10})
	}
	r.bursts = r.bursts[:0]
}

func (r *ringer) stop(at time.Time) {
	r.active = false
	r.out(Event{At: at, Who: r.name, What: RingsNot})
}

// lifted: ringing ends with the loop.
func (r *ringer) lifted(at time.Time) {
	if r.on {
		r.ended()
	}
	if r.active {
		r.stop(at)
	}
}

// Cadence prints a cadence in seconds, to a tenth: "1.0/4.0".
func Cadence(l []time.Duration) string {
	var s []string
	for _, d := range l {
		s = append(s, fmt.Sprintf("%.1f", math.Round(d.Seconds()*10)/10))
	}
	return strings.Join(s, "/")
}

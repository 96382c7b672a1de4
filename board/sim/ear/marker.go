package ear

import (
	"math"

	"sotto/board"
)

// Marker levels in dBm0: one begins at markerOn and above, and is over below markerOff
// or at a quarter of the amplitude it began with. An echo 20 dB below a marker of
// -20 dBm0 is under both.
const (
	markerOn  = -36.0
	markerOff = -40.0
)

// markerSpread is how much softer than the loudest a marker may be, as an amplitude: 12 dB.
const markerSpread = 0.25

// marker is the filter of one marker, a Hann-windowed DFT over one window: another
// marker 40 Hz off falls on its zero.
type marker struct {
	cos, sin [window]float32
	amp      [8]float64 // of the last windows, newest first
	on       bool
	level    float64 // amplitude when it began
	low      int     // windows below the level that ends it
}

// hum is what all markers share.
type hum struct {
	band    int        // frames until the band above 2.3 kHz counts as silent
	power   [2]float64 // weighted, of the last windows, newest first
	loudest [2]float64 // amplitude of the loudest marker likewise
	on      int        // markers on
}

func newMarker(hz float64) marker {
	var m marker
	for i := range m.cos {
		w := 2 * math.Pi * hz * float64(i) / board.SampleRate
		m.cos[i] = float32(hann[i] * math.Cos(w) * 4 / window)
		m.sin[i] = float32(hann[i] * math.Sin(w) * 4 / window)
	}
	return m
}

// forget drops the history of the markers; none is on.
func (e *Ear) forget() {
	e.hum = hum{on: e.hum.on}
	for i := range e.markers {
		e.markers[i].amp = [8]float64{}
	}
}

// hearMarkers judges the window that ends with this frame.
func (e *Ear) hearMarkers() {
	h := &e.hum
	var s float32
	for _, v := range e.z[window:] {
		s += v * v
	}
	if board.Level(math.Sqrt(float64(s)/board.FrameLen)) > markerOff-6 {
		h.band = 1 + window/board.FrameLen + len(marker{}.amp)
	}
	if h.band == 0 && h.on == 0 || len(e.markers) == 0 {
		return
	}
	h.band = max(h.band-1, 0)

	z := (*[window]float32)(e.z[board.FrameLen:])
	var power float64
	for i, v := range z {
		power += hann[i] * float64(v) * float64(v)
	}
	h.power[1], h.power[0] = h.power[0], power*2/window
	h.loudest[1], h.loudest[0] = h.loudest[0], 0
	for i := range e.markers {
		m := &e.markers[i]
		var re, im float32
		for j := range z {
			re += m.cos[j] * z[j]
			im += m.sin[j] * z[j]
		}
		copy(m.amp[1:], m.amp[:])
		m.amp[0] = math.Hypot(float64(re), float64(im))
		h.loudest[0] = max(h.loudest[0], m.amp[0])
	}

	// Sines make up most of the band and have stopped growing: no noise, no splatter
	// of an edge within the window.
	sines := 0.0
	for i := range e.markers {
		if e.candidate(&e.markers[i]) {
			a := e.markers[i].amp[0]
			sines += a * a / 2
		}
	}
	clean := sines > 0.4*h.power[0] && steady(h.power[0], h.power[1], 1.26) && steady(h.loudest[0], h.loudest[1], 1.12)
	for i := range e.markers {
		m := &e.markers[i]
		switch {
		case !m.on && clean && e.candidate(m) && steady(m.amp[0], m.amp[1], 1.12):
			m.on, m.level, m.low = true, m.amp[0], 0
			h.on++
			e.tell(MarkerOn, "", i, e.end()-m.covered(), board.Level(m.level/math.Sqrt2))
		case m.on && (m.amp[0] < m.level/4 || m.amp[0] < board.Amplitude(markerOff)):
			if m.low++; m.low == 2 {
				m.on = false
				h.on--
				e.tell(MarkerOff, "", i, e.end()-window+m.covered(), board.Level(m.level/math.Sqrt2))
			}
		case m.on:
			m.low = 0
		}
	}
}

func (e *Ear) candidate(m *marker) bool {
	a := m.amp[0]
	return a >= board.Amplitude(markerOn) && a >= markerSpread*e.hum.loudest[0]
}

// steady tells whether a and b are within a factor of each other.
func steady(a, b, factor float64) bool { return a < b*factor && b < a*factor }

// covered looks for the recent window with the edge of the marker nearest to its
// middle. It gives the number of samples of the marker that an edge there leaves in
// that window, counted on to the newest one: for a beginning, the samples since; for
// an end, what is left, less the time since.
func (m *marker) covered() int {
	best, ratio := 0, 2.0
	for j, a := range m.amp {
		if r := a / m.level; math.Abs(r-0.5) < math.Abs(ratio-0.5) {
			best, ratio = j, r
		}
	}
	if m.on {
		return part(ratio) + best*board.FrameLen
	}
	return part(ratio) - best*board.FrameLen
}

// part gives the samples of a window over which a Hann window has the share r of its sum.
func part(r float64) int {
	sum := 0.0
	for i, w := range hann {
		if sum += w; sum >= r*window/2 {
			return i
		}
	}
	return window
}

package ear

import (
	"math"
	"math/cmplx"

	"sotto/board"
)

// Marker levels in dBm0: one begins at markerOn and above, and is over below markerOff
// or at a quarter of the amplitude it began with. An echo 20 dB below a marker of
// -20 dBm0 is under both.
const (
	markerOn  = -36.0
	markerOff = -40.0
)

// offPhase is how far the phase may stray from one window to the next: 5 Hz.
const offPhase = 2 * math.Pi * 5 * board.FrameLen / board.SampleRate

// markerSpread is how much softer than the loudest a marker may be, as an amplitude: 12 dB.
const markerSpread = 0.25

// explained is the share of the band that the markers known to be on must have for the
// others not to be looked for.
const explained = 0.97

// marker is the filter of one marker, a Hann-windowed DFT over one window: another
// marker 40 Hz off falls on its zero.
type marker struct {
	cos, sin [window]float32
	turn     complex128 // phase from one window to the next
	last     complex128 // amplitude and phase in the last window
	true     bool       // the phase went on as the frequency says
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
	m := marker{turn: cmplx.Rect(1, 2*math.Pi*hz*board.FrameLen/board.SampleRate)}
	for i := range m.cos {
		w := 2 * math.Pi * hz * float64(i) / board.SampleRate
		m.cos[i] = float32(hann[i] * math.Cos(w) * 4 / window)
		m.sin[i] = float32(hann[i] * math.Sin(w) * 4 / window)
	}
	return m
}

// hear takes in one window and gives the amplitude of the marker in it.
func (m *marker) hear(z *[window]float32) float64 {
	var re, im float32
	for j := range z {
		re += m.cos[j] * z[j]
		im += m.sin[j] * z[j]
	}
	m.note(complex(float64(re), -float64(im)))
	return m.amp[0]
}

func (m *marker) note(v complex128) {
	copy(m.amp[1:], m.amp[:])
	m.amp[0] = cmplx.Abs(v)
	m.true = math.Abs(cmplx.Phase(v*cmplx.Conj(m.last*m.turn))) < offPhase
	m.last = v
}

// forget drops the history of the markers; none is on.
func (e *Ear) forget() {
	e.hum = hum{on: e.hum.on}
	for i := range e.markers {
		e.markers[i].amp, e.markers[i].last = [8]float64{}, 0
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
	sines := 0.0
	for i := range e.markers {
		if m := &e.markers[i]; m.on {
			h.loudest[0] = max(h.loudest[0], m.hear(z))
			sines += m.amp[0] * m.amp[0] / 2
		}
	}
	more := sines < explained*h.power[0] // else the markers that are on are all there is
	for i := range e.markers {
		switch m := &e.markers[i]; {
		case m.on:
		case more:
			h.loudest[0] = max(h.loudest[0], m.hear(z))
		default:
			m.note(0)
		}
	}
	clean := e.clean()
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
	return m.true && a >= board.Amplitude(markerOn) && a >= markerSpread*e.hum.loudest[0]
}

// clean tells whether markers may begin: a few sines of their frequencies are nearly
// all of the band and have stopped growing, and below it is silence or a known tone.
// So neither noise, nor the harmonics of a voice, nor an edge within the window is
// taken for a marker.
func (e *Ear) clean() bool {
	h := &e.hum
	sines, n := 0.0, 0
	for i := range e.markers {
		if m := &e.markers[i]; e.candidate(m) {
			sines += m.amp[0] * m.amp[0] / 2
			n++
		}
	}
	if n == 0 || n > 4 || sines < 0.75*h.power[0] ||
		!steady(h.power[0], h.power[1], 1.26) || !steady(h.loudest[0], h.loudest[1], 1.12) {
		return false
	}
	if e.run.state == sound && e.run.kind >= 0 {
		return true
	}
	var low float32
	for _, v := range e.y[board.FrameLen:] {
		low += v * v
	}
	return float64(low)/window < h.power[0]
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

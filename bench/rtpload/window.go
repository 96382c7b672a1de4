package main

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stream is what the receiver counts of one sender's packets, window by window.
type stream struct {
	sent  atomic.Int64 // in the window
	mu    sync.Mutex
	got   int64
	late  int64 // out of order or duplicate
	last  uint32
	has   bool
	prevT int64   // previous transit, ns
	jit   float64 // RFC 3550 section 6.4.1 estimate, ns
	jmax  float64
	lat   []int64 // transit, ns
}

// take counts packet num, which was transit nanoseconds under way.
func (s *stream) take(num uint32, transit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has && num <= s.last {
		s.late++
	}
	if s.has {
		d := math.Abs(float64(transit - s.prevT))
		s.jit += (d - s.jit) / 16
		if s.jit > s.jmax {
			s.jmax = s.jit
		}
	}
	s.has, s.prevT = true, transit
	if num > s.last {
		s.last = num
	}
	s.got++
	s.lat = append(s.lat, transit)
}

// mediaResult is what one window saw, all streams together.
type mediaResult struct {
	sent, got, late, altered int64
	transit                  []int64
	jitterMean, jitterMax    float64 // ns: mean over streams of the final estimate; worst seen
	deadStreams              int     // streams of which nothing arrived
	lossWorst                float64
	pacing                   []int64
}

// open begins a window: what is sent from now on counts.
func (m *media) open() {
	m.mu.Lock()
	for _, s := range m.streams {
		s.mu.Lock()
		s.sent.Store(0)
		s.got, s.late, s.has, s.jit, s.jmax, s.last = 0, 0, false, 0, 0, 0
		s.lat = s.lat[:0]
		s.mu.Unlock()
	}
	m.mu.Unlock()
	m.lateMu.Lock()
	m.late = m.late[:0]
	m.lateMu.Unlock()
	m.w1.Store(math.MaxInt64)
	m.w0.Store(time.Now().UnixNano())
}

// shut ends the window, lets stragglers in, and sums up.
func (m *media) shut() *mediaResult {
	m.w1.Store(time.Now().UnixNano())
	time.Sleep(700 * time.Millisecond)
	var r mediaResult
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.streams {
		s.mu.Lock()
		sent := s.sent.Load()
		if sent > 0 {
			r.sent += sent
			r.got += s.got
			r.late += s.late
			r.transit = append(r.transit, s.lat...)
			if s.got == 0 {
				r.deadStreams++
			} else {
				n++
				r.jitterMean += s.jit
				r.jitterMax = math.Max(r.jitterMax, s.jmax)
			}
			r.lossWorst = math.Max(r.lossWorst, 1-float64(s.got)/float64(sent))
		}
		s.mu.Unlock()
	}
	for _, e := range m.ends {
		r.altered += e.altered.Load()
	}
	if n > 0 {
		r.jitterMean /= float64(n)
	}
	m.lateMu.Lock()
	r.pacing = append(r.pacing, m.late...)
	m.lateMu.Unlock()
	slices.Sort(r.transit)
	slices.Sort(r.pacing)
	return &r
}

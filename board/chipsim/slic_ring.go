package chipsim

import (
	"math"
	"time"

	"sotto/board"
)

// slicHeadroom is what is lost between the battery and the highest ringing peak, in volts.
const slicHeadroom = 7.5

// slicRing is the ringing oscillator.
type slicRing struct {
	n int // samples since ringing began
}

// RingTone gives frequency in Hz and peak voltage that the ringing registers ask for.
func (s *SLIC) RingTone() (hz, peak float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ringTone()
}

func (s *SLIC) ringTone() (hz, peak float64) {
	c := float64(int16(s.indirect(slicRCO))) / 32768
	if c <= -1 || c >= 1 {
		return 0, 0
	}
	x := float64(int16(s.indirect(slicRNGX))) / 32768
	return math.Acos(c) * 1000 / (2 * math.Pi), 4 * 96 * x / math.Sqrt((1-c)/(1+c))
}

// ring fills the feed with ten milliseconds of ringing that ends with ring trip.
func (s *SLIC) ring(start time.Time) {
	hz, peak := s.ringTone()
	step := 2 * math.Pi * hz / board.SampleRate
	limit := max(0, s.vbat-slicHeadroom)
	offset := s.feedVolts()
	end := board.FrameLen
	if !s.rtAt.IsZero() && s.reg[67]&slicAORD != 0 {
		end = min(end, int(s.rtAt.Sub(start)*board.SampleRate/time.Second))
	}
	for i := range s.feed.Ring {
		var v float64
		if i < end {
			v = max(-limit, min(limit, offset+peak*math.Sin(step*float64(s.tone.n))))
			s.tone.n++
		}
		s.feed.Ring[i] = float32(v)
	}
}

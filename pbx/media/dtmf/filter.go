package dtmf

import "sotto/board"

// The filter before the receiver is three second-order sections. The first, a Butterworth
// high-pass at 200 Hz, takes DC and hum away; its output is what the guard calls the
// whole signal. The other two have their zeros at 367 and 470 Hz, and take away what the
// exchange's own tones put beside a digit: 40 dB from 335 to 485 Hz, against a pass band
// flat to 0.35 dB from 676 Hz. The coefficients came from a search over pole and zero
// places; TestFilter holds the response.
const (
	gainA = 0.8948451451393497
	a1A   = -1.778605022611685
	a2A   = 0.8007755579457135

	gainB = 0.5755408520453352 // of both notch sections
	b1B   = -1.9175278837094505
	a1B   = -1.6572291442590543
	a2B   = 0.899831364275512

	b1C = -1.8653851724601096
	a1C = -1.1570301391579911
	a2C = 0.4519269410771823
)

// filter is the state of the three sections, in transposed direct form 2.
type filter struct{ a1, a2, b1, b2, c1, c2 float32 }

// settle puts the filter into the state that a long constant input leaves behind.
func (s *filter) settle(dc float32) {
	*s = filter{a1: -gainA * dc, a2: gainA * dc}
}

// run filters a frame into z, and gives the energy of the whole signal (after the
// high-pass) in each half of it.
func (s *filter) run(f *board.Frame, z *[board.FrameLen]float32) (whole [2]float32) {
	a1, a2, b1, b2, c1, c2 := s.a1, s.a2, s.b1, s.b2, s.c1, s.c2
	for h := range whole {
		var e float32
		for i := h * hop; i < (h+1)*hop; i++ {
			x := float32(f[i]) * gainA
			y := x + a1
			a1 = -2*x - a1A*y + a2
			a2 = x - a2A*y
			e += y * y

			x = y * gainB
			y = x + b1
			b1 = b1B*x - a1B*y + b2
			b2 = x - a2B*y

			x = y
			y = x + c1
			c1 = b1C*x - a1C*y + c2
			c2 = x - a2C*y
			z[i] = y
		}
		whole[h] = e
	}
	s.a1, s.a2, s.b1, s.b2, s.c1, s.c2 = a1, a2, b1, b2, c1, c2
	return whole
}

// Package media is the voice plane: one loop that exchanges a frame with the board,
// mixes, and does so again. Who hears whom is not commanded but derived: the switch
// publishes an immutable [Patch] after each event, and the loop does what the newest
// one says from the next frame on.
//
//	handset → SLIC → Board.Exchange(out, in): in[3] … mix … out[7] → SLIC → handset
//	                                   │        ▲
//	          digits per input port ◄──┘        └── tone player per port
//
// The board is the clock: there is no ticker here. The tick does not allocate, lock or
// block; what it finds (digits) leaves through a bounded channel, and what does not fit
// is counted. A port that no ear names costs nothing.
//
// Small signal packages live below: tone, dtmf, g711.
package media

import "sotto/pbx/media/tone"

// Port numbers what can be heard and can hear: the ports of the board come first,
// with their own numbers.
type Port uint16

// MaxFrom bounds the ports that one ear hears at a time.
const MaxFrom = 3

// Clip is sound that is played once, such as caller-ID data. It is never changed once an
// ear names it.
type Clip struct {
	Samples []int16 // 8 kHz
}

// Ear is what one port hears and whether its digits are wanted.
type Ear struct {
	Port   Port
	From   [MaxFrom]Port // the first N are mixed
	N      int
	Tone   *tone.Tone // also heard, nil for none
	Clip   *Clip      // also heard, from its beginning when it is first named, nil for none
	Run    uint32     // a tone or clip with another Run begins anew; with the same it goes on
	Digits bool       // look for DTMF in what the port says
}

// Hear adds p to what the ear hears. More than MaxFrom are refused.
func (e *Ear) Hear(p Port) bool {
	if e.N == MaxFrom {
		return false
	}
	e.From[e.N] = p
	e.N++
	return true
}

// Patch says who hears whom. It is never changed once published. A port without an
// ear hears silence; a port has one ear, so of two the first counts.
type Patch struct {
	Ears []Ear
}

// Package media is the voice plane: one loop that exchanges a frame with the board,
// mixes, and does so again. Who hears whom is not commanded but derived: the switch
// publishes an immutable [Patch] after each event, and the loop does what the newest
// one says from the next frame on.
//
//	handset → SLIC → Board.Exchange(out, in): in[3] … mix … out[7] → SLIC → handset
//	                                   │        ▲
//	          digits per input port ◄──┘        └── tone player per port
//
// Telephones on the network are ports too: a [Stream] that is attached gets a number
// behind those of the board, and is read and written in the same tick, at most once each:
//
//	RTP ─► jitter buffer ─► Stream.Read ── mix ──► Stream.Write ─► RTP
//
// Where two streams only hear each other and their packets can go straight through, their
// ears say so ([Ear].Relay) and the loop leaves both alone.
//
// The board is the clock: there is no ticker here. The tick does not allocate, lock or
// block; what it finds (digits, call-progress tones) leaves through bounded channels, and
// what does not fit is counted. A port that no ear names costs nothing. What a stream needs is allocated
// when it is attached, or when a patch first wants its digits or watches it.
//
// Small signal packages live below, and rtpport, which makes streams of RTP. None of
// them is named here but tone, dtmf and progress: a stream is only read and written.
package media

import (
	"sotto/pbx/media/progress"
	"sotto/pbx/media/tone"
)

// Port numbers what can be heard and can hear: the ports of the board come first,
// with their own numbers; streams follow (see [Engine.Attach]).
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
	Tone   *tone.Tone     // also heard, nil for none
	Clip   *Clip          // also heard, from its beginning when it is first named, nil for none
	Run    uint32         // a tone or clip with another Run begins anew; with the same it goes on
	Digits bool           // look for DTMF in what the port says
	Watch  *progress.Plan // look for call-progress tones in what the port says, nil for not; what is found comes out of [Engine.Heard]
	Relay  bool           // port and its one source are streams whose packets go straight through: the engine leaves both alone
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

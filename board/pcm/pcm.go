// Package pcm is the TDM sample stream between the box and its line chips: one write
// and one read a frame, all slots interleaved. The ALSA backend of the hardware and
// the simulated highway of board/chipsim both are a [Stream]; board/office is the one
// that calls it. The package never looks into a sample.
package pcm

import "errors"

// ErrClock is returned by Exchange when no sample clock ran for 50 ms. The caller
// goes on with silence and tries again; calls that do not touch the line chips live on.
var ErrClock = errors.New("pcm: the sample clock stands still")

// Stream is one full-duplex TDM stream of 16-bit linear slots at 8 kHz.
//
// The clocks of the chips are the clocks of the stream: Start comes before the chips'
// reset is released, and the clocks run without a break until Stop.
type Stream interface {
	// Slots gives the number of 16-bit slots in a frame sync period.
	Slots() int
	// Start starts clock and samples.
	Start() error
	// Exchange writes and reads board.FrameLen sample periods of all slots,
	// interleaved: sample i of slot s is at i*Slots()+s. It blocks until they have
	// passed, at most 50 ms; then it returns ErrClock. One goroutine.
	Exchange(out, in []int16) error
	// Stop stops the clocks.
	Stop() error
}

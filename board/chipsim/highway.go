// Package chipsim holds register-level models of the line chips Si3210/Si3215 (FXS)
// and Si3050 with its line side (FXO), behind the same SPI bytes and the same PCM
// highway as the real ones. The drivers of board/si321x and board/si3050 cannot tell
// them from silicon: access before the clocks run, indirect access while the chip is
// busy, reserved registers, a wrong power-up order or a read that comes too early
// behave as the data sheets and the scars of other drivers say they do, and each
// breach of the data sheet is counted in [Violations] so that a test can fail on it.
//
// On the other side of a model is its two-wire line: [Phone] is what plugs into an
// FXS model, [Exchange] what an FXO model is plugged into. board/sim provides both.
//
// The package knows nothing of drivers, calls or people.
package chipsim

import (
	"fmt"
	"sync"
	"time"

	"sotto/board"
	"sotto/board/pcm"
)

// Slots is the number of 16-bit slots of the simulated highway: PCLK 2.048 MHz.
const Slots = 16

// BytesPerSync is the number of 8-bit time slots in one frame sync period.
const BytesPerSync = Slots * 2

// Bus is what the highway's wires carry in ten milliseconds in one direction: bytes,
// most significant bit first, BytesPerSync of them a sample period.
type Bus [board.FrameLen][BytesPerSync]byte

// Chip is a model on the highway.
type Chip interface {
	// Frame passes ten milliseconds that began at start: the model takes its samples
	// from drx and puts its own onto dtx, each where its slot registers say, and moves
	// its line on by as much. Called with the highway's clock running, by one goroutine.
	Frame(start time.Time, drx, dtx *Bus)
	// Clock tells the model that PCLK and FSYNC began or ended.
	Clock(running bool)
	// Reset tells the model the level of its RESET pin.
	Reset(asserted bool)
}

// Highway is the PCM highway with its chips: a [pcm.Stream] whose clock is the
// clock of the machine (or of a synctest bubble).
type Highway struct {
	mu      sync.Mutex
	chips   []Chip
	running bool
	next    time.Time // end of the frame under way
	timer   *time.Timer
	stop    chan struct{} // closed by Stop: ends an Exchange that waits
	drx     Bus
	dtx     Bus
	stalled bool
	late    uint64

	// Before and After, if set, are called around each frame, before and after the
	// chips, with the frame's start: the hooks of what plugs into the lines.
	Before, After func(start time.Time)
}

var _ pcm.Stream = (*Highway)(nil)

// NewHighway joins chips to one highway. All are held in reset with no clock.
func NewHighway(chips ...Chip) *Highway {
	return &Highway{chips: chips}
}

// Slots implements [pcm.Stream].
func (h *Highway) Slots() int { return Slots }

// Start starts PCLK and FSYNC.
func (h *Highway) Start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		return fmt.Errorf("pcm: already running")
	}
	h.running = true
	h.next = time.Now().Add(board.FrameTime)
	h.timer = time.NewTimer(board.FrameTime)
	h.stop = make(chan struct{})
	for _, c := range h.chips {
		c.Clock(true)
	}
	return nil
}

// Stop stops the clocks.
func (h *Highway) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil
	}
	h.running = false
	h.timer.Stop()
	close(h.stop)
	for _, c := range h.chips {
		c.Clock(false)
	}
	return nil
}

// SetReset drives the RESET pin that the chips share.
func (h *Highway) SetReset(asserted bool) {
	for _, c := range h.chips {
		c.Reset(asserted)
	}
}

// Stall stops or restarts the sample clock without telling anyone: Exchange then
// returns [pcm.ErrClock] after 50 ms.
func (h *Highway) Stall(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stalled && !on && h.running {
		h.next = time.Now().Add(board.FrameTime)
		h.timer.Reset(board.FrameTime)
	}
	h.stalled = on
}

// Late counts the frames that the caller of Exchange came for more than a frame late.
func (h *Highway) Late() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.late
}

// Exchange implements [pcm.Stream].
func (h *Highway) Exchange(out, in []int16) error {
	h.mu.Lock()
	if !h.running {
		h.mu.Unlock()
		return pcm.ErrClock
	}
	timer, stop, next, stalled := h.timer, h.stop, h.next, h.stalled
	h.mu.Unlock()
	if stalled {
		pause := time.NewTimer(50 * time.Millisecond)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-stop:
			return pcm.ErrClock
		}
		return pcm.ErrClock
	}
	select {
	case <-timer.C:
	case <-stop:
		return pcm.ErrClock
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return pcm.ErrClock
	}
	now := time.Now()
	if behind := now.Sub(next); behind > 20*board.FrameTime { // the machine slept: do not hurry after it
		h.late += uint64(behind / board.FrameTime)
		next = now
	} else if behind > board.FrameTime {
		h.late++
	}
	start := next.Add(-board.FrameTime)
	h.next = next.Add(board.FrameTime)
	h.timer.Reset(time.Until(h.next))

	for i := range h.drx {
		for s := range Slots {
			v := uint16(out[i*Slots+s])
			h.drx[i][2*s], h.drx[i][2*s+1] = byte(v>>8), byte(v)
		}
	}
	h.dtx = Bus{}
	if h.Before != nil {
		h.Before(start)
	}
	for _, c := range h.chips {
		c.Frame(start, &h.drx, &h.dtx)
	}
	if h.After != nil {
		h.After(start)
	}
	for i := range h.dtx {
		for s := range Slots {
			in[i*Slots+s] = int16(uint16(h.dtx[i][2*s])<<8 | uint16(h.dtx[i][2*s+1]))
		}
	}
	return nil
}

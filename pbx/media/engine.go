package media

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/tone"
)

// Digit is a DTMF digit that a port's party pressed, told once, as soon as it is sure.
type Digit struct {
	Port Port
	Sign byte // 0-9, *, #, A-D
}

// String gives the port alone: a digit may be of a number or a PIN.
func (d Digit) String() string { return fmt.Sprintf("digit from port %d", d.Port) }

// GoString is String.
func (d Digit) GoString() string { return d.String() }

// Exchanger is what the engine needs of a board.
type Exchanger interface {
	Exchange(out, in []board.Frame) error
}

// Engine is the media loop.
type Engine struct {
	brd     Exchanger
	patch   atomic.Pointer[Patch]
	out, in []board.Frame
	ports   []port
	digits  chan Digit

	frames  atomic.Uint64
	dropped atomic.Uint64 // digits that nobody took
	stalls  atomic.Uint64 // frames in which the board's clock stood still
}

// port is what the engine keeps of a port between frames. All is allocated at start.
type port struct {
	player  tone.Player
	tone    *tone.Tone
	run     uint32
	det     dtmf.Detector
	listens bool // digits were wanted in the last frame
	heard   bool // out holds something
	named   uint64
}

// New gives an engine for a board with n ports. Digits come out of [Engine.Digits].
func New(b Exchanger, n int) *Engine {
	e := &Engine{brd: b, out: make([]board.Frame, n), in: make([]board.Frame, n), ports: make([]port, n), digits: make(chan Digit, 256)}
	for i := range e.ports {
		e.ports[i].det.Reset()
	}
	e.patch.Store(&Patch{})
	return e
}

// Publish makes p the patch from the next frame on. Any goroutine.
func (e *Engine) Publish(p *Patch) { e.patch.Store(p) }

// Digits gives the digits heard on ports whose ear wants them.
func (e *Engine) Digits() <-chan Digit { return e.digits }

// Counters of the engine since its start.
type Counters struct {
	Frames, DroppedDigits, Stalls uint64
}

// Counters reads the counters. Any goroutine.
func (e *Engine) Counters() Counters {
	return Counters{e.frames.Load(), e.dropped.Load(), e.stalls.Load()}
}

// Run exchanges and mixes until ctx ends or the board is closed for good.
func (e *Engine) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := e.brd.Exchange(e.out, e.in); err != nil {
			if errors.Is(err, board.ErrClosed) {
				return nil
			}
			e.stalls.Add(1)
		}
		e.Tick()
	}
	return nil
}

// Tick mixes one frame: what came in with the last Exchange into what goes out with the
// next. It does not allocate, lock or block.
func (e *Engine) Tick() {
	n := e.frames.Add(1)
	p := e.patch.Load()
	for i := range p.Ears {
		ear := &p.Ears[i]
		if int(ear.Port) >= len(e.ports) {
			continue
		}
		st := &e.ports[ear.Port]
		st.named = n
		e.listen(ear, st)
		e.fill(ear, st)
	}
	for i := range e.ports {
		if st := &e.ports[i]; st.named != n && (st.heard || st.listens) {
			e.out[i] = board.Frame{}
			st.heard, st.listens, st.tone = false, false, nil
		}
	}
}

// listen looks for digits in what the port says.
func (e *Engine) listen(ear *Ear, st *port) {
	if !ear.Digits {
		st.listens = false
		return
	}
	if !st.listens {
		st.listens = true
		st.det.Reset()
	}
	if d := st.det.Next(&e.in[ear.Port]); d.Kind == dtmf.Start {
		select {
		case e.digits <- Digit{ear.Port, d.Digit}:
		default:
			e.dropped.Add(1)
		}
	}
}

// fill makes what the port hears: the sum of its sources, limited.
func (e *Engine) fill(ear *Ear, st *port) {
	out := &e.out[ear.Port]
	if ear.Tone == nil && ear.N == 0 {
		if st.heard {
			*out = board.Frame{}
			st.heard = false
		}
		st.tone = nil
		return
	}
	st.heard = true
	switch ear.N {
	case 0:
		*out = board.Frame{}
	case 1:
		*out = e.in[ear.From[0]]
	default:
		Mix(out, e.in, ear.From[:ear.N])
	}
	if ear.Tone == nil {
		st.tone = nil
		return
	}
	if st.tone != ear.Tone || st.run != ear.Run {
		st.tone, st.run = ear.Tone, ear.Run
		st.player.Start(ear.Tone)
	}
	st.player.Next(out)
}

// Mix puts the sum of the frames that from names into out, limited to 16 bits.
func Mix(out *board.Frame, in []board.Frame, from []Port) {
	for i := range out {
		var sum int32
		for _, p := range from {
			sum += int32(in[p][i])
		}
		out[i] = int16(max(-32768, min(32767, sum)))
	}
}

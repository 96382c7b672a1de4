package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/progress"
	"sotto/pbx/media/tone"
)

// Digit is a DTMF digit that a port's party pressed, told once, as soon as it is sure.
type Digit struct {
	Port Port
	Sign byte // 0-9, *, #, A-D
}

// String gives the port alone: a digit may be of a number or a PIN.
func (d Digit) String() string { return fmt.Sprintf("digit from port %d", d.Port) }

// Format implements [fmt.Formatter]: every verb prints what String gives.
func (d Digit) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

// LogValue implements [slog.LogValuer].
func (d Digit) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Heard is a call-progress tone, or silence, that a port's party (an exchange) began or
// ceased to send, told once it is sure.
type Heard struct {
	Port Port
	Kind progress.Kind
	On   bool // it began; else it ended
}

// Heard gives what was found on ports whose ear watches for it. It is never closed.
func (e *Engine) Heard() <-chan Heard { return e.heard }

// Exchanger is what the engine needs of a board.
type Exchanger interface {
	Exchange(out, in []board.Frame) error
}

// Engine is the media loop.
type Engine struct {
	brd     Exchanger
	patch   atomic.Pointer[Patch]
	out, in []board.Frame
	ports   []port // of the board
	streams *streams
	digits  chan Digit
	heard   chan Heard

	frames  atomic.Uint64
	dropped atomic.Uint64 // digits that nobody took
	unheard atomic.Uint64 // what was heard and nobody took
	stalls  atomic.Uint64 // frames in which the board's clock stood still
	astray  atomic.Uint64 // what a patch names and there is not
}

// port is what the engine keeps of a port between frames. Only the tick touches it,
// except for det and ear.
type port struct {
	in, out *board.Frame // of the board's exchange, or the stream's own
	stream  Stream       // nil: the board's
	read    uint64       // the last frame for which in was filled by the stream
	named   uint64       // the last frame in which an ear was the port's

	player  tone.Player
	tone    *tone.Tone
	run     uint32
	clip    *Clip
	clipRun uint32
	clipPos int
	det     atomic.Pointer[dtmf.Detector] // nil until digits of the stream are wanted
	listens bool                          // det heard the last frame
	pressed bool                          // det is in the middle of a digit
	heard   bool                          // out holds something

	ear  atomic.Pointer[progress.Detector] // nil until the port is watched
	plan *progress.Plan                    // what ear listens for
}

// forget makes the port one whose party is new: nothing plays, no digit is on, and
// nothing was heard.
func (st *port) forget() {
	st.listens, st.pressed, st.tone, st.clip, st.plan = false, false, nil, nil, nil
}

// New gives an engine for a board with n ports. Digits come out of [Engine.Digits].
func New(b Exchanger, n int) *Engine {
	e := &Engine{brd: b, out: make([]board.Frame, n), in: make([]board.Frame, n), ports: make([]port, n), streams: new(streams), digits: make(chan Digit, 256), heard: make(chan Heard, 256)}
	for i := range e.ports {
		st := &e.ports[i]
		st.in, st.out = &e.in[i], &e.out[i]
		st.det.Store(new(dtmf.Detector))
	}
	e.patch.Store(&Patch{})
	return e
}

// Publish makes p the patch from the next frame on; nil is silence for all. The newest
// counts, and none is queued. Any goroutine.
func (e *Engine) Publish(p *Patch) {
	if p == nil {
		p = &Patch{}
	}
	e.detectors(p)
	e.patch.Store(p)
}

// Digits gives the digits heard on ports whose ear wants them. It is never closed.
func (e *Engine) Digits() <-chan Digit { return e.digits }

// Counters of the engine since its start.
type Counters struct {
	Frames        uint64 // mixed
	DroppedDigits uint64 // that nobody took in time
	DroppedHeard  uint64 // tones and silences, begun or ended, that nobody took in time
	Stalls        uint64 // frames without the board: its clock stood still
	Astray        uint64 // ears and sources of a patch, counted each frame, that are no port, and second ears of a port
	Streams       uint64 // attached now
}

// Counters reads the counters. Any goroutine.
func (e *Engine) Counters() Counters {
	e.streams.mu.Lock()
	n := uint64(e.streams.n)
	e.streams.mu.Unlock()
	return Counters{e.frames.Load(), e.dropped.Load(), e.unheard.Load(), e.stalls.Load(), e.astray.Load(), n}
}

// Run exchanges and mixes until ctx ends or the board is closed; either is no error. A
// frame in which the board's clock stood still is counted and taken for silence, and the
// loop goes on. It is the board that paces the loop, then too.
func (e *Engine) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := e.brd.Exchange(e.out, e.in); err != nil {
			if errors.Is(err, board.ErrClosed) {
				return nil
			}
			e.stalls.Add(1)
			clear(e.in) // not the old frame again
		}
		e.Tick()
	}
	return nil
}

// Tick mixes one frame: what came in with the last Exchange into what goes out with the
// next. It does not allocate, lock or block, and stands any patch: what names no port is
// left out and counted. Run calls it; a test may, in place of Run.
func (e *Engine) Tick() {
	n := e.frames.Add(1)
	p := e.patch.Load()
	for i := range p.Ears {
		ear := &p.Ears[i]
		st := e.port(ear.Port)
		if st == nil || st.named == n {
			e.astray.Add(1)
			continue
		}
		relay := ear.Relay && st.stream != nil
		if relay || st.named+1 != n {
			st.forget()
		}
		st.named = n
		if relay {
			continue
		}
		e.listen(ear, st, n)
		e.watch(ear, st, n)
		e.fill(ear, st, n)
		if st.stream != nil {
			st.stream.Write(st.out)
		}
	}
	for i := range e.ports {
		if st := &e.ports[i]; st.named != n && st.heard {
			*st.out = board.Frame{}
			st.heard = false
		}
	}
}

// sound gives what the port's party says in frame n.
func (st *port) sound(n uint64) *board.Frame {
	if st.stream != nil && st.read != n {
		st.read = n
		st.stream.Read(st.in)
	}
	return st.in
}

// listen looks for digits in what the port says. A digit that has begun is followed to
// its end also when no more are wanted, or it would be told again if they soon were.
func (e *Engine) listen(ear *Ear, st *port, n uint64) {
	if !ear.Digits && !st.pressed {
		st.listens = false
		return
	}
	det := st.det.Load()
	if det == nil { // attached after the patch that names it
		e.astray.Add(1)
		return
	}
	if !st.listens {
		st.listens = true
		det.Reset()
	}
	switch d := det.Next(st.sound(n)); d.Kind {
	case dtmf.Start:
		st.pressed = true // until its End there is no other Start: this one is wanted
		select {
		case e.digits <- Digit{ear.Port, d.Digit}:
		default:
			e.dropped.Add(1)
		}
	case dtmf.End:
		st.pressed = false
	}
}

// watch looks for call-progress tones in what the port says.
func (e *Engine) watch(ear *Ear, st *port, n uint64) {
	if ear.Watch == nil {
		st.plan = nil
		return
	}
	det := st.ear.Load()
	if det == nil { // attached after the patch that names it
		e.astray.Add(1)
		return
	}
	if st.plan != ear.Watch {
		st.plan = ear.Watch
		det.Start(ear.Watch)
	}
	if ev := det.Next(st.sound(n)); ev.Kind != progress.None {
		select {
		case e.heard <- Heard{ear.Port, ev.Kind, ev.On}:
		default:
			e.unheard.Add(1)
		}
	}
}

// fill makes what the port hears in frame n: the sum of its sources, limited.
func (e *Engine) fill(ear *Ear, st *port, n uint64) {
	out := st.out
	var room [MaxFrom]*board.Frame
	from := room[:0]
	for _, p := range ear.From[:max(min(ear.N, MaxFrom), 0)] {
		if src := e.port(p); src != nil {
			from = append(from, src.sound(n))
		} else {
			e.astray.Add(1)
		}
	}
	if ear.Tone == nil && ear.Clip == nil && len(from) == 0 {
		if st.heard {
			*out = board.Frame{}
			st.heard = false
		}
		st.tone, st.clip = nil, nil
		return
	}
	st.heard = true
	switch len(from) {
	case 0:
		*out = board.Frame{}
	case 1:
		*out = *from[0]
	default:
		mix(out, from)
	}
	if st.clip != ear.Clip || st.clipRun != ear.Run {
		st.clip, st.clipRun, st.clipPos = ear.Clip, ear.Run, 0
	}
	if st.clip != nil {
		st.clipPos += add(out, st.clip.Samples[st.clipPos:])
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

// add adds samples to a frame, limited to 16 bits, and gives how many.
func add(out *board.Frame, samples []int16) int {
	n := min(len(samples), len(out))
	for i, v := range samples[:n] {
		out[i] = int16(max(-32768, min(32767, int32(out[i])+int32(v))))
	}
	return n
}

// mix puts the sum of frames into out, limited to 16 bits once all are summed.
func mix(out *board.Frame, from []*board.Frame) {
	for i := range out {
		var sum int32
		for _, f := range from {
			sum += int32(f[i])
		}
		out[i] = int16(max(-32768, min(32767, sum)))
	}
}

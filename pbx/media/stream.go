package media

import (
	"sync"
	"sync/atomic"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/progress"
)

// Stream is a port that is none of the board's: a telephone on the network. Both methods
// are called by the media loop, at most once a frame each, and must not block or allocate.
// A stream that nobody hears is not read. A tick that had begun when [Engine.Detach]
// returned may still call both.
type Stream interface {
	Read(*board.Frame)  // the next 10 ms of what its party says, all of the frame; silence when there is nothing
	Write(*board.Frame) // the next 10 ms of what its party is to hear; it may not keep the frame
}

// MaxStreams bounds the streams that are attached at a time.
const MaxStreams = 4096

// streams are the attached streams by their numbers. The tick looks one up by its number
// and never walks them: what no ear names costs nothing.
type streams struct {
	slots [2 * MaxStreams]atomic.Pointer[port] // twice, so that a number rests before it is given again

	mu    sync.Mutex // of what follows, and of putting into slots; not for the tick
	fresh int        // slots that were never used begin here
	free  []int      // slots that were, the one that has rested longest first
	n     int        // attached
}

// Attach makes s a port that patches may name from now on. Not ok is: MaxStreams are
// attached. It allocates all that the tick will need. Any goroutine.
func (e *Engine) Attach(s Stream) (p Port, ok bool) {
	a := e.streams
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == MaxStreams {
		return 0, false
	}
	i := a.fresh
	if i < len(a.slots) {
		a.fresh++
	} else {
		i, a.free = a.free[0], a.free[1:]
	}
	a.n++
	a.slots[i].Store(&port{in: new(board.Frame), out: new(board.Frame), stream: s})
	return Port(len(e.ports) + i), true
}

// Detach ends what Attach began: a patch that still names p is astray there. The number is
// given to no other stream before [MaxStreams] others have been. A port that is not
// attached is left as it is. Any goroutine.
func (e *Engine) Detach(p Port) {
	a := e.streams
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := int(p) - len(e.ports); i >= 0 && i < len(a.slots) && a.slots[i].Swap(nil) != nil {
		a.free = append(a.free, i)
		a.n--
	}
}

// port gives what the engine keeps of a port, nil if there is none of that number.
func (e *Engine) port(p Port) *port {
	i := int(p)
	if i < len(e.ports) {
		return &e.ports[i]
	}
	if i -= len(e.ports); i < len(e.streams.slots) {
		return e.streams.slots[i].Load()
	}
	return nil
}

// detectors gives each stream whose digits p wants, and each port that p watches, the
// detector for it. Few ever need one, it is many times as large as all the rest, and the
// tick may not make it.
func (e *Engine) detectors(p *Patch) {
	for i := range p.Ears {
		ear := &p.Ears[i]
		if !ear.Digits && ear.Watch == nil || ear.Relay {
			continue
		}
		st := e.port(ear.Port)
		if st == nil {
			continue
		}
		if ear.Digits && st.det.Load() == nil {
			st.det.CompareAndSwap(nil, new(dtmf.Detector))
		}
		if ear.Watch != nil && st.ear.Load() == nil {
			st.ear.CompareAndSwap(nil, new(progress.Detector))
		}
	}
}

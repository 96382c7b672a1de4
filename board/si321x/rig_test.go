package si321x

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// handset is a telephone that moves its hook at given times, talks with a counter and
// remembers what it got.
type handset struct {
	mu     sync.Mutex
	closed bool
	moves  []move
	mouth  func(i int) int16 // sample i since the beginning
	n      int
	feed   chipsim.Feed // of the last frame
	heard  []int16      // while talking
	rang   []float32
	keep   bool // heard and rang
}

type move struct {
	at     time.Time
	closed bool
}

func (h *handset) at(t time.Time, closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moves = append(h.moves, move{t, closed})
}

func (h *handset) last() chipsim.Feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.feed
}

func (h *handset) Line(start time.Time, feed *chipsim.Feed, draw *chipsim.Draw) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.feed = *feed
	*draw = chipsim.Draw{Edges: draw.Edges[:0], REN: 1, Closed: h.closed}
	for len(h.moves) > 0 && h.moves[0].at.Before(start.Add(board.FrameTime)) {
		m := h.moves[0]
		h.moves = h.moves[1:]
		draw.Edges = append(draw.Edges, chipsim.Edge{After: max(0, m.at.Sub(start)), Closed: m.closed})
		h.closed = m.closed
	}
	if h.mouth != nil {
		for i := range draw.Mouth {
			draw.Mouth[i] = h.mouth(h.n + i)
		}
	}
	h.n += board.FrameLen
	if h.keep && feed.Talk {
		h.heard = append(h.heard, feed.Audio[:]...)
	}
	if h.keep {
		h.rang = append(h.rang, feed.Ring[:]...)
	}
}

// rig is one port on a running highway.
type rig struct {
	t       *testing.T
	viol    *chipsim.Violations
	slic    *chipsim.SLIC
	highway *chipsim.Highway
	chip    *Chip
	phone   *handset
	edges   []time.Time // of INT
	out     func(frame []int16)
	in      func(frame []int16)
	running bool
}

var parts = map[string]chipsim.SLICPart{
	"Si3210": chipsim.Si3210, "Si3210M": chipsim.Si3210M, "Si3215": chipsim.Si3215, "Si3215M": chipsim.Si3215M,
}

// newRig returns a chip fresh from reset, the clocks running but no frames yet.
func newRig(t *testing.T, part chipsim.SLICPart, cfg Config) *rig {
	r := &rig{t: t, viol: new(chipsim.Violations), phone: new(handset)}
	r.slic = chipsim.NewSLIC(part, r.viol)
	r.slic.SetReturnLoss(1000)
	r.slic.Plug(r.phone)
	r.slic.OnInterrupt(func(at time.Time) { r.edges = append(r.edges, at) })
	r.highway = chipsim.NewHighway(r.slic)
	if err := r.highway.Start(); err != nil {
		t.Fatal(err)
	}
	r.highway.SetReset(false)
	time.Sleep(2 * time.Millisecond)
	r.chip = New(r.slic.Conn(), cfg)
	return r
}

// run passes n frames.
func (r *rig) run(n int) {
	r.t.Helper()
	out, in := make([]int16, board.FrameLen*chipsim.Slots), make([]int16, board.FrameLen*chipsim.Slots)
	for range n {
		if r.out != nil {
			r.out(out)
		}
		if err := r.highway.Exchange(out, in); err != nil {
			r.t.Fatal(err)
		}
		if r.in != nil {
			r.in(in)
		}
	}
}

func (r *rig) powerUp() {
	r.t.Helper()
	if err := r.chip.PowerUp(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.run(3) // the highway comes back from its pause
}

func (r *rig) set(k board.SignalKind) {
	r.t.Helper()
	if err := r.chip.Set(k); err != nil {
		r.t.Fatal(err)
	}
}

// service services the port as on the last interrupt, or as a poll.
func (r *rig) service() Report {
	r.t.Helper()
	var edge time.Time
	if n := len(r.edges); n > 0 {
		edge = r.edges[n-1]
		r.edges = nil
	}
	rep, err := r.chip.Service(time.Now(), edge)
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

// clean fails the test if the data sheet was broken.
func (r *rig) clean() {
	r.t.Helper()
	for _, v := range r.viol.List() {
		r.t.Error("violation:", v)
	}
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// withPort runs a test with a Si3215 that is powered up, and checks that nothing broke
// the data sheet.
func withPort(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3215, Config{Slot: 2})
		r.powerUp()
		f(t, r)
		r.clean()
	})
}

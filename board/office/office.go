// Package office is the shipping board: it assembles chip drivers, the PCM stream and
// the reset and interrupt lines into a [board.Board]. The simulator (board/sim) is this
// same board on the chip models of board/chipsim.
//
// Power-up order is that of the chips: clocks first, then reset is released, then each
// port identifies itself, powers up and calibrates. Ports come up side by side; one that
// does not answer is out of service with its reason and holds up nobody.
//
// Goroutines: one event reader that owns every chip after Open; at start, and while a
// port is brought back after a fault, one for that port, during which the reader leaves
// that port alone. Signal queues for the reader. Exchange touches the PCM stream only.
package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
	"sotto/board/pcm"
	"sotto/board/si3050"
	"sotto/board/si321x"
)

// Parts is what a board is made of.
type Parts struct {
	PCM       pcm.Stream
	Reset     func(asserted bool) error // the chips' common RESET line
	Interrupt <-chan time.Time          // edges of the chips' INT line; nil: poll
	Stations  []Station
	Lines     []Line
	Log       *slog.Logger
}

// Station is one FXS port.
type Station struct {
	Label string
	Conn  spi.Conn
	Slot  int // 16-bit slot on the highway
	Chip  si321x.Config
}

// Line is one FXO port.
type Line struct {
	Label string
	Conn  spi.Conn
	Slot  int
	Chip  si3050.Config
}

// Times of the event reader.
const (
	tick        = 10 * time.Millisecond  // stations without an interrupt line are looked at as often
	linePoll    = 20 * time.Millisecond  // exchange lines
	glance      = 13 * time.Millisecond  // after that, at the ring bits of a line: not in step with 25 or 50 Hz
	stationSlow = 100 * time.Millisecond // stations with an interrupt line
	firstWait   = time.Second            // before a failed port is tried again; doubles with each try
	lastWait    = 5 * time.Minute
	healLimit   = 15 * time.Second     // of one try
	edgeLag     = 2 * time.Millisecond // from an edge to its coming through the channel
)

// Board is a board in service.
type Board struct {
	parts  Parts
	ports  []board.PortInfo
	units  []*unit
	slots  []int
	events chan board.Event
	wake   chan struct{}
	tests  chan test
	healed chan heal
	edges  <-chan time.Time // of the INT line; nil when it is lost
	late   time.Time        // an edge taken by lateEdge; what else it is about is to be served
	stop   context.CancelFunc
	done   sync.WaitGroup

	tdmOut, tdmIn []int16
	pace          pace // of Exchange while the sample clock stands
	closed        atomic.Bool
	inert         chan struct{} // closed when Close is done
	closeErr      error
	stopped       <-chan struct{}
	seq           uint32
}

var _ board.Board = (*Board)(nil)

// ErrNoPort is returned by Open when not one port works.
var ErrNoPort = errors.New("no port of the board works")

// Open starts the clocks, brings every port up and starts the event reader. It fails
// only if the clocks do not start, two ports share a slot, or no port works (ErrNoPort,
// with what was read of each); the ports that failed are in Ports.
func Open(ctx context.Context, p Parts) (*Board, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	b := &Board{parts: p, edges: p.Interrupt, events: make(chan board.Event, 256), wake: make(chan struct{}, 1), tests: make(chan test), healed: make(chan heal), inert: make(chan struct{})}
	for _, s := range p.Stations {
		cfg := s.Chip
		cfg.Slot = s.Slot
		b.add(board.Station, s.Label, s.Slot, &station{chip: si321x.New(s.Conn, cfg), label: s.Label, log: p.Log, lateEdge: b.lateEdge})
	}
	for _, l := range p.Lines {
		cfg := l.Chip
		cfg.Start += 16 * l.Slot
		b.add(board.ExchangeLine, l.Label, l.Slot, &exchangeLine{chip: si3050.New(l.Conn, cfg), label: l.Label, log: p.Log})
	}
	if err := b.checkSlots(); err != nil {
		return nil, err
	}
	n := p.PCM.Slots() * board.FrameLen
	b.tdmOut, b.tdmIn = make([]int16, n), make([]int16, n)
	if err := b.powerUp(ctx); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.Background())
	b.stop, b.stopped = stop, run.Done()
	b.done.Go(func() { b.read(run) })
	return b, nil
}

func (b *Board) add(k board.Kind, label string, slot int, c chip) {
	p := board.Port(len(b.units))
	b.ports = append(b.ports, board.PortInfo{Port: p, Kind: k, Label: label})
	u := &unit{port: p, kind: k, label: label, chip: c}
	u.pulse, _ = c.(pulser)
	b.units = append(b.units, u)
	b.slots = append(b.slots, slot)
}

// checkSlots wants each port in a slot of its own.
func (b *Board) checkSlots() error {
	if len(b.units) > board.MaxPorts {
		return fmt.Errorf("a board of %d ports; %d is the most", len(b.units), board.MaxPorts)
	}
	for i, s := range b.slots {
		if s < 0 || s >= b.parts.PCM.Slots() {
			return fmt.Errorf("%s: there is no slot %d", b.units[i].label, s)
		}
		if j := slices.Index(b.slots, s); j != i {
			return fmt.Errorf("%s and %s: both in slot %d", b.units[j].label, b.units[i].label, s)
		}
	}
	return nil
}

// powerUp follows the order of the data sheets: clocks, reset, ports.
func (b *Board) powerUp(ctx context.Context) error {
	if err := b.parts.Reset(true); err != nil {
		return fmt.Errorf("assert reset: %w", err)
	}
	if err := b.parts.PCM.Start(); err != nil {
		return fmt.Errorf("start the sample clock: %w", err)
	}
	fail := func(err error) error {
		b.parts.Reset(true)
		b.parts.PCM.Stop()
		return err
	}
	if err := board.Wait(ctx, resetHold); err != nil {
		return fail(err)
	}
	if err := b.parts.Reset(false); err != nil {
		return fail(fmt.Errorf("release reset: %w", err))
	}
	if err := board.Wait(ctx, resetSettle); err != nil {
		return fail(err)
	}
	var up sync.WaitGroup
	for _, u := range b.units {
		up.Go(func() { u.err = u.chip.PowerUp(ctx) })
	}
	up.Wait()
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	var bad []error
	for i, u := range b.units {
		b.ports[i].Chip = u.chip.Name()
		if u.err != nil {
			b.ports[i].Err = u.err
			u.failedAt, u.wait = time.Now(), firstWait
			bad = append(bad, fmt.Errorf("%s: %w", u.label, u.err))
		}
	}
	if len(bad) == len(b.units) {
		return fail(fmt.Errorf("%w: %w", ErrNoPort, errors.Join(bad...)))
	}
	for _, p := range b.ports {
		if p.Err != nil {
			b.parts.Log.Warn("port out of service", "port", p.Label, "why", p.Err)
		}
	}
	return nil
}

// Reset times: well over what either chip asks for (250 ns low; PLL and a first read
// within a millisecond of the release).
const (
	resetHold   = time.Millisecond
	resetSettle = 5 * time.Millisecond
)

// Ports implements [board.Board].
func (b *Board) Ports() []board.PortInfo { return slices.Clone(b.ports) }

// Events implements [board.Board].
func (b *Board) Events() <-chan board.Event { return b.events }

// Signal implements [board.Board].
func (b *Board) Signal(p board.Port, s board.Signal) {
	if int(p) < 0 || int(p) >= len(b.units) || !b.units[p].takes(s.Kind) {
		return
	}
	b.units[p].queue(s)
	b.kick()
}

func (b *Board) kick() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Test implements [board.Board]. It waits for the event reader, which has time within
// milliseconds.
func (b *Board) Test(ctx context.Context, p board.Port) (board.LineReport, error) {
	if int(p) < 0 || int(p) >= len(b.units) {
		return board.LineReport{}, errors.New("test: there is no such port")
	}
	t := test{port: p, result: make(chan testResult, 1)}
	select {
	case b.tests <- t:
	case <-ctx.Done():
		return board.LineReport{}, ctx.Err()
	case <-b.stopped:
		return board.LineReport{}, board.ErrClosed
	}
	r := <-t.result
	return r.report, r.err
}

// Close implements [board.Board].
func (b *Board) Close() error {
	if b.closed.Swap(true) {
		<-b.inert
		return b.closeErr
	}
	defer close(b.inert)
	b.stop()
	b.done.Wait()
	var errs []error
	for _, u := range b.units {
		if u.err == nil || u.cools {
			if err := u.chip.Close(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", u.label, err))
			}
		}
	}
	// The reset takes feed and hook from those that did not obey.
	errs = append(errs, b.parts.Reset(true), b.parts.PCM.Stop())
	close(b.events)
	b.closeErr = errors.Join(errs...)
	return b.closeErr
}

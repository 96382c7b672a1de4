package pbx

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sotto/board"
	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
	"sotto/pbx/plan"
)

// Journal takes the records of ended calls. Append is called on the switch loop and
// must not block.
type Journal interface {
	Append(Record)
}

// Config is what a switch is joined to.
type Config struct {
	Ports   []board.PortInfo
	Events  <-chan board.Event             // of the board
	Signal  func(board.Port, board.Signal) // to the board; must not block
	Digits  <-chan media.Digit             // of the media engine
	Heard   <-chan media.Heard             // of the media engine: what exchanges say by tones; nil for none
	Publish func(*media.Patch)             // to the media engine
	Phones  Phones                         // telephones on the network, nil for none
	Journal Journal
	Log     *slog.Logger
}

// Switch owns every call. One goroutine runs it; others Post events and read snapshots.
type Switch struct {
	cfg  Config
	log  *slog.Logger
	wake chan struct{}

	mu     sync.Mutex
	posted []Event

	dropped atomic.Uint64
	snap    atomic.Pointer[Snapshot]

	// All below belongs to the loop.
	now      time.Time
	numbers  *plan.Numbering
	stations []*station
	lines    []*line
	byPort   []any // *station or *line
	byLabel  map[string]*station
	phones   map[Remote]*phone
	watches  map[*country.Country]*watches
	legs     []*leg
	calls    []*call
	lastLeg  LegID
	lastCall CallID
	out      outputs
	patch    *media.Patch // published
	scratch  media.Patch
	snapped  time.Time
	lastSeq  uint32
	seqKnown bool
	count    Counters
	trace    trace
}

// outputs is what a step led to, in order.
type outputs struct {
	signals []portSignal
	phones  []phoneAct
	records []Record
}

type portSignal struct {
	port board.Port
	sig  board.Signal
}

// Counters of things that should not happen, or seldom.
type Counters struct {
	Steps      uint64
	Refused    uint64 // events that a table does not allow
	BadDigits  uint64 // pulse trains of no digit
	LateDigits uint64 // digits of a leg that was gone
	LatePhones uint64 // events of a telephone on the network whose leg was gone
	LostEvents uint64 // gaps in the board's sequence numbers
	Dropped    uint64 // posted events over the limit
	Unused     uint64 // events that this version has no use for

	NoDialTone uint64 // exchange lines that were seized and gave no dial tone
	DeadLines  uint64 // exchange lines that were seized and had no loop current, or whose port failed then
	Glare      uint64 // calls that came in on an exchange line as it was seized
	Stuck      uint64 // exchange lines released because nothing was heard for long, or held for hours by another set
	Preempted  uint64 // calls ended because a call for help needed their line
	LateTones  uint64 // of exchange lines that had no call any more
	BadKeys    uint64 // digits by pulses that could not be passed on to an exchange
}

// Event is what Post takes. Fields that are nil mean nothing.
type Event struct {
	Board *board.Event
	Digit *media.Digit
	Heard *media.Heard // of an exchange line
	Phone *PhoneEvent
	Plan  *plan.Numbering // from now on; running calls keep theirs
	Ping  chan<- struct{} // closed once the loop has come by: for the watchdog
}

// MaxPosted bounds the events that wait. Over it, Post refuses and counts what begins
// something new; what ends something, a call for help and a plan it always takes.
const MaxPosted = 4096

// New gives a switch that obeys n. It starts nothing.
func New(cfg Config, n *plan.Numbering) *Switch {
	s := &Switch{cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1), byLabel: map[string]*station{}, phones: map[Remote]*phone{}, watches: map[*country.Country]*watches{}, patch: &media.Patch{}}
	for _, p := range cfg.Ports {
		switch p.Kind {
		case board.Station:
			st := &station{port: p.Port, label: p.Label, hook: analog.New(timing(n.Country))}
			if p.Err != nil {
				st.hook.Step(time.Time{}, time.Time{}, analog.Failed)
			}
			s.stations = append(s.stations, st)
			s.byPort = append(s.byPort, st)
			s.byLabel[p.Label] = st
		default:
			ln := &line{port: p.Port, label: p.Label, hook: loopstart.New(loopstart.Timing{})}
			if p.Err != nil {
				ln.hook.Step(time.Time{}, time.Time{}, loopstart.Failed)
			}
			s.lines = append(s.lines, ln)
			s.byPort = append(s.byPort, ln)
		}
	}
	s.adopt(n)
	s.snap.Store(s.snapshot())
	return s
}

// adopt makes n the plan from now on. Running calls keep theirs.
func (s *Switch) adopt(n *plan.Numbering) {
	moved := s.numbers == nil || s.numbers.Country != n.Country // else the lines are as they should be, and calls are on them
	s.numbers = n
	owner := map[string]*plan.User{}
	for i := range n.Plan.Users {
		for _, label := range n.Plan.Users[i].Ports {
			owner[label] = &n.Plan.Users[i]
		}
	}
	byPort := map[string]*plan.Line{}
	for i := range n.Plan.Lines {
		byPort[n.Plan.Lines[i].Port] = &n.Plan.Lines[i]
	}
	for _, st := range s.stations {
		st.user = owner[st.label]
		if moved {
			st.hook.SetTiming(timing(n.Country))
			s.out.signals = append(s.out.signals, portSignal{st.port, board.Signal{Kind: board.Configure, Line: n.Country.Station}})
		}
	}
	for _, ln := range s.lines {
		ln.plan = byPort[ln.label]
		ln.hook.SetTiming(s.lineTiming(n.Country, ln.plan))
		if moved {
			s.out.signals = append(s.out.signals, portSignal{ln.port, board.Signal{Kind: board.Configure, Line: n.Country.Exchange}})
		}
	}
}

// Post hands the switch an event, and tells whether it took it (see [MaxPosted]). Any
// goroutine; never blocks.
func (s *Switch) Post(e Event) bool {
	must := e.Board != nil || e.Plan != nil || e.Phone != nil && (e.Phone.Kind != PhoneCalls || e.Phone.Urgent)
	s.mu.Lock()
	if len(s.posted) >= MaxPosted && !must {
		s.mu.Unlock()
		s.dropped.Add(1)
		return false
	}
	s.posted = append(s.posted, e)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

// Snapshot gives the state after the last event. It is never changed. Any goroutine.
func (s *Switch) Snapshot() *Snapshot { return s.snap.Load() }

// Run is the switch loop. It ends with ctx, or with the board's events.
func (s *Switch) Run(ctx context.Context) error {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("switch loop broke", "why", fmt.Sprint(r), "events", s.trace.String(), "stack", string(debug.Stack()))
			panic(r)
		}
	}()
	s.flush()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var late <-chan time.Time
		if d := s.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
			late = timer.C
		}
		var e Event
		select {
		case <-ctx.Done():
			s.stop(time.Now())
			return nil
		case b, ok := <-s.cfg.Events:
			if !ok {
				s.stop(time.Now())
				return nil
			}
			e.Board = &b
		case d := <-s.cfg.Digits:
			e.Digit = &d
		case h := <-s.cfg.Heard:
			e.Heard = &h
		case <-s.wake:
			s.mu.Lock()
			list := s.posted
			s.posted = nil
			s.mu.Unlock()
			for _, e := range list {
				s.step(time.Now(), e)
				s.flush()
			}
			continue
		case <-late: // what happened before the deadline may still be waiting
			if !s.drain() {
				s.stop(time.Now())
				return nil
			}
		}
		s.step(time.Now(), e)
		s.flush()
	}
}

// drain takes the board's events that wait, and tells whether there may be more.
func (s *Switch) drain() bool {
	for {
		select {
		case b, ok := <-s.cfg.Events:
			if !ok {
				return false
			}
			s.step(time.Now(), Event{Board: &b})
			s.flush()
		default:
			return true
		}
	}
}

// stop records the calls under way as ended now. A power cut does without it.
func (s *Switch) stop(now time.Time) {
	s.now = now
	for len(s.calls) > 0 {
		c := s.calls[0]
		s.end(c, c.outcome(), TemporaryFailure, now)
	}
	s.flush()
}

// flush does what the last step led to.
func (s *Switch) flush() {
	for _, o := range s.out.signals {
		s.cfg.Signal(o.port, o.sig)
	}
	for _, a := range s.out.phones {
		s.doPhone(a)
	}
	for _, r := range s.out.records {
		s.cfg.Journal.Append(r)
	}
	clear(s.out.phones)
	clear(s.out.records)
	s.out.signals, s.out.phones, s.out.records = s.out.signals[:0], s.out.phones[:0], s.out.records[:0]
}

func (s *Switch) signal(p board.Port, k board.SignalKind) {
	s.out.signals = append(s.out.signals, portSignal{p, board.Signal{Kind: k}})
}

// Package sim is the simulator: the shipping board (board/office) on the register-level
// chip models of board/chipsim, with telephones and exchange lines plugged into them.
// Every run on a laptop goes through the real drivers. A [Room] tells what a person
// beside the telephones would notice, [Words] drives them: the same words serve scenario
// files, the terminal and the page. An exchange line has a person at its far end, whose
// telephone is measured like those in the room; of the line itself is told what its wires
// show.
//
// What is said to be heard is measured in the audio at the handset, never read from the
// switch. The package knows nothing of calls; the tones that its ears know are data.
package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/office"
	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
)

// Config is what is simulated.
type Config struct {
	Telephones []string        // a name for each station port, usually its extension
	Guests     []string        // telephones that are not on the board, whose voices its handsets know
	Lines      int             // exchange-line ports
	Exchange   exchange.Config // what the lines are plugged into; the telephones' dials are of its kind
	Tones      []ear.Spec      // that the ears know
	Flash      time.Duration   // what the R key sends; 0: 100 ms
	Dead       []string        // labels of ports whose chip does not answer: "FXS 2"
	Log        *slog.Logger
}

// Board is a simulated board with all that is plugged into it.
type Board struct {
	*office.Board
	Room       *Room
	Lines      []*exchange.Line // what the ports are plugged into
	Highway    *chipsim.Highway
	Violations *chipsim.Violations
	slics      map[string]*chipsim.SLIC // by telephone
	outside    []*Line
	daas       []*chipsim.DAA
}

// Open builds the board and powers it up: about two seconds.
func Open(ctx context.Context, cfg Config) (*Board, error) {
	if len(cfg.Telephones)+cfg.Lines > chipsim.Slots {
		return nil, fmt.Errorf("simulator: %d ports do not fit on a highway of %d slots", len(cfg.Telephones)+cfg.Lines, chipsim.Slots)
	}
	if err := checkNames(slices.Concat(cfg.Telephones, cfg.Guests)); err != nil {
		return nil, err
	}
	if cfg.Flash == 0 {
		cfg.Flash = 100 * time.Millisecond
	}
	b := &Board{Room: newRoom(), Violations: &chipsim.Violations{}, slics: map[string]*chipsim.SLIC{}}
	dead := map[string]bool{}
	for _, d := range cfg.Dead {
		dead[d] = true
	}
	markers := make([]float64, min(len(cfg.Telephones)+len(cfg.Guests)+cfg.Lines, MaxMarkers))
	for i := range markers {
		markers[i] = MarkerHz(i)
	}
	for _, s := range cfg.Tones {
		b.Room.known = append(b.Room.known, s.Name)
	}
	newEar := func() *ear.Ear { return ear.New(cfg.Tones, markers) }
	interrupts := make(chan time.Time, 64)
	parts := office.Parts{Interrupt: interrupts, Log: cfg.Log}
	var chips []chipsim.Chip
	models := []chipsim.SLICPart{chipsim.Si3215, chipsim.Si3210, chipsim.Si3215M, chipsim.Si3210M}
	for i, name := range cfg.Telephones {
		label := fmt.Sprintf("FXS %d", i+1)
		s := chipsim.NewSLIC(models[i%len(models)], b.Violations)
		s.OnInterrupt(func(at time.Time) {
			select {
			case interrupts <- at:
			default: // the poll finds it
			}
		})
		h := newHandset(name, i%MaxMarkers, newEar, b.Room.add)
		h.flash = cfg.Flash
		if cfg.Exchange.Pulses != "" {
			h.dial = cfg.Exchange.Pulses
		}
		b.Room.sets[name] = h
		b.Room.order = append(b.Room.order, name)
		s.Plug(h)
		if dead[label] {
			s.SetFaults(func(f *chipsim.SLICFaults) { f.Dead = true })
			delete(dead, label)
		}
		b.slics[name] = s
		chips = append(chips, s)
		parts.Stations = append(parts.Stations, office.Station{Label: label, Conn: s.Conn(), Slot: i})
	}
	for i, name := range cfg.Guests {
		b.Room.sets[name] = &Handset{name: name, marker: (len(cfg.Telephones) + i) % MaxMarkers, guest: true}
	}
	for i := range cfg.Lines {
		label := fmt.Sprintf("FXO %d", i+1)
		d := chipsim.NewDAA(chipsim.Si3019, b.Violations)
		x := newLine(i, len(cfg.Telephones)+len(cfg.Guests)+i, cfg.Exchange, newEar, b.Room.add)
		b.Room.lines[x.name], b.Room.sets[x.name] = x, x.far
		d.Plug(x)
		if dead[label] {
			d.SetFaults(chipsim.DAAFaults{Dead: true})
			delete(dead, label)
		}
		b.Lines, b.outside, b.daas = append(b.Lines, x.Exchange), append(b.outside, x), append(b.daas, d)
		chips = append(chips, d)
		parts.Lines = append(parts.Lines, office.Line{Label: label, Conn: d.Conn(), Slot: len(cfg.Telephones) + i})
	}
	for d := range dead {
		return nil, fmt.Errorf("simulator: there is no port %s", d)
	}
	b.Highway = chipsim.NewHighway(chips...)
	parts.PCM = b.Highway
	parts.Reset = func(asserted bool) error {
		b.Highway.SetReset(asserted)
		return nil
	}
	var err error
	if b.Board, err = office.Open(ctx, parts); err != nil {
		return nil, err
	}
	return b, nil
}

// checkNames wants names that can be told apart from each other and from words.
func checkNames(names []string) error {
	seen := map[string]bool{"quit": true, "exit": true, "help": true, "wait": true, "never": true, "record": true, "port": true, "line": true, "FXO": true}
	for i, n := range names {
		if seen[n] || n == "" || strings.ContainsAny(n, " \t\r\n;#&") {
			return fmt.Errorf("simulator: telephone %d has a name that none can have: empty, a word of its own, or there twice", i+1)
		}
		seen[n] = true
	}
	return nil
}

// Chip gives the model behind a telephone, for faults.
func (b *Board) Chip(telephone string) *chipsim.SLIC { return b.slics[telephone] }

// LineChip gives the model behind exchange line number i, from 0, for faults.
func (b *Board) LineChip(i int) *chipsim.DAA { return b.daas[i] }

// Line gives exchange line number i, from 0, with the person at its far end.
func (b *Board) Line(i int) *Line { return b.outside[i] }

// fault lets the chip of a telephone, or of a port by its label, fail or work again.
func (b *Board) fault(port string, works bool) error {
	for _, p := range b.Ports() {
		if p.Label != port {
			continue
		}
		if p.Kind == board.ExchangeLine {
			d := b.daas[int(p.Port)-len(b.Room.order)]
			if works {
				d.Brownout()
				time.Sleep(2 * time.Millisecond)
			}
			d.SetFaults(chipsim.DAAFaults{Dead: !works})
			return nil
		}
		port = b.Room.order[p.Port]
	}
	s := b.slics[port]
	if s == nil {
		return fmt.Errorf("there is no telephone or port %q; say 101 or FXO 1", port)
	}
	if works { // it comes back with nothing in its registers, and settled
		s.BrownOut()
		time.Sleep(2 * time.Millisecond)
	}
	s.SetFaults(func(f *chipsim.SLICFaults) { f.Dead = !works })
	return nil
}

var _ board.Board = (*Board)(nil)

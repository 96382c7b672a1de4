package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/pbx/plan"
	"sotto/pbx/scene"
	"sotto/storage"
)

// boardFlag reads the flag -board: the labels of the chips that are to be dead.
func boardFlag(s string) ([]string, error) {
	name, rest, _ := strings.Cut(s, ":")
	if name != "sim" {
		return nil, errors.New("-board: this version has the board sim only")
	}
	if rest == "" {
		return nil, nil
	}
	list, ok := strings.CutPrefix(rest, "dead=")
	if !ok {
		return nil, errors.New("-board: say sim, or sim:dead=FXS 2,FXO 1")
	}
	return strings.Split(list, ","), nil
}

// openSim builds a simulated board with a port for each that the plan names, four
// stations and two exchange lines at the least.
func openSim(ctx context.Context, n *plan.Numbering, dead []string, log *slog.Logger) (*sim.Board, error) {
	names := map[int]string{}
	stations, lines := 4, 2
	for _, u := range n.Plan.Users {
		for i, label := range u.Ports {
			if k, ok := portNumber(label, "FXS "); ok {
				stations = max(stations, k)
				names[k] = string(u.Ext)
				if i > 0 {
					names[k] += string(rune('a' + i))
				}
			}
		}
	}
	for _, l := range n.Plan.Lines {
		if k, ok := portNumber(l.Port, "FXO "); ok {
			lines = max(lines, k)
		}
	}
	telephones := make([]string, stations)
	for i := range telephones {
		if telephones[i] = names[i+1]; telephones[i] == "" {
			telephones[i] = fmt.Sprintf("fxs%d", i+1)
		}
	}
	return sim.Open(ctx, sim.Config{Telephones: telephones, Lines: lines, Exchange: scene.Exchange(n.Country), Tones: scene.Tones(n.Country),
		Flash: scene.Flash(n.Country), Dead: dead, Log: log})
}

func portNumber(label, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(label, prefix)
	k, err := strconv.Atoi(rest)
	return k, ok && err == nil && k > 0 && k <= board.MaxPorts
}

// describe lists the ports for the line that says the box is ready.
func describe(ports []board.PortInfo) string {
	var l []string
	for _, p := range ports {
		if p.Err != nil {
			l = append(l, p.Label+" out of service")
			continue
		}
		l = append(l, p.Label+" "+p.Chip)
	}
	return strings.Join(l, ", ")
}

// printer prints what happens, one event a line. Events come from the media clock,
// which must not wait for a terminal: they are queued.
type printer struct {
	w     *bufio.Writer
	lines chan string
	done  chan struct{}
	once  sync.Once
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: bufio.NewWriter(w), lines: make(chan string, 4096), done: make(chan struct{})}
	go p.run()
	return p
}

func (p *printer) run() {
	defer close(p.done)
	for l := range p.lines {
		p.w.WriteString(l)
		p.w.WriteByte('\n')
		if len(p.lines) == 0 {
			p.w.Flush()
		}
	}
	p.w.Flush()
}

func (p *printer) event(e sim.Event) {
	if s := e.String(); s != "" {
		p.line(s)
	}
}

func (p *printer) line(s string) {
	defer func() { _ = recover() }() // closed: nobody reads any more
	select {
	case p.lines <- s:
	default:
	}
}

func (p *printer) flush() {
	p.once.Do(func() { close(p.lines) })
	<-p.done
}

// talk reads words until they end. A person at a terminal goes on after a wrong word;
// so does a script, but it is told at the end.
func talk(ctx context.Context, brd *sim.Board, in io.Reader, out *printer, failed *int) error {
	person := false
	if f, ok := in.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			person = true
		}
	}
	said := false
	err := brd.Words().Run(ctx, &noted{in, &said}, func(err error) {
		if !person {
			*failed++
		}
		out.line("? " + err.Error())
	})
	if err == nil && !said { // no words at all: a box that just runs
		<-ctx.Done()
	}
	return err
}

// noted notes that something was read.
type noted struct {
	r    io.Reader
	said *bool
}

func (n *noted) Read(b []byte) (int, error) {
	k, err := n.r.Read(b)
	if k > 0 {
		*n.said = true
	}
	return k, err
}

// tellRecords notes each record in the room once it is durable.
func tellRecords(ctx context.Context, store *storage.Store, room *sim.Room, log *slog.Logger) {
	reader := store.As(storage.Viewer{Role: storage.Owner})
	told, _ := store.Follow()
	for last := false; ; {
		newest, changed := store.Follow()
		if newest > told {
			list, err := reader.Records(context.WithoutCancel(ctx), storage.Query{Limit: int(min(newest-told, 500))})
			if err != nil {
				log.Error("records cannot be read", "why", err)
				return
			}
			told = newest
			for i := len(list) - 1; i >= 0; i-- {
				room.Note(time.Now(), recordLine(&list[i]))
			}
		}
		if last {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done(): // once more, for what became durable at the end
			last = true
		}
	}
}

// recordLine gives a record in the simulator's words.
func recordLine(r *storage.RecordView) string {
	name := func(p *storage.PartyView) string {
		if p.Ext != "" {
			return string(p.Ext)
		}
		return p.Number
	}
	s := fmt.Sprintf("record %s -> %s %v", name(&r.From), name(&r.To), r.Outcome)
	if r.Talked > 0 {
		s += fmt.Sprintf(" %.0fs", r.Talked.Seconds())
	}
	if r.Held {
		s += " held"
	}
	return s
}

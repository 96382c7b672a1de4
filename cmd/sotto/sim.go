package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
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
	if !ok || list == "" {
		return nil, errors.New("-board: say sim, or sim:dead=FXS 2,FXO 1")
	}
	return strings.Split(list, ","), nil
}

// openSim builds a simulated board with a port for each that the plan names, four
// stations and two exchange lines at the least. Labels that no such board can have are
// left out.
func openSim(ctx context.Context, n *plan.Numbering, dead []string, log *slog.Logger) (*sim.Board, error) {
	names := map[int]string{}
	stations, lines := 4, 2
	for _, u := range n.Plan.Users {
		for i, label := range u.Ports {
			if k, ok := portNumber(label, "FXS "); ok && k <= chipsim.Slots-lines {
				stations = max(stations, k)
				names[k] = string(u.Ext)
				if i > 0 {
					names[k] += string(rune('a' + i))
				}
			}
		}
	}
	for _, l := range n.Plan.Lines {
		if k, ok := portNumber(l.Port, "FXO "); ok && k <= chipsim.Slots-stations {
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

// printEvent prints what happens, one event a line.
func printEvent(out io.Writer, e sim.Event) {
	if s := e.String(); s != "" {
		fmt.Fprintln(out, s)
	}
}

// talk reads words until they end. A person at a terminal goes on after a wrong word;
// so does a script, but it is told at the end.
func talk(ctx context.Context, brd *sim.Board, in io.Reader, out io.Writer, failed *atomic.Int64) error {
	person := false
	if f, ok := in.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			person = true
		}
	}
	said := false
	w := brd.Words()
	w.Voice = sim.VoiceFile
	err := w.Run(ctx, &noted{in, &said}, func(err error) {
		if !person {
			failed.Add(1)
		}
		fmt.Fprintln(out, "? "+err.Error())
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

// tellRecords notes each record after told in the room once it is durable.
func tellRecords(ctx context.Context, store *storage.Store, told storage.RecordID, room *sim.Room, log *slog.Logger) {
	reader := store.As(storage.Viewer{Role: storage.Owner})
	for last := false; ; {
		newest, changed := store.Follow()
		for told < newest {
			upTo := min(told+maxPage, newest)
			list, err := reader.Records(context.WithoutCancel(ctx), storage.Query{Before: upTo + 1, Limit: int(upTo - told)})
			if err != nil {
				log.Error("records cannot be read", "why", err)
				return
			}
			for _, r := range slices.Backward(list) {
				if r.ID > told { // one that cannot be read makes room for an older one
					room.Note(time.Now(), recordLine(&r))
				}
			}
			told = upTo
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

// maxPage is how many records are read at a time, no more than [storage.Query] allows.
const maxPage = 500

// recordLine gives a record in the simulator's words.
func recordLine(r *storage.RecordView) string {
	name := func(p *storage.PartyView) string {
		switch {
		case p.Ext != "":
			return string(p.Ext)
		case p.Number != "":
			return p.Number
		case p.Line != "":
			return p.Line // and who called on it is not known
		}
		return "nobody"
	}
	return sim.RecordLine(name(&r.From), name(&r.To), r.Outcome.String(), r.Talked, r.Held)
}

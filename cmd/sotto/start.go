package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"sotto/board"
	"sotto/pbx/plan"
	"sotto/storage"
)

// office is what the box knows of its office when it starts.
type office struct {
	numbers *plan.Numbering
	store   *storage.Store // nil: the box runs from the lifeline
	locked  *locked        // the data may open later; nil: it is open, or cannot be opened
	first   bool           // the plan is not in the store yet
}

// openOffice opens the data folder and gives the plan. Without a store, because its keys
// or its database cannot be read or its folder not be written, telephones work from the
// lifeline at once, and the fault is in the log; what only lacks its key may be opened
// later. Without a lifeline there is nothing to run from, so a passphrase is waited for.
// At the first start the plan is that of -plan or the demo; it is read before anything is
// made, so that a wrong one leaves nothing behind.
func openOffice(ctx context.Context, o options, who person, log *slog.Logger) (*office, error) {
	reduced, noLifeline := storage.ReadLifeline(o.data)
	var first *plan.Numbering
	if !storage.Made(o.data) {
		if noLifeline == nil {
			return fromLifeline(reduced, errNoDatabase, log)
		}
		var err error
		if first, err = firstPlan(o.plan); err != nil {
			return nil, err
		}
	}
	if noLifeline == nil {
		who = person{} // telephones wait for nobody
	}
	var store *storage.Store
	root, err := openRoot(ctx, o, who)
	if err == nil {
		store, err = storage.Open(o.data, root, log)
	}
	if errors.Is(err, storage.ErrLocked) || err != nil && (ctx.Err() != nil || noLifeline != nil) {
		return nil, err
	}
	if err != nil {
		off, lifeErr := fromLifeline(reduced, err, log)
		if lifeErr == nil && mayOpenLater(err) {
			off.locked, lifeErr = newLocked(o, err, log)
		}
		return off, lifeErr
	}
	p, rev := store.CurrentPlan()
	if rev > 0 {
		if o.plan != "" {
			log.Warn("there is a plan already: -plan is for the first start only")
		}
		off := &office{store: store}
		if off.numbers, err = plan.Compile(p); err != nil {
			store.Close()
			return nil, fmt.Errorf("plan: %w", err)
		}
		return off, nil
	}
	if first == nil { // an earlier first start came to nothing
		if first, err = firstPlan(o.plan); err != nil {
			store.Close()
			return nil, err
		}
	}
	return &office{numbers: first, store: store, first: true}, nil
}

var errNoDatabase = errors.New("the database is missing: put back a backup")

func fromLifeline(p plan.Plan, why error, log *slog.Logger) (*office, error) {
	numbers, err := plan.Compile(p)
	if err != nil {
		return nil, fmt.Errorf("lifeline: %w", err)
	}
	log.Error("the store cannot be opened: telephones work, nothing is recorded", "why", why)
	return &office{numbers: numbers}, nil
}

// keepPlan stores the plan at the first start. That is done with the board open: a plan
// that no board can be opened with is not kept.
func (off *office) keepPlan(ctx context.Context) (err error) {
	if !off.first {
		return nil
	}
	if _, err = off.store.SetPlan(ctx, storage.Viewer{Role: storage.Owner}, 0, off.numbers.Plan); err != nil {
		return err
	}
	p, _ := off.store.CurrentPlan() // its users have ids
	off.numbers, err = plan.Compile(p)
	return err
}

// close closes the store and tells of records that are lost.
func (off *office) close(log *slog.Logger) {
	if off.locked != nil {
		off.locked.close()
	}
	if off.store == nil {
		return
	}
	if err := off.store.Close(); err != nil {
		log.Error("the store did not close well", "why", err)
	}
	if n := off.store.Health().Lost; n > 0 {
		log.Error("call records were lost", "count", n)
	}
}

// firstPlan reads the plan to import: a regular file, because a pipe or a device might
// never end.
func firstPlan(file string) (*plan.Numbering, error) {
	data := demo
	if file != "" {
		st, err := os.Stat(file)
		if err == nil && !st.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", file)
		}
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		defer f.Close()
		if data, err = io.ReadAll(io.LimitReader(f, plan.MaxSize+1)); err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
	}
	p, err := plan.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", file, err)
	}
	return plan.Compile(p)
}

// checkPorts tells of ports that the plan names and the board has not got.
func checkPorts(n *plan.Numbering, ports []board.PortInfo, log *slog.Logger) {
	have := map[string]board.Kind{}
	for _, p := range ports {
		have[p.Label] = p.Kind
	}
	miss := func(label string, k board.Kind, format string, at ...any) {
		if have[label] != k {
			log.Warn("the plan names a port that the board has not got", "at", fmt.Sprintf(format, at...), "port", label, "kind", k.String())
		}
	}
	for i, u := range n.Plan.Users {
		for j, label := range u.Ports {
			miss(label, board.Station, "users[%d].ports[%d]", i, j)
		}
	}
	for i, l := range n.Plan.Lines {
		miss(l.Port, board.ExchangeLine, "lines[%d].port", i)
	}
}

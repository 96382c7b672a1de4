package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

//go:embed demo.json
var demo []byte

// options are the flags: where things are. What the office wants is in the plan.
type options struct {
	board string
	data  string
	root  string
	plan  string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("sotto", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.board, "board", "sim", "`which` board: sim, or sim:dead=FXS 2,FXO 1 to have chips that do not answer")
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", "key `file` that opens the data; default: the data folder's name with .key behind it")
	f.StringVar(&o.plan, "plan", "", "plan `file` to import at the first start instead of the demo office")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, errors.New("there are words behind the flags; say -h for what there is")
	}
	if o.root == "" {
		o.root = filepath.Clean(o.data) + ".key"
	}
	return o, nil
}

// run is the program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	dead, err := boardFlag(o.board)
	if err != nil {
		return err
	}
	first, err := firstPlan(o.plan)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))

	p, store, err := openStore(ctx, o, first, log)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	numbers, err := plan.Compile(p)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	brd, err := openSim(ctx, numbers, dead, log)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	checkPorts(numbers, brd.Ports(), log)
	return serve(ctx, brd, numbers, store, stdin, stdout, log)
}

// firstPlan reads the plan to import. It is read before anything is made, so that a
// wrong one leaves nothing behind.
func firstPlan(file string) (plan.Plan, error) {
	data := demo
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return plan.Plan{}, fmt.Errorf("plan: %w", err)
		}
		defer f.Close()
		if data, err = io.ReadAll(io.LimitReader(f, plan.MaxSize+1)); err != nil {
			return plan.Plan{}, fmt.Errorf("plan: %w", err)
		}
	}
	p, err := plan.Parse(data)
	if err != nil {
		return p, fmt.Errorf("plan %s: %w", file, err)
	}
	return p, nil
}

// openStore opens the data folder and gives the plan. Without a store, because its keys
// or its database cannot be read, telephones work from the lifeline: then the store is
// nil and the fault is in the log.
func openStore(ctx context.Context, o options, first plan.Plan, log *slog.Logger) (plan.Plan, *storage.Store, error) {
	store, err := storage.Open(o.data, keyring.NewFileRoot(o.root), log)
	if errors.Is(err, storage.ErrLocked) || errors.Is(err, storage.ErrNotWritable) {
		return plan.Plan{}, nil, err
	}
	if err != nil {
		p, lifeErr := storage.ReadLifeline(o.data)
		if lifeErr != nil {
			return plan.Plan{}, nil, err
		}
		log.Error("the store cannot be opened: telephones work, nothing is recorded", "why", err)
		return p, nil, nil
	}
	p, rev := store.CurrentPlan()
	switch {
	case rev > 0:
		if o.plan != "" {
			log.Warn("there is a plan already: -plan is for the first start only")
		}
		return p, store, nil
	default:
		if _, err := store.SetPlan(ctx, storage.Viewer{Role: storage.Owner}, rev, first); err != nil {
			store.Close()
			return p, nil, err
		}
		p, _ = store.CurrentPlan()
		return p, store, nil
	}
}

// checkPorts tells of ports that the plan names and the board has not got, and of those
// that do not work.
func checkPorts(n *plan.Numbering, ports []board.PortInfo, log *slog.Logger) {
	have := map[string]board.Kind{}
	for _, p := range ports {
		have[p.Label] = p.Kind
	}
	miss := func(label string, k board.Kind) {
		if have[label] != k {
			log.Warn("the plan names a port that the board has not got", "port", label, "kind", k.String())
		}
	}
	for _, u := range n.Plan.Users {
		for _, label := range u.Ports {
			miss(label, board.Station)
		}
	}
	for _, l := range n.Plan.Lines {
		miss(l.Port, board.ExchangeLine)
	}
}

// noJournal takes records when there is no store. The loss is counted by nobody else.
type noJournal struct{ log *slog.Logger }

func (j noJournal) Append(pbx.Record) { j.log.Error("a call was not recorded: there is no store") }

// serve runs the box until ctx ends or, in the simulator, the words do.
func serve(ctx context.Context, brd *sim.Board, n *plan.Numbering, store *storage.Store, stdin io.Reader, stdout io.Writer, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := newPrinter(stdout)
	brd.Room.Follow(out.event)

	var journal pbx.Journal = noJournal{log}
	var records sync.WaitGroup
	keep, keepStop := context.WithCancel(context.Background())
	defer keepStop()
	if store != nil {
		journal = store
		records.Go(func() {
			if err := store.Run(keep); err != nil {
				log.Error("the store stopped", "why", err)
			}
		})
		records.Go(func() { tellRecords(keep, store, brd.Room, log) })
	}
	engine := media.New(brd, len(brd.Ports()))
	sw := pbx.New(pbx.Config{Ports: brd.Ports(), Events: brd.Events(), Signal: brd.Signal, Digits: engine.Digits(), Publish: engine.Publish, Journal: journal, Log: log}, n)

	var calls sync.WaitGroup
	calls.Go(func() { engine.Run(ctx) })
	calls.Go(func() { sw.Run(ctx) })
	out.line("ready: " + describe(brd.Ports()))

	var failed int
	words := make(chan error, 1)
	go func() { words <- talk(ctx, brd, stdin, out, &failed) }() // ends with its input; a read cannot be interrupted
	var err error
	select {
	case <-ctx.Done():
	case err = <-words:
	}
	stop()
	closeErr := brd.Close()
	calls.Wait()
	if store != nil {
		sync, done := context.WithTimeout(context.Background(), 5*time.Second)
		if e := store.Sync(sync); e != nil {
			log.Error("records were lost at the end", "why", e)
		}
		done()
		keepStop()
		records.Wait()
	}
	out.flush()
	switch {
	case err != nil && !errors.Is(err, sim.ErrQuit) && !errors.Is(err, context.Canceled):
		return err
	case failed > 0:
		return fmt.Errorf("%d statements did not come true", failed)
	}
	return closeErr
}

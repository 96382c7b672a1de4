package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"sotto/board/sim"
	"sotto/pbx"
	"sotto/pbx/media"
)

// machine is the box while it runs. Board, media and switch are there from the beginning
// to the end; what needs the store joins them, at the start or later (see join).
type machine struct {
	o       options
	off     *office
	brd     *sim.Board
	net     *network
	secrets *os.File
	engine  *media.Engine
	sw      *pbx.Switch
	journal journal
	page    *page
	control *control
	out     *lines
	log     *slog.Logger
}

// serve runs the box until ctx ends or, in the simulator, the words do. It closes brd.
func serve(ctx context.Context, brd *sim.Board, o options, off *office, net *network, secrets *os.File, stdin io.Reader, stdout io.Writer, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	m := &machine{o: o, off: off, brd: brd, net: net, secrets: secrets, engine: media.New(brd, len(brd.Ports())), out: newPrinter(stdout), log: log}
	m.journal.none.log = log
	brd.Room.Follow(func(e sim.Event) { printEvent(m.out, e) })
	m.runStore()
	if off.store != nil {
		m.journal.kept.Store(&kept{store: off.store})
	}
	m.giveSecrets(ctx)
	m.sw = pbx.New(pbx.Config{Ports: brd.Ports(), Events: brd.Events(), Signal: brd.Signal, Digits: m.engine.Digits(), Heard: m.engine.Heard(), Publish: net.publish(m.engine),
		Phones: net.phones(), Journal: &m.journal, Log: log}, off.numbers)
	net.join(m.engine, m.sw.Post, log)
	off.followPlan(m.sw.Post, net, log)
	broken := make(chan error, 2) // a loop without which there are no calls
	var calls, voice, joining sync.WaitGroup
	hear, deaf := context.WithCancel(context.Background())
	defer deaf()
	voice.Go(func() { broken <- loop(hear, "media loop", m.engine.Run, log) })
	calls.Go(func() { broken <- loop(ctx, "switch loop", m.sw.Run, log) })
	fmt.Fprintln(m.out, "ready: "+describe(brd.Ports()))
	if !o.noControl && (off.store != nil || off.locked != nil) { // the folder is locked
		m.control = openControl(o.data, rootKind(o.root), off.store, log)
	}
	asked := make(chan struct{})
	if off.locked == nil {
		m.page = openPage(o, brd, off, net, m.sw, m.out, log)
		close(asked)
	} else {
		m.page = openLocked(o, brd, off, m.sw, m.out, log)
		joining.Go(func() { m.join(ctx) })
		joining.Go(func() { off.locked.ask(ctx, person{stdin, m.out}); close(asked) })
	}

	var failed atomic.Int64
	words := make(chan error, 1)
	go func() { // ends with its input; a read cannot be interrupted
		<-asked // the terminal is for one at a time
		words <- talk(ctx, brd, stdin, m.out, &failed)
	}()
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	case err = <-words:
		if errors.Is(err, sim.ErrQuit) || ctx.Err() != nil {
			err = nil
		}
	}
	// The switch first: it records the calls under way. The board's end would end it
	// without that.
	stop()
	calls.Wait()
	joining.Wait()
	m.control.close()
	m.page.close()
	net.close()
	closeErr := brd.Close()
	deaf()
	voice.Wait()
	m.journal.close()
	if n := m.out.flush(); n > 0 {
		log.Warn("lines of what happened were lost: nobody took them", "count", n)
	}
	switch n := failed.Load(); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("%d statements did not come true", n)
	}
	return closeErr
}

// loop runs one of the loops that make calls, and gives why it ended before ctx did.
// One that panics ends the box, too, but in order: lines inert, records kept.
func loop(ctx context.Context, name string, run func(context.Context) error, log *slog.Logger) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error(name+" broke", "why", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("the %s broke: the log says where", name)
		}
	}()
	err = run(ctx)
	if err == nil && ctx.Err() == nil {
		err = errors.New("it ended by itself")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

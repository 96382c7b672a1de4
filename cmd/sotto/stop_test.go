package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board/sim"
	"sotto/pbx"
	"sotto/pbx/plan"
)

func pbxRecord() pbx.Record {
	return pbx.Record{From: pbx.Party{Ext: "101"}, To: pbx.Party{Ext: "102"}, Outcome: pbx.Answered, Cause: pbx.NormalClearing}
}

// TestCallAtTheEnd: the record of a call under way is kept, whatever ends the box. Which
// loop hears first of the end is chance, so it is tried again and again.
func TestCallAtTheEnd(t *testing.T) {
	const words = "101 lifts\n101 hears dial\n101 dials 102\n102 rings\n102 lifts\n101 and 102 talk\n"
	for range 3 {
		for _, ends := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), "data")
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				var in io.Reader = strings.NewReader(words)
				if !ends {
					r, w := io.Pipe()
					go io.WriteString(w, words)
					defer w.Close()
					in = r
				}
				var out, log lockedBuffer
				if err := run(ctx, []string{"-data", dir, "-sip", "off", "-page", "off", "-no-control"}, in, &out, &log); err != nil {
					t.Error(err)
				}
				if !strings.Contains(out.String(), "record 101 -> 102 answered") {
					t.Errorf("no record of the call:\n%s\n%s", out.String(), log.String())
				}
			})
			s := mustOpen(t, dir)
			if n := s.Health().Newest; n != 1 {
				t.Errorf("%d records are stored", n)
			}
			s.Close()
		}
	}
}

// demoBoard opens the simulator with the demo office.
func demoBoard(t *testing.T) (*sim.Board, *office) {
	t.Helper()
	p, err := plan.Parse(demo)
	if err != nil {
		t.Fatal(err)
	}
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	brd, err := openSim(t.Context(), n, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return brd, &office{numbers: n}
}

// TestLoopEnds: without its loops the box is none, and must not live on.
func TestLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brd, off := demoBoard(t)
		done := make(chan error)
		r, w := io.Pipe()
		defer w.Close()
		go func() {
			done <- serve(t.Context(), brd, options{noControl: true}, off, nil, nil, r, io.Discard, slog.New(slog.DiscardHandler))
		}()
		time.Sleep(time.Second)
		brd.Close()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), " loop: it ended by itself") {
				t.Errorf("error %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it lives on")
		}
	})
}

func TestLoop(t *testing.T) {
	var text lockedBuffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	ctx, cancel := context.WithCancel(t.Context())
	null := func(context.Context) error { return nil }
	if err := loop(ctx, "switch loop", null, log); err == nil {
		t.Error("ended by itself: no error")
	}
	why := errors.New("why")
	if err := loop(ctx, "switch loop", func(context.Context) error { return why }, log); !errors.Is(err, why) {
		t.Error(err)
	}
	err := loop(ctx, "switch loop", func(context.Context) error { panic("odd") }, log)
	if err == nil || !strings.Contains(text.String(), "stop_test.go") || !strings.Contains(text.String(), "why=odd") {
		t.Errorf("panic: %v\n%s", err, text.String())
	}
	cancel()
	if err := loop(ctx, "switch loop", null, log); err != nil {
		t.Error(err)
	}
}

// TestManyRecordsAtOnce: more than a page of records become durable in one transaction.
func TestManyRecordsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brd, _ := demoBoard(t)
		defer brd.Close()
		said := 0
		brd.Room.Follow(func(e sim.Event) {
			if strings.HasPrefix(e.String(), "record 101 -> 102") {
				said++
			}
		})
		s := mustOpen(t, filepath.Join(t.TempDir(), "data"))
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		const before, after = 3, 2*maxPage + 7
		for range before + after {
			s.Append(pbxRecord())
		}
		loops.Go(func() { tellRecords(ctx, s, before, brd.Room, slog.New(slog.DiscardHandler)) })
		loops.Go(func() { s.Run(ctx) })
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		cancel()
		loops.Wait()
		if said != after {
			t.Errorf("%d records told of %d", said, after)
		}
	})
}

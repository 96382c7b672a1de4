package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tap is a terminal or pipe that takes nothing until it is opened.
type tap struct {
	lockedBuffer
	opened chan struct{}
	err    error
}

func newTap() *tap { return &tap{opened: make(chan struct{})} }

func (t *tap) Write(p []byte) (int, error) {
	<-t.opened
	if t.err != nil {
		return 0, t.err
	}
	return t.lockedBuffer.Write(p)
}

// TestLogStalls: calls go on when nobody takes the log, and the end does not wait for it.
func TestLogStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newTap()
		defer close(log.opened)
		var out lockedBuffer
		words := "port 104 fails ; wait 1s ; 101 lifts ; 101 hears dial ; 101 dials 112 ; wait 5s ; 102 lifts ; 102 hears dial"
		if err := run(t.Context(), []string{"-data", filepath.Join(t.TempDir(), "data"), "-board", "sim:dead=FXS 3", "-sip", "off", "-page", "off", "-no-control"}, strings.NewReader(words), &out, log); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	})
}

// TestPrinterStalls: the end does not wait for a stalled terminal, and tells what is lost.
func TestPrinterStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTap()
		defer close(out.opened)
		var log lockedBuffer
		if err := run(t.Context(), []string{"-data", filepath.Join(t.TempDir(), "data"), "-sip", "off", "-page", "off", "-no-control"}, strings.NewReader("101 lifts ; 101 hears dial"), out, &log); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "lines of what happened were lost") {
			t.Error(log.String())
		}
	})
}

// TestPrinterFails: a reader that went away costs its lines only.
func TestPrinterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTap()
		out.err = errors.New("broken pipe")
		close(out.opened)
		var log lockedBuffer
		if err := run(t.Context(), []string{"-data", filepath.Join(t.TempDir(), "data"), "-sip", "off", "-page", "off", "-no-control"}, strings.NewReader("101 lifts ; 101 hears dial"), out, &log); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "lines of what happened were lost") {
			t.Error(log.String())
		}
	})
}

// TestLines fills the queue of a log, opens it, and reads what was kept and what was not.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTap()
		log, queue := newLog(w)
		log.Info("first")
		synctest.Wait() // it is being written
		for i := range maxLog + 7 {
			log.Info("more", "i", i)
		}
		synctest.Wait()
		close(w.opened)
		synctest.Wait()
		if n := strings.Count(w.String(), "msg=more"); n != maxLog {
			t.Errorf("%d lines kept", n)
		}
		if !strings.HasSuffix(w.String(), " level=WARN msg=\"lines of the log were dropped: nobody took them\" count=7\n") {
			t.Errorf("%s", w.String()[len(w.String())-200:])
		}
		log.Info("again")
		if n := queue.flush(); n != 0 || !strings.HasSuffix(w.String(), "msg=again\n") || strings.Count(w.String(), "dropped") != 1 {
			t.Errorf("%d lost", n)
		}
		log.Info("after the end") // goes nowhere, and hurts nobody
		queue.flush()
	})
}

// TestFlushLimit: the end waits a second for what is stalled, and counts it.
func TestFlushLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTap()
		l := newPrinter(w)
		for i := range maxPrinted + 5 {
			fmt.Fprintln(l, i)
			synctest.Wait()
		}
		start := time.Now()
		if n := l.flush(); n != maxPrinted+5 || time.Since(start) != flushLimit {
			t.Errorf("%d lost after %v", n, time.Since(start))
		}
		close(w.opened)
		synctest.Wait()
		if !strings.HasSuffix(w.String(), "\n# 4 lines were dropped: nobody took them\n") {
			t.Errorf("%s", w.String()[len(w.String())-100:])
		}
		if n := l.flush(); n != 0 {
			t.Errorf("%d lost", n)
		}
	})
}

// TestLogText: the lines are those of slog's own text handler.
func TestLogText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		write := func(log *slog.Logger) {
			log.With("a", 1).WithGroup("g").With("b", "two words").Error("what\nelse", "c", slog.GroupValue(slog.Int("d", 4)))
			log.Debug("not told")
		}
		var want bytes.Buffer
		var got lockedBuffer
		write(slog.New(slog.NewTextHandler(&want, nil)))
		log, queue := newLog(&got)
		write(log)
		queue.flush()
		if got.String() != want.String() || want.Len() == 0 {
			t.Errorf("%q, want %q", got.String(), want.String())
		}
	})
}

// TestLinesFromAll: many may write, also while the writer ends.
func TestLinesFromAll(t *testing.T) {
	var out bytes.Buffer // of the writer alone, until flush has ended it
	l := newLines(&out, 4, nil)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 1000 {
				fmt.Fprintln(l, "line")
			}
		})
	}
	done.Wait()
	l.flush()
	l.flush()
	if n := bytes.Count(out.Bytes(), []byte("line\n")) + int(l.dropped.Load()); n != 8000 {
		t.Errorf("%d lines were written or counted as lost, of 8000", n)
	}
}

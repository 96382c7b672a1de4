package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// flushLimit is how long the end waits for a terminal or a pipe that takes nothing.
const flushLimit = time.Second

// Lines that wait at the most. Full, each queue holds well below a megabyte.
const (
	maxLog     = 1024
	maxPrinted = 4096
)

// lines is a writer that never makes its caller wait: the switch loop logs and the media
// clock prints, and neither may stand still because a pipe is full. What is written, a
// line each time, is queued, and one goroutine writes it out. A line that finds the queue
// full or cannot be written is dropped and counted; the count is told in a line of its
// own as soon as the queue has drained.
type lines struct {
	w       io.Writer
	told    func(dropped uint64) string // makes that line; nil: none
	queue   chan []byte                 // never closed
	waiting atomic.Int64                // queued, or being written
	dropped atomic.Uint64               // and not told yet
	once    sync.Once
	end     chan struct{}
	done    chan struct{}
}

// newLines starts a writer to w with a queue of n lines. It ends with flush.
func newLines(w io.Writer, n int, told func(uint64) string) *lines {
	l := &lines{w: w, told: told, queue: make(chan []byte, n), end: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Write implements [io.Writer] and never fails. Any goroutine.
func (l *lines) Write(line []byte) (int, error) {
	l.waiting.Add(1)
	select {
	case l.queue <- bytes.Clone(line):
	default:
		l.waiting.Add(-1)
		l.dropped.Add(1)
	}
	return len(line), nil
}

func (l *lines) run() {
	defer close(l.done)
	for {
		select {
		case line := <-l.queue:
			l.put(line)
		case <-l.end:
			for len(l.queue) > 0 {
				l.put(<-l.queue)
			}
			l.tell()
			return
		}
	}
}

func (l *lines) put(line []byte) {
	if _, err := l.w.Write(line); err != nil {
		l.dropped.Add(1)
	}
	l.waiting.Add(-1)
	if len(l.queue) == 0 {
		l.tell()
	}
}

// tell tells of what was dropped. What cannot be told now stays counted.
func (l *lines) tell() {
	n := l.dropped.Load()
	if n == 0 || l.told == nil {
		return
	}
	if _, err := io.WriteString(l.w, l.told(n)); err == nil {
		l.dropped.Add(-n)
	}
}

// flush ends the writer once all is written, or when flushLimit is over, and gives how
// many lines were lost and never told of.
func (l *lines) flush() uint64 {
	l.once.Do(func() { close(l.end) })
	select {
	case <-l.done:
	case <-time.After(flushLimit):
	}
	return l.dropped.Load() + uint64(l.waiting.Load())
}

// newLog gives a log on w that nobody waits for.
func newLog(w io.Writer) (*slog.Logger, *lines) {
	l := newLines(w, maxLog, func(n uint64) string {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Warn("lines of the log were dropped: nobody took them", "count", n)
		return b.String()
	})
	return slog.New(slog.NewTextHandler(l, nil)), l
}

// newPrinter gives a writer for what happens, one event a line. # begins a comment in
// the simulator's words.
func newPrinter(w io.Writer) *lines {
	return newLines(w, maxPrinted, func(n uint64) string {
		return fmt.Sprintf("# %d lines were dropped: nobody took them\n", n)
	})
}

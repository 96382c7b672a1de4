package sim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
)

// newScene gives a room with telephones but no board.
func newScene(names ...string) *Room {
	r := newRoom()
	r.known = []string{"dial", "busy", "call waiting"}
	for i, n := range names {
		h := newHandset(n, i, func() *ear.Ear { return ear.New(nil, nil) }, r.add)
		h.flash = 100 * time.Millisecond
		r.sets[n], r.order = h, append(r.order, n)
	}
	l := newLine(0, len(names), exchange.Config{}, func() *ear.Ear { return ear.New(nil, nil) }, r.add)
	r.sets[l.name], r.lines[l.name] = l.far, l
	return r
}

// TestTalk: two talk when each hears the other, in whatever order, and not before.
func TestTalk(t *testing.T) {
	r := newScene("101", "102", "103")
	talks := func() (n int) {
		for _, e := range r.log {
			if e.What == Talks {
				n++
			}
		}
		return n
	}
	voice := func(what What, who string, marker, want int) {
		t.Helper()
		r.add(Event{What: what, Who: who, Voice: marker})
		if len(r.talking) != want {
			t.Errorf("after %s and voice %d: %d talks, want %d", who, marker, len(r.talking), want)
		}
	}
	voice(HearsVoice, "101", 1, 0)
	voice(HearsVoice, "103", 0, 0)
	voice(HearsVoice, "102", 2, 0)
	voice(HearsVoice, "102", 0, 1) // 101 and 102
	voice(HearsVoice, "102", 0, 1) // again: not told twice
	if talks() != 1 {
		t.Errorf("told %d times", talks())
	}
	voice(HearsVoice, "101", 2, 2) // and 103: a conference
	voice(HearsNoVoice, "101", 1, 1)
	voice(HearsVoice, "101", 1, 2)
	voice(PutDown, "101", 0, 0)
	voice(HearsVoice, "101", 15, 0) // nobody's
}

// TestLogIsBounded: what is expected is found when the log was cut since the last
// action, and never says when it does not know.
func TestLogIsBounded(t *testing.T) {
	r := newScene("101", "102")
	w := &Words{room: r}
	r.add(Event{What: Rings, Who: "102"})
	if err := w.never([]string{"102", "rings"}); !errors.As(err, new(*Expected)) {
		t.Errorf("never gives %v", err)
	}
	for i := range maxLog - 10 {
		r.add(Event{What: Did, Who: "101", Name: fmt.Sprint("lifts ", i)})
	}
	w.begin()
	for i := range maxLog / 4 {
		if i == 20 {
			r.add(Event{At: time.Now(), What: Hears, Who: "101", Name: "busy"})
			r.add(Event{At: time.Now(), What: HearsNot, Who: "101", Name: "busy"})
		}
		r.add(Event{What: Did, Who: "102", Name: "lifts"})
		if len(r.log) > maxLog {
			t.Fatalf("%d events kept", len(r.log))
		}
	}
	if r.gone == 0 {
		t.Fatal("the log was not cut")
	}
	if ok, late := w.seen(&expectation{what: Hears, who: "101", name: "busy"}, time.Now()); !ok || late != 0 {
		t.Errorf("what came after the mark is not found: %v, %v", ok, late)
	}
	if n := len(r.since(w.mark)); n != maxLog/4+2 {
		t.Errorf("%d events since the action, want %d", n, maxLog/4+2)
	}
	w.begin()
	if n := len(r.since(w.mark)); n != 0 {
		t.Errorf("%d events since just now", n)
	}
	if err := w.never([]string{"102", "rings"}); err == nil || errors.As(err, new(*Expected)) {
		t.Errorf("never gives %v of what is forgotten", err)
	}
}

package table

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A turnstile is a machine of two states and one that is out of order.
type state uint8

const (
	locked state = iota
	unlocked
	broken
)

func (s state) String() string { return [...]string{"locked", "unlocked", "broken"}[s] }

type event uint8

const (
	coin event = iota
	push
	timeout
	fail
)

func (e event) String() string { return [...]string{"coin", "push", "time-out", "fail"}[e] }

type do func() string

func say(s string) do { return func() string { return s } }

type (
	row   = Row[state, event, do]
	moves = []Move[state, event, do]
)

func turnstile() *Table[state, event, do] {
	return New("turnstile",
		row{State: locked, Moves: moves{
			{On: coin, Do: say("opens"), Next: []state{unlocked}},
			{On: push, Do: say("stands"), Note: "as often as they like"},
			{On: fail, Do: say("breaks"), Next: []state{broken}},
		}},
		row{State: unlocked, Limit: "20 s", Moves: moves{
			{On: coin, Do: say("keeps it"), Note: "thank you"},
			{On: push, Do: say("turns"), Next: []state{locked}},
			{On: timeout, Do: say("locks"), Next: []state{locked, broken}, Note: "broken, when the bolt sticks"},
		}},
		row{State: broken},
	)
}

func TestFind(t *testing.T) {
	tab := turnstile()
	for _, c := range []struct {
		s    state
		e    event
		want string // empty: not allowed
	}{
		{locked, coin, "opens"}, {locked, push, "stands"}, {locked, timeout, ""}, {locked, fail, "breaks"},
		{unlocked, coin, "keeps it"}, {unlocked, push, "turns"}, {unlocked, timeout, "locks"}, {unlocked, fail, ""},
		{broken, coin, ""}, {broken, push, ""}, {77, coin, ""}, {locked, 77, ""},
	} {
		m, ok := tab.Find(c.s, c.e)
		if ok != (c.want != "") || ok && m.Do() != c.want {
			t.Errorf("state %d, event %d: allowed %v, want %q", c.s, c.e, ok, c.want)
		}
	}
}

func TestAllows(t *testing.T) {
	tab := turnstile()
	m, _ := tab.Find(unlocked, timeout)
	for s, want := range map[state]bool{locked: true, unlocked: true, broken: true, 77: false} {
		if got := m.Allows(unlocked, s); got != want {
			t.Errorf("time-out of unlocked may end in state %d: %v", s, got)
		}
	}
	m, _ = tab.Find(locked, push)
	if m.Allows(locked, unlocked) || !m.Allows(locked, locked) {
		t.Error("push of locked does not stay")
	}
}

func TestDiagram(t *testing.T) {
	const golden = "testdata/turnstile.golden"
	got := turnstile().Diagram()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, rows := range map[string][]row{
		"an event twice":               {{State: locked, Moves: moves{{On: coin}, {On: push}, {On: coin}}}},
		"a state twice":                {{State: locked, Moves: moves{{On: coin}}}, {State: locked, Moves: moves{{On: push}}}},
		"an empty state twice":         {{State: locked}, {State: locked}},
		"the present state among next": {{State: locked, Moves: moves{{On: coin, Next: []state{unlocked, locked}}}}, {State: unlocked}},
		"a next state without a row":   {{State: locked, Moves: moves{{On: coin, Next: []state{broken}}}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", name)
				}
			}()
			New("x", rows...)
		}()
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	tab := turnstile()
	if a := testing.AllocsPerRun(100, func() {
		m, _ := tab.Find(unlocked, timeout)
		m.Allows(unlocked, broken)
		tab.Find(broken, coin)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

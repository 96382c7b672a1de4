// Package table holds state machines as data: for each state the events it allows,
// what is done on each, and the states that may follow. pbx/analog (one analog port)
// and pbx (one leg of a call) are written with it.
//
// A table answers an event that it does not allow with false, so that the caller can
// count and log it; it never panics and never guesses. [Table.Diagram] prints the
// table for people; golden files hold it in review.
//
// The package is pure: it reads no clock, starts nothing and keeps no state.
package table

import (
	"fmt"
	"strings"
)

// Name is what states and events are: small numbers with a name.
type Name interface {
	comparable
	~uint8
	fmt.Stringer
}

// Move is one allowed reaction of a state to an event.
type Move[S, E Name, F any] struct {
	On   E
	Do   F   // what is done; it may move to one of Next, or stay
	Next []S // states that may follow, the present one excluded
	Note string
}

// Row is one state.
type Row[S, E Name, F any] struct {
	State S
	Limit string // what ends the state by time, in words; empty when nothing does
	Moves []Move[S, E, F]
}

// Table is a state machine.
type Table[S, E Name, F any] struct {
	name  string
	rows  []Row[S, E, F]
	index map[[2]uint8]*Move[S, E, F]
}

// New makes a table of its rows. It panics on what cannot be meant: a state that has two
// rows, an event that stands twice in one, and a next state that is the present one or
// has no row.
func New[S, E Name, F any](name string, rows ...Row[S, E, F]) *Table[S, E, F] {
	t := &Table[S, E, F]{name: name, rows: rows, index: map[[2]uint8]*Move[S, E, F]{}}
	states := map[S]bool{}
	for _, r := range rows {
		if states[r.State] {
			panic(fmt.Sprintf("table %s: %v has two rows", name, r.State))
		}
		states[r.State] = true
	}
	for _, r := range rows {
		for i := range r.Moves {
			m := &r.Moves[i]
			k := [2]uint8{uint8(r.State), uint8(m.On)}
			if t.index[k] != nil {
				panic(fmt.Sprintf("table %s: %v stands twice in %v", name, m.On, r.State))
			}
			for _, n := range m.Next {
				if n == r.State || !states[n] {
					panic(fmt.Sprintf("table %s: %v of %v cannot lead to %v", name, m.On, r.State, n))
				}
			}
			t.index[k] = m
		}
	}
	return t
}

// Find gives what s does on e, or false if s does not allow e.
func (t *Table[S, E, F]) Find(s S, e E) (*Move[S, E, F], bool) {
	m, ok := t.index[[2]uint8{uint8(s), uint8(e)}]
	return m, ok
}

// Allows tells whether m may end in state s, having begun in state from.
func (m *Move[S, E, F]) Allows(from, s S) bool {
	if s == from {
		return true
	}
	for _, n := range m.Next {
		if n == s {
			return true
		}
	}
	return false
}

// Diagram prints the table: a line a state, below it a line an event.
func (t *Table[S, E, F]) Diagram() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", t.name)
	for _, r := range t.rows {
		fmt.Fprintf(&b, "\n%v", r.State)
		if r.Limit != "" {
			fmt.Fprintf(&b, "  (%s)", r.Limit)
		}
		b.WriteByte('\n')
		for _, m := range r.Moves {
			next := "stays"
			if len(m.Next) > 0 {
				var s []string
				for _, n := range m.Next {
					s = append(s, n.String())
				}
				next = "→ " + strings.Join(s, " | ")
			}
			fmt.Fprintf(&b, "    %-18v %s", m.On, next)
			if m.Note != "" {
				fmt.Fprintf(&b, "   — %s", m.Note)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

package main

import (
	"encoding/json"
	"io"
	"strings"
)

// lister prints a list as it comes: lines for a person, or one JSON array with an element
// a line.
type lister struct {
	w    io.Writer
	json bool
	n    int
}

// line prints one element, given in both forms.
func (l *lister) line(v any, words string) error {
	text := []byte(plainWords(words) + "\n")
	if l.json {
		var err error
		if text, err = json.Marshal(v); err != nil {
			return err
		}
		begin := ",\n"
		if l.n == 0 {
			begin = "[\n"
		}
		text = append([]byte(begin), text...)
	}
	l.n++
	_, err := l.w.Write(text)
	return err
}

// end ends the list; none is what to say in words if there was nothing.
func (l *lister) end(none string) error {
	text := ""
	switch {
	case l.json && l.n == 0:
		text = "[]\n"
	case l.json:
		text = "\n]\n"
	case l.n == 0:
		text = none + "\n"
	}
	_, err := io.WriteString(l.w, text)
	return err
}

// table prints columns.
type table struct {
	w     io.Writer
	rows  [][]string
	wides []int
}

func newTable(w io.Writer, head ...string) *table {
	t := &table{w: w, wides: make([]int, len(head))}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = plainWords(c)
		t.wides[i] = max(t.wides[i], len([]rune(cells[i])))
	}
	t.rows = append(t.rows, cells)
}

func (t *table) end() error {
	var b strings.Builder
	for _, cells := range t.rows {
		line := ""
		for i, c := range cells {
			line += c + strings.Repeat(" ", t.wides[i]-len([]rune(c))+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// plainWords takes what could move the cursor out of a text for a terminal.
func plainWords(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

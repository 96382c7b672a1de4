package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDepth bounds the nesting of brackets; a plan needs four.
const maxDepth = 16

var (
	errTooDeep = errors.New("brackets stand too deep in one another")
	errTail    = errors.New("something stands after the closing bracket of the plan")
)

// node is a JSON value with the line it begins on.
type node struct {
	line  int
	value any // string, json.Number, bool, nil, []node or []member
}

// whole gives the number that n is, if it is a whole one.
func (n node) whole() (int64, bool) {
	num, ok := n.value.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := num.Int64()
	return i, err == nil
}

type member struct {
	name string
	line int
	val  node
}

// reader reads JSON with its lines.
type reader struct {
	data    []byte
	dec     *json.Decoder
	counted int // lines are counted up to here
	lines   int
}

func newReader(data []byte) *reader {
	r := &reader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: 1}
	r.dec.UseNumber()
	return r
}

// line gives the line on which the last token ended; no token spans two.
func (r *reader) line() int { return r.lineAt(int(r.dec.InputOffset())) }

func (r *reader) lineAt(offset int) int {
	r.lines += bytes.Count(r.data[r.counted:offset], []byte{'\n'})
	r.counted = offset
	return r.lines
}

func (r *reader) read() (node, error) {
	n, err := r.value(0)
	if err != nil {
		return n, err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return n, errTail
	}
	return n, nil
}

func (r *reader) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errTooDeep
	}
	tok, err := r.dec.Token()
	if err != nil {
		return node{}, err
	}
	n := node{line: r.line()}
	switch tok {
	case json.Delim('['):
		list := []node{}
		for r.dec.More() {
			e, err := r.value(depth + 1)
			if err != nil {
				return n, err
			}
			list = append(list, e)
		}
		n.value = list
		_, err = r.dec.Token()
	case json.Delim('{'):
		list := []member{}
		for r.dec.More() {
			name, err := r.dec.Token()
			if err != nil {
				return n, err
			}
			m := member{name: fmt.Sprint(name), line: r.line()}
			if m.val, err = r.value(depth + 1); err != nil {
				return n, err
			}
			list = append(list, m)
		}
		n.value = list
		_, err = r.dec.Token()
	default:
		n.value = tok
	}
	return n, err
}

// stop gives where the last error of the decoder stands: the first byte that it could
// not use, or that of the word that it could not.
func (r *reader) stop() int {
	at := int(r.dec.InputOffset())
	for at < len(r.data) && bytes.IndexByte([]byte(" \t\r\n"), r.data[at]) >= 0 {
		at++
	}
	return at
}

func (r *reader) errLine() int { return r.lineAt(r.stop()) }

// plain says in plain words what is wrong with the JSON, without repeating any of it.
func (r *reader) plain(err error) string {
	at := r.stop()
	rest, before := r.data[at:], bytes.TrimRight(r.data[:at], " \t\r\n")
	switch {
	case err == errTooDeep, err == errTail:
		return err.Error()
	case len(bytes.TrimSpace(r.data)) == 0:
		return "the file is empty"
	case len(rest) == 0:
		return "the file ends too early: a bracket is not closed"
	}
	after := byte(0)
	if len(before) > 0 {
		after = before[len(before)-1]
	}
	switch c := rest[0]; {
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")), c == '#':
		return "JSON has no comments: take this out"
	case (c == ']' || c == '}') && after == ',':
		return "the last entry before a closing bracket has a comma after it: take the comma out"
	case c == ']' || c == '}':
		return "a closing bracket stands where it does not belong: one too many, a wrong one, or something is missing before it"
	case c == '\'', bytes.HasPrefix(rest, []byte("“")), bytes.HasPrefix(rest, []byte("”")), bytes.HasPrefix(rest, []byte("„")):
		return "text must stand in straight double quotes"
	case c == '"' && after != ',' && after != '[' && after != '{' && after != ':':
		return "a comma or colon is missing before this"
	case c == '"':
		return "a text is not closed by a double quote on its line, or holds a \\ that must be doubled"
	case c == ',':
		return "a comma stands where it does not belong: two in a row, or something is missing before it"
	case c == ':' || c == '=':
		return "a name and its value stand apart by one colon, and only in curly brackets"
	case c == '{' || c == '[':
		return "a comma or colon is missing before this bracket"
	case c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.':
		return "a number is not written as JSON wants it, or a comma or colon is missing before it; numbers that are dialled stand in double quotes"
	}
	return "names and text must stand in double quotes, and a comma between one and the next"
}

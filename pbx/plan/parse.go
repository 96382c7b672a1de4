package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// MaxSize bounds a plan file, in bytes.
const MaxSize = 1 << 20

// Problem is one thing wrong with a plan, with its place. Text holds nothing that
// the plan says of a person: no name, no number.
type Problem struct {
	Path string // "users[2].ext"; empty for the file as a whole
	Line int    // in the file it was read from, from 1; 0 when unknown
	Text string
}

func (p Problem) String() string {
	s := p.Text
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return s
}

// Problems is every problem of a plan. It is the error of Parse and Validate.
type Problems []Problem

func (p Problems) Error() string {
	s := make([]string, len(p))
	for i := range p {
		s[i] = p[i].String()
	}
	return strings.Join(s, "; ")
}

// Parse reads a plan from JSON and validates it. The error is Problems with every
// problem found and its line.
func Parse(data []byte) (Plan, error) {
	var p Plan
	if len(data) > MaxSize {
		return p, Problems{{Text: "the file is larger than 1 MiB"}}
	}
	r := &reader{data: data, lines: map[string]int{}}
	root, err := r.read()
	if err != nil {
		return p, Problems{{Line: r.line(), Text: plainSyntax(err)}}
	}
	r.fill("", root, reflect.ValueOf(&p).Elem())
	if len(r.problems) == 0 {
		r.problems = p.problems()
	}
	for i := range r.problems {
		r.problems[i].Line = r.lines[r.problems[i].Path]
	}
	if len(r.problems) > 0 {
		return p, r.problems
	}
	return p, nil
}

// node is a JSON value with the line it began on.
type node struct {
	line  int
	value any // string, json.Number, bool, nil, []node or []member
}

type member struct {
	name string
	line int
	val  node
}

type reader struct {
	data     []byte
	dec      *json.Decoder
	lines    map[string]int // by path
	problems Problems
}

func (r *reader) line() int {
	if r.dec == nil {
		return 1
	}
	off := min(int(r.dec.InputOffset()), len(r.data))
	return 1 + bytes.Count(r.data[:off], []byte{'\n'})
}

func (r *reader) read() (node, error) {
	r.dec = json.NewDecoder(bytes.NewReader(r.data))
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return n, err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return n, fmt.Errorf("something follows the plan's closing bracket")
	}
	return n, nil
}

func (r *reader) value(depth int) (node, error) {
	if depth > 16 {
		return node{}, fmt.Errorf("brackets nest too deep")
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
			line := r.line()
			v, err := r.value(depth + 1)
			if err != nil {
				return n, err
			}
			list = append(list, member{fmt.Sprint(name), line, v})
		}
		n.value = list
		_, err = r.dec.Token()
	default:
		n.value = tok
	}
	return n, err
}

// fill puts n into v, which stands at path, and notes everything that does not fit.
func (r *reader) fill(path string, n node, v reflect.Value) {
	r.lines[path] = n.line
	bad := func(want string) {
		r.problems = append(r.problems, Problem{Path: path, Text: "must be " + want})
	}
	switch v.Kind() {
	case reflect.Struct:
		list, ok := n.value.([]member)
		if !ok {
			bad("an object in curly brackets")
			return
		}
		seen := map[string]bool{}
		for _, m := range list {
			sub := m.name
			if path != "" {
				sub = path + "." + m.name
			}
			f := fieldByTag(v, m.name)
			if !f.IsValid() {
				place := path // a name that is not ours may be anything: not repeated
				r.lines[place] = m.line
				r.problems = append(r.problems, Problem{Path: place, Text: "holds a field that is not known here; known are " + fieldNames(v.Type())})
				continue
			}
			if seen[m.name] {
				r.lines[sub] = m.line
				r.problems = append(r.problems, Problem{Path: sub, Text: "stands twice"})
				continue
			}
			seen[m.name] = true
			r.fill(sub, m.val, f)
		}
	case reflect.Slice:
		list, ok := n.value.([]node)
		if !ok {
			bad("a list in square brackets")
			return
		}
		s := reflect.MakeSlice(v.Type(), len(list), len(list))
		for i := range list {
			r.fill(fmt.Sprintf("%s[%d]", path, i), list[i], s.Index(i))
		}
		v.Set(s)
	case reflect.String:
		s, ok := n.value.(string)
		if !ok {
			bad("text in quotes")
			return
		}
		v.SetString(s)
	case reflect.Int:
		num, ok := n.value.(json.Number)
		i, err := num.Int64()
		if !ok || err != nil {
			bad("a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Bool:
		b, ok := n.value.(bool)
		if !ok {
			bad("true or false")
			return
		}
		v.SetBool(b)
	default:
		panic("plan: field of a kind that fill does not know: " + v.Kind().String())
	}
}

func tagName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func fieldByTag(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if tagName(v.Type().Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func fieldNames(t reflect.Type) string {
	var s []string
	for i := range t.NumField() {
		s = append(s, tagName(t.Field(i)))
	}
	return strings.Join(s, ", ")
}

// plainSyntax tells what is wrong with the JSON without repeating any of it.
func plainSyntax(err error) string {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "the file ends too early: a bracket or quote is not closed"
	}
	if _, ok := err.(*json.SyntaxError); ok {
		return "this is not JSON: a comma, colon, quote or bracket is missing or too many near here"
	}
	return err.Error()
}

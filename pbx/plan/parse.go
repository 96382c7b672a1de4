package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSize bounds a plan file, in bytes.
const MaxSize = 1 << 20

// MaxProblems bounds what Parse tells of one file.
const MaxProblems = 100

// Problem is one thing wrong with a plan, with its place. Neither Path nor Text repeats
// anything that stands in the plan: no name, no number.
type Problem struct {
	Path string // "users[2].ext", counted from 0 as in JSON; empty for the file as a whole
	Line int    // in the file it was read from, from 1; 0 when there was no file
	Text string // begins in lower case and has no full stop
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

// Problems is every problem of a plan. It is the error of Parse, Validate and Compile.
type Problems []Problem

func (p Problems) Error() string {
	s := make([]string, len(p))
	for i := range p {
		s[i] = p[i].String()
	}
	return strings.Join(s, "; ")
}

// Parse reads a plan from JSON (RFC 8259, in UTF-8, with or without a byte order mark)
// and validates it. It is strict: a field that is unknown, that stands twice or that is
// of the wrong type is a problem. The error is Problems in order of line, and the plan
// is then empty.
func Parse(data []byte) (Plan, error) {
	if at, text := foreign(data); text != "" {
		return Plan{}, Problems{{Line: 1 + bytes.Count(data[:at], []byte{'\n'}), Text: text}}
	}
	r := newReader(bytes.TrimPrefix(data, []byte("\ufeff")))
	root, err := r.read()
	if err != nil {
		return Plan{}, Problems{{Line: r.errLine(), Text: r.plain(err)}}
	}
	var p Plan
	f := filler{lines: map[string]int{}, wrong: map[string]bool{}}
	f.fill("", root, reflect.ValueOf(&p).Elem())
	for _, x := range p.problems() {
		if line, ok := f.place(x.Path); ok {
			x.Line = line
			f.problems = append(f.problems, x)
		}
	}
	if len(f.problems) == 0 {
		return p, nil
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if len(f.problems) > MaxProblems {
		f.problems = append(f.problems[:MaxProblems:MaxProblems], Problem{Text: "there are more problems than are shown here"})
	}
	return Plan{}, f.problems
}

// foreign tells what keeps data from being read as text at all, and where that stands.
func foreign(data []byte) (at int, text string) {
	switch {
	case len(data) > MaxSize:
		return 0, "the file is larger than 1 MiB"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), bytes.IndexByte(data, 0) >= 0:
		return 0, "the file is not UTF-8 text, it looks like UTF-16 (\"Unicode\"): save it as UTF-8"
	case utf8.Valid(data):
		return 0, ""
	}
	for at < len(data) {
		c, n := utf8.DecodeRune(data[at:])
		if c == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at, "a letter here is not UTF-8 (\"ANSI\" or Latin-1?): save the file as UTF-8"
}

// filler puts JSON into a plan and notes everything that does not fit.
type filler struct {
	lines    map[string]int  // by path
	wrong    map[string]bool // paths of what is of the wrong type
	problems Problems
}

// place gives the line of a path: for a field that is left out, that of what it is
// missing in. It is false for what is empty only because it is of the wrong type, or
// within something that is: one sentence about that is enough.
func (f *filler) place(path string) (line int, ok bool) {
	for at := path; ; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if f.wrong[at] {
			return 0, false
		}
		if line == 0 {
			line = f.lines[at]
		}
		if at == "" {
			return line, true
		}
	}
}

func (f *filler) add(path string, line int, text string) {
	if len(f.problems) <= MaxProblems { // they come in order of line: more are not shown
		f.problems = append(f.problems, Problem{path, line, text})
	}
}

// fill puts n into v, which stands at path.
func (f *filler) fill(path string, n node, v reflect.Value) {
	f.lines[path] = n.line
	want := ""
	switch v.Kind() {
	case reflect.Struct:
		if list, ok := n.value.([]member); ok {
			f.fillStruct(path, list, v)
			return
		}
		want = "an object in curly brackets"
	case reflect.Slice:
		if list, ok := n.value.([]node); ok {
			v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
			for i := range list {
				f.fill(fmt.Sprintf("%s[%d]", path, i), list[i], v.Index(i))
			}
			return
		}
		want = "a list in square brackets"
	case reflect.String:
		if s, ok := n.value.(string); ok {
			v.SetString(s)
			return
		}
		want = "text in double quotes"
	case reflect.Int:
		if i, ok := n.whole(); ok && !v.OverflowInt(i) {
			v.SetInt(i)
			return
		}
		want = "a whole number without quotes"
	case reflect.Bool:
		if b, ok := n.value.(bool); ok {
			v.SetBool(b)
			return
		}
		want = "true or false, without quotes"
	default:
		panic("plan: a field of a kind that Parse does not know: " + v.Kind().String())
	}
	f.wrong[path] = true
	f.add(path, n.line, "must be "+want)
}

func (f *filler) fillStruct(path string, list []member, v reflect.Value) {
	seen := map[string]bool{}
	for _, m := range list {
		sub := m.name
		if path != "" {
			sub = path + "." + m.name
		}
		field := fieldByTag(v, m.name)
		switch {
		case !field.IsValid(): // its name may be anything: it is not repeated
			f.add(path, m.line, "holds a field that is not known here; known are "+fieldNames(v.Type()))
		case seen[m.name]:
			f.add(sub, m.line, "stands twice")
		default:
			seen[m.name] = true
			f.fill(sub, m.val, field)
		}
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

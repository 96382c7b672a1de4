package archive

import (
	"bufio"
	"encoding/json"
	"iter"
)

// data writes data.json: one object, with the lists of [Content] under the names below. It is
// written a row at a time.
func (a *writer) data(b *bufio.Writer) error {
	c, o := a.c, object{b: b}
	o.field("format", 1)
	o.field("made", c.Made)
	o.field("office", c.Office)
	o.field("kind", c.Kind)
	o.field("who", c.Who)
	o.field("known", c.Known)
	o.field("rules", c.Rules)
	o.field("terms", c.Terms)
	o.field("facts", c.Facts)
	o.field("former", c.Former)
	o.field("accounts", c.Accounts)
	o.field("telephones", c.Telephones)
	list(a, &o, "calls", c.Calls, &a.sum.Calls)
	list(a, &o, "journal", c.Journal, &a.sum.Journal)
	list(a, &o, "others", c.Others, &a.sum.Others)
	o.field("audio", a.sum.Audio)
	list(a, &o, "looks", c.Looks, &a.sum.Looks)
	o.field("notices", c.Notices)
	o.field("recipients", c.Recipients)
	if c.Damaged != nil {
		a.sum.Damaged = c.Damaged()
	}
	o.field("damaged", a.sum.Damaged)
	if o.err == nil {
		_, o.err = b.WriteString("\n}\n")
	}
	return o.err
}

// object is a JSON object that is written field by field. After an error it writes no more.
type object struct {
	b    *bufio.Writer
	open bool
	err  error
}

func (o *object) name(name string) {
	sep := ",\n\""
	if !o.open {
		sep, o.open = "{\n\"", true
	}
	o.text(sep + name + `": `)
}

func (o *object) text(s string) {
	if o.err == nil {
		_, o.err = o.b.WriteString(s)
	}
}

func (o *object) value(v any) {
	if o.err != nil {
		return
	}
	var text []byte
	if text, o.err = json.Marshal(v); o.err == nil {
		_, o.err = o.b.Write(text)
	}
}

func (o *object) field(name string, v any) {
	o.name(name)
	o.value(v)
}

// list writes a sequence as a list, an element a line.
func list[T any](a *writer, o *object, name string, seq iter.Seq2[T, error], n *int) {
	o.name(name)
	sep := "[\n"
	var err error
	for v := range rows(a, seq, n, &err) {
		o.text(sep)
		o.value(v)
		if sep = ",\n"; o.err != nil {
			return
		}
	}
	if o.err == nil {
		o.err = err
	}
	if *n == 0 {
		o.text("[")
	}
	o.text("]")
}

package papers

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"unicode/utf8"
)

// document is a paper before it has a form. Its texts may hold blanks.
type document struct {
	Lang, Title string
	Intro       []string
	Sections    []section
}

type section struct {
	Heading string
	Blocks  []block
}

// block is one of the three.
type block struct {
	Para  string
	List  []string
	Table *table
}

// table has the first cell of each row for its heading. One without Head is a list of pairs.
type table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

func (d *document) add(heading string, blocks ...block) {
	d.Sections = append(d.Sections, section{heading, blocks})
}

func paras(texts ...string) (l []block) {
	for _, t := range texts {
		l = append(l, block{Para: t})
	}
	return l
}

// span is a part of a text that is a blank or is not.
type span struct {
	Text  string
	Blank bool
}

func spans(text string) (l []span) {
	for text != "" {
		before, rest, found := strings.Cut(text, blankBegins)
		if before != "" {
			l = append(l, span{before, false})
		}
		if !found {
			break
		}
		inside, after, _ := strings.Cut(rest, blankEnds)
		l = append(l, span{inside, true})
		text = after
	}
	return l
}

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"spans": spans}).Parse(pageHTML))

func (d *document) html(b *bytes.Buffer) error { return page.Execute(b, d) }

// width of the plain text, in characters.
const width = 78

func (d *document) text(b *bytes.Buffer) error {
	underline(b, d.Title, "=")
	for _, p := range d.Intro {
		wrap(b, "", "", p)
	}
	for _, s := range d.Sections {
		b.WriteByte('\n')
		underline(b, s.Heading, "-")
		for _, bl := range s.Blocks {
			switch {
			case bl.Table != nil:
				bl.Table.text(b)
			case bl.List != nil:
				for _, item := range bl.List {
					wrap(b, "- ", "  ", item)
				}
			default:
				wrap(b, "", "", bl.Para)
			}
		}
	}
	return nil
}

// text writes each row as its heading and, below, the other cells with the heads of their
// columns: a line of 78 characters has no room for columns.
func (t *table) text(b *bytes.Buffer) {
	if t.Caption != "" {
		wrap(b, "", "", t.Caption+":")
	}
	for _, row := range t.Rows {
		if t.Head == nil {
			wrap(b, "- ", "  ", row[0]+": "+strings.Join(row[1:], ", "))
			continue
		}
		wrap(b, "- ", "  ", row[0])
		for i, cell := range row[1:] {
			wrap(b, "    ", "      ", t.Head[1+i]+": "+cell)
		}
	}
}

func underline(b *bytes.Buffer, s, with string) {
	b.WriteString(s + "\n" + strings.Repeat(with, utf8.RuneCountInString(s)) + "\n")
}

var noMarks = strings.NewReplacer(blankBegins, "", blankEnds, "")

// wrap writes a paragraph, its first line after first, all others after rest.
func wrap(b *bytes.Buffer, first, rest, text string) {
	n := 0 // characters of the line
	for i, word := range strings.Fields(noMarks.Replace(text)) {
		l := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			b.WriteString(first)
			n = utf8.RuneCountInString(first)
		case n+1+l > width:
			b.WriteString("\n" + rest)
			n = utf8.RuneCountInString(rest)
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += l
	}
	b.WriteByte('\n')
}

package archive

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"iter"
	"strings"
	"time"
)

// MaxShown is how many rows of one list the page shows: the newest. All are in data.json.
const MaxShown = 20_000

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"when":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") },
	"day":    func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"ms":     func(n int64) string { return clock(time.Duration(n) * time.Millisecond) },
	"clock":  func(s float64) string { return clock(time.Duration(s * float64(time.Second))) },
	"number": count,
	"some":   some,
	"days":   func(n int) string { return some(n, "1 day", "", "days") },
}).Parse(pageText))

// pageData is what the template sees.
type pageData struct {
	*Content
	Sum                    *Summary
	Max                    int
	Calls, Journal, Others iter.Seq[Call]
	Looks                  iter.Seq[Look]
}

// page writes index.html. The numbers in Sum are those of data.json, which was written before.
func (a *writer) page(b *bufio.Writer) error {
	var seqErr error
	var seen [4]int
	err := pageTemplate.Execute(b, pageData{
		Content: a.c, Sum: &a.sum, Max: MaxShown,
		Calls: part(rows(a, a.c.Calls, &seen[0], &seqErr), 0), Journal: part(rows(a, a.c.Journal, &seen[1], &seqErr), 0),
		Others: part(rows(a, a.c.Others, &seen[2], &seqErr), 0),
		Looks:  part(rows(a, a.c.Looks, &seen[3], &seqErr), a.sum.Looks-MaxShown),
	})
	return cmp.Or(seqErr, err)
}

// part gives MaxShown elements at most, without so many at the beginning.
func part[T any](seq iter.Seq[T], without int) iter.Seq[T] {
	return func(yield func(T) bool) {
		n := 0
		for v := range seq {
			if n++; n <= without {
				continue
			}
			if n > max(without, 0)+MaxShown || !yield(v) {
				return
			}
		}
	}
}

// clock prints a time as minutes and seconds, or with hours before them.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// some gives the word for one, or the number between the words for more.
func some(n int, one, before string, after ...string) string {
	if n == 1 {
		return one
	}
	return strings.TrimSpace(strings.Join(append([]string{before, count(n)}, after...), " "))
}

// count prints a number with a comma for each thousand.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

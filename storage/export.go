package storage

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sotto/storage/policy"
)

// Format is the form of an export.
type Format uint8

const (
	// CSV is RFC 4180 in UTF-8, a row with the names of the columns first. Cells that hold
	// words or numbers of telephones begin with an apostrophe if they would else begin with a
	// digit, an apostrophe, a tab, an end of line or one of = + - @ in any width: so no
	// spreadsheet takes one for a formula, or for a sum and loses its zeros. Whoever wants the
	// bare text takes one apostrophe from the beginning.
	CSV Format = iota + 1

	// JSON is RFC 8259: an array with an object for each call, with the names of the columns of
	// CSV; what is empty is left out.
	JSON
)

func (f Format) String() string { return [...]string{"none", "CSV", "JSON"}[f%3] }

// ErrFormat says that an export has no such form.
var ErrFormat = errors.New("an export is CSV or JSON")

// Export writes the calls that q selects to w, newest first and masked as pages are, and
// tells how many. Limit and Before of q do not matter. Staff get their own journal, others
// need the rights to see records and to export, else it is [ErrNotAllowed]. One line of the
// audit trail and one of the ledger are durable before the first byte. However many rows, one
// page of them is in memory. Times are RFC 3339 in UTC, lengths whole seconds, rounded; causes
// are those of Q.850. On an error, or when ctx ends, what was written is not whole: JSON lacks
// its end then, CSV rows.
func (r *Reader) Export(ctx context.Context, q Query, f Format, w io.Writer) (rows int, err error) {
	switch {
	case !r.own() && !(r.s.may(r.v, policy.Export) && r.s.may(r.v, policy.SeeRecords)):
		return 0, ErrNotAllowed
	case f != CSV && f != JSON:
		return 0, ErrFormat
	case r.s.isDown():
		return 0, fmt.Errorf("export: %w", ErrDown)
	}
	l := r.lookAt(&q, 0)
	what := l.what + " as " + f.String()
	l.what, l.merge = "export "+l.what, each
	line, err := r.s.letOut(ctx, l, leaving{kind: LeftExport, what: what})
	if err != nil {
		return 0, fmt.Errorf("note the export: %w", err)
	}
	out := &counted{w: w}
	rows, err = r.export(ctx, q, f, out)
	if derr := line.done(rows, out.n, err == nil); err == nil {
		err = derr
	}
	if err != nil {
		return rows, fmt.Errorf("export: %w", err)
	}
	return rows, nil
}

func (r *Reader) export(ctx context.Context, q Query, f Format, w io.Writer) (rows int, err error) {
	buf := bufio.NewWriterSize(w, 32<<10)
	form := csvWriter
	if f == JSON {
		form = jsonWriter
	}
	write, end := form(buf)
	q.Before, q.Limit = 0, maxLimit
	for more := true; more; {
		p, err := r.find(ctx, q, maxLooked)
		if err != nil {
			return rows, err
		}
		for i := range p.Views {
			if err := write(exportOf(&p.Views[i])); err != nil {
				return rows, err
			}
			rows++
		}
		q.Before, more = p.Next, p.More
	}
	if err := end(); err != nil {
		return rows, err
	}
	return rows, buf.Flush()
}

// exportRow is a call in an export.
type exportRow struct {
	ID        RecordID    `json:"id"`
	Began     string      `json:"began"`
	Direction string      `json:"direction"`
	Outcome   string      `json:"outcome"`
	Cause     uint8       `json:"cause"`
	Rang      int64       `json:"rang_s"`
	Talked    int64       `json:"talked_s"`
	Held      bool        `json:"held,omitempty"`
	Emergency bool        `json:"emergency,omitempty"`
	Code      string      `json:"code,omitempty"`
	From      exportParty `json:"from"`
	To        exportParty `json:"to"`
}

// exportParty is one end of a call in an export. State is that of the [PartyView].
type exportParty struct {
	State     string `json:"state"`
	Name      string `json:"name,omitempty"`
	Ext       string `json:"ext,omitempty"`
	Number    string `json:"number,omitempty"`
	Line      string `json:"line,omitempty"`
	Place     string `json:"place,omitempty"`
	Pseudonym string `json:"pseudonym,omitempty"`
}

// exportColumns are the columns of CSV.
var exportColumns = []string{"id", "began", "direction", "outcome", "cause", "rang_s", "talked_s", "held", "emergency", "code",
	"from_state", "from_name", "from_ext", "from_number", "from_line", "from_place", "from_pseudonym",
	"to_state", "to_name", "to_ext", "to_number", "to_line", "to_place", "to_pseudonym"}

func exportOf(v *RecordView) *exportRow {
	party := func(p *PartyView) exportParty {
		return exportParty{p.State.String(), p.Name, string(p.Ext), p.Number, p.Line, p.Place, p.Pseudonym}
	}
	seconds := func(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }
	return &exportRow{
		ID: v.ID, Began: v.Began.Format(time.RFC3339), Direction: v.Direction.String(), Outcome: v.Outcome.String(), Cause: uint8(v.Cause),
		Rang: seconds(v.Rang), Talked: seconds(v.Talked), Held: v.Held, Emergency: v.Emergency, Code: v.Code,
		From: party(&v.From), To: party(&v.To),
	}
}

// csvWriter gives what writes a row, and what ends the file.
func csvWriter(w io.Writer) (write func(*exportRow) error, end func() error) {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	c.Write(exportColumns) // an error comes back with the next
	yes := map[bool]string{true: "1"}
	cells := make([]string, 0, len(exportColumns))
	write = func(r *exportRow) error {
		cells = append(cells[:0], strconv.FormatUint(uint64(r.ID), 10), r.Began, r.Direction, r.Outcome, strconv.Itoa(int(r.Cause)),
			strconv.FormatInt(r.Rang, 10), strconv.FormatInt(r.Talked, 10), yes[r.Held], yes[r.Emergency], plainCell(r.Code))
		for _, p := range []*exportParty{&r.From, &r.To} {
			cells = append(cells, p.State, plainCell(p.Name), plainCell(p.Ext), plainCell(p.Number), plainCell(p.Line), plainCell(p.Place), plainCell(p.Pseudonym))
		}
		return c.Write(cells)
	}
	return write, func() error { c.Flush(); return c.Error() }
}

// plainCell gives a cell that no spreadsheet computes with: see [CSV].
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("0123456789'=+-@\t\r\n＝＋－＠", []rune(text)[0]) {
		return "'" + text
	}
	return text
}

// jsonWriter is csvWriter for JSON.
func jsonWriter(w io.Writer) (write func(*exportRow) error, end func() error) {
	sep := "[\n"
	write = func(r *exportRow) error {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, sep); err != nil {
			return err
		}
		sep = ",\n"
		_, err = w.Write(b)
		return err
	}
	return write, func() error {
		if sep == "[\n" {
			_, err := io.WriteString(w, "[]\n")
			return err
		}
		_, err := io.WriteString(w, "\n]\n")
		return err
	}
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

package usercsv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// line is one row of a table with something in it.
type line struct {
	number int // as a spreadsheet counts
	cells  []string
}

// bad makes an error of a table.
func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrTable}, args...)...)
}

// readTable gives the rows of a table, the one with the names of the columns first.
func readTable(r io.Reader) ([]line, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if data, err = text(data); err != nil {
		return nil, err
	}
	data, comma := separator(data)
	c := csv.NewReader(bytes.NewReader(data))
	c.Comma, c.FieldsPerRecord = comma, -1
	var table []line
	for number, at := 0, 0; ; {
		cells, err := c.Read()
		if err == io.EOF {
			return table, nil
		}
		if err != nil {
			if e, ok := errors.AsType[*csv.ParseError](err); ok {
				return nil, bad("line %d: a double quote stands where it does not belong, or one is missing", e.Line)
			}
			return nil, err
		}
		end := int(c.InputOffset())
		number, at = number+1+blankLines(data[at:end]), end
		full := false
		for i, s := range cells {
			if len(s) > MaxCell {
				return nil, bad("row %d: a cell is larger than %d KiB", number, MaxCell>>10)
			}
			cells[i] = cell(s)
			full = full || cells[i] != ""
		}
		if !full {
			continue
		}
		if len(table) > MaxRows {
			return nil, bad("it has more than %d rows", MaxRows)
		}
		table = append(table, line{number, cells})
	}
}

// text gives what stands behind a byte order mark, if data is text of a size that is taken.
func text(data []byte) ([]byte, error) {
	switch {
	case len(data) > MaxSize:
		return nil, bad("it is larger than %d MiB", MaxSize>>20)
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), bytes.IndexByte(data, 0) >= 0:
		return nil, bad("it is not UTF-8 text, it looks like UTF-16 (\"Unicode\"): save it as \"CSV UTF-8\"")
	case !utf8.Valid(data):
		at := 0
		for c, n := utf8.DecodeRune(data); c != utf8.RuneError || n != 1; c, n = utf8.DecodeRune(data[at:]) {
			at += n
		}
		return nil, bad("line %d: a letter is not UTF-8 (\"ANSI\" or Latin-1?): save it as \"CSV UTF-8\"", 1+bytes.Count(data[:at], []byte{'\n'}))
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// separator gives what stands between cells: what the first line says in the way of
// spreadsheets ("sep=;", which is taken away), or what it has most of outside of quotes.
func separator(data []byte) (rest []byte, comma rune) {
	const signs = ",;\t"
	first, rest, _ := bytes.Cut(bytes.TrimLeft(data, "\r\n"), []byte{'\n'})
	if s, ok := strings.CutPrefix(strings.TrimSuffix(string(first), "\r"), "sep="); ok && len(s) == 1 && strings.Contains(signs, s) {
		return rest, rune(s[0])
	}
	var count [len(signs)]int
	quoted := false
	for _, b := range first {
		if b == '"' {
			quoted = !quoted
		} else if i := strings.IndexByte(signs, b); i >= 0 && !quoted {
			count[i]++
		}
	}
	best := 0
	for i := range count {
		if count[i] > count[best] {
			best = i
		}
	}
	return data, rune(signs[best])
}

// blankLines counts the empty lines that raw begins with: a reader of CSV passes over them,
// and a spreadsheet shows them as rows.
func blankLines(raw []byte) (n int) {
	for {
		rest, ok := bytes.CutPrefix(bytes.TrimPrefix(raw, []byte{'\r'}), []byte{'\n'})
		if !ok {
			return n
		}
		raw = rest
		n++
	}
}

// cell gives what a cell holds: without spaces around it, and without the apostrophe that
// stands only so that it is taken for no formula or number. That of a name is none: 't Hart.
func cell(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "'"); ok && rest != "" {
		if c, _ := utf8.DecodeRuneInString(rest); strings.ContainsRune(guarded, c) {
			return strings.TrimSpace(rest)
		}
	}
	return s
}

// guarded is what a spreadsheet would take a cell for something else by: signs of a formula,
// also in their wide form, what goes before one unseen, and digits, of which zeros in front
// are lost. An apostrophe is itself guarded so.
const guarded = "=+-@＝＋－＠\t\r\n'*0123456789"

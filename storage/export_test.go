package storage

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exported gives the rows of an export as CSV, by the names of the columns.
func exported(t *testing.T, s *Store, v Viewer, q Query) (rows []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	n, err := s.As(v).Export(t.Context(), q, CSV, &b)
	if err != nil {
		t.Fatal(err)
	}
	if rest := strings.ReplaceAll(b.String(), "\r\n", ""); strings.ContainsAny(rest, "\r\n") {
		t.Error("an end of line is not that of RFC 4180")
	}
	list, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(list) != n+1 {
		t.Fatalf("%d rows of %d: %v", len(list), n, err)
	}
	for _, cells := range list[1:] {
		row := map[string]string{}
		for i, c := range cells {
			row[list[0][i]] = c
		}
		rows = append(rows, row)
	}
	return rows
}

// TestExport: what is exported is what pages show, and no more.
func TestExport(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	list := someCalls()
	list[0].From.Line = "=1+1" // a name of a line, as somebody may give it
	for _, r := range list {
		s.Append(r)
	}
	s.flush()
	rows := exported(t, s, owner, Query{})
	if len(rows) != len(list) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range map[int]map[string]string{
		0: {"id": "8", "began": "2026-03-01T09:30:00Z", "direction": "incoming", "outcome": "answered", "cause": "16", "rang_s": "2", "talked_s": "61",
			"from_number": "'02039477151", "from_line": "FXO 1", "to_name": "Anna Zwetschgenbaum", "to_ext": "'73911", "to_place": "desk", "from_state": "shown"},
		2: {"emergency": "1", "to_number": "'112", "direction": "outgoing"},
		3: {"from_state": "not kept", "from_number": ""},
		6: {"code": "Mandant 7", "to_number": "'030901820", "from_place": "desk"},
		7: {"from_line": "'=1+1"},
	} {
		for column, cell := range want {
			if got := rows[i][column]; got != cell {
				t.Errorf("row %d: %s is %q, want %q", i, column, got, cell)
			}
		}
	}
	same(t, "of a person", []string{strconv.Itoa(len(exported(t, s, owner, Query{Person: Person{Number: callerLetter}, Limit: 1, Before: 2})))}, "3")
	own := exported(t, s, staff(anna), Query{})
	if len(own) != len(annasCalls) || own[0]["from_number"] != "'02039477151" {
		t.Errorf("own journal: %v", own)
	}
	for _, v := range []Viewer{owner, {Role: Admin}, {Role: PrivacyOfficer}, staff(boris)} {
		for _, f := range []Format{CSV, JSON} {
			var b bytes.Buffer
			n, err := s.As(v).Export(t.Context(), Query{}, f, &b)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			text, whole := b.String(), v.Role == Owner || v.Role == Staff
			if strings.Contains(text, "02039477151") != whole || strings.Contains(text, "desk") == (v.Role == Staff) {
				t.Errorf("%v, %v: %s", v.Role, f, text)
			}
			if !whole && (strings.Contains(text, "901820") || strings.Contains(text, "7151")) {
				t.Errorf("%v, %v: last digits", v.Role, f)
			}
			if f == JSON {
				var rows []exportRow
				d := json.NewDecoder(&b)
				d.DisallowUnknownFields()
				if err := d.Decode(&rows); err != nil || len(rows) != n || rows[0].Began != "2026-03-01T09:30:00Z" {
					t.Errorf("%v: %v", v.Role, err)
				}
			}
		}
	}
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: 99}} {
		var b bytes.Buffer
		if _, err := s.As(v).Export(t.Context(), Query{}, CSV, &b); !errors.Is(err, ErrNotAllowed) || b.Len() > 0 {
			t.Errorf("%v: %v, %d bytes", v.Role, err, b.Len())
		}
	}
	if _, err := s.As(owner).Export(t.Context(), Query{}, 0, io.Discard); !errors.Is(err, ErrFormat) {
		t.Errorf("no format: %v", err)
	}
	var b bytes.Buffer
	if n, err := s.As(owner).Export(t.Context(), Query{From: time.Now().AddDate(5, 0, 0)}, JSON, &b); n != 0 || err != nil || strings.TrimSpace(b.String()) != "[]" {
		t.Errorf("none: %q, %v", b.String(), err)
	}
}

// TestExportIsNoted: audit trail and ledger know of an export, also of one that broke off,
// before its first byte.
func TestExportIsNoted(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for range 900 {
		s.Append(callFrom(callerShown, anna))
	}
	s.flush()
	ledger := func() []LedgerView {
		t.Helper()
		return must(s.As(owner).Ledger(t.Context(), LedgerQuery{}))
	}
	first := true
	var b bytes.Buffer
	n, err := s.As(owner).Export(t.Context(), Query{Person: Person{Number: callerLetter}}, CSV, writerFunc(func(p []byte) (int, error) {
		if l := ledger(); first && (len(l) != 1 || l[0].Ended) {
			t.Errorf("at the first byte: %+v", l)
		}
		first = false
		return b.Write(p)
	}))
	if err != nil || n != 900 {
		t.Fatal(n, err)
	}
	if l := ledger(); len(l) != 1 || !l[0].Ended || !l[0].Whole || l[0].Rows != n || l[0].Bytes != int64(b.Len()) || l[0].Kind != LeftExport || l[0].What != "call records as CSV" {
		t.Errorf("%+v", l)
	}
	full := errors.New("full")
	if _, err := s.As(owner).Export(t.Context(), Query{}, JSON, writerFunc(func(p []byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.As(staff(anna)).Export(ctx, Query{}, JSON, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for _, l := range ledger()[:2] {
		if !l.Ended || l.Whole {
			t.Errorf("broken off: %+v", l)
		}
	}
	if n := len(ledger()); n != 3 {
		t.Errorf("%d lines", n)
	}
	if text := strings.Join(trailOf(t, s, 1), "\n"); strings.Count(text, "export call records") != 2 || !strings.Contains(text, "export own journal") {
		t.Errorf("the trail: %s", text)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestPlainCell: no cell is a formula or a sum, and each can be had back.
func TestPlainCell(t *testing.T) {
	for _, text := range []string{"", "Anna", "+4930901820", "0301", "=1+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＋4", "－4", "＠x", "'x", "''", "…", "Öz", "a=1", " 1", "\xff"} {
		cell := plainCell(text)
		if strings.TrimPrefix(cell, "'") != text && !(cell == text && !strings.HasPrefix(text, "'")) {
			t.Errorf("%q became %q", text, cell)
		}
		if r := []rune(cell); len(r) > 0 && strings.ContainsRune("0123456789=+-@\t\r\n＝＋－＠", r[0]) {
			t.Errorf("%q begins with %q", text, r[0])
		}
	}
}

// TestExportMemory: many rows take no more memory than few.
func TestExportMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	m := newMany(20_000)
	dir := t.TempDir()
	m.make(t, dir)
	s := m.open(t, dir)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	runtime.ReadMemStats(&before)
	most, seen, looks := int64(0), int64(0), 0
	n, err := s.As(owner).Export(t.Context(), Query{}, CSV, writerFunc(func(p []byte) (int, error) {
		if seen += int64(len(p)); seen>>19 != (seen-int64(len(p)))>>19 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, int64(now.HeapAlloc)-int64(before.HeapAlloc)) // less than 0 if something else ended meanwhile
			looks++
		}
		return len(p), nil
	}))
	if err != nil || n != 20_000 {
		t.Fatal(n, err)
	}
	if most > 2<<20 || looks < 3 {
		t.Errorf("%d KiB of heap for %d KiB, in %d looks", most>>10, seen>>10, looks)
	}
	t.Logf("%d rows, %d KiB, %d KiB of heap in %d looks", n, seen>>10, most>>10, looks)
}

// BenchmarkExport is 20,000 rows of CSV.
func BenchmarkExport(b *testing.B) {
	s := benchStore(b)
	if _, err := s.SetPlan(b.Context(), owner, 0, testPlan()); err != nil {
		b.Fatal(err)
	}
	appendAll(s, manyCalls(20_000))
	for b.Loop() {
		if n, err := s.As(owner).Export(b.Context(), Query{}, CSV, io.Discard); err != nil || n != 20_000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

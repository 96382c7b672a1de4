package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// resultFile writes steps as a run does.
func resultFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTable(t *testing.T) {
	a := resultFile(t, `{"label":"s","m":{"x":1,"only_a":5}}`+"\n"+`{"label":"s","m":{"x":3}}`+"\n"+`{"label":"s","m":{"x":2}}`+"\n")
	b := resultFile(t, `{"label":"s","m":{"x":4}}`+"\n"+`{"label":"s","m":{"x":4}}`+"\n"+`{"label":"s","m":{"x":0}}`+"\n")
	var out strings.Builder
	if err := runTable(&out, []string{"A=" + a, "B=" + b}); err != nil {
		t.Fatal(err)
	}
	want := "| metric | A median (min to max, runs) | B median (min to max, runs) | A / B (pairwise) |\n|---|---|---|---|\n" +
		"| s.only_a | 5.00 (5.00 to 5.00, 1) | - | - |\n" +
		"| s.x | 2.00 (1.00 to 3.00, 3) | 4.00 (0.00 to 4.00, 3) | 0.50 (0.25 to 0.75) |\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestSummary(t *testing.T) {
	a := resultFile(t, `{"label":"idle","m":{"pss_kb":2048,"foreign_cpu_pct":3}}`+"\n"+`{"label":"setup","m":{"cpu_ms_per_call":1.5,"foreign_cpu_pct":12}}`+"\n")
	b := resultFile(t, `{"label":"idle","m":{"pss_kb":8192}}`+"\n")
	var out strings.Builder
	if err := runSummary(&out, []string{"A=" + a, "B=" + b}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"idle memory (PSS), MiB 2.00 8.00 0.25 24", "CPU per call set up, ms 1.50 - - 1.5", "foreign_cpu_pct in the worst step 12.00 0.00"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if err := runSummary(&out, nil); err == nil {
		t.Error("a summary of nothing")
	}
}

func TestPercentile(t *testing.T) {
	s := make([]int64, 100)
	for i := range s {
		s[i] = int64(i + 1)
	}
	for p, want := range map[float64]float64{0: 1, 50: 50, 99: 99, 99.9: 100, 100: 100} {
		if got := pct(s, p); got != want {
			t.Errorf("p%v is %v, want %v", p, got, want)
		}
	}
	if !math.IsNaN(pct(nil, 50)) {
		t.Error("a percentile of nothing")
	}
}

func TestSpread(t *testing.T) {
	if lo, mid, hi := spread([]float64{4, 1, 3, 8}); lo != 1 || mid != 3.5 || hi != 8 {
		t.Errorf("%v, %v, %v", lo, mid, hi)
	}
}

func TestRising(t *testing.T) {
	if l, err := rising("30, 100"); err != nil || len(l) != 2 || l[0] != 30 || l[1] != 100 {
		t.Errorf("%v, %v", l, err)
	}
	for _, s := range []string{"", "x", "0", "100,30", "30,30"} {
		if _, err := rising(s); err == nil {
			t.Errorf("took %q", s)
		}
	}
}

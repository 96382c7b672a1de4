package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// results are the figures of one target: a value for each run, by "label.name".
type results struct {
	name string
	m    map[string][]float64
}

// readResults reads arguments of the form NAME=FILE.
func readResults(args []string) ([]results, error) {
	var l []results
	for _, a := range args {
		name, path, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("want NAME=FILE, not %q", a)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		m, err := parseResults(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		l = append(l, results{name, m})
	}
	if len(l) == 0 || len(l) > 2 {
		return nil, fmt.Errorf("want one or two of NAME=FILE, not %d", len(l))
	}
	return l, nil
}

func parseResults(r io.Reader) (map[string][]float64, error) {
	m := map[string][]float64{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var l line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			return nil, err
		}
		for k, v := range l.M {
			m[l.Label+"."+k] = append(m[l.Label+"."+k], v)
		}
	}
	return m, sc.Err()
}

// runTable prints a Markdown table: one metric a line, for each target the median and the
// range over its runs, and for two targets the ratio of the medians with the range of the
// ratios of the runs taken pair by pair.
func runTable(w io.Writer, args []string) error {
	l, err := readResults(args)
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	fmt.Fprint(w, "| metric |")
	for _, r := range l {
		fmt.Fprintf(w, " %s median (min to max, runs) |", r.name)
		for k := range r.m {
			keys[k] = true
		}
	}
	if len(l) == 2 {
		fmt.Fprintf(w, " %s / %s (pairwise) |", l[0].name, l[1].name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(l)+len(l)/2))
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(w, "| %s |", k)
		for _, r := range l {
			if len(r.m[k]) == 0 {
				fmt.Fprint(w, " - |")
				continue
			}
			lo, mid, hi := spread(r.m[k])
			fmt.Fprintf(w, " %s (%s to %s, %d) |", num(mid), num(lo), num(hi), len(r.m[k]))
		}
		if len(l) == 2 {
			fmt.Fprintf(w, " %s |", pairwise(l[0].m[k], l[1].m[k]))
		}
		fmt.Fprintln(w)
	}
	return nil
}

// ratio gives the ratio of the medians of a and b; false where there is none.
func ratio(a, b []float64) (float64, bool) {
	if len(a) == 0 || len(b) == 0 {
		return 0, false
	}
	_, ma, _ := spread(a)
	_, mb, _ := spread(b)
	if mb == 0 {
		return 0, false
	}
	return ma / mb, true
}

func pairwise(a, b []float64) string {
	r, ok := ratio(a, b)
	var each []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			each = append(each, a[i]/b[i])
		}
	}
	if !ok || len(each) == 0 {
		return "-"
	}
	lo, _, hi := spread(each)
	return fmt.Sprintf("%.2f (%.2f to %.2f)", r, lo, hi)
}

// spread gives least, median and greatest of at least one value.
func spread(v []float64) (lo, mid, hi float64) {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	mid = s[n/2]
	if n%2 == 0 {
		mid = (s[n/2-1] + s[n/2]) / 2
	}
	return s[0], mid, s[n-1]
}

// num prints three significant digits or all before the point.
func num(x float64) string {
	switch {
	case x != 0 && x < 1 && x > -1:
		return fmt.Sprintf("%.3f", x)
	case x < 100 && x > -100:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// headlines are the figures that the bench is made for, in the order of a reader's
// interest. aim is what Sotto is to reach, empty where nothing was set.
var headlines = []struct {
	text, key string
	scale     float64
	aim       string
}{
	{"calls per second and core", "maxrate.max_calls_per_s", 1, "600"},
	{"CPU per call set up, ms", "setup.cpu_ms_per_call", 1, "1.5"},
	{"  less what idling takes", "setup.cpu_ms_per_call_net", 1, ""},
	{"  INVITE to ringing, p99, ms", "setup.pdd_p99_ms", 1, ""},
	{"CPU-seconds per relayed call-minute, 30 calls", "media30.cpu_s_per_call_min", 1, ""},
	{"  less what idling takes", "media30.cpu_s_per_call_min_net", 1, ""},
	{"CPU-seconds per relayed call-minute, 100 calls", "media100.cpu_s_per_call_min", 1, "0.08"},
	{"  less what idling takes", "media100.cpu_s_per_call_min_net", 1, ""},
	{"packet transit at 30 calls, p50, µs", "media30.transit_p50_us", 1, ""},
	{"  p99, µs", "media30.transit_p99_us", 1, "half"},
	{"packet transit at 100 calls, p50, µs", "media100.transit_p50_us", 1, ""},
	{"  p99, µs", "media100.transit_p99_us", 1, "half"},
	{"  packets lost, %", "media100.loss_pct", 1, "0"},
	{"memory per call at 100 calls, KiB", "media100.mem_per_call_kb", 1, "100"},
	{"REGISTER per second", "register.per_s", 1, "8000"},
	{"  memory grown by 30 s of them, MiB", "register.grown_mb", 1, "16"},
	{"start to first answer, ms", "start.to_first_answer_ms", 1, ""},
	{"  to first registration, ms", "start.to_first_register_ms", 1, ""},
	{"idle memory (PSS), MiB", "idle.pss_kb", 1. / 1024, "24"},
	{"idle CPU, % of a core", "idle.cpu_pct", 1, ""},
}

// runSummary prints the headlines for one target or two, medians over the runs, and how
// much the machine was somebody else's meanwhile.
func runSummary(w io.Writer, args []string) error {
	l, err := readResults(args)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-48s\t", "")
	for _, r := range l {
		fmt.Fprintf(t, "%s\t", r.name)
	}
	if len(l) == 2 {
		fmt.Fprint(t, "ratio\t")
	}
	fmt.Fprint(t, "aim\t\n")
	for _, h := range headlines {
		fmt.Fprintf(t, "%-48s\t", h.text)
		for _, r := range l {
			fmt.Fprintf(t, "%s\t", median(r.m[h.key], h.scale))
		}
		if len(l) == 2 {
			cell := "-"
			if x, ok := ratio(l[0].m[h.key], l[1].m[h.key]); ok {
				cell = fmt.Sprintf("%.2f", x)
			}
			fmt.Fprintf(t, "%s\t", cell)
		}
		fmt.Fprintf(t, "%s\t\n", h.aim)
	}
	fmt.Fprintf(t, "%-48s\t", "foreign_cpu_pct in the worst step")
	for _, r := range l {
		fmt.Fprintf(t, "%s\t", num(r.foreign()))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func median(v []float64, scale float64) string {
	if len(v) == 0 {
		return "-"
	}
	_, mid, _ := spread(v)
	return num(mid * scale)
}

// foreign is the greatest share of a core that other processes took during a step.
func (r *results) foreign() (worst float64) {
	for k, v := range r.m {
		if strings.HasSuffix(k, ".foreign_cpu_pct") {
			_, _, hi := spread(v)
			worst = math.Max(worst, hi)
		}
	}
	return worst
}

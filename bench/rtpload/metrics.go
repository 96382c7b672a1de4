package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"time"
)

// metrics are the figures of one step by name; the name ends in its unit.
type metrics map[string]float64

// emit prints m, and appends it to the file of -out as one line of JSON. What is no
// number is left out.
func (o *opts) emit(label string, m metrics) error {
	maps.DeleteFunc(m, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Printf("%-14s %-26s %12.3f\n", label, k, m[k])
	}
	if o.out == "" {
		return nil
	}
	b, err := json.Marshal(line{Label: label, M: m})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(o.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// line is one step in a file of results.
type line struct {
	Label string  `json:"label"`
	M     metrics `json:"m"`
}

// watch measures CPU over a window: the target's, our own, everybody else's.
type watch struct {
	pid                    int
	t                      time.Time
	target, self, busy, st float64
}

func startWatch(pid int) watch {
	w := watch{pid: pid, t: time.Now(), target: cpuOnly(pid), self: selfCPU()}
	w.busy, w.st = machineBusy()
	return w
}

// stop adds the shares of a core to m and gives the seconds that passed and those that
// the target computed.
func (w watch) stop(m metrics) (wall, target float64) {
	wall = time.Since(w.t).Seconds()
	target = cpuOnly(w.pid) - w.target
	self := selfCPU() - w.self
	busy, st := machineBusy()
	m["gen_cpu_pct"] = 100 * self / wall
	m["steal_pct"] = 100 * (st - w.st) / wall
	m["foreign_cpu_pct"] = math.Max(0, 100*(busy-w.busy-target-self)/wall)
	if w.pid > 0 {
		m["target_cpu_pct"] = 100 * target / wall
	}
	return wall, target
}

// net takes out of cpu seconds what the target takes over wall seconds when idle.
func (o *opts) net(cpu, wall float64) float64 { return math.Max(0, cpu-o.idle/100*wall) }

// pct gives the p-th percentile of sorted values, NaN of none.
func pct(sorted []int64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	i := int(math.Ceil(p/100*float64(len(sorted)))) - 1
	return float64(sorted[max(i, 0)])
}

// ms gives the p-th percentile of sorted nanoseconds in milliseconds, us in microseconds.
func ms(sorted []int64, p float64) float64 { return pct(sorted, p) / 1e6 }
func us(sorted []int64, p float64) float64 { return pct(sorted, p) / 1e3 }

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func share(part, whole float64) float64 { return 100 * part / math.Max(1, whole) }

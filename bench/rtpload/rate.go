package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"time"
)

// maxLag is how far the generator may fall behind its own plan. Beyond it a step says
// nothing good about the target either, so it counts as failed.
const maxLag = 500 * time.Millisecond

// calls is what became of the calls of one step.
type calls struct {
	tried, fail int
	pdd, answer []int64 // nanoseconds, sorted: first INVITE to first 18x, to 200
	why         map[string]int
	lag         time.Duration // how far the generator fell behind its plan
}

func (r *calls) failPct() float64 { return share(float64(r.fail), float64(r.tried)) }

// place makes rate calls a second for dur, each held for -hold, and waits for their ends.
func (o *opts) place(uac *agent, rate float64, dur time.Duration) *calls {
	r := &calls{why: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	t0 := time.Now()
	for i := range int(rate * dur.Seconds()) {
		due := t0.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if d := time.Until(due); d > 0 {
			time.Sleep(d)
		} else {
			r.lag = max(r.lag, -d)
		}
		wg.Go(func() {
			u := o.caller(i)
			c, err := uac.invite(o.callee(i), u, o.login.of(u), nil, o.timeout)
			mu.Lock()
			r.tried++
			if err != nil {
				r.fail++
				r.why[err.Error()]++
				mu.Unlock()
				return
			}
			r.pdd = append(r.pdd, int64(c.toPDD))
			r.answer = append(r.answer, int64(c.toOK))
			mu.Unlock()
			time.Sleep(o.hold)
			if err := c.bye(o.timeout); err != nil {
				mu.Lock()
				r.fail++
				r.why["BYE: "+err.Error()]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(r.pdd)
	slices.Sort(r.answer)
	return r
}

// runSetup measures what a call costs, at a rate far below the limit.
func runSetup(o *opts) error {
	uac, _, err := o.agents(nil)
	if err != nil {
		return err
	}
	o.place(uac, math.Min(o.rate, 10), 2*time.Second) // warm up
	time.Sleep(time.Second)
	got := metrics{}
	w := startWatch(o.pid)
	r := o.place(uac, o.rate, o.dur)
	wall, cpu := w.stop(got)
	got["rate"], got["calls"], got["fail_pct"] = o.rate, float64(r.tried), r.failPct()
	got["pdd_p50_ms"], got["pdd_p99_ms"], got["pdd_max_ms"] = ms(r.pdd, 50), ms(r.pdd, 99), ms(r.pdd, 100)
	got["answer_p50_ms"], got["answer_p99_ms"] = ms(r.answer, 50), ms(r.answer, 99)
	got["sip_retransmissions"] = float64(uac.retrans.Load())
	if o.pid > 0 {
		k := math.Max(1, float64(r.tried))
		got["cpu_ms_per_call"], got["cpu_ms_per_call_net"] = 1000*cpu/k, 1000*o.net(cpu, wall)/k
		got["alive"] = b2f(alive(o.pid))
	}
	for k, v := range r.why {
		fmt.Fprintf(os.Stderr, "  %d x %s\n", v, k)
	}
	return o.emit(o.label, got)
}

// runMaxRate raises the rate until calls fail or wait too long, then halves the interval
// between what went well and what did not until it is 5 %.
func runMaxRate(o *opts) error {
	uac, _, err := o.agents(nil)
	if err != nil {
		return err
	}
	o.place(uac, 10, 2*time.Second)
	rate, good, bad := o.rate, 0.0, 0.0
	best := metrics{}
	for range o.maxSteps {
		m, ok := o.tryRate(uac, rate)
		if !alive(o.pid) {
			fmt.Println("  the target is gone")
			break
		}
		if ok {
			good, best = rate, m
		} else {
			bad = rate
		}
		switch {
		case bad == 0:
			rate *= o.stepUp
		case good == 0:
			rate /= 2
		default:
			rate = (good + bad) / 2
		}
		if bad > 0 && good > 0 && (bad-good)/good < 0.05 {
			break
		}
		o.letFinish()
	}
	best["max_calls_per_s"] = good
	best["alive"] = b2f(alive(o.pid))
	return o.emit(o.label, best)
}

// tryRate is one step of runMaxRate; it tells whether the target held the rate.
func (o *opts) tryRate(uac *agent, rate float64) (metrics, bool) {
	m := metrics{}
	w := startWatch(o.pid)
	r := o.place(uac, rate, o.dur)
	wall, _ := w.stop(m)
	m["at_max_pdd_p50_ms"], m["at_max_pdd_p99_ms"] = ms(r.pdd, 50), ms(r.pdd, 99)
	ok := len(r.pdd) > 0 && r.failPct() < o.failPct && time.Duration(pct(r.pdd, 99)) < o.maxPDD && r.lag < maxLag
	fmt.Printf("  %7.1f calls/s for %.1fs: %d tried, %.2f%% failed, pdd p50 %.1f ms p99 %.1f ms, target %.0f%% cpu, generator %.0f%% cpu lag %v: %v\n",
		rate, wall, r.tried, r.failPct(), ms(r.pdd, 50), ms(r.pdd, 99), m["target_cpu_pct"], m["gen_cpu_pct"], r.lag.Round(time.Millisecond), ok)
	for k, v := range r.why {
		fmt.Printf("      %d x %s\n", v, k)
	}
	return m, ok
}

// letFinish waits until the target has done what it still had, at most 40 s.
func (o *opts) letFinish() {
	for i := range 40 {
		time.Sleep(500 * time.Millisecond)
		c := cpuOnly(o.pid)
		time.Sleep(500 * time.Millisecond)
		if i >= 2 && o.net(cpuOnly(o.pid)-c, 0.5) < 0.05 {
			return
		}
	}
}

package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// runRegister keeps -c registrations under way for -dur, each a full cycle of request,
// challenge and request with the answer.
func runRegister(o *opts) error {
	return o.closed(true, func(a *agent, user string) (int, error) {
		return a.register(user, o.login.of(user), 3600, o.timeout)
	})
}

// runOptions keeps -c OPTIONS requests under way for -dur. Any final answer counts.
func runOptions(o *opts) error {
	return o.closed(false, func(a *agent, user string) (int, error) { return a.options(user, o.timeout) })
}

// answers is what came back in one round.
type answers struct {
	mu    sync.Mutex
	took  []int64 // nanoseconds
	fails int
	codes map[int]int
}

// closed measures requests one after the other in -c chains. want200 tells that any other
// answer is a failure.
func (o *opts) closed(want200 bool, request func(*agent, string) (int, error)) error {
	a, err := o.newAgent(o.uacPort)
	if err != nil {
		return err
	}
	before := usageOf(o.pid)
	var next atomic.Int64
	one := func() (int, error) { return request(a, o.caller(int(next.Add(1)))) }
	if st, err := one(); err != nil || (want200 && st != 200) {
		return fmt.Errorf("first request: status %d, %v", st, err)
	}
	round := func(d time.Duration) *answers {
		r := &answers{codes: map[int]int{}}
		var wg sync.WaitGroup
		end := time.Now().Add(d)
		for range o.conc {
			wg.Go(func() {
				for time.Now().Before(end) {
					t := time.Now()
					st, err := one()
					r.note(int64(time.Since(t)), st, err != nil || (want200 && st != 200))
				}
			})
		}
		wg.Wait()
		return r
	}
	round(time.Second)
	got := metrics{}
	w := startWatch(o.pid)
	r := round(o.dur)
	wall, cpu := w.stop(got)
	slices.Sort(r.took)
	got["per_s"] = float64(len(r.took)) / wall
	got["p50_ms"], got["p99_ms"] = ms(r.took, 50), ms(r.took, 99)
	got["failed"] = float64(r.fails)
	got["sip_retransmissions"] = float64(a.retrans.Load())
	if o.pid > 0 {
		got["cpu_ms_each"] = 1000 * cpu / math.Max(1, float64(len(r.took)))
		u := usageOf(o.pid)
		got["pss_kb"], got["grown_mb"], got["alive"] = u.pss, (u.pss-before.pss)/1024, b2f(alive(o.pid))
	}
	fmt.Fprintln(os.Stderr, "  status codes:", r.codes)
	return o.emit(o.label, got)
}

func (r *answers) note(took int64, status int, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes[status]++
	if failed {
		r.fails++
		return
	}
	r.took = append(r.took, took)
}

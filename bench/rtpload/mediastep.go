package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var errNoPort = errors.New("no free RTP port")

// runMedia puts calls up, G.711 both ways, and measures a window at each number of calls
// of -n.
func runMedia(o *opts) error {
	steps, err := rising(o.n)
	if err != nil {
		return err
	}
	m := newMedia(o.local, o.pt, o.rtpBase, o.seed)
	var newEnd func() *rtpEnd
	if o.uas != "none" {
		newEnd = m.newEnd
	}
	uac, uas, err := o.agents(newEnd)
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	before := usageOf(o.pid)
	r := mediaRun{o: o, m: m, uac: uac, before: before, prev: before}
	for _, n := range steps {
		if err := r.fill(n); err != nil {
			return err
		}
		time.Sleep(o.settle)
		if err := o.emit(fmt.Sprintf("%s%d", o.label, n), r.window()); err != nil {
			return err
		}
	}
	bad := r.hangUp()
	m.quit.Store(true)
	<-m.done
	time.Sleep(2 * time.Second)
	end := metrics{"bye_failed": float64(bad), "sip_retransmissions": float64(uac.retrans.Load())}
	if uas != nil {
		end["sip_retransmissions"] += float64(uas.retrans.Load())
	}
	if o.pid > 0 {
		end["pss_before_kb"], end["pss_after_kb"] = before.pss, usageOf(o.pid).pss
		end["alive"] = b2f(alive(o.pid))
	}
	return o.emit(o.label+"_end", end)
}

// rising reads numbers of calls such as 30,100.
func rising(list string) ([]int, error) {
	var l []int
	last := 0
	for f := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n <= last {
			return nil, fmt.Errorf("-n wants rising numbers, not %q", list)
		}
		l, last = append(l, n), n
	}
	return l, nil
}

// mediaRun is a media step under way.
type mediaRun struct {
	o            *opts
	m            *media
	uac          *agent
	calls        []*uacCall
	failed       int
	before, prev usage // of the target: without calls, at the window before
	prevCalls    int
}

// fill places calls until there are n, failed ones counted.
func (r *mediaRun) fill(n int) error {
	o := r.o
	for i := len(r.calls) + r.failed; i < n; i++ {
		u := o.caller(i)
		end := r.m.newEnd()
		if end == nil {
			return errNoPort
		}
		c, err := r.uac.invite(o.callee(i), u, o.login.of(u), end, o.timeout)
		if err != nil {
			r.failed++
			fmt.Fprintf(os.Stderr, "call %d: %v\n", i, err)
			if r.failed > 3 && r.failed > n/10 {
				return errors.New("too many calls failed")
			}
		} else {
			r.calls = append(r.calls, c)
		}
		time.Sleep(time.Duration(float64(time.Second) / o.ramp))
	}
	return nil
}

// window measures for -dur with the calls that are up.
func (r *mediaRun) window() metrics {
	o, k := r.o, float64(len(r.calls))
	got := metrics{"calls_up": k, "calls_failed": float64(r.failed)}
	w := startWatch(o.pid)
	r.m.open()
	time.Sleep(o.dur)
	wall, cpu := w.stop(got)
	res := r.m.shut()
	if o.pid > 0 {
		up := usageOf(o.pid)
		got["cpu_s_per_call_min"] = cpu / (k * wall / 60)
		got["cpu_s_per_call_min_net"] = o.net(cpu, wall) / (k * wall / 60)
		got["rss_kb"], got["pss_kb"], got["threads"], got["fds"] = up.rss, up.pss, float64(up.threads), float64(up.fds)
		got["mem_per_call_kb"] = (up.pss - r.before.pss) / k
		if r.prevCalls > 0 {
			got["mem_per_more_call_kb"] = (up.pss - r.prev.pss) / float64(len(r.calls)-r.prevCalls)
		}
		r.prev, r.prevCalls = up, len(r.calls)
	}
	res.into(got)
	gone := 0
	for _, c := range r.calls {
		if c.byed.Load() {
			gone++
		}
	}
	got["calls_dropped"] = float64(gone)
	return got
}

// hangUp ends all calls and gives how many BYEs failed.
func (r *mediaRun) hangUp() int64 {
	var wg sync.WaitGroup
	var bad atomic.Int64
	for _, c := range r.calls {
		wg.Go(func() {
			if c.bye(r.o.timeout) != nil {
				bad.Add(1)
			}
		})
		time.Sleep(10 * time.Millisecond)
	}
	wg.Wait()
	return bad.Load()
}

// runDirect sends the same streams from end to end with no exchange between: the floor
// that generator and kernel set.
func runDirect(o *opts) error {
	n, err := strconv.Atoi(o.n)
	if err != nil || n < 1 {
		return fmt.Errorf("-n wants a number, not %q", o.n)
	}
	m := newMedia(o.local, o.pt, o.rtpBase, o.seed)
	for range n {
		a, b := m.newEnd(), m.newEnd()
		if a == nil || b == nil {
			return errNoPort
		}
		ip, err := netip.ParseAddr(o.local)
		if err != nil {
			return err
		}
		a.setRemote(netip.AddrPortFrom(ip, uint16(b.port)))
		b.setRemote(netip.AddrPortFrom(ip, uint16(a.port)))
		a.start()
		b.start()
	}
	time.Sleep(o.settle)
	got := metrics{}
	w := startWatch(0)
	m.open()
	time.Sleep(o.dur)
	w.stop(got)
	m.shut().into(got)
	got["no_kernel_stamp"] = float64(m.noTS.Load())
	return o.emit(fmt.Sprintf("%s%d", o.label, n), got)
}

// into adds the figures of a window.
func (r *mediaResult) into(m metrics) {
	m["transit_p50_us"], m["transit_p90_us"], m["transit_p99_us"] = us(r.transit, 50), us(r.transit, 90), us(r.transit, 99)
	m["transit_p999_us"], m["transit_max_us"] = us(r.transit, 99.9), us(r.transit, 100)
	m["jitter_mean_us"], m["jitter_max_us"] = r.jitterMean/1e3, r.jitterMax/1e3
	m["packets"] = float64(r.sent)
	m["loss_pct"] = 100 * (1 - float64(r.got)/math.Max(1, float64(r.sent)))
	m["loss_worst_stream_pct"] = 100 * r.lossWorst
	m["out_of_order"], m["altered"], m["dead_streams"] = float64(r.late), float64(r.altered), float64(r.deadStreams)
	m["gen_pacing_late_p99_us"] = us(r.pacing, 99)
}

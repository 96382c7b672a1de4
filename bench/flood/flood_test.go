package flood

import (
	"flag"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"sotto/pbx/sipline/siptest"
)

var (
	length      = flag.Duration("attack", 2*time.Second, "how long each attack lasts")
	judge       = flag.Bool("judge", false, "judge loss, delay and time to set up a call, too: wants a quiet machine")
	only        = flag.String("only", "", "attacks whose name matches this `expression` alone")
	programFlag = flag.String("box", "", "the `program`, in place of one that is built now")
)

// The limits. Loss and delay are what an attack adds to what there is before it.
const (
	maxLoss           = 0.5                   // percent
	maxDelay          = 10 * time.Millisecond // of the 99th in a hundred packets
	maxSetUp          = 2 * time.Second       // of a telephone's new call
	maxGrowth         = 64 << 10              // KiB
	maxRegisterGrowth = 16 << 10
	maxFiles          = 300 // open in the box, whatever strangers do
	recovery          = 5 * time.Second
	maxBack           = 5 * time.Second // until a telephone that comes back at another port is registered
)

// attack is one part of the test. It gives what was sent.
type attack struct {
	name string
	run  func() sent
	over func() // after it was measured
	grow int    // KiB of memory that the box may take for it
	own  bool   // it comes from telephones of the box's: answers other than refusals are right
}

// line is what was measured in a part.
type line struct {
	name          string
	sent          sent
	answers, size int // of the box to strangers
	loss          float64
	p50, p99, max time.Duration
	gap           time.Duration // p99 between packets of the box's own sound
	calls, failed int
	slowest       time.Duration // call set up
	back          time.Duration // until a telephone that lost its power is registered again; 0: not
	rss           int           // KiB, highest
	cpu, others   float64       // percent of one processor, of the box and of programs that are not of the test
	files         int
	strange       int
	logged        int64
}

const heading = "attack                      sent/s answers/s back%   loss%    p50    p99    max  own99   calls slowest  reboot  rss MB  cpu%  files log kB/s others%"

func (l *line) String() string {
	s := l.sent.lasted.Seconds()
	back, again := "-", "-"
	if l.sent.bytes > 0 {
		back = fmt.Sprintf("%.1f", 100*float64(l.size)/float64(l.sent.bytes))
	}
	if l.back > 0 {
		again = fmt.Sprintf("%.2fs", l.back.Seconds())
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/1e6) }
	return fmt.Sprintf("%-26s %7d %9.0f %5s %7.3f %6s %6s %6s %6s %4d/%-3d %6.2fs %7s %7.1f %5.1f %6d %8.1f %7.0f", l.name, l.sent.rate(), float64(l.answers)/s, back,
		l.loss, ms(l.p50), ms(l.p99), ms(l.max), ms(l.gap), l.calls, l.calls+l.failed, l.slowest.Seconds(), again, float64(l.rss)/1024, l.cpu, l.files, float64(l.logged)/1000/s, l.others)
}

// calmest is how long a row without an attack lasts at the most.
const calmest = 20 * time.Second

// TestFlood puts calls up and attacks the box in one way after the other.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	boxNet, lan, wild := networks(t)
	b := startBox(t, boxNet)
	r := &run{t: t, b: b, m: &meter{}, lan: lan, s: newStrangers(t, wild, lan)}
	r.putUp()

	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	calm := min(*length, calmest)
	quiet := attack{name: "quiet", run: func() sent { time.Sleep(calm); return sent{lasted: calm} }}
	fmt.Fprintln(t.Output(), heading)
	before := r.measure(quiet)
	for _, a := range r.attacks(wild) {
		if !wanted.MatchString(a.name) {
			continue
		}
		rss := b.rss()
		l := r.measure(a)
		r.judge(&before, l, a, l.rss-rss)
		if a.over != nil {
			a.over()
		}
	}
	time.Sleep(recovery)
	after := r.measure(quiet)
	r.judge(&before, after, quiet, after.rss-before.rss)
	if after.files > before.files+8 {
		t.Errorf("%d files are open that were not", after.files-before.files)
	}
	for i, c := range r.calls {
		if _, _, ended := c.State(); ended {
			t.Errorf("call %d of those that were up was cut", i)
		}
	}
}

// run is a run of the test.
type run struct {
	t      *testing.T
	b      *box
	m      *meter
	lan    *namespace
	s      *strangers
	phones []*siptest.Phone
	calls  []*siptest.Call // up all the time
	ports  int
}

// putUp registers the telephones and places the calls that last.
func (r *run) putUp() {
	for i := range regLast + 1 {
		p := newPhone(r.t, r.lan, r.b, r.m, i, 5060, i == tcpCaller)
		if err := p.Register(3600); err != nil {
			r.t.Fatalf("register telephone %s: %v", p.User, err)
		}
		r.phones = append(r.phones, p)
	}
	for i := range talkers / 2 {
		r.calls = append(r.calls, up(r.t, r.phones[i], ext(talkers/2+i)))
	}
	c := r.phones[ownPhone].Call("101")
	if !c.Rings(10 * time.Second) {
		r.t.Fatalf("101 does not ring:\n%s", r.phones[ownPhone].Traffic())
	}
	fmt.Fprintln(r.b.words, "101 lifts")
	if !c.Answered(10 * time.Second) {
		r.t.Fatal("101 did not answer")
	}
	r.calls = append(r.calls, c)
	time.Sleep(500 * time.Millisecond)
}

// measure runs an attack and measures.
func (r *run) measure(a attack) line {
	r.s.take()
	part := r.m.part.Add(1)
	l := line{name: a.name}
	elsewhere, cpu, logged, began := r.b.others(), r.b.cpu(), r.b.logged(), time.Now()
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { r.callAgain(&l, stop) })
	others.Go(func() { r.reboot(&l, stop) })
	others.Go(func() {
		for {
			l.rss, l.files = max(l.rss, r.b.rss()), max(l.files, r.b.fds())
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	l.sent = a.run()
	l.cpu = 100 * (r.b.cpu() - cpu).Seconds() / time.Since(began).Seconds()
	l.others = 100 * (r.b.others() - elsewhere).Seconds() / time.Since(began).Seconds()
	close(stop)
	others.Wait()
	l.logged = r.b.logged() - logged
	r.m.part.Add(1) // what is said from now on is of no part
	time.Sleep(300 * time.Millisecond)

	var statuses map[string]int
	l.answers, l.size, statuses = r.s.take()
	if !a.own {
		for s, n := range statuses {
			if s < "SIP/2.0 400" || s >= "SIP/2.0 600" {
				r.t.Errorf("%s: strangers got %d times %q", a.name, n, s)
			}
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	said := int(r.m.sent[part].Load())
	transit := r.m.transit[part]
	l.loss = 100 * (1 - float64(r.m.got[part])/float64(max(said, 1)))
	l.p50, l.p99, l.max = quantile(transit, 0.5), quantile(transit, 0.99), quantile(transit, 1)
	l.gap = quantile(r.m.gap[part], 0.99)
	l.strange = r.m.strange[part]
	fmt.Fprintln(r.t.Output(), &l)
	return l
}

// callAgain places one new call after the other, by UDP and by TCP in turn, until stop.
func (r *run) callAgain(l *line, stop chan struct{}) {
	for i := 0; ; i++ {
		p := r.phones[[...]int{newCaller, tcpCaller}[i%2]]
		began := time.Now()
		c := p.Call(ext(newCalled))
		if c.Answered(2 * maxSetUp) {
			l.calls++
		} else {
			l.failed++
		}
		l.slowest = max(l.slowest, time.Since(began))
		c.Hang()
		select {
		case <-stop:
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// reboot lets a telephone lose its power halfway: it comes back as a stranger, at another
// port, and registers among all others who are strangers.
func (r *run) reboot(l *line, stop chan struct{}) {
	r.ports++
	p := newPhone(r.t, r.lan, r.b, r.m, rebooted, 6000+r.ports, false)
	select {
	case <-time.After(min(*length, calmest) / 2): // the quiet rows are short
	case <-stop:
		return
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- p.Register(3600) }()
	select {
	case err := <-done:
		if err == nil {
			l.back = time.Since(began)
		}
	case <-stop:
	}
}

// judge compares with what there was before.
func (r *run) judge(before *line, l line, a attack, growth int) {
	bad := func(what string, got, limit any) { r.t.Errorf("%s: %s %v, limit %v", l.name, what, got, limit) }
	if l.strange > 0 {
		bad("packets of strangers heard", l.strange, 0)
	}
	if l.size > l.sent.bytes && !a.own {
		bad("bytes of answers", l.size, l.sent.bytes)
	}
	limit := a.grow
	if limit == 0 {
		limit = maxGrowth
	}
	if growth > limit {
		bad("memory grew by KiB", growth, limit)
	}
	if l.files > maxFiles {
		bad("open files", l.files, maxFiles)
	}
	if l.failed > 0 || l.calls == 0 {
		bad("new calls failed", l.failed, 0)
	}
	if !*judge {
		return
	}
	if added := l.loss - before.loss; added > maxLoss {
		bad("added loss %", added, maxLoss)
	}
	if added := l.p99 - before.p99; added > maxDelay {
		bad("added delay", added, maxDelay)
	}
	if added := l.gap - before.gap; added > maxDelay {
		bad("added jitter of the box's own sound", added, maxDelay)
	}
	if l.slowest > maxSetUp {
		bad("slowest call set-up", l.slowest, maxSetUp)
	}
	if *length >= 20*time.Second && (l.back == 0 || l.back > maxBack) {
		bad("a telephone that comes back at another port registers after", l.back, maxBack)
	}
}

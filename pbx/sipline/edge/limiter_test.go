package edge

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// spoofed gives the n-th of many sources.
func spoofed(n int) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(n))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(1024+n%50000))
}

func TestLimiterSource(t *testing.T) {
	l := NewLimiter(Config{Source: 10, SourceBurst: 5})
	a := netip.MustParseAddrPort("192.0.2.1:5060")
	count := func(at time.Duration, from netip.AddrPort, n int) (ok int) {
		for range n {
			if l.Allow(t0.Add(at), from, Stranger) {
				ok++
			}
		}
		return ok
	}
	for _, row := range []struct {
		at   time.Duration
		from string
		want int
	}{
		{0, "192.0.2.1:5060", 5},
		{0, "192.0.2.1:9999", 0}, // the port does not count
		{0, "192.0.2.2:5060", 5},
		{99 * time.Millisecond, "192.0.2.1:5060", 0},
		{100 * time.Millisecond, "192.0.2.1:5060", 1},
		{time.Hour, "192.0.2.1:5060", 5},
		{time.Minute, "192.0.2.1:5060", 0}, // time that goes back gives nothing
		{time.Hour, "[2001:db8::1]:5060", 5},
		{time.Hour, "[2001:db8::2]:5060", 0}, // one customer
		{time.Hour, "[2001:db8:0:1::2]:5060", 5},
		{time.Hour, "[::ffff:192.0.2.2]:5060", 5},
		{time.Hour, "192.0.2.2:5060", 0}, // the same
	} {
		if got := count(row.at, netip.MustParseAddrPort(row.from), 20); got != row.want {
			t.Errorf("%s from %s: %d, want %d", row.at, row.from, got, row.want)
		}
	}
	if !l.Allow(t0, a, Known) {
		t.Error("a neighbour shares with the strangers of its address")
	}
	if c := l.Counts(); c.Source == 0 || c.Strangers != 0 || c.Known != 0 {
		t.Errorf("%+v", c)
	}
}

// TestLimiterFlood runs ten seconds of the floods of the security page, and what must get
// through beside them.
func TestLimiterFlood(t *testing.T) {
	l := NewLimiter(DefaultConfig)
	phone := netip.MustParseAddrPort("192.0.2.10:5060") // registered, behind the address that floods
	one := netip.MustParseAddrPort("192.0.2.10:666")
	var fromOne, fromMany, fromPhone int
	const seconds = 10
	for ms := range seconds * 1000 {
		now := t0.Add(time.Duration(ms) * time.Millisecond)
		for range 20 {
			if l.Allow(now, one, Stranger) {
				fromOne++
			}
		}
		for n := range 5 {
			if l.Allow(now, spoofed((ms*5+n)%10000), Stranger) {
				fromMany++
			}
		}
		if ms%10 == 0 && l.Allow(now, phone, Known) {
			fromPhone++
		}
	}
	d := DefaultConfig
	if most := d.SourceBurst + d.Source*seconds; fromOne > most || fromOne < d.Source*seconds/10 {
		t.Errorf("one source: %d, at most %d", fromOne, most)
	}
	if most := d.StrangersBurst + d.Strangers*seconds; fromOne+fromMany > most+1 {
		t.Errorf("all strangers: %d, at most %d", fromOne+fromMany, most)
	}
	if fromPhone != seconds*100 {
		t.Errorf("of the phone's %d came %d", seconds*100, fromPhone)
	}
	t.Logf("%d of 200000 from one source, %d of 50000 from 10000, %d of 1000 from a neighbour; %+v", fromOne, fromMany, fromPhone, l.Counts())
}

// 50 telephones behind one address come back at once; so do the 200 of the office.
func TestLimiterReboot(t *testing.T) {
	l := NewLimiter(DefaultConfig)
	for floor := range 4 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(floor)}), 1024)
		for n := range 50 * 16 {
			if !l.Allow(t0.Add(time.Duration(n)*time.Millisecond), from, Stranger) {
				t.Fatalf("floor %d: message %d is refused", floor, n)
			}
		}
	}
}

// Many sources that come once do not make the limiter forget the one that floods.
func TestLimiterRemembersWhoFloods(t *testing.T) {
	l := NewLimiter(Config{Source: 1, SourceBurst: 10})
	bad := netip.MustParseAddrPort("192.0.2.1:1")
	for range 10 {
		l.Allow(t0, bad, Stranger)
	}
	for n := range 400_000 {
		l.Allow(t0, spoofed(n), Stranger)
	}
	if l.Allow(t0, bad, Stranger) {
		t.Error("forgot it")
	}
	if c := l.Counts(); c.Evicted < 300_000 {
		t.Errorf("%+v: the table was not full", c)
	}
}

// Each known neighbour behind one address has its own allowance.
func TestLimiterKnown(t *testing.T) {
	l := NewLimiter(Config{Known: 1, KnownBurst: 2, Source: 1})
	for port := range uint16(100) {
		from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 1024+port)
		if !l.Allow(t0, from, Known) || !l.Allow(t0, from, Known) || l.Allow(t0, from, Known) {
			t.Fatalf("port %d", from.Port())
		}
	}
	if c := l.Counts(); c.Known != 100 {
		t.Errorf("%+v", c)
	}
}

func TestLimiterWithoutLimits(t *testing.T) {
	l := NewLimiter(Config{})
	for range 100_000 {
		if !l.Allow(t0, spoofed(1), Stranger) || !l.Allow(t0, spoofed(1), Known) {
			t.Fatal("refused")
		}
	}
}

func TestLimiterDoesNotAllocate(t *testing.T) {
	l := NewLimiter(DefaultConfig)
	now, n := t0, 0
	if a := testing.AllocsPerRun(1000, func() {
		n++
		now = now.Add(time.Millisecond)
		l.Allow(now, spoofed(n), Standing(n%3))
	}); a > 0 {
		t.Errorf("%v allocations", a)
	}
}

func TestLimiterFromManyReaders(t *testing.T) {
	l := NewLimiter(Config{Source: 1, SourceBurst: 1000})
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 8 {
		wg.Go(func() {
			ok := 0
			for range 500 {
				if l.Allow(t0, spoofed(1), Stranger) {
					ok++
				}
			}
			mu.Lock()
			total += ok
			mu.Unlock()
		})
	}
	wg.Wait()
	if total != 1000 {
		t.Errorf("%d, want 1000", total)
	}
}

func BenchmarkLimiter(b *testing.B) {
	for _, row := range []struct {
		name    string
		sources int
	}{{"one", 1}, {"10000", 10000}, {"1000000", 1000000}} {
		b.Run(row.name, func(b *testing.B) {
			l, n := NewLimiter(DefaultConfig), 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				l.Allow(t0.Add(time.Duration(n)*50*time.Microsecond), spoofed(n%row.sources), Stranger)
			}
		})
	}
}

// TestNear: other ports of a telephone's address are out of reach of strangers, and share
// one allowance.
func TestNear(t *testing.T) {
	l := NewLimiter(Config{Source: 10, SourceBurst: 5, Strangers: 10, StrangersBurst: 5, Known: 10, KnownBurst: 5})
	for n := range 100 {
		l.Allow(t0, spoofed(n), Stranger)
	}
	if l.Allow(t0, spoofed(1000), Stranger) {
		t.Fatal("strangers have no limit together")
	}
	host := spoofed(2000)
	let := 0
	for port := range uint16(20) {
		if l.Allow(t0, netip.AddrPortFrom(host.Addr(), 40000+port), Near) {
			let++
		}
	}
	if let != 5 {
		t.Errorf("%d let in, want the burst of one source", let)
	}
	if !l.Allow(t0, host, Known) {
		t.Error("the telephone itself pays for its address")
	}
}

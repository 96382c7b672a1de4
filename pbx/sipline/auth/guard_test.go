package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var stranger = netip.MustParseAddrPort("198.51.100.7:40000")

// wrongs gives wrong answers until the guard refuses, and tells how many it took.
func wrongs(g *Guard, now time.Time, src netip.AddrPort, user string) (n int, until time.Time) {
	for ; n < 1000; n++ {
		if until, banned := g.Banned(now, src, user); banned {
			return n, until
		}
		g.Wrong(now, src, user)
	}
	return n, until
}

func TestFiveThenDoubling(t *testing.T) {
	g := NewGuard(noon)
	now := noon
	n, until := wrongs(g, now, stranger, "201")
	if n != 5 || !until.Equal(now.Add(time.Minute)) {
		t.Fatalf("%d answers, until %v", n, until)
	}
	if list := g.List(now); len(list) != 2 || list[0].Source.String() != "198.51.100.7/32" {
		t.Errorf("listed %v", list)
	}
	for want := 2 * time.Minute; ; want = min(2*want, 24*time.Hour) {
		now = until
		n, until = wrongs(g, now, stranger, "201")
		if n != 1 || until.Sub(now) != want {
			t.Fatalf("%d answers, then %v, want 1 and %v", n, until.Sub(now), want)
		}
		if want == 24*time.Hour && g.Stats().Bans > 13 {
			break
		}
	}
	if list := g.List(now); len(list) != 1 || list[0].Reason != ReasonAccount || !list[0].Until.Equal(until) {
		t.Errorf("listed %v", list)
	}
	// Neither others there nor the same account elsewhere have a part in it.
	if _, banned := g.Banned(now, stranger, "202"); banned {
		t.Error("another account is banned")
	}
	if _, banned := g.Banned(now, phone, "201"); banned {
		t.Error("another source is banned")
	}
	// A day without a fault wipes it out.
	now = until.Add(24 * time.Hour)
	if n, _ = wrongs(g, now, stranger, "201"); n != 5 {
		t.Errorf("%d answers a day later", n)
	}
	if g.Clear(); len(g.List(now)) != 0 {
		t.Error("the button does not clear")
	}
	if n, _ = wrongs(g, now, stranger, "201"); n != 5 {
		t.Errorf("%d answers after the button", n)
	}
}

func TestRightClears(t *testing.T) {
	g := NewGuard(noon)
	for i := range 4 {
		g.Wrong(noon.Add(time.Duration(i)*time.Minute), phone, "201")
	}
	now := noon.Add(time.Hour)
	g.Right(now, phone, "201")
	g.Wrong(now, phone, "201") // and so its port vouches no more
	if n, _ := wrongs(g, now, phone, "201"); n != 4 {
		t.Errorf("%d more answers, want 4", n)
	}
}

// One source cannot have ten wrong answers in a minute, nor a hundred in a day, whatever
// names it tries.
func TestGuessingIsSlow(t *testing.T) {
	for _, accounts := range []int{1, 3, 19, 100000} {
		g := NewGuard(noon)
		var at []time.Duration
		i := 0
		for now := time.Duration(0); now < 24*time.Hour; now += time.Second {
			for range 5 {
				i++
				user := fmt.Sprint(i % accounts)
				if _, banned := g.Banned(noon.Add(now), stranger, user); !banned {
					g.Wrong(noon.Add(now), stranger, user)
					at = append(at, now)
				}
			}
		}
		for i := 9; i < len(at); i++ {
			if at[i]-at[i-9] <= time.Minute {
				t.Errorf("%d accounts: ten wrong answers within %v", accounts, at[i]-at[i-9])
			}
		}
		if len(at) >= 100 {
			t.Errorf("%d accounts: %d guesses in a day", accounts, len(at))
		}
		t.Logf("%d accounts: %d guesses in a day", accounts, len(at))
	}
}

func TestScanBansStrangersOnly(t *testing.T) {
	g := NewGuard(noon)
	nat := stranger.Addr()
	desk, sofa := netip.AddrPortFrom(nat, 5060), netip.AddrPortFrom(nat, 5062)
	g.Right(noon, desk, "201")
	now := noon
	for i := range 20 {
		now = now.Add(time.Minute)
		for _, banned := g.Banned(now, stranger, fmt.Sprint(i)); banned; _, banned = g.Banned(now, stranger, fmt.Sprint(i)) {
			t.Fatalf("banned at account %d", i)
		}
		g.Wrong(now, stranger, fmt.Sprint(i))
	}
	if until, banned := g.Banned(now, sofa, "202"); !banned || !until.After(now.Add(50*time.Second)) {
		t.Error("a scan does not ban")
	}
	if list := g.List(now); len(list) != 1 || list[0].Reason != ReasonScan || list[0].Wrong != 20 {
		t.Errorf("listed %v", list)
	}
	// The telephone that was right before goes on, from its port and from another.
	for _, src := range []netip.AddrPort{desk, sofa} {
		if _, banned := g.Banned(now, src, "201"); banned {
			t.Errorf("the right telephone is locked out at port %d", src.Port())
		}
	}
	g.Right(now, desk, "201")
	if _, banned := g.Banned(now, sofa, "202"); !banned {
		t.Error("one right answer lifts the ban of the source")
	}
	if _, banned := g.Banned(now.Add(24*time.Hour), sofa, "201"); banned {
		t.Error("a ban outlives a day")
	}
}

// A guesser behind the same NAT goes for the very account of the right telephone.
func TestRightTelephoneBesideAGuesser(t *testing.T) {
	g := NewGuard(noon)
	desk := netip.AddrPortFrom(stranger.Addr(), 5060)
	g.Right(noon, desk, "201")
	n := 0
	for now := noon; now.Before(noon.Add(time.Hour)); now = now.Add(100 * time.Millisecond) {
		if _, banned := g.Banned(now, stranger, "201"); !banned {
			g.Wrong(now, stranger, "201")
			n++
		}
		if _, banned := g.Banned(now, desk, "201"); banned {
			t.Fatalf("locked out after %v", now.Sub(noon))
		}
		if now.Sub(noon)%(10*time.Minute) == 0 {
			g.Right(now, desk, "201")
		}
	}
	if n > 62 {
		t.Errorf("%d guesses in an hour", n)
	}
	// With a wrong answer of its own it is as any other.
	now := noon.Add(2 * time.Hour)
	g.Wrong(now, desk, "201")
	if n, until := wrongs(g, now, desk, "201"); n > 4 || until.Sub(now) > time.Minute {
		t.Errorf("%d more wrong answers at once, then banned for %v", n, until.Sub(now))
	}
}

func TestIPv6HostsMoveInTheirNetwork(t *testing.T) {
	g := NewGuard(noon)
	for i := range 5 {
		g.Wrong(noon, netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%d]:5060", i+1)), "201")
	}
	if _, banned := g.Banned(noon, netip.MustParseAddrPort("[2001:db8::99]:5060"), "201"); !banned {
		t.Error("the next address of the same network is free")
	}
	if _, banned := g.Banned(noon, netip.MustParseAddrPort("[2001:db8:0:1::1]:5060"), "201"); banned {
		t.Error("another network is banned")
	}
	if list := g.List(noon); len(list) == 0 || list[0].Source.String() != "2001:db8::/64" {
		t.Errorf("listed %v", list)
	}
}

func TestTableIsBounded(t *testing.T) {
	g := NewGuard(noon)
	wrongs(g, noon, stranger, "201")
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
	}
	for i := range maxEntries {
		g.Wrong(noon, at(i), "201")
		if i%1000 == 0 {
			g.Banned(noon, stranger, "201") // who is active stays
		}
	}
	s := g.Stats()
	if s.Entries != maxEntries || len(g.table.at) != maxEntries || s.Evicted != maxEntries+2 {
		t.Errorf("%+v", s)
	}
	if _, banned := g.Banned(noon, stranger, "201"); !banned {
		t.Error("an active ban made room")
	}
	n := 0
	for range g.table.all() {
		n++
	}
	if n != maxEntries {
		t.Errorf("%d in order", n)
	}
	for i := range 2000 {
		wrongs(g, noon, at(i), "202")
	}
	if list := g.List(noon); len(list) != maxList {
		t.Errorf("%d bans listed", len(list))
	}
}

func TestAdmit(t *testing.T) {
	g, guard := NewGate(noon), NewGuard(noon)
	now := noon
	admit := func(user, secret string) (Verdict, time.Time) {
		a := login(g, now)
		a.user, a.secret = user, secret
		_, v, until := g.Admit(now, guard, a.request(t), phone, book)
		return v, until
	}
	// Known or not, it is the same.
	for _, user := range []string{"201", "999"} {
		guard.Clear()
		for range 5 {
			if v, _ := admit(user, "wrong"); v != Wrong {
				t.Fatalf("%s: %v", user, v)
			}
		}
		if v, until := admit(user, "right"); v != Banned || !until.Equal(now.Add(time.Minute)) {
			t.Errorf("%s: %v until %v", user, v, until)
		}
	}
	guard.Clear()
	if v, _ := admit("201", "right"); v != Good {
		t.Errorf("after the button: %v", v)
	}
	// Who never saw the nonce bans nobody.
	for range 100 {
		a := login(g, now)
		a.secret = "wrong"
		if _, v, _ := g.Admit(now, guard, a.request(t), stranger, book); v != Stale {
			t.Fatal(v)
		}
	}
	if s := guard.Stats(); s.Wrong != 10 || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
}

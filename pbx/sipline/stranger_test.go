package sipline

import (
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx/sipline/siptest"
)

// varying is what differs in each answer by its nature; its length does not.
var varying = regexp.MustCompile(`nonce="[^"]*"|;tag=[^;\r\n]*|branch=[^;\r\n]*|Call-ID: [^\r\n]*|rport=\d+|received=[0-9.]+|Via: SIP/2.0/UDP [0-9.:]+|stale=true`)

// TestEnumeration: nobody learns who exists. Users who do, users who do not, and users
// without telephones on the network are answered alike, header by header and byte by byte,
// without credentials and with wrong ones, until well after the ban.
func TestEnumeration(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		b.registered("201")
		kinds := []struct{ user, host string }{{"201", "192.0.2.240"}, {"202", "192.0.2.241"}, {"101", "192.0.2.242"}, {"299", "192.0.2.243"}, {"112", "192.0.2.244"}}
		var told [][]string
		for _, k := range kinds {
			var l []string
			addr := netip.AddrPortFrom(netip.MustParseAddr(k.host), 5060)
			b.tap = func(to netip.AddrPort, d []byte) {
				if to.Addr() == addr.Addr() {
					l = append(l, fmt.Sprintf("%d bytes: %s", len(d), varying.ReplaceAllString(strings.ReplaceAll(string(d), k.user, "USR"), "*")))
				}
			}
			for i, md5 := range []bool{false, true} {
				p := b.phone("250", func(p *siptest.Phone) {
					p.UDP.Close()
					p.Addr = netip.AddrPortFrom(addr.Addr(), 5060+uint16(i))
					p.UDP = b.net.Must(p.Addr.String())
					p.User, p.Secret, p.MD5 = k.user, "wrong", md5
				})
				for n := range 12 {
					for _, method := range []string{"REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH"} {
						headers := func() []string {
							n++
							return []string{"From: <sip:" + k.user + "@192.0.2.1>;tag=abcd", "To: <sip:" + k.user + "@192.0.2.1>", fmt.Sprintf("Call-ID: call-%s-%03d", method, n),
								fmt.Sprintf("CSeq: %d %s", 700+n, method), "Contact: <sip:" + k.user + "@" + k.host + ">", "User-Agent: a telephone that says so", "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO, OPTIONS, REFER, NOTIFY, MESSAGE, SUBSCRIBE, PUBLISH"}
						}
						if res := p.Ask(method, "sip:192.0.2.1", headers, ""); res == nil || res.Status() != 401 {
							t.Fatalf("%s of %s: %v", method, k.user, res)
						}
					}
				}
			}
			told = append(told, l)
		}
		for i, l := range told[1:] {
			if len(l) != len(told[0]) {
				t.Errorf("%s gets %d answers, %s gets %d", kinds[i+1].user, len(l), kinds[0].user, len(told[0]))
			}
			for n := range min(len(l), len(told[0])) {
				if l[n] != told[0][n] {
					t.Fatalf("answer %d differs: %s\n%s\n\n%s\n%s", n, kinds[0].user, told[0][n], kinds[i+1].user, l[n])
				}
			}
		}
		if n := b.sip.Counters().Guard; n.Wrong == 0 || n.Bans == 0 {
			t.Errorf("nobody was banned: %+v", n)
		}
		// Whom they guessed at is not locked out.
		if err := b.phone("202").Register(300); err != nil {
			t.Error(err)
		}
	})
}

// settle gives memory in use and goroutines, when all is still.
func settle() (heap, goroutines int) {
	synctest.Wait()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), runtime.NumGoroutine()
}

// unharmed checks that a registered telephone gets through at once.
func (b *box) unharmed(p, q *siptest.Phone) {
	b.Helper()
	c := p.Call(q.User)
	if !c.Answered(100 * time.Millisecond) {
		b.Fatalf("a registered telephone does not get through:\n%s\n%+v", p.Traffic(), b.sip.Counters())
	}
	if status := c.Hang(); status != 200 {
		b.Errorf("BYE: %d", status)
	}
}

// TestFloods sends what strangers can send, from one address and from thousands. They get
// one answer each at the most, half as long again as what they sent at the most; nothing
// is kept of them; and who is registered gets through while it lasts.
func TestFloods(t *testing.T) {
	if underRace {
		t.Skip("a minute under the race detector")
	}
	n := 20000
	if testing.Short() {
		n = 2000
	}
	const head = "%s sip:202@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5062;rport;branch=z9hG4bK%08d\r\nFrom: <sip:%d@192.0.2.1>;tag=%d\r\nTo: <sip:202@192.0.2.1>%s\r\n" +
		"Call-ID: flood-%d\r\nCSeq: 1 %s\r\nContact: <sip:1@198.51.100.7:5062>\r\nUser-Agent: friendly scanner of the neighbourhood\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n"
	auth := `Authorization: Digest username="201", realm="sotto", nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", uri="sip:202@192.0.2.1", response="0123456789abcdef0123456789abcdef", algorithm=MD5, cnonce="1", nc=00000001, qop=auth` + "\r\n"
	for _, f := range []struct{ name, method, to, headers string }{
		{"REGISTER", "REGISTER", "", ""},
		{"INVITE", "INVITE", "", ""},
		{"OPTIONS", "OPTIONS", "", ""},
		{"unknown", "NOSUCH", "", ""},
		{"INVITE with made-up credentials", "INVITE", "", auth},
		{"REGISTER with made-up credentials", "REGISTER", "", auth},
		{"BYE in no dialog", "BYE", ";tag=abc", ""},
		{"INVITE in no dialog", "INVITE", ";tag=abc", ""},
		{"INVITE in no dialog with credentials", "INVITE", ";tag=abc", auth},
		{"CANCEL", "CANCEL", "", ""},
		{"ACK", "ACK", ";tag=abc", ""},
	} {
		for _, sources := range []int{1, 5000} {
			t.Run(fmt.Sprintf("%s from %d", f.name, sources), func(t *testing.T) {
				office(t, func(t *testing.T, b *box) {
					p, q := b.registered("201"), b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
					b.unharmed(p, q)
					pause(time.Minute)
					heap, goroutines := settle()
					var in, out, answers int
					b.tap = func(to netip.AddrPort, d []byte) {
						if to.Addr() != p.Addr.Addr() && to.Addr() != q.Addr.Addr() {
							out, answers = out+len(d), answers+1
						}
					}
					for i := range n {
						from := stranger
						if sources > 1 {
							from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i % sources >> 8), byte(i)}), 5062)
						}
						msg := fmt.Appendf(nil, head, f.method, i, i%sources, i, f.to, i, f.method, f.headers)
						in += len(msg)
						b.net.Send(from, boxAddr, msg)
						if i%200 == 199 {
							synctest.Wait()
							pause(10 * time.Millisecond) // 20,000 a second
						}
						if i%5000 == 1000 {
							b.unharmed(p, q)
						}
					}
					synctest.Wait()
					if answers > n || out > in*3/2 {
						t.Errorf("%d answers of %d bytes to %d messages of %d", answers, out, n, in)
					}
					if f.method == "ACK" && answers > 0 {
						t.Errorf("%d answers to ACK", answers)
					}
					c := b.sip.Counters()
					if txs := ask(b.sip, func() int { n, _ := b.sip.txn.Len(); return n }); txs > 100 {
						t.Errorf("%d transactions", txs)
					}
					if c.Late > 0 {
						t.Logf("%d were too late", c.Late)
					}
					pause(5 * time.Second)
					b.unharmed(p, q)
					pause(time.Minute)
					after, left := settle()
					if left > goroutines {
						t.Errorf("%d goroutines, %d before", left, goroutines)
					}
					if after-heap > 4<<20 {
						t.Errorf("memory grew by %d bytes", after-heap)
					}
				})
			})
		}
	}
}

// TestAttempts: a hundred thousand attempts to register with made-up names and answers to
// real challenges are bounded in what they leave.
func TestAttempts(t *testing.T) {
	if underRace {
		t.Skip("a minute under the race detector")
	}
	n := 100000
	if testing.Short() {
		n = 5000
	}
	office(t, func(t *testing.T, b *box) {
		p, q := b.registered("201"), b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
		heap, _ := settle()
		var nonces sync.Map // by address
		b.tap = func(to netip.AddrPort, d []byte) {
			if _, v, ok := strings.Cut(string(d), `nonce="`); ok {
				v, _, _ = strings.Cut(v, `"`)
				nonces.Store(to.Addr(), v)
			}
		}
		for i := range n {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), 5062)
			auth := ""
			if x, ok := nonces.Load(from.Addr()); ok {
				auth = fmt.Sprintf(`Authorization: Digest username="%d", realm="sotto", nonce="%s", uri="sip:192.0.2.1", response="0123456789abcdef0123456789abcdef", algorithm=MD5, cnonce="1", nc=%08x, qop=auth`+"\r\n", i, x, i)
			}
			b.net.Send(from, boxAddr, fmt.Appendf(nil, "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1:5062;branch=z9hG4bK%08d\r\nFrom: <sip:%d@192.0.2.1>;tag=%d\r\nTo: <sip:%d@192.0.2.1>\r\n"+
				"Call-ID: try-%d\r\nCSeq: 1 REGISTER\r\nContact: <sip:1@10.1.0.1:5062>\r\nUser-Agent: friendly scanner of the neighbourhood\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n", i, i, i, i, i, auth))
			if i%200 == 199 {
				synctest.Wait()
				pause(time.Second)
			}
		}
		b.unharmed(p, q)
		c := b.sip.Counters()
		if c.Guard.Refused == 0 || len(b.saved.Bindings()) != 2 {
			t.Errorf("%+v, %d bindings", c.Guard, len(b.saved.Bindings()))
		}
		after, _ := settle()
		t.Logf("%d wrong answers counted, %d looked at by no one, %d KB", c.Guard.Wrong, c.Guard.Refused, (after-heap)>>10)
		if after-heap > 16<<20 {
			t.Errorf("memory grew by %d bytes", after-heap)
		}
		if txs := ask(b.sip, func() int { n, _ := b.sip.txn.Len(); return n }); txs > 10 {
			t.Errorf("%d transactions", txs)
		}
	}, unlimited)
}

// TestConnections opens ten thousand connections and leaves them. 64 are kept, for ten
// seconds; a telephone that comes then gets in, and who is registered notices nothing.
func TestConnections(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 500
	}
	office(t, func(t *testing.T, b *box) {
		p, q := b.registered("201"), b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
		tcp := b.phone("203", b.overTCP)
		if err := tcp.Register(3600); err != nil {
			t.Fatal(err)
		}
		_, goroutines := settle()
		most := 0
		for i := range n {
			c, err := b.net.Dial(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1000), boxAddr)
			if err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				go c.Write([]byte("REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: ")) // half a message
			}
			if i%500 == 0 {
				synctest.Wait()
				most = max(most, b.sip.Counters().Connections.Strangers)
				b.unharmed(p, q)
				b.unharmed(tcp, q)
				late := b.phone("204", b.overTCP)
				if err := late.Register(300); err != nil {
					t.Fatalf("a telephone that comes: %v", err)
				}
				late.Close()
			}
		}
		for range 100 { // one address has four
			b.net.Dial(netip.AddrPortFrom(stranger.Addr(), 0), boxAddr)
		}
		synctest.Wait()
		b.sip.conns.mu.Lock()
		if k := b.sip.conns.strangers[stranger.Addr()]; k != maxPerStranger {
			t.Errorf("one address has %d", k)
		}
		b.sip.conns.mu.Unlock()
		if most > maxStrangers {
			t.Errorf("%d strangers", most)
		}
		pause(11 * time.Second)
		synctest.Wait()
		if c := b.sip.Counters().Connections; c.Strangers != 0 || c.Open != 1 || int(c.Evicted+c.Refused) < n-maxStrangers {
			t.Errorf("%+v", c)
		}
		b.sip.conns.mu.Lock()
		if len(b.sip.conns.strangers) != 0 || len(b.sip.conns.byRemote) != 1 || len(b.sip.conns.dialing) != 0 {
			t.Error("the tables are not empty")
		}
		b.sip.conns.mu.Unlock()
		b.unharmed(tcp, q)
		pause(2 * time.Minute)
		if _, left := settle(); left > goroutines {
			t.Errorf("%d goroutines, %d before", left, goroutines)
		}
	})
}

// TestHalfMessages: what has begun must be whole within ten seconds, whoever sends it.
func TestHalfMessages(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.phone("203", b.overTCP)
		if err := p.Register(3600); err != nil {
			t.Fatal(err)
		}
		drip := func(p *peer) (lived time.Duration) {
			begun := time.Now()
			for _, c := range []byte(strings.Repeat("OPTIONS sip:x SIP/2.0\r\nX: ", 10)) {
				if p.tcp.SetWriteDeadline(time.Now().Add(time.Second)); p.ended() {
					break
				}
				p.tcp.Write([]byte{c})
				pause(500 * time.Millisecond)
			}
			return time.Since(begun)
		}
		if d := drip(b.tcp(stranger)); d > 12*time.Second {
			t.Errorf("a stranger's lives %v", d)
		}
		p.TCP.Write([]byte("OPTIONS sip:x SIP/2.0\r\n"))
		pause(11 * time.Second)
		if n := b.sip.Counters().Connections.Open; n != 0 {
			t.Errorf("%d connections", n)
		}
		// Many whole ones without a pause are no half message.
		r := b.phone("204", b.overTCP)
		if err := r.Register(3600); err != nil {
			t.Fatal(err)
		}
		whole := string(torture(t, "lwsdisp"))
		r.TCP.Write([]byte(whole[:20]))
		for range 30 {
			pause(time.Second)
			r.TCP.Write([]byte(whole[20:] + whole[:20]))
		}
		r.TCP.Write([]byte(whole[20:]))
		if n := b.sip.Counters().Connections.Open; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestLog: what is sent stands in no log, and there are few lines (see checkLog).
func TestLog(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.udp(stranger)
		for range 10 {
			for _, row := range tortures {
				p.send(torture(t, row.file), []byte("\xff\x00\r\n4915112345678 Eve\n"), []byte(strings.Repeat("A", 60000)))
			}
			pause(100 * time.Millisecond)
		}
		pause(time.Second)
		p.send([]byte("no sip at all 4915112345678"))
		if n := strings.Count(b.log.String(), "\n"); n == 0 || n > 3*notesPerSecond {
			t.Errorf("%d lines", n)
		}
		if !strings.Contains(b.log.String(), "before=") {
			t.Error("what was left out is not counted")
		}
		b.checkLog("4915112345678", "Eve", "AAAA", "user", "Route", "j_user")
	})
}

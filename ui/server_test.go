package ui

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"os"
)

// pipes is a listener without a network: within a bubble its time is the test's.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
	n     atomic.Int32
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

type pipeConn struct {
	net.Conn
	from net.Addr
}

func (c pipeConn) RemoteAddr() net.Addr { return c.from }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8443} }

// dial connects from an address.
func (p *pipes) dial(from string) net.Conn {
	a, b := net.Pipe()
	ap := netip.MustParseAddr(from)
	p.conns <- pipeConn{b, net.TCPAddrFromAddrPort(netip.AddrPortFrom(ap, uint16(1024+p.n.Add(1))))}
	return a
}

func testIdentity(t *testing.T) tls.Certificate {
	t.Helper()
	blob, err := MakeIdentity(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := ReadIdentity(blob)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serving runs a server on pipes in the bubble of the test, until stop.
func (r *rig) serving(t *testing.T) (p *pipes, stop func()) {
	p = newPipes()
	id := testIdentity(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.s.Run(ctx, p, id) }()
	return p, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	}
}

func hello(c net.Conn, max uint16) (*tls.Conn, error) {
	conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: max, ServerName: "localhost"})
	return conn, conn.Handshake()
}

// TestServed: TLS 1.3 and nothing older; the page comes, and the connection is kept.
func TestServed(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
			if _, err := hello(p.dial("192.0.2.1"), v); err == nil {
				t.Errorf("version %x is spoken", v)
			}
		}
		c, err := hello(p.dial("192.0.2.1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if v := c.ConnectionState(); v.Version != tls.VersionTLS13 || v.NegotiatedProtocol == "h2" {
			t.Errorf("%x %s", v.Version, v.NegotiatedProtocol)
		}
		br := bufio.NewReader(c)
		for range 3 {
			io.WriteString(c, "GET /login HTTP/1.1\r\nHost: localhost:8443\r\n\r\n")
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 200 || res.Header.Get("Server") != "" {
				t.Fatal(res, err)
			}
			io.Copy(io.Discard, res.Body)
		}
		io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: other.example\r\n\r\n")
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 421 || res.Header.Get("X-Frame-Options") == "" {
			t.Error(res, err)
		} else {
			io.Copy(io.Discard, res.Body)
		}
		go io.WriteString(c, "GET /login HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeader)+"\r\n\r\n")
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 431 {
			t.Error(res, err)
		}
		c.Close()
		stop()
	})
}

// TestSlow: who is slow on purpose is let go, at each stage.
func TestSlow(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		for _, x := range []struct {
			name string
			say  string // after the handshake; "-": not even that
			drip string // every second
			want time.Duration
		}{
			{"no handshake", "-", "", headerLimit},
			{"no header", "", "", headerLimit},
			{"slow header", "GET / HTTP/1.1\r\nHost: localhost\r\n", "X", headerLimit},
			{"slow body", "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n", "x", readLimit},
			{"idle", "GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", "", idleLimit},
		} {
			raw := p.dial("192.0.2.1")
			var c net.Conn = raw
			began := time.Now()
			if x.say != "-" {
				conn, err := hello(raw, 0)
				if err != nil {
					t.Fatal(err)
				}
				c = conn
				go io.WriteString(c, x.say)
				if x.drip != "" {
					go func() {
						for {
							time.Sleep(time.Second)
							if _, err := io.WriteString(c, x.drip); err != nil {
								return
							}
						}
					}()
				}
			}
			io.Copy(io.Discard, c)
			if d := time.Since(began); d < x.want || d > x.want+2*time.Second {
				t.Errorf("%s: let go after %v, want %v", x.name, d, x.want)
			}
			c.Close()
			raw.Close()
		}
		stop()
	})
}

// TestConnections: one address gets its share, all together theirs, and a place is free
// again.
func TestConnections(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		refused := func() uint64 { synctest.Wait(); return r.s.count.refusedConns.Load() }
		var open []net.Conn
		for range maxAddrConns + 5 {
			open = append(open, p.dial("192.0.2.1"))
		}
		if n := refused(); n != 5 {
			t.Errorf("%d refused of one address", n)
		}
		for i := range 300 {
			open = append(open, p.dial(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()))
		}
		if n := refused(); n != 5+300-(maxConns-maxAddrConns) {
			t.Errorf("%d refused in all", n)
		}
		for _, c := range open {
			c.Close()
		}
		synctest.Wait()
		c := p.dial("192.0.2.1")
		if _, err := hello(c, 0); err != nil {
			t.Error(err)
		}
		c.Close()
		synctest.Wait()
		stop()
	})
}

// TestStop: the end does not wait for those who listen.
func TestStop(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		c, err := hello(p.dial("192.0.2.1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.store.LogIn(context.Background(), ownerName, goodWord)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: "+cookieName+"="+r.s.sessions.start(a, time.Now())+"\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		ended := make(chan struct{})
		go func() { io.Copy(io.Discard, res.Body); close(ended) }()
		time.Sleep(2 * writeLimit) // a stream outlives the limit of an answer
		select {
		case <-ended:
			t.Error("the stream ended by itself")
		default:
		}
		began := time.Now()
		stop()
		<-ended
		if d := time.Since(began); d > closeLimit+time.Minute+time.Second {
			t.Errorf("the end took %v", d)
		}
	})
}

// broken is a listener that gives out.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("out of order") }
func (broken) Close() error              { return nil }
func (broken) Addr() net.Addr            { return &net.TCPAddr{} }

func TestRunTellsWhy(t *testing.T) {
	if err := owned(t).s.Run(t.Context(), broken{}, testIdentity(t)); err == nil {
		t.Error("no error")
	}
}

func TestIdentity(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	blob, err := MakeIdentity([]string{"box.example", "192.0.2.1", "0.0.0.0", "::", "", "LOCALHOST", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ReadIdentity(blob)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(id.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		t.Error("not on P-256")
	}
	if !c.NotAfter.Equal(now.AddDate(10, 0, 0)) || !c.NotBefore.Before(now) {
		t.Error(c.NotBefore, c.NotAfter)
	}
	var ips []string
	for _, ip := range c.IPAddresses {
		ips = append(ips, ip.String())
	}
	if !slices.Equal(c.DNSNames, []string{"localhost", "sotto.local", "box.example"}) || !slices.Equal(ips, []string{"127.0.0.1", "::1", "192.0.2.1"}) {
		t.Error(c.DNSNames, ips)
	}
	for _, h := range []string{"localhost", "sotto.local", "127.0.0.1", "192.0.2.1"} {
		if err := c.VerifyHostname(h); err != nil {
			t.Error(err)
		}
	}
	if f := Fingerprint(id); !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(f) {
		t.Error(f)
	}
	other, _ := MakeIdentity(nil, now)
	if x, _ := ReadIdentity(other); Fingerprint(x) == Fingerprint(id) {
		t.Error("two boxes have one key")
	}
	for _, bad := range [][]byte{nil, []byte("x"), blob[:len(blob)/2], blob[len(blob)/3:]} {
		if _, err := ReadIdentity(bad); err == nil || strings.Contains(err.Error(), "PRIVATE") {
			t.Error(err)
		}
	}
	if Fingerprint(tls.Certificate{}) != "" {
		t.Error("a fingerprint of nothing")
	}
}

// TestWords: every word that a template or the program asks for is there, none is there
// that nobody asks for, and templates have no words of their own.
func TestWords(t *testing.T) {
	used := map[string]bool{}
	key := regexp.MustCompile(`"([a-z0-9]+(?:\.[a-zA-Z0-9 ]+)*)"`)
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, f := range files {
		if n := f.Name(); strings.HasSuffix(n, ".go") && !strings.HasSuffix(n, "_test.go") && n != "words.go" {
			b, _ := os.ReadFile(n)
			source += string(b)
		}
	}
	list, _ := templateFiles.ReadDir("templates")
	actions, tags := regexp.MustCompile(`{{[^}]*}}`), regexp.MustCompile(`<[^>]*>`)
	for _, f := range list {
		b, _ := templateFiles.ReadFile("templates/" + f.Name())
		source += string(b)
		for _, m := range regexp.MustCompile(`{{t "([^"]*)"`).FindAllStringSubmatch(string(b), -1) {
			if words[m[1]] == "" {
				t.Errorf("%s: no words for %q", f.Name(), m[1])
			}
		}
		if own := regexp.MustCompile(`[A-Za-z]{2,}`).FindAllString(tags.ReplaceAllString(actions.ReplaceAllString(string(b), ""), ""), -1); len(own) > 0 {
			t.Errorf("%s has words of its own: %q", f.Name(), own)
		}
	}
	for _, m := range key.FindAllStringSubmatch(source, -1) {
		used[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`\bT\("([^"]*)"[,)]`).FindAllStringSubmatch(source, -1) {
		if words[m[1]] == "" {
			t.Errorf("no words for %q", m[1])
		}
	}
	for k, text := range words {
		family, _, _ := strings.Cut(k, ".")
		if !used[k] && !slices.Contains([]string{"state", "wrong", "kind", "field", "may", "term", "setting", "sees", "goes", "stays", "sight", "did", "fault", "left", "paper"}, family) {
			t.Errorf("nobody asks for %q", k)
		}
		if regexp.MustCompile(`(?i)please|oops|!|are you sure`).MatchString(text) {
			t.Errorf("%q: %q is not how the box speaks", k, text)
		}
	}
}

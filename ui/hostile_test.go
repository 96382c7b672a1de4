package ui

import (
	"bufio"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage"
)

// TestStreamLasts: over a real connection a stream ends with the session, not with the
// time that a request has.
func TestStreamLasts(t *testing.T) {
	r := owned(t)
	owner := r.account(storage.Owner)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		id := r.s.sessions.start(owner, time.Now())
		c, err := hello(p.dial("192.0.2.1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		io.WriteString(c, "GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: "+cookieName+"="+id+"\r\n\r\n")
		last := ""
		for br := bufio.NewReader(c); ; {
			line, err := br.ReadString('\n')
			if err != nil {
				break
			}
			if strings.HasPrefix(line, "event: ") {
				last = strings.TrimSpace(line[7:])
			}
		}
		if d := time.Since(began); last != "gone" || d < sessionIdle {
			t.Errorf("ended with %q after %v", last, d)
		}
		c.Close()
		stop()
	})
}

// TestStreamIsNoUse: a page that nobody touches asks for its stream again and again, and
// its session ends all the same.
func TestStreamIsNoUse(t *testing.T) {
	r := owned(t)
	owner := r.account(storage.Owner)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		c := r.as(owner)
		for range 3 {
			time.Sleep(sessionIdle - time.Minute)
			ctx, stop := context.WithCancel(context.Background())
			req := httptest.NewRequest("GET", "https://sotto.local/events", nil).WithContext(ctx)
			req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
			time.AfterFunc(time.Second, stop)
			r.s.Handler().ServeHTTP(&listener{header: http.Header{}}, req)
		}
		wants(t, "after an hour and a half", c.get("/"), 303, "/login?over")
		contains(t, "log-in", c.get("/login?over").Body.String(), T("login.over"))
		wants(t, "without a cookie", r.browser().get("/"), 303, "/login")
		time.Sleep(time.Second)
	})
}

// TestSharedAddress: at an address that the owner has logged in from, somebody with an
// account of his own guesses no faster for it.
func TestSharedAddress(t *testing.T) {
	var g guard
	g.init()
	now := time.Now()
	addr := netip.MustParseAddr("192.0.2.1")
	own := func(name string) {
		if x, wait := g.begin(name, addr, now); wait == 0 {
			g.succeeded(x, now)
		}
	}
	own("owner")
	guesses := 0
	for range 100 {
		if _, wait := g.begin("owner", addr, now); wait == 0 {
			guesses++
		}
		own("staff")
	}
	if guesses > freeFailures {
		t.Errorf("%d guesses at once", guesses)
	}
}

// TestSpellings: what logs in to one account is one name.
func TestSpellings(t *testing.T) {
	for _, l := range [][]string{{"Josef", "joſef", "JOSEF", " josef "}, {"kate", "\u212aate", "KATE"}, {"ΣΑΣ", "σας", "σασ"}} {
		for _, s := range l {
			if fold(s) != fold(l[0]) {
				t.Errorf("%q is not %q", s, l[0])
			}
		}
	}
	if fold("josef") == fold("josep") {
		t.Error("all names are one")
	}
}

// TestUnsetClock: a certificate that is made before the clock is set can be used after.
func TestUnsetClock(t *testing.T) {
	blob, err := MakeIdentity(nil, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	id, err := ReadIdentity(blob)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := x509.ParseCertificate(id.Certificate[0]); err != nil || x.NotAfter.Year() < 2035 {
		t.Errorf("good until %v, %v", x.NotAfter, err)
	}
}

// TestAgents: whose device a telephone says that it runs on is on no page.
func TestAgents(t *testing.T) {
	for in, want := range map[string]string{
		"Acme SIP-1 1.2.3":                      "Acme SIP-1 1.2.3",
		"Softphone/5.0 (Maria's phone) Lib/1.0": "Softphone/5.0 Lib/1.0",
		"Softphone/5.0 (Maria's ph":             "Softphone/5.0",
		"(Maria)":                               T("sip.unnamed"),
	} {
		if got := printable(in); got != want {
			t.Errorf("%q shows %q", in, got)
		}
	}
}

// TestHolders: hosts that hold all places keep nobody else out.
func TestHolders(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		p, stop := r.serving(t)
		var held []net.Conn
		for i := range maxConns {
			held = append(held, p.dial(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)}).String()))
		}
		c, err := hello(p.dial("192.0.2.77"), 0)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Error(res, err)
		}
		if n := r.s.count.refusedConns.Load(); n != 1 {
			t.Errorf("%d gave way", n)
		}
		for _, c := range append(held, c) {
			c.Close()
		}
		stop()
	})
}

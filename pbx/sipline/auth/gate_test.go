package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

var (
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	phone  = netip.MustParseAddrPort("192.0.2.10:5060")
	secret = NewSecret("201", Realm, "right")
)

func book(user string) (pbx.Secret, bool) { return secret, user == "201" }

// answer is what a telephone does with a challenge.
type answer struct {
	user, secret, uri, nonce string
	nc                       int
	sha256                   bool
	method                   sip.RequestMethod
	target                   string
	ha1                      string // if not that of user and secret
}

func nonceOf(challenge string) string {
	_, rest, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	return nonce
}

func (a answer) header() string {
	sum := func(s string) string {
		if a.sha256 {
			b := sha256.Sum256([]byte(s))
			return hex.EncodeToString(b[:])
		}
		b := md5.Sum([]byte(s))
		return hex.EncodeToString(b[:])
	}
	alg := "MD5"
	if a.sha256 {
		alg = "SHA-256"
	}
	ha1 := a.ha1
	if ha1 == "" {
		ha1 = sum(a.user + ":sotto:" + a.secret)
	}
	response := sum(fmt.Sprintf("%s:%s:%08x:cn:auth:%s", ha1, a.nonce, a.nc, sum(string(a.method)+":"+a.uri)))
	return fmt.Sprintf(`Digest username="%s", realm="sotto", nonce="%s", uri="%s", response="%s", algorithm=%s, cnonce="cn", qop=auth, nc=%08x`,
		a.user, a.nonce, a.uri, response, alg, a.nc)
}

// request makes the request with the answer in it; headers stand before it.
func (a answer) request(t testing.TB, headers ...string) *sip.Request {
	t.Helper()
	req := sip.NewRequest(a.method, sip.Uri{})
	if err := sip.ParseUri(a.target, &req.Recipient); err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		req.AppendHeader(sip.NewHeader("authorization", h))
	}
	req.AppendHeader(sip.NewHeader("Authorization", a.header()))
	return req
}

// login is a right answer to a fresh challenge.
func login(g *Gate, now time.Time) answer {
	c, _ := g.Challenge(now, phone.Addr(), false)
	return answer{user: "201", secret: "right", uri: "sip:192.0.2.1", nonce: nonceOf(c), nc: 1, sha256: true, method: sip.REGISTER, target: "sip:192.0.2.1"}
}

func TestChallenge(t *testing.T) {
	g := NewGate(noon)
	sha, md := g.Challenge(noon, phone.Addr(), false)
	n := nonceOf(sha)
	if len(n) != nonceText || nonceOf(md) != n {
		t.Errorf("nonces %q and %q", n, nonceOf(md))
	}
	if want := `Digest realm="sotto", nonce="` + n + `", algorithm=SHA-256, qop="auth"`; sha != want {
		t.Errorf("%s, want %s", sha, want)
	}
	if want := `Digest realm="sotto", nonce="` + n + `", algorithm=MD5, qop="auth"`; md != want {
		t.Errorf("%s, want %s", md, want)
	}
	sha, md = g.Challenge(noon, phone.Addr(), true)
	if !strings.HasSuffix(sha, ", stale=true") || !strings.HasSuffix(md, ", stale=true") || nonceOf(sha) == n {
		t.Errorf("%s, %s", sha, md)
	}
}

func TestChallengeFromManyGoroutines(t *testing.T) {
	g := NewGate(noon)
	var wg sync.WaitGroup
	var all [4][500]string
	for i := range all {
		wg.Go(func() {
			for j := range all[i] {
				all[i][j], _ = g.Challenge(noon, phone.Addr(), false)
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for i := range all {
		for _, c := range all[i] {
			if seen[c] {
				t.Fatal("one nonce twice")
			}
			seen[c] = true
			if _, _, ok := g.nonce(noon, nonceOf(c), phone.Addr()); !ok {
				t.Fatal("a nonce that the gate does not know")
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*answer)
		want   Verdict
	}{
		"SHA-256":              {func(a *answer) {}, Good},
		"MD5":                  {func(a *answer) { a.sha256 = false }, Good},
		"wrong secret":         {func(a *answer) { a.secret = "Right" }, Wrong},
		"unknown name":         {func(a *answer) { a.user = "999" }, Wrong},
		"no name of ours":      {func(a *answer) { a.user = "201 " }, Wrong},
		"another method":       {func(a *answer) { a.method = sip.INVITE }, Good}, // it was signed for INVITE
		"another target":       {func(a *answer) { a.target = "sip:00900@192.0.2.1" }, Malformed},
		"another user":         {func(a *answer) { a.target, a.uri = "sip:102@192.0.2.1", "sip:101@192.0.2.1" }, Malformed},
		"case of the user":     {func(a *answer) { a.target, a.uri = "sip:Ann@192.0.2.1", "sip:ann@192.0.2.1" }, Malformed},
		"case of the host":     {func(a *answer) { a.target, a.uri = "sip:Box.example", "SIP:box.EXAMPLE" }, Good},
		"transport":            {func(a *answer) { a.target = "sip:192.0.2.1;transport=tcp" }, Good},
		"user=phone":           {func(a *answer) { a.uri = "sip:192.0.2.1;user=phone" }, Good},
		"default port":         {func(a *answer) { a.uri = "sip:192.0.2.1:5060" }, Good},
		"another port":         {func(a *answer) { a.uri = "sip:192.0.2.1:5062" }, Malformed},
		"sips":                 {func(a *answer) { a.uri = "sips:192.0.2.1" }, Malformed},
		"parameter":            {func(a *answer) { a.target = "sip:192.0.2.1;maddr=192.0.2.2" }, Malformed},
		"the same parameter":   {func(a *answer) { a.target, a.uri = "sip:192.0.2.1;x=1;lr", "sip:192.0.2.1;X=1" }, Good},
		"headers":              {func(a *answer) { a.uri = "sip:192.0.2.1?a=b" }, Malformed},
		"no URI":               {func(a *answer) { a.uri = "*" }, Malformed},
		"empty nonce":          {func(a *answer) { a.nonce = "" }, Stale},
		"nonce of nobody":      {func(a *answer) { a.nonce = strings.Repeat("A", nonceText) }, Stale},
		"nonce not in base64":  {func(a *answer) { a.nonce = strings.Repeat("+", nonceText) }, Stale},
		"nonce with a new bit": {func(a *answer) { a.nonce = "B" + a.nonce[1:] }, Stale},
	} {
		g := NewGate(noon)
		a := login(g, noon)
		tt.change(&a)
		asked := 0
		user, v := g.Check(noon, a.request(t), phone.Addr(), func(u string) (pbx.Secret, bool) { asked++; return book(u) })
		if v != tt.want {
			t.Errorf("%s: %v, want %v", name, v, tt.want)
		}
		if told := v == Good || v == Wrong; told != (user == a.user) || told != (asked == 1) {
			t.Errorf("%s: user %q, %d look-ups", name, user, asked)
		}
		if got := g.Stats().Verdicts[v]; got != 1 {
			t.Errorf("%s: counted %d", name, got)
		}
	}
}

func TestWhichHeader(t *testing.T) {
	g := NewGate(noon)
	a := login(g, noon)
	elsewhere := `Digest username="x", realm="elsewhere", nonce="n", uri="sip:a", response="00", qop=auth`
	if _, v := g.Check(noon, a.request(t, "NoOneKnowsThisScheme opaque-data=here", elsewhere), phone.Addr(), book); v != Good {
		t.Errorf("among others: %v", v)
	}
	if _, v := g.Check(noon, a.request(t, `Digest realm="sotto"`), phone.Addr(), book); v != Malformed {
		t.Errorf("behind a broken one: %v", v)
	}
	a.nc++
	if _, v := g.Check(noon, a.request(t, slicesOf(elsewhere, maxAuthorization)...), phone.Addr(), book); v != Malformed {
		t.Errorf("behind too many: %v", v)
	}
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: "192.0.2.1"})
	if _, v := g.Check(noon, req, phone.Addr(), book); v != Missing {
		t.Errorf("none: %v", v)
	}
	req.AppendHeader(sip.NewHeader("Authorization", elsewhere))
	if _, v := g.Check(noon, req, phone.Addr(), book); v != Missing {
		t.Errorf("another realm's: %v", v)
	}
}

func slicesOf(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestNonceIsOfOneSourceAndTime(t *testing.T) {
	g := NewGate(noon)
	a := login(g, noon)
	check := func(g *Gate, at time.Time, from string) Verdict {
		_, v := g.Check(at, a.request(t), netip.MustParseAddr(from), book)
		return v
	}
	if v := check(g, noon, "192.0.2.11"); v != Stale {
		t.Errorf("from elsewhere: %v", v)
	}
	if v := check(NewGate(noon), noon, "192.0.2.10"); v != Stale {
		t.Errorf("of another gate: %v", v)
	}
	if v := check(g, noon.Add(NonceLife), "192.0.2.10"); v != Stale {
		t.Errorf("too old: %v", v)
	}
	a.secret = "wrong" // stale tells nothing of secrets
	if v := check(g, noon.Add(NonceLife), "192.0.2.10"); v != Stale {
		t.Errorf("too old and wrong: %v", v)
	}
	a.secret = "right"
	if v := check(g, noon.Add(NonceLife-time.Millisecond), "::ffff:192.0.2.10"); v != Good {
		t.Errorf("just in time: %v", v)
	}
}

func TestReplay(t *testing.T) {
	g := NewGate(noon)
	a := login(g, noon)
	try := func(nc int, want Verdict) {
		t.Helper()
		a.nc = nc
		if _, v := g.Check(noon, a.request(t), phone.Addr(), book); v != want {
			t.Errorf("nc %d: %v, want %v", nc, v, want)
		}
	}
	a.secret = "wrong"
	try(1, Wrong) // uses up nothing
	a.secret = "right"
	try(1, Good)
	try(1, Replayed)
	try(3, Good)
	try(2, Good) // overtaken
	try(2, Replayed)
	try(3, Replayed)
	try(100, Good)
	try(37, Good) // 63 behind
	try(36, Replayed)
	try(37, Replayed)
	try(1<<31-1, Good)
	try(100, Replayed)
	a.secret = "wrong"
	try(100, Wrong) // who has no secret is not told what was used
}

func TestAlgorithmNotAllowed(t *testing.T) {
	g := NewGate(noon)
	strong := secret
	strong.MD5 = [16]byte{}
	only := func(string) (pbx.Secret, bool) { return strong, true }
	a := login(g, noon)
	if _, v := g.Check(noon, a.request(t), phone.Addr(), only); v != Good {
		t.Errorf("SHA-256: %v", v)
	}
	a.sha256 = false
	if _, v := g.Check(noon, a.request(t), phone.Addr(), only); v != Wrong {
		t.Errorf("MD5: %v", v)
	}
	// Nor is the digest that stands for "none" a secret that anyone could use.
	a.ha1 = strings.Repeat("0", 32)
	if _, v := g.Check(noon, a.request(t), phone.Addr(), only); v != Wrong {
		t.Errorf("a digest of zeros: %v", v)
	}
}

// Replay windows are bounded, and what falls out of them is stale, not free to be used
// again.
func TestEvictedNonceIsStale(t *testing.T) {
	g := NewGate(noon)
	a := login(g, noon)
	if _, v := g.Check(noon, a.request(t), phone.Addr(), book); v != Good {
		t.Fatal(v)
	}
	w := &g.windows
	for i := range uint64(maxWindows) {
		w.use(1000+i, 1+i/100, 1, 1+i/100)
	}
	if len(w.of) != maxWindows || w.n != maxWindows || g.Stats().Evicted != 1 {
		t.Fatalf("%d windows, %d in order, %d evicted", len(w.of), w.n, g.Stats().Evicted)
	}
	if _, v := g.Check(noon, a.request(t), phone.Addr(), book); v != Stale {
		t.Errorf("replay after eviction: %v", v)
	}
	late := noon.Add(time.Second)
	if b := login(g, late); w.fresh(1000) {
		if _, v := g.Check(late, b.request(t), phone.Addr(), book); v != Good {
			t.Errorf("a new one: %v", v)
		}
	}
	// After a minute of quiet, each new one takes two old ones away.
	for i := range uint64(maxWindows) {
		w.use(1<<40+i, 200000+i, 1, 200000+i)
	}
	if got := len(w.of); got > 60001 {
		t.Errorf("%d windows, those of the last minute expected", got)
	}
	if w.n != len(w.of) {
		t.Errorf("%d in order, %d windows", w.n, len(w.of))
	}
}

func TestAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	g := NewGate(noon)
	if got := testing.AllocsPerRun(100, func() { g.Challenge(noon, phone.Addr(), false) }); got > 2 {
		t.Errorf("Challenge: %v allocations, want the two strings", got)
	}
	a := login(g, noon)
	a.uri = "sip:192.0.2.1"
	req := a.request(t)
	g.Check(noon, req, phone.Addr(), book)
	if got := testing.AllocsPerRun(100, func() { g.Check(noon, req, phone.Addr(), book) }); got > 2 {
		t.Errorf("Check: %v allocations", got)
	}
}

func FuzzCheck(f *testing.F) {
	g := NewGate(noon)
	f.Add(login(g, noon).header(), "sip:192.0.2.1")
	f.Add(`Digest realm="sotto"`, "sip:201@[::1]:5060;transport=tcp")
	f.Fuzz(func(t *testing.T, header, target string) {
		var u sip.Uri
		if sip.ParseUri(target, &u) != nil {
			return
		}
		req := sip.NewRequest(sip.REGISTER, u)
		req.AppendHeader(sip.NewHeader("Authorization", header))
		g := NewGate(noon)
		if user, v := g.Check(noon, req, phone.Addr(), book); v == Good || v == Replayed || v == Wrong {
			t.Fatalf("%v for %q without a nonce of ours", v, user)
		}
	})
}

func BenchmarkChallenge(b *testing.B) {
	g := NewGate(noon)
	b.ReportAllocs()
	for b.Loop() {
		g.Challenge(noon, phone.Addr(), false)
	}
}

// What a REGISTER costs: the challenge, and the judgement of its answer behind a guard.
func BenchmarkChallengeAndAdmit(b *testing.B) {
	for _, alg := range []string{"MD5", "SHA-256"} {
		b.Run(alg, func(b *testing.B) {
			g := NewGate(noon)
			guard := NewGuard(noon)
			reqs := make([]*sip.Request, 4096)
			for i := range reqs {
				a := login(g, noon)
				a.sha256 = alg != "MD5"
				reqs[i] = a.request(b)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				g.Challenge(noon, phone.Addr(), false)
				if i%len(reqs) == 0 {
					g.windows = windows{}
				}
				if _, v, _ := g.Admit(noon, guard, reqs[i%len(reqs)], phone, book); v != Good {
					b.Fatal(v)
				}
			}
		})
	}
}

package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// NonceLife is how long a challenge may be answered.
const NonceLife = 60 * time.Second

// maxAuthorization bounds the Authorization headers that are looked at in one request.
const maxAuthorization = 8

// Verdict is what became of a request's credentials.
type Verdict uint8

const (
	Missing   Verdict = iota // there are none for our realm
	Malformed                // against the grammar, or not of what was offered
	Stale                    // the nonce is old, or none that this box minted for this source
	Wrong                    // a challenge of ours, answered with another secret or by an unknown name
	Replayed                 // the right answer, but not for the first time
	Banned                   // not looked at: too many wrong answers before (Admit only)
	Good
	numVerdicts
)

var verdictNames = [numVerdicts]string{Missing: "missing", Malformed: "malformed", Stale: "stale", Wrong: "wrong",
	Replayed: "replayed", Banned: "banned", Good: "good"}

func (v Verdict) String() string { return verdictNames[v] }

// GateStats counts what a [Gate] did since its start.
type GateStats struct {
	Challenges uint64              // minted
	Verdicts   [numVerdicts]uint64 // by [Verdict]
	Evicted    uint64              // replay windows that had to go before their time; see maxWindows
}

// Gate mints challenges and judges the answers. Challenge may be called from any
// goroutine; all else belongs to one.
type Gate struct {
	start time.Time
	key   [32]byte
	last  atomic.Uint64 // number of the nonce minted last
	macs  sync.Pool     // of *mac
	dummy pbx.Secret    // stands in for the secret of an unknown name

	windows windows
	stats   GateStats
	cred    credentials
	buf     []byte
	uri     bytes.Buffer
}

// NewGate makes a gate with a key of its own: nonces of another gate, and of the one
// before a restart, are stale to it. now counts as the beginning of its time.
func NewGate(now time.Time) *Gate {
	g := &Gate{start: now}
	rand.Read(g.key[:]) // never fails (crypto/rand)
	rand.Read(g.dummy.MD5[:])
	rand.Read(g.dummy.SHA256[:])
	g.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, g.key[:])} }
	return g
}

// Stats gives the counters.
func (g *Gate) Stats() GateStats {
	s := g.stats
	s.Challenges, s.Evicted = g.last.Load(), g.windows.evicted
	return s
}

// A nonce is, in base64 without a need for padding:
//
//	6 bytes  when it was minted, in milliseconds since the gate's start
//	8 bytes  its number; none is used twice
//	16 bytes HMAC-SHA-256 over both and the source's address, cut short
const (
	nonceTime = 6
	nonceBody = nonceTime + 8
	nonceLen  = nonceBody + 16
	nonceText = nonceLen / 3 * 4
)

var nonceCode = base64.URLEncoding.Strict()

// mac is what signing a nonce needs, kept between uses.
type mac struct {
	hash hash.Hash
	in   [nonceBody + 16]byte // body and address
	sum  [sha256.Size]byte
}

// sign writes the code for the body of a nonce behind it.
func (g *Gate) sign(nonce *[nonceLen]byte, src netip.Addr) {
	m := g.macs.Get().(*mac)
	copy(m.in[:], nonce[:nonceBody])
	addr := src.As16() // an IPv4 address and its form in IPv6 are one
	copy(m.in[nonceBody:], addr[:])
	m.hash.Reset()
	m.hash.Write(m.in[:])
	copy(nonce[nonceBody:], m.hash.Sum(m.sum[:0]))
	g.macs.Put(m)
}

// Challenge gives the values of two WWW-Authenticate headers, the one to stand first
// first (RFC 8760 section 2.3). stale tells the telephone to try again with the secret
// that it has (RFC 7616 section 3.3). They can be answered from src alone, for
// [NonceLife]. Any goroutine may call it.
func (g *Gate) Challenge(now time.Time, src netip.Addr, stale bool) (sha256, md5 string) {
	var raw [nonceLen]byte
	age := uint64(max(now.Sub(g.start), 0).Milliseconds())
	binary.BigEndian.PutUint64(raw[:], age<<16)
	binary.BigEndian.PutUint64(raw[nonceTime:], g.last.Add(1))
	g.sign(&raw, src)
	var text [nonceText]byte
	nonceCode.Encode(text[:], raw[:])

	const head, forSHA256, forMD5 = `Digest realm="` + Realm + `", nonce="`, `", algorithm=SHA-256, qop="auth"`, `", algorithm=MD5, qop="auth"`
	var line [160]byte
	n := copy(line[:], head)
	n += copy(line[n:], text[:])
	tail := ""
	if stale {
		tail = ", stale=true"
	}
	end := n + copy(line[n:], forSHA256)
	end += copy(line[end:], tail)
	sha256 = string(line[:end])
	end = n + copy(line[n:], forMD5)
	end += copy(line[end:], tail)
	return sha256, string(line[:end])
}

// nonce gives the number of a nonce and when it was minted, in milliseconds since the
// start. ok is false if it was not minted here for src, or is older than [NonceLife].
func (g *Gate) nonce(now time.Time, text string, src netip.Addr) (number, minted uint64, ok bool) {
	var raw, want [nonceLen]byte
	if len(text) != nonceText {
		return
	}
	var in [nonceText]byte
	copy(in[:], text)
	if n, err := nonceCode.Decode(raw[:], in[:]); err != nil || n != nonceLen {
		return
	}
	want = raw
	g.sign(&want, src)
	if subtle.ConstantTimeCompare(raw[:], want[:]) != 1 {
		return
	}
	minted = binary.BigEndian.Uint64(raw[:]) >> 16
	number = binary.BigEndian.Uint64(raw[nonceTime:])
	age := now.Sub(g.start) - time.Duration(minted)*time.Millisecond
	return number, minted, age < NonceLife
}

// Check judges the credentials of a request that came from src. secret looks a name up;
// it is called once at most, for a live nonce, and may be called with anything of up to
// 64 bytes. The user is the name as claimed: to be believed with Good and Replayed, for
// counting with Wrong, and empty else.
//
// The first Authorization header for [Realm] counts; those for other realms and of other
// schemes are passed over. The uri parameter must name what the request is for: see
// sameTarget. An algorithm whose digest in the secret is all zeros is not allowed to
// that user, and Wrong.
//
// A right answer is Good once. An nc may come late by up to 63 (requests overtake each
// other on UDP), but none twice. Wrong answers use up nothing.
func (g *Gate) Check(now time.Time, req *sip.Request, src netip.Addr, secret func(user string) (pbx.Secret, bool)) (user string, v Verdict) {
	defer func() { g.stats.Verdicts[v]++ }()
	return g.check(now, req, src, secret)
}

func (g *Gate) check(now time.Time, req *sip.Request, src netip.Addr, secret func(user string) (pbx.Secret, bool)) (string, Verdict) {
	c := &g.cred
	switch find(c, req) {
	case foundOther:
		return "", Missing
	case foundBad:
		return "", Malformed
	}
	if !g.sameTarget(c.uri, &req.Recipient) {
		return "", Malformed // RFC 7616 section 3.4.6
	}
	number, minted, ok := g.nonce(now, c.nonce, src)
	if !ok || !g.windows.fresh(minted) {
		return "", Stale
	}
	s, known := secret(c.username)
	if !known {
		s = g.dummy
	}
	var right bool
	right, g.buf = c.right(&s, string(req.Method), g.buf)
	allowed := c.alg == algSHA256 && s.SHA256 != [32]byte{} || c.alg == algMD5 && s.MD5 != [16]byte{}
	switch {
	case !right || !known || !allowed || c.username != string(s.Ext):
		return c.username, Wrong
	case !g.windows.use(number, minted, c.nc, uint64(max(now.Sub(g.start), 0).Milliseconds())):
		return c.username, Replayed
	}
	return c.username, Good
}

// find reads the first Authorization header of req for our realm.
func find(c *credentials, req *sip.Request) found {
	n := 0
	for _, h := range req.Headers() {
		if !strings.EqualFold(h.Name(), "Authorization") {
			continue
		}
		if n++; n > maxAuthorization {
			return foundBad
		}
		if f := c.parse(h.Value(), Realm); f != foundOther {
			return f
		}
	}
	return foundOther
}

// Admit is Check behind a guard: a source that has guessed too often is not looked at,
// a wrong answer is counted, and a right one clears. With Banned, until tells when it
// ends. It is what the server calls.
func (g *Gate) Admit(now time.Time, guard *Guard, req *sip.Request, src netip.AddrPort, secret func(user string) (pbx.Secret, bool)) (user string, v Verdict, until time.Time) {
	banned := false
	user, v = g.check(now, req, src.Addr(), func(name string) (pbx.Secret, bool) {
		if until, banned = guard.Banned(now, src, name); banned {
			return pbx.Secret{}, false // the work is done all the same
		}
		return secret(name)
	})
	switch {
	case banned:
		v = Banned
	case v == Wrong:
		guard.Wrong(now, src, user)
	case v == Good:
		guard.Right(now, src, user)
	}
	g.stats.Verdicts[v]++
	return user, v, until
}

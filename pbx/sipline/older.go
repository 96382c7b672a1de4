package sipline

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// older finds telephones that know MD5 alone and do not pass over a challenge by SHA-256
// beside it, as RFC 8760 section 2.4 wants of them, but give up: baresip with libre before
// 3.12, what is built on pjsip before 2.11. They are then asked by MD5 alone:
//
//   - who showed credentials by MD5: the telephone has made its choice;
//   - who was asked by both and comes again, later than a repetition would, without having
//     answered: it could not;
//   - who last proved himself by MD5: the call of a telephone that registered so.
//
// Who is an address and the user in From. Whether that user exists makes no difference
// but to who has shown to be him. Both tables are of fixed size and forget by overwriting;
// who is forgotten is asked by both. Any goroutine.
type older struct {
	asked [1024]atomic.Uint64 // hash, and in its lower half the second when that was
	md5   [1024]atomic.Uint64 // hash
}

const (
	comesAgain = 5   // seconds: a message comes again by itself 0.5, 1.5 and 3.5 s after the first
	gaveUp     = 600 // seconds: a later request has nothing to do with the first
)

// alone tells whether to ask for credentials by MD5 alone, and notes that it is asked.
func (o *older) alone(now time.Time, seed maphash.Seed, req *sip.Request, from netip.Addr) bool {
	if h := req.GetHeader("Authorization"); h != nil {
		return byMD5(h)
	}
	h := whoHash(seed, req, from)
	i := h % uint64(len(o.asked))
	if o.md5[i].Load() == h {
		return true
	}
	second := uint32(now.Unix())
	if e := o.asked[i].Load(); e>>32 == h>>32 {
		if d := second - uint32(e); d < comesAgain {
			return false
		} else if d < gaveUp {
			return true
		}
	}
	o.asked[i].Store(h&^0xffffffff | uint64(second))
	return false
}

// answered notes that req carries credentials, and, if they were right, by what.
func (o *older) answered(seed maphash.Seed, req *sip.Request, from netip.Addr, right bool) {
	a := req.GetHeader("Authorization")
	if a == nil {
		return
	}
	h := whoHash(seed, req, from)
	i := h % uint64(len(o.asked))
	if o.asked[i].Load()>>32 == h>>32 {
		o.asked[i].Store(0)
	}
	switch {
	case right && byMD5(a):
		o.md5[i].Store(h)
	case right && o.md5[i].Load() == h:
		o.md5[i].Store(0)
	}
}

func byMD5(authorization sip.Header) bool {
	return !strings.Contains(strings.ToUpper(authorization.Value()), "SHA-256")
}

func whoHash(seed maphash.Seed, req *sip.Request, from netip.Addr) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	a := from.As16()
	h.Write(a[:])
	h.WriteString(req.From().Address.User)
	return h.Sum64()
}

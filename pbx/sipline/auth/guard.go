package auth

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// What a guard allows.
const (
	banAfter    = 5              // wrong answers for one account from one source
	scanAfter   = 20             // accounts that one source answers wrongly for
	totalAfter  = 40             // wrong answers from one source
	firstBan    = time.Minute    // doubled by each wrong answer that follows
	longestBan  = 24 * time.Hour //
	forgetAfter = 24 * time.Hour // without a wrong answer; and how long a right one vouches
	slowDown    = time.Minute    // between wrong answers of a source, past the first few
	burst       = 5              // of a source, for accounts it never proved
	burstProven = 2              // for those that it did
	maxEntries  = 65536          // sources and pairs of source and account
	maxList     = 500            // bans on the page
)

// Reason is why a source is not listened to.
type Reason uint8

const (
	ReasonAccount Reason = iota + 1 // wrong answers for one account
	ReasonScan                      // wrong answers for many accounts
	ReasonTotal                     // many wrong answers, or too fast
)

var reasonNames = [...]string{ReasonAccount: "wrong secret", ReasonScan: "wrong secrets for many accounts", ReasonTotal: "many wrong secrets"}

func (r Reason) String() string { return reasonNames[r] }

// Ban is one line of the page. It names no account.
type Ban struct {
	Source netip.Prefix // one IPv4 address, or the /64 that an IPv6 host moves in
	Reason Reason       // of ReasonAccount, there may be several for a source
	Wrong  int          // answers counted
	Until  time.Time
}

// GuardStats counts what a [Guard] did since its start.
type GuardStats struct {
	Wrong   uint64 // wrong answers counted
	Refused uint64 // requests that Banned refused
	Bans    uint64 // begun or lengthened
	Evicted uint64 // entries that made room for newer ones
	Entries int    // now
}

// Guard limits guessing. The key is the source together with the account, so that
// nobody is locked out by what another does elsewhere:
//
//   - The fifth wrong answer for an account from a source bans that pair for a minute;
//     each that follows doubles it, to a day. A right answer clears.
//   - Wrong answers for 20 accounts, or 40 in all, ban the source in the same way.
//   - Beyond the first five, a source has one wrong answer a minute.
//   - Where the account has proved itself from the source within a day, the bans do not
//     hold: only a slower pace does, of its own (two, then one a minute). At the very
//     port that it proved itself from, nothing does: no one else can answer a challenge
//     there. A wrong answer from that port ends all of this.
//
// So one source has nine wrong answers in a minute at the most, beside one for each
// port that was right before; a stranger has fewer than a hundred in a day; and the
// right telephone behind the same NAT as a guesser keeps working.
//
// Count only what [Gate.Check] found Wrong: it has proved its address. A Guard belongs
// to one goroutine.
type Guard struct {
	start time.Time
	seed  maphash.Seed
	table table
	stats GuardStats
}

// NewGuard makes a guard that knows of nothing wrong.
func NewGuard(now time.Time) *Guard {
	return &Guard{start: now, seed: maphash.MakeSeed()}
}

// record is what is known of a source (account 0) or of a source with an account. Times
// are since the guard's start; 0 is never.
type record struct {
	wrong    uint32        // answers: of a pair in a row, of a source in all
	accounts uint32        // of a source: pairs with wrong answers
	bans     uint8         // begun one after another
	scan     bool          // of a source: its last ban is for many accounts
	counted  bool          // of a pair: among the accounts of its source
	port     uint16        // of a pair: that it last proved itself from
	proven   time.Duration // of a pair: when
	last     time.Duration // wrong answer
	until    time.Duration // banned
	pace     time.Duration // of a source: wrong answers are paid for up to here
	paceOwn  time.Duration // and those for proven accounts
}

func (g *Guard) since(now time.Time) time.Duration { return max(now.Sub(g.start), 0) + 1 }

func (g *Guard) keys(src netip.Addr, user string) (source, pair key) {
	source.addr = src.As16()
	if src = src.Unmap(); src.Is6() {
		clear(source.addr[8:])
	}
	pair = source
	if pair.account = maphash.String(g.seed, user); pair.account == 0 {
		pair.account = 1
	}
	return source, pair
}

// Banned tells whether an answer for user from src is not to be looked at, and until
// when. user may be anything.
func (g *Guard) Banned(now time.Time, src netip.AddrPort, user string) (until time.Time, banned bool) {
	t := g.since(now)
	sourceKey, pairKey := g.keys(src.Addr(), user)
	source, pair := g.table.get(sourceKey), g.table.get(pairKey)
	end := time.Duration(0)
	switch proven := pair != nil && pair.proves(t); {
	case proven && pair.port == src.Port():
	case proven:
		if source != nil {
			end = source.paceOwn - (burstProven-1)*slowDown
		}
	default:
		if source != nil {
			end = max(source.until, source.pace-(burst-1)*slowDown)
		}
		if pair != nil {
			end = max(end, pair.until)
		}
	}
	if end <= t {
		return time.Time{}, false
	}
	g.stats.Refused++
	return g.start.Add(end - 1), true
}

func (r *record) proves(t time.Duration) bool { return r.proven != 0 && t-r.proven < forgetAfter }

// Wrong counts a wrong answer for user from src: one that [Gate.Check] found Wrong, and
// that was not refused.
func (g *Guard) Wrong(now time.Time, src netip.AddrPort, user string) {
	t := g.since(now)
	g.stats.Wrong++
	sourceKey, pairKey := g.keys(src.Addr(), user)
	pair := g.entry(pairKey, t)
	if pair.port == src.Port() {
		pair.proven = 0 // whoever vouched for the pair has another secret now
	}
	proven := pair.proves(t)
	first := !pair.counted && !proven
	pair.counted = pair.counted || first
	pair.wrong++
	pair.last = t
	if pair.wrong >= banAfter && !proven {
		g.ban(pair, t)
	}

	source := g.entry(sourceKey, t) // moves entries: pair is not valid any more
	source.last = t
	if proven {
		source.paceOwn = max(source.paceOwn, t) + slowDown
		return
	}
	source.pace = max(source.pace, t) + slowDown
	source.wrong++
	if first {
		source.accounts++
	}
	if source.accounts >= scanAfter || source.wrong >= totalAfter {
		source.scan = source.accounts >= scanAfter
		g.ban(source, t)
	}
}

// ban begins a ban, twice as long as the one before.
func (g *Guard) ban(r *record, t time.Duration) {
	g.stats.Bans++
	length := longestBan
	if r.bans < 11 { // 2^10 minutes are the last below a day
		length = firstBan << r.bans
		r.bans++
	}
	r.until = t + length
}

// entry gives the record of k, made if there is none, and emptied if it is too old to
// matter. It is valid until the next call.
func (g *Guard) entry(k key, t time.Duration) *record {
	r := g.table.get(k)
	if r == nil {
		var evicted bool
		if r, evicted = g.table.add(k); evicted {
			g.stats.Evicted++
		}
		return r
	}
	if t-max(r.last, r.until) >= forgetAfter {
		*r = record{proven: r.proven, port: r.port, pace: r.pace, paceOwn: r.paceOwn}
	}
	return r
}

// Right tells that user has proved himself from src. What was held against the pair is
// forgotten; what is held against the source is not, or one account would be a licence
// to guess at others.
func (g *Guard) Right(now time.Time, src netip.AddrPort, user string) {
	t := g.since(now)
	sourceKey, pairKey := g.keys(src.Addr(), user)
	pair := g.entry(pairKey, t)
	if pair.counted {
		if source := g.table.peek(sourceKey); source != nil && source.accounts > 0 {
			source.accounts--
		}
	}
	*pair = record{proven: t, port: src.Port()}
}

// List gives the bans that hold, latest first, 500 at most.
func (g *Guard) List(now time.Time) []Ban {
	t := g.since(now)
	var bans []Ban
	for k, r := range g.table.all() {
		if len(bans) == maxList {
			break
		}
		b := Ban{Source: k.prefix(), Wrong: int(r.wrong)}
		end := r.until
		switch {
		case k.account != 0:
			b.Reason = ReasonAccount
			if r.proves(t) {
				end = 0
			}
		case r.until <= t:
			b.Reason, end = ReasonTotal, r.pace-(burst-1)*slowDown
		default:
			b.Reason = ReasonTotal
			if r.scan {
				b.Reason = ReasonScan
			}
		}
		if end > t {
			b.Until = g.start.Add(end - 1)
			bans = append(bans, b)
		}
	}
	return bans
}

// Clear forgets all that was held against anyone, and who has proved himself: the
// button of the page.
func (g *Guard) Clear() { g.table = table{} }

// Stats gives the counters.
func (g *Guard) Stats() GuardStats {
	s := g.stats
	s.Entries = g.table.len()
	return s
}

package edge

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Config are the rates of a [Limiter]: messages a second in the long run, and how many may
// come at once after a rest. A rate of 0 sets no limit.
type Config struct {
	Source, SourceBurst       int // one address that is not known (IPv6: one /64)
	Strangers, StrangersBurst int // all addresses together that are not known
	Known, KnownBurst         int // one known neighbour, by its exact address and port
}

// DefaultConfig is for an office of up to 200 telephones.
//
// After a power cut 50 telephones behind one NAT come back within a second, each with two
// accounts and some eight messages an account (REGISTER and its answer to the challenge,
// SUBSCRIBE likewise, OPTIONS, repetitions): 800, which the burst of a source lets through.
// Four such floors come to 3,200, which the burst of all strangers lets through. From then
// on they are known, with an allowance each that no stranger can touch.
//
// Of a flood of 20,000 a second from one source 100 a second are read; of one from 10,000
// invented sources 1,000 a second: at some 20 µs each, challenge and all, 2 % of a core.
// While the latter lasts, a telephone that nobody knows shares these 1,000 with it, and
// gets in by repeating itself; one that comes back at another port of the address that it
// had does not ([Near]). A known neighbour may fill the lines with calls many times over;
// one whose address is forged takes 4 % of a core.
//
// A load generator that is one source of thousands of telephones needs higher rates.
var DefaultConfig = Config{
	Source: 100, SourceBurst: 1000,
	Strangers: 1000, StrangersBurst: 4000,
	Known: 2000, KnownBurst: 4000,
}

// Sizes of the tables: a set of ways, in which the sources with the same hash live.
const (
	ways         = 8
	strangerSets = 65536 / ways
	knownSets    = 4096 / ways
)

// Limiter bounds the rate of messages by source and in all, before they are read. Its
// memory is fixed (2.8 MB, touched as sources appear); Allow does not allocate. It may be
// called from any goroutine.
type Limiter struct {
	seed maphash.Seed

	mu        sync.Mutex
	base      time.Time // of the first call; times are counted from it
	strangers table
	near      table
	known     table
	all       rate   // of all strangers together
	spent     bucket // of theirs
	counts    Counts
}

// Counts are what a Limiter has refused.
type Counts struct {
	Source    uint64 // over the rate of its source
	Strangers uint64 // over the rate of all strangers
	Known     uint64 // over the rate of a known neighbour
	Evicted   uint64 // sources forgotten before they had their allowance back
}

// rate is the price of a message and what may be owed, in nanoseconds. The zero rate
// sets no limit.
type rate struct{ price, debt int64 }

func newRate(perSecond, burst int) rate {
	if perSecond <= 0 {
		return rate{}
	}
	price := int64(time.Second) / int64(perSecond)
	return rate{price, price * int64(max(burst, 1)-1)}
}

// bucket is a token bucket: the time at which it is full again (the GCRA of ITU-T I.371).
type bucket int64

// empty tells whether b has not one message left.
func (b bucket) empty(r rate, now int64) bool { return r.price > 0 && int64(b)-now > r.debt }

// take takes one message's worth.
func (b *bucket) take(r rate, now int64) { *b = bucket(max(int64(*b), now) + r.price) }

// entry is a source in a table.
type entry struct {
	from netip.AddrPort
	left bucket
}

// table is a set-associative cache of buckets.
type table struct {
	rate
	entries []entry
}

// find gives the entry of a source. A new one takes the place of the one in its set that
// owes least, so that who floods is remembered longest.
func (t *table) find(hash uint64, from netip.AddrPort, now int64) (e *entry, evicted bool) {
	sets := uint64(len(t.entries) / ways)
	set := t.entries[hash%sets*ways:][:ways]
	e = &set[0]
	for i := range set {
		if set[i].from == from {
			return &set[i], false
		}
		if set[i].left < e.left {
			e = &set[i]
		}
	}
	evicted = int64(e.left) > now
	*e = entry{from: from}
	return e, evicted
}

// NewLimiter makes a Limiter.
func NewLimiter(cfg Config) *Limiter {
	return &Limiter{
		seed:      maphash.MakeSeed(),
		strangers: table{newRate(cfg.Source, cfg.SourceBurst), make([]entry, strangerSets*ways)},
		near:      table{newRate(cfg.Source, cfg.SourceBurst), make([]entry, knownSets*ways)},
		known:     table{newRate(cfg.Known, cfg.KnownBurst), make([]entry, knownSets*ways)},
		all:       newRate(cfg.Strangers, cfg.StrangersBurst),
	}
}

// Standing is what the caller knows of a source.
type Standing uint8

const (
	Stranger Standing = iota

	// Near: a registered telephone, a trunk or a dialog is at the address, at another
	// port: perhaps the same telephone, started anew. All ports of the address share an
	// allowance of the size of a stranger's, of which no other address can take.
	Near

	// Known: the exact address and port are theirs. Each has an allowance of its own.
	Known
)

// Allow takes one message from the allowance of its source and tells whether it may be
// read. Strangers share one allowance beside their own, and cannot take of the others',
// whatever their number and addresses.
func (l *Limiter) Allow(now time.Time, from netip.AddrPort, who Standing) bool {
	if who != Known {
		from = source(from.Addr())
	}
	hash := maphash.Comparable(l.seed, from)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.base.IsZero() {
		l.base = now
	}
	t := int64(now.Sub(l.base)) + 1 // so that a bucket that was never used is full
	switch who {
	case Known:
		return l.take(&l.known, hash, from, t, &l.counts.Known)
	case Near:
		return l.take(&l.near, hash, from, t, &l.counts.Source)
	}
	if l.spent.empty(l.all, t) {
		l.counts.Strangers++
		return false
	}
	if !l.take(&l.strangers, hash, from, t, &l.counts.Source) {
		return false
	}
	l.spent.take(l.all, t)
	return true
}

// take takes from the bucket of one source.
func (l *Limiter) take(t *table, hash uint64, from netip.AddrPort, now int64, refused *uint64) bool {
	if t.price == 0 {
		return true
	}
	e, evicted := t.find(hash, from, now)
	if evicted {
		l.counts.Evicted++
	}
	if e.left.empty(t.rate, now) {
		*refused++
		return false
	}
	e.left.take(t.rate, now)
	return true
}

// source gives what a stranger is counted by: an IPv4 address, or the /64 that one
// customer has of IPv6.
func source(a netip.Addr) netip.AddrPort {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	return netip.AddrPortFrom(a, 0)
}

// Counts gives what was refused so far.
func (l *Limiter) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

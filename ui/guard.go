package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Failures that a name or an address has free, and the waits that follow: 30 s, and each
// time twice as long up to five minutes, so that nobody is locked out for good.
const (
	freeFailures = 3
	firstWait    = 30 * time.Second
	longestWait  = 5 * time.Minute
	forgetAfter  = time.Hour // a name or address that has been quiet for so long begins anew
	maxGuarded   = 4096      // names and addresses that are remembered
	maxKnown     = 64        // pairs of them that have logged in
)

// guard makes those who guess passwords wait: by the name that they try, whether there is
// such a name or not, and by the address that they come from. An address that has logged
// in with a name does not wait for what others did to that name, so a guesser cannot keep
// its owner out; what comes from there is counted by name and address together, which
// nobody undoes who logs in with another name. Times come from outside.
type guard struct {
	mu    sync.Mutex
	salt  [16]byte // so that the tables hold no names
	fails map[guardKey]*failures
	known map[guardKey]time.Time // name with address, when it logged in
}

type guardKey [sha256.Size]byte

type failures struct {
	count int
	last  time.Time
	until time.Time // no try before
}

func (g *guard) init() {
	rand.Read(g.salt[:])
	g.fails, g.known = map[guardKey]*failures{}, map[guardKey]time.Time{}
}

func (g *guard) key(kind, text string) guardKey {
	return sha256.Sum256([]byte(string(g.salt[:]) + kind + text))
}

// try is one attempt to log in.
type try struct {
	keys [2]guardKey
	pair guardKey
	n    int // of keys
}

// fold gives all spellings of a name that log in to one account, which is found with
// [strings.EqualFold], as one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, strings.TrimSpace(name))
}

// begin begins a try with a name (empty: none) from an address, and tells how long it has
// to wait; 0: it may go on. The try counts as failed until it is said to have succeeded,
// so that many at once are no better than one after the other.
func (g *guard) begin(name string, addr netip.Addr, now time.Time) (try, time.Duration) {
	name = fold(name)
	t := try{keys: [2]guardKey{g.key("address ", addr.String()), g.key("name ", name)}, pair: g.key("pair ", addr.String()+" "+name), n: 2}
	g.mu.Lock()
	defer g.mu.Unlock()
	if name == "" {
		t.n = 1
	} else if _, known := g.known[t.pair]; known {
		t.keys[1] = t.pair
	}
	var wait time.Duration
	for _, k := range t.keys[:t.n] {
		if f := g.fails[k]; f != nil {
			wait = max(wait, f.until.Sub(now))
		}
	}
	if wait > 0 {
		return t, wait
	}
	for _, k := range t.keys[:t.n] {
		f := g.fails[k]
		switch {
		case f == nil:
			g.room(now)
			f = &failures{}
			g.fails[k] = f
		case now.Sub(f.last) > forgetAfter:
			*f = failures{}
		}
		f.count++
		f.last = now
		if over := f.count - freeFailures; over >= 0 {
			f.until = now.Add(min(firstWait<<min(over, 8), longestWait))
		}
	}
	return t, 0
}

// left tells how many more failures are free after the try t that failed, and how long
// the wait is if none.
func (g *guard) left(t try, now time.Time) (free int, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	free = freeFailures
	for _, k := range t.keys[:t.n] {
		if f := g.fails[k]; f != nil {
			free = min(free, freeFailures-f.count)
			wait = max(wait, f.until.Sub(now))
		}
	}
	return max(free, 0), wait
}

// succeeded forgets the failures of the name and the address of t.
func (g *guard) succeeded(t try, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range t.keys {
		delete(g.fails, k)
	}
	if len(g.known) >= maxKnown {
		evict(g.known, func(t time.Time) time.Time { return t })
	}
	g.known[t.pair] = now
}

// undone takes back a try that came to no judgement.
func (g *guard) undone(t try) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range t.keys[:t.n] {
		if f := g.fails[k]; f != nil {
			f.count--
			f.until = time.Time{}
		}
	}
}

// room makes room for one more: the one that has been quiet for longest goes.
func (g *guard) room(now time.Time) {
	if len(g.fails) < maxGuarded {
		return
	}
	evict(g.fails, func(f *failures) time.Time { return f.last })
}

func evict[V any](m map[guardKey]V, at func(V) time.Time) {
	var oldest guardKey
	var first time.Time
	for k, v := range m {
		if t := at(v); first.IsZero() || t.Before(first) {
			oldest, first = k, t
		}
	}
	delete(m, oldest)
}

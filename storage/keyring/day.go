package keyring

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"sotto/storage/seal"
)

var (
	// ErrErased says that the keyring has no such subject: it was erased, or never was.
	ErrErased = errors.New("the person's keys were destroyed")

	// ErrAged says that a chain has gone past the day that was asked for, or began later.
	ErrAged = errors.New("the keys of that day were destroyed")
)

// SealKey gives the key under which a record of day d is sealed for s; the zero Subject is
// the box. It makes the chain at its first use, beginning with d: that is durable after the
// next [Ring.Commit]. Errors are [ErrErased] and [ErrAged]; a class [Own] or a day that no
// box can count to is one too.
func (r *Ring) SealKey(s Subject, c Class, d Day) (seal.Key, error) {
	k, err := r.DayKey(s, c, d)
	if !errors.Is(err, errNoChain) {
		return k, err
	}
	r.w.Lock()
	defer r.w.Unlock()
	p := r.people[s]
	if p == nil {
		return seal.Key{}, ErrErased
	}
	if p.chain(c) == nil { // nobody else made it meanwhile
		r.mu.Lock()
		p.addChain(newChain(c, d))
		r.mu.Unlock()
		r.pend(s, &p.dirty)
	}
	return r.DayKey(s, c, d)
}

// errNoChain is ErrAged for readers: what was sealed on that day was under a key that is
// not there.
var errNoChain = fmt.Errorf("no chain: %w", ErrAged)

// DayKey gives the key under which a record of day d was sealed for s. The errors are those
// of [Ring.SealKey].
func (r *Ring) DayKey(s Subject, c Class, d Day) (seal.Key, error) {
	if c == Own {
		return seal.Key{}, errors.New("own keys have no days")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := r.people[s]
	if p == nil {
		return seal.Key{}, ErrErased
	}
	ch := p.chain(c)
	switch {
	case ch == nil:
		return seal.Key{}, errNoChain
	case d < ch.day:
		return seal.Key{}, ErrAged
	case !ch.holds(d):
		return seal.Key{}, fmt.Errorf("day %d is no day of this box", d)
	case d == ch.day:
		return ch.key(d), nil
	}
	return r.cache.key(s, ch, d), nil
}

// Opens tells whether [Ring.DayKey] has a key, without the work of making it.
func (r *Ring) Opens(s Subject, c Class, d Day) bool {
	if c == Own {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := r.people[s]
	if p == nil {
		return false
	}
	ch := p.chain(c)
	return ch != nil && ch.holds(d)
}

// Forget makes every chain of class c, the box's too, forget the days before before, and
// tells how many chains had any to forget. Their keys are gone from memory then; the next
// rotation takes them from the medium, and until then a restart brings them back. A chain
// that would have to go on by more days than a box can count stays as it is.
func (r *Ring) Forget(c Class, before Day) (chains int) {
	return r.ForgetSome(c, before, math.MaxInt)
}

// ForgetSome is [Ring.Forget] for at most n chains, whichever they are: as long as it tells of n,
// there may be more.
func (r *Ring) ForgetSome(c Class, before Day, n int) (chains int) {
	r.w.Lock()
	defer r.w.Unlock()
	for _, p := range r.people {
		if chains == n {
			break
		}
		if r.step(p, c, before) {
			chains++
		}
	}
	r.forgot(chains > 0)
	return chains
}

// Oldest gives the first day that any chain of class c still opens, the box's too, as they are
// in memory; false if there is none of that class.
func (r *Ring) Oldest(c Class) (oldest Day, any bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, p := range r.people {
		if ch := p.chain(c); ch != nil && (!any || ch.day < oldest) {
			oldest, any = ch.day, true
		}
	}
	return oldest, any
}

// ForgetOf is [Ring.Forget] for one subject. It tells whether there was anything to forget.
func (r *Ring) ForgetOf(s Subject, c Class, before Day) bool {
	r.w.Lock()
	defer r.w.Unlock()
	p := r.people[s]
	ok := p != nil && r.step(p, c, before)
	r.forgot(ok)
	return ok
}

// step takes a chain forward. The work is done outside of the lock that readers need.
func (r *Ring) step(p *person, c Class, before Day) bool {
	ch := p.chain(c)
	if ch == nil || before <= ch.day || !ch.holds(before) {
		return false
	}
	next := ch.at(before)
	r.mu.Lock()
	*ch = next
	r.mu.Unlock()
	next.wipe()
	return true
}

func (r *Ring) forgot(any bool) {
	if !any {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = true
	r.cache.wipe()
}

// dayCache keeps the keys of days that were asked for lately: a page of records asks for
// the same day of the box, and often of the same person, again and again. It is asked
// under the ring's lock, and wiped under the same lock held alone, so that nothing comes
// in after.
type dayCache struct {
	mu   sync.Mutex
	keys [256]cachedKey
}

type cachedKey struct {
	s   Subject
	c   Class // Own: nothing here
	d   Day
	key seal.Key
}

func (dc *dayCache) key(s Subject, ch *chain, d Day) seal.Key {
	at := &dc.keys[s[0]^byte(d)^byte(ch.class)<<5]
	dc.mu.Lock()
	if at.s == s && at.c == ch.class && at.d == d {
		k := at.key
		dc.mu.Unlock()
		return k
	}
	dc.mu.Unlock()
	k := ch.key(d)
	dc.mu.Lock()
	*at = cachedKey{s, ch.class, d, k}
	dc.mu.Unlock()
	return k
}

func (dc *dayCache) wipe() {
	dc.mu.Lock()
	clear(dc.keys[:])
	dc.mu.Unlock()
}

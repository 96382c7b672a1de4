package sipline

import (
	"net/netip"
	"sync"
	"time"

	"sotto/pbx/sipline/wire"
)

// knownKey is where a registered telephone sends from.
type knownKey struct {
	proto wire.Proto
	addr  netip.AddrPort
}

// knownSet is the sources of live registrations and calls. The loop writes it, readers read it.
type knownSet struct {
	mu sync.RWMutex
	m  map[knownKey]int
}

func (k *knownSet) init() { k.m = map[knownKey]int{} }

func (k *knownSet) has(key knownKey) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.m[key] > 0
}

// add counts a reason to know key; n is 1 or -1.
func (k *knownSet) add(key knownKey, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m[key] += n; k.m[key] <= 0 {
		delete(k.m, key)
	}
}

// acquaintances are sources that have shown who they are without being registered, as a
// telephone does that only calls: known for a while. The oldest make room.
type acquaintances struct {
	ring [1024]acquaintance
	n    int
	m    map[knownKey]int // place in ring
}

type acquaintance struct {
	key knownKey
	at  time.Time
}

// acquainted is how long one is remembered after its last right credentials.
const acquainted = 10 * time.Minute

func (a *acquaintances) add(k knownKey, now time.Time, known *knownSet) {
	if a.m == nil {
		a.m = make(map[knownKey]int)
	}
	if i, ok := a.m[k]; ok {
		a.ring[i].at = now
		return
	}
	i := a.n % len(a.ring)
	a.n++
	a.remove(i, known)
	a.ring[i] = acquaintance{k, now}
	a.m[k] = i
	known.add(k, 1)
	for range 2 { // and a look at the oldest ones
		if o := &a.ring[a.swept()]; !o.at.IsZero() && now.Sub(o.at) > acquainted {
			a.remove(a.swept(), known)
		}
	}
}

func (a *acquaintances) swept() int { return (a.n * 7) % len(a.ring) }

func (a *acquaintances) remove(i int, known *knownSet) {
	if o := &a.ring[i]; !o.at.IsZero() {
		known.add(o.key, -1)
		delete(a.m, o.key)
		*o = acquaintance{}
	}
}

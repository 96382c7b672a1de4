package sipline

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"sotto/pbx/sipline/edge"
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
	at map[netip.Addr]int // keys at an address
}

func (k *knownSet) init() { k.m, k.at = map[knownKey]int{}, map[netip.Addr]int{} }

// standing tells the limiter who sends from there.
func (k *knownSet) standing(key knownKey) edge.Standing {
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case k.m[key] > 0:
		return edge.Known
	case k.at[key.addr.Addr()] > 0:
		return edge.Near
	}
	return edge.Stranger
}

func (k *knownSet) has(key knownKey) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.m[key] > 0
}

// add counts a reason to know key; n is 1 or -1.
func (k *knownSet) add(key knownKey, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.m[key]
	if k.m[key] += n; k.m[key] <= 0 {
		delete(k.m, key)
	}
	if is := k.m[key] > 0; is != (before > 0) {
		a := key.addr.Addr()
		if is {
			k.at[a]++
		} else if k.at[a]--; k.at[a] == 0 {
			delete(k.at, a)
		}
	}
}

// acquaintances are sources that have shown who they are without being registered, as a
// telephone does that only calls: known for a while. The oldest make room.
type acquaintances struct {
	byAge list.List // of acquaintance, the oldest first
	m     map[knownKey]*list.Element
}

type acquaintance struct {
	key knownKey
	at  time.Time
}

const (
	acquainted       = 10 * time.Minute // one is remembered after its last right credentials
	maxAcquaintances = 1024
)

func (a *acquaintances) add(k knownKey, now time.Time, known *knownSet) {
	if e := a.m[k]; e != nil {
		e.Value = acquaintance{k, now}
		a.byAge.MoveToBack(e)
		return
	}
	if a.m == nil {
		a.m = map[knownKey]*list.Element{}
	}
	if len(a.m) >= maxAcquaintances {
		a.remove(a.byAge.Front(), known)
	}
	a.m[k] = a.byAge.PushBack(acquaintance{k, now})
	known.add(k, 1)
}

// expire forgets who has not shown itself for long.
func (a *acquaintances) expire(now time.Time, known *knownSet) {
	for e := a.byAge.Front(); e != nil && now.Sub(e.Value.(acquaintance).at) > acquainted; e = a.byAge.Front() {
		a.remove(e, known)
	}
}

func (a *acquaintances) remove(e *list.Element, known *knownSet) {
	k := a.byAge.Remove(e).(acquaintance).key
	delete(a.m, k)
	known.add(k, -1)
}

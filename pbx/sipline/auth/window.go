package auth

// maxWindows bounds the nonces whose use is remembered. When more were answered rightly
// within [NonceLife], the one used longest ago goes, and with it every nonce that was
// minted no later than it: those become stale, so that nothing can be replayed.
const maxWindows = 65536

// windowWidth is how far an nc may lag behind the highest seen.
const windowWidth = 64

// window holds what nc values were used with a nonce: the highest, and in mask, bit by
// bit downwards, which of those below.
type window struct {
	mask    uint64
	highest uint32
}

// windows are the replay windows of all nonces that were answered. The zero value is
// ready.
type windows struct {
	of      map[uint64]window // by number of the nonce
	ring    []mint            // in order of first use; once full it turns
	oldest  int               // in ring
	n       int               // of ring in use
	floor   uint64            // nonces minted before are stale, in milliseconds since the start
	evicted uint64
}

type mint struct{ number, minted uint64 }

// fresh tells whether a nonce of that time may still be used.
func (w *windows) fresh(minted uint64) bool { return minted >= w.floor }

// use marks nc of a nonce as used. It is false if it was already, or lies so far back
// that nobody knows. now is in milliseconds since the start.
func (w *windows) use(number, minted uint64, nc uint32, now uint64) bool {
	v, known := w.of[number]
	switch {
	case !known:
		w.remember(mint{number, minted}, now)
		v = window{mask: 1, highest: nc}
	case nc > v.highest:
		v.mask = v.mask<<min(nc-v.highest, windowWidth) | 1
		v.highest = nc
	case v.highest-nc >= windowWidth || v.mask&(1<<(v.highest-nc)) != 0:
		return false
	default:
		v.mask |= 1 << (v.highest - nc)
	}
	w.of[number] = v
	return true
}

// remember makes room for a nonce and forgets two that are past their life, so that
// what a rush has left behind goes as it came.
func (w *windows) remember(m mint, now uint64) {
	if w.of == nil {
		w.of = make(map[uint64]window)
	}
	for range 2 {
		if w.n > 0 && now-min(now, w.ring[w.oldest].minted) >= uint64(NonceLife.Milliseconds()) {
			w.forget()
		}
	}
	if w.n == maxWindows {
		w.floor = max(w.floor, w.ring[w.oldest].minted+1)
		w.evicted++
		w.forget()
	}
	if w.n == len(w.ring) { // grow, in order
		ring := make([]mint, max(64, 2*w.n))
		k := copy(ring, w.ring[w.oldest:])
		copy(ring[k:], w.ring[:w.oldest])
		w.ring, w.oldest = ring, 0
	}
	w.ring[(w.oldest+w.n)%len(w.ring)] = m
	w.n++
}

func (w *windows) forget() {
	delete(w.of, w.ring[w.oldest].number)
	w.oldest = (w.oldest + 1) % len(w.ring)
	w.n--
}

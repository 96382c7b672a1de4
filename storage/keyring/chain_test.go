package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"sotto/storage/seal"
)

// expand is one block of HKDF-Expand, RFC 5869 §2.3, made of HMAC alone.
func expand(k seal.Key, info string) seal.Key {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(info + "\x01"))
	return seal.Key(m.Sum(nil))
}

// slowKeys gives the keys of the days from to to, walked day by day as FORMAT.md says.
func slowKeys(d, r seal.Key, from, to Day) map[Day]seal.Key {
	keys := map[Day]seal.Key{}
	for n := from; ; {
		keys[n] = expand(d, "sotto day 1")
		if n == to {
			return keys
		}
		if n++; n%32 == 0 {
			d, r = expand(r, "sotto start 1"), expand(r, "sotto rung 1")
		} else {
			d = expand(d, "sotto step 1")
		}
	}
}

// TestChainVectors: numbers from another implementation (Python's hmac and hashlib).
func TestChainVectors(t *testing.T) {
	c := chain{class: Calls, day: 30}
	for i := range c.link {
		c.link[i], c.rung[i] = byte(i), byte(0x80+i)
	}
	for _, v := range []struct {
		d   Day
		key string
	}{
		{30, "dabb82ef321fe55bca2ee6647fff652bcb7355deef314cc968a0d217f8117f5b"},
		{31, "69c0be3c8a68115f1341a210b05371f0e55036d78dd7ce9e786cb2f60cfee3ce"},
		{32, "d904fc7aa2e4f135fadfc1c0c6f1123163572aa0a4843ab126824fc97995d0be"},
		{33, "31401bd059d1806d2265a3c5fa23d7d64b006af020b454cce458ad9a1d35b5e5"},
		{63, "660c52f979ce1e8a041c04553ed5ad0e01939b49c5fc153cedffcc139e96edee"},
		{64, "74713029a859f478a1882bf66afde9b262f6cb4162831f0d2e144f3ab62a97c8"},
		{95, "fe2d5dc57b39fb610e019db7278eb9f90657ee94e00b94b4c9c0b5a706025381"},
		{96, "8a56805bab9afe96f1520d5b19259cbb38f9a805d19811cf1a3e852507339a57"},
		{400, "dc76fbd93cb44d9aaacc9017945d5b8db85e84036931d90a4338ab410514a76c"},
		{3680, "aa99a5235dbe0bb5d36f8d633cfbea6d8d09fca31e149fd2029f564ff8063d0e"},
	} {
		if k := c.key(v.d); hex.EncodeToString(k[:]) != v.key {
			t.Errorf("day %d: %x", v.d, k[:])
		}
	}
}

func TestChain(t *testing.T) {
	for _, first := range []Day{0, 1, 30, 31, 32, 33, 63, 64, 300} {
		const last = 400
		c := newChain(Calls, first)
		want := slowKeys(c.link, c.rung, first, last)
		for d := first; d <= last; d++ {
			if c.key(d) != want[d] {
				t.Fatalf("chain from %d: key of day %d", first, d)
			}
		}
		for at := first; at <= last; at += 7 {
			n := c.at(at)
			if n.day != at || n.class != Calls || n.holds(at-1) && at > 0 || !n.holds(at) {
				t.Fatalf("chain from %d taken to %d stands on %d", first, at, n.day)
			}
			for d := at; d <= min(at+70, last); d++ {
				if n.key(d) != want[d] {
					t.Fatalf("chain from %d taken to %d: key of day %d", first, at, d)
				}
			}
		}
	}
}

func TestChainAtTheEnds(t *testing.T) {
	c := newChain(Digits, 5)
	for d, want := range map[Day]bool{0: false, 4: false, 5: true, 5 + maxAhead: true, 6 + maxAhead: false, ^Day(0): false} {
		if c.holds(d) != want {
			t.Errorf("holds(%d) is %v", d, !want)
		}
	}
	last := newChain(Digits, ^Day(0)) // its rung has no next: no more than a key that is never used
	if last.key(^Day(0)) == (seal.Key{}) {
		t.Error("no key on the last day")
	}
}

// candidates gives every key that 32 bytes at b could lead to: as a key, as D and as R.
func candidates(b []byte, found func(seal.Key)) {
	from := func(d seal.Key) {
		for range 32 {
			found(d.Derive(infoDay))
			d = d.Derive(infoStep)
		}
	}
	for i := 0; i+seal.KeyLen <= len(b); i++ {
		k := seal.Key(b[i : i+seal.KeyLen])
		found(k)
		from(k)
		for range 3 {
			from(k.Derive(infoStart))
			k = k.Derive(infoRung)
		}
	}
}

// memory is all key material that the ring has in memory, and what it would write.
func memory(r *Ring) []byte {
	b := append([]byte{}, r.epoch[:]...)
	for _, p := range r.people {
		b = p.append(b)
	}
	for i, it := range r.items {
		b = it.append(b, i)
	}
	for _, c := range r.cache.keys {
		if c.c != Own {
			b = append(b, c.key[:]...)
		}
	}
	return b
}

// medium is all that the medium holds in the open for whoever has the root.
func medium(t *testing.T, r *Ring) []byte {
	t.Helper()
	var plain []byte
	epoch, err := r.root.Key(r.slot)
	if err != nil {
		t.Fatal(err)
	}
	all := func(e entry) {
		plain = append(append(append(append(plain, e.key...), e.name...), e.chains...), e.about...)
	}
	b, err := readFile(r.path())
	if err == nil {
		b, err = openMain(b, &epoch)
		eachEntry(b, all)
	}
	if err == nil {
		b, err = readFile(r.tailPath(r.gen))
	}
	if err == nil {
		_, _, err = readTail(b, &epoch, r.gen, all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestForgottenDays looks for a way back to the forgotten days: every 32 bytes of what is
// in memory, and on the medium after a rotation, are tried as key, as D and as R.
func TestForgottenDays(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, Outside, "+49301234567")
	const first, cut, last = 3, 70, 75
	forgotten, kept := map[seal.Key]Day{}, map[seal.Key]Day{}
	for _, who := range []Subject{s, {}} {
		for d := Day(first); d <= last; d++ {
			k, err := r.SealKey(who, Calls, d)
			if err != nil {
				t.Fatal(err)
			}
			if d < cut {
				forgotten[k] = d
			} else {
				kept[k] = d
			}
		}
	}
	digits, _ := r.SealKey(s, Digits, first)
	commit(t, r)
	leads := func(b []byte) (old, now int) {
		seen := map[seal.Key]bool{}
		candidates(b, func(k seal.Key) { seen[k] = true })
		for k := range seen {
			if _, ok := forgotten[k]; ok {
				old++
			}
			if _, ok := kept[k]; ok {
				now++
			}
		}
		return old, now
	}
	if old, now := leads(memory(r)); old != len(forgotten) || now != len(kept) {
		t.Fatalf("before: memory leads to %d of %d and %d of %d", old, len(forgotten), now, len(kept))
	}
	if old, _ := leads(medium(t, r)); old != len(forgotten) {
		t.Fatalf("before: the medium leads to %d of %d", old, len(forgotten))
	}

	if n := r.Forget(Calls, cut); n != 2 || !r.Waiting() {
		t.Fatalf("forgot in %d chains", n)
	}
	if old, now := leads(memory(r)); old != 0 || now != len(kept) {
		t.Errorf("forgotten: memory leads to %d and %d", old, now)
	}
	if _, err := r.Rotate(); err != nil || r.Waiting() {
		t.Fatal(err)
	}
	if old, now := leads(medium(t, r)); old != 0 || now != len(kept) {
		t.Errorf("rotated: the medium leads to %d and %d", old, now)
	}
	for range 2 {
		for d := Day(0); d <= last; d++ {
			k, err := r.DayKey(s, Calls, d)
			if d < cut && !errors.Is(err, ErrAged) || d >= cut && (err != nil || kept[k] != d) {
				t.Fatalf("day %d: %v", d, err)
			}
			if _, serr := r.SealKey(s, Calls, d); (serr == nil) != (err == nil) {
				t.Fatalf("day %d to write: %v", d, serr)
			}
		}
		if k, err := r.DayKey(s, Digits, first); err != nil || k != digits {
			t.Errorf("the other class was touched: %v", err)
		}
		r = reopen(t, r)
	}
}

func reopen(t *testing.T, r *Ring) *Ring {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, r.dir, r.root)
}

// TestChainBytes holds a chain's bytes to FORMAT.md.
func TestChainBytes(t *testing.T) {
	p := &person{id: Subject{1}, name: name{User, "ab"}, key: seal.Key{2}, chains: []chain{newChain(Digits, 0x01020304)}}
	b := p.append(nil)
	c := p.chains[0]
	want := append([]byte{'U'}, p.id[:]...)
	want = append(append(append(want, p.key[:]...), 2, 'a', 'b', 1), 2, 1, 2, 3, 4)
	want = append(append(want, c.link[:]...), c.rung[:]...)
	if string(b) != string(want) || len(b) != p.size() {
		t.Errorf("%x", b)
	}
	it := &item{key: seal.Key{3}, about: []Subject{{1}, {9}}}
	b = it.append(nil, Item{7})
	if len(b) != it.size() || b[0] != 'M' || b[1] != 7 || b[17] != 3 || b[49] != 2 || b[50] != 1 || b[66] != 9 || len(b) != 82 {
		t.Errorf("%x", b)
	}
	if b = appendMark(nil, 258); len(b) != markLen || b[0] != 'H' || binary.BigEndian.Uint64(b[17:]) != 258 {
		t.Errorf("%x", b)
	}
}

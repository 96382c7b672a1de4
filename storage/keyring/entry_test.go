package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"sotto/storage/seal"
)

// TestFull: who sends made-up numbers cannot fill the memory.
func TestFull(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	s := subject(t, r, User, "one")
	for i := range uint32(maxPeople) {
		var id Subject
		binary.BigEndian.PutUint32(id[:], i+1)
		r.people[id] = r.people[s]
	}
	if _, err := r.Subject(Outside, "+1"); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if got, err := r.Subject(User, "one"); err != nil || got != s {
		t.Errorf("who is known already: %v", err)
	}
	for i := range uint32(maxItems) {
		var id Item
		binary.BigEndian.PutUint32(id[:], i+1)
		r.items[id] = &item{}
	}
	if _, _, err := r.NewItem(s); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// TestEntries reads what no ring writes.
func TestEntries(t *testing.T) {
	key := bytes.Repeat([]byte{5}, seal.KeyLen)
	id := bytes.Repeat([]byte{7}, idLen)
	one := bytes.Repeat([]byte{1}, chainLen)
	two := append([]byte{2}, one[1:]...)
	own := append([]byte{0}, one[1:]...)
	cat := func(parts ...any) (b []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				b = append(b, byte(p))
			case string:
				b = append(b, p...)
			case []byte:
				b = append(b, p...)
			}
		}
		return b
	}
	zeros := make([]byte, idLen)
	for what, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"user":               {cat("U", id, key, 1, "a", 0), true},
		"two chains":         {cat("N", id, key, 1, "1", 2, one, two), true},
		"box":                {cat("B", zeros, key, 1, one), true},
		"item":               {cat("M", id, key, 1, id), true},
		"gone":               {cat("X", id), true},
		"mark":               {cat("H", zeros, "12345678"), true},
		"no name":            {cat("U", id, key, 0, 0), false},
		"nobody":             {cat("U", zeros, key, 1, "a", 0), false},
		"box with id":        {cat("B", id, key, 0), false},
		"class twice":        {cat("N", id, key, 1, "1", 2, one, one), false},
		"chain of own keys":  {cat("N", id, key, 1, "1", 1, own), false},
		"a chain too few":    {cat("N", id, key, 1, "1", 2, one), false},
		"a subject too few":  {cat("M", id, key, 2, id), false},
		"item without id":    {cat("M", zeros, key, 0), false},
		"gone, the box":      {cat("X", zeros), false},
		"mark with id":       {cat("H", id, "12345678"), false},
		"short mark":         {cat("H", zeros, "1234567"), false},
		"kind of the future": {cat("Z", id, key), false},
		"half a name":        {cat("U", id, key, 9, "a"), false},
	} {
		b := newBook()
		if ok := eachEntry(c.b, b.take); ok != c.ok {
			t.Errorf("%s: %v", what, ok)
		}
		for n := range c.b {
			if n > 0 && eachEntry(c.b[:n], b.take) {
				t.Errorf("%s cut to %d bytes is taken", what, n)
			}
		}
	}
}

// TestGoneSubject: the format allows it, though Erase never leaves it to the tail.
func TestGoneSubject(t *testing.T) {
	b := newBook()
	p := &person{id: Subject{1}, name: name{User, "a"}}
	it := &item{about: []Subject{{1}}}
	renamed := &person{id: Subject{2}, name: name{User, "b"}}
	list := it.append(renamed.append(p.append(nil)), Item{9})
	renamed.name.text = "c"
	list = appendGone(renamed.append(list), p.id)
	ok := eachEntry(list, b.take)
	b.settle()
	if !ok || len(b.people) != 1 || len(b.items) != 0 || len(b.names) != 1 || b.names[name{User, "c"}] == nil || !b.stale {
		t.Errorf("%d people, %d items, names %v, stale %v", len(b.people), len(b.items), b.names, b.stale)
	}
}

// FuzzEntries: what is read is what is written again, and nothing panics.
func FuzzEntries(f *testing.F) {
	p := &person{id: Subject{1}, name: name{User, "a"}, chains: []chain{newChain(Calls, 3)}}
	it := &item{about: []Subject{{1}, {2}}}
	f.Add(appendMark(appendGone(it.append(p.append(nil), Item{9}), Item{9}), 4))
	f.Add((&person{name: name{kind: box}}).append(nil))
	f.Add([]byte("U"))
	f.Fuzz(func(t *testing.T, b []byte) {
		book := newBook()
		whole := eachEntry(b, book.take)
		var again []byte
		ok := eachEntry(b, func(e entry) {
			if e.kind == mark {
				again = appendMark(again, e.count)
				return
			}
			one := newBook()
			one.take(e)
			again = one.appendState(again, e.id)
		})
		if ok != whole || ok && !bytes.Equal(again, b) {
			t.Errorf("%x\n%x", b, again)
		}
		for n, p := range book.names {
			if p.name != n || book.people[p.id] != p {
				t.Errorf("name of somebody who is not there")
			}
		}
	})
}

// FuzzTail puts anything behind a good frame.
func FuzzTail(f *testing.F) {
	r := &Ring{book: newBook(), epoch: seal.Key{1}, gen: 3}
	p := &person{id: Subject{1}, name: name{User, "a"}}
	r.put(p)
	r.pend(p.id, &p.dirty)
	one := r.sealFrame()
	r.frames++
	two := r.sealFrame()
	f.Add(two)
	f.Add(append(append([]byte{0}, two...), 9))
	f.Add([]byte{0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		good, frames, err := readTail(append(bytes.Clone(one), b...), &r.epoch, 3, func(entry) {})
		if err == nil && (frames == 0 || good < len(one)) {
			t.Errorf("%d frames in %d bytes", frames, good)
		}
		if _, err := parseHeader(b); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOlder) {
			t.Error(err)
		}
	})
}

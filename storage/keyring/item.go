package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"

	"sotto/storage/seal"
)

// Item is the id of a message or recording: 16 random bytes, which may be logged.
type Item [16]byte

// String gives the id in hexadecimal.
func (i Item) String() string { return hex.EncodeToString(i[:]) }

// NewItem makes an item and its key. It is about the subjects named, at most 255, and goes
// with the first of them that is erased. It is durable after the next [Ring.Commit]. An
// unknown subject is [ErrErased], too many items are [ErrFull].
func (r *Ring) NewItem(about ...Subject) (Item, seal.Key, error) {
	if len(about) > 255 {
		return Item{}, seal.Key{}, fmt.Errorf("make item: about %d subjects", len(about))
	}
	r.w.Lock()
	defer r.w.Unlock()
	if len(r.items) >= maxItems {
		return Item{}, seal.Key{}, fmt.Errorf("make item: %w", ErrFull)
	}
	for _, s := range about {
		if r.people[s] == nil {
			return Item{}, seal.Key{}, ErrErased
		}
	}
	var id Item
	rand.Read(id[:])
	it := &item{key: seal.NewKey(), about: slices.Clone(about)}
	r.mu.Lock()
	r.items[id] = it
	r.mu.Unlock()
	r.pend(id, &it.dirty)
	return id, it.key, nil
}

// ItemKey gives the key of an item; false if there is none (any more).
func (r *Ring) ItemKey(i Item) (seal.Key, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if it := r.items[i]; it != nil {
		return it.key, true
	}
	return seal.Key{}, false
}

// Items gives all items, in no order.
func (r *Ring) Items() []Item {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]Item, 0, len(r.items))
	for i := range r.items {
		all = append(all, i)
	}
	return all
}

// ItemsOf gives the items about a subject, in no order.
func (r *Ring) ItemsOf(s Subject) []Item {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var of []Item
	for i, it := range r.items {
		if slices.Contains(it.about, s) {
			of = append(of, i)
		}
	}
	return of
}

// DropItem takes an item and its key out; one that is not there is no error. The next
// [Ring.Commit] makes that durable, the next rotation destroys the key.
func (r *Ring) DropItem(i Item) {
	r.w.Lock()
	defer r.w.Unlock()
	it := r.items[i]
	if it == nil {
		return
	}
	r.mu.Lock()
	r.removeItem(i)
	r.waiting = true
	r.mu.Unlock()
	r.pend(i, &it.dirty)
}

func (it *item) aboutAny(s map[Subject]bool) bool {
	return slices.ContainsFunc(it.about, func(a Subject) bool { return s[a] })
}

// About gives all subjects that items are about.
func (r *Ring) About() map[Subject]bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := map[Subject]bool{}
	for _, it := range r.items {
		for _, s := range it.about {
			all[s] = true
		}
	}
	return all
}

// Subjects gives all subjects of a kind, in no order.
func (r *Ring) Subjects(kind Kind) []Subject {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []Subject
	for s, p := range r.people {
		if p.name.kind == kind {
			all = append(all, s)
		}
	}
	return all
}

// Drop takes subjects of whom nothing is kept any more out, with names, keys and the items
// about them; one that is not there, and the box, is no error. The next [Ring.Commit] makes
// that durable, the next rotation destroys the keys. Who is to be gone now is a case for
// [Ring.Erase].
func (r *Ring) Drop(s ...Subject) {
	r.w.Lock()
	defer r.w.Unlock()
	goes := make(map[Subject]bool, len(s))
	for _, s := range s {
		if p := r.people[s]; p != nil && s != (Subject{}) {
			goes[s] = true
			r.pend(s, &p.dirty)
		}
	}
	if len(goes) == 0 {
		return
	}
	for i, it := range r.items {
		if it.aboutAny(goes) {
			r.pend(i, &it.dirty)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(goes)
	r.waiting = true
	r.cache.wipe()
}

// Rename has a subject known by another text from now on; nobody finds it by the old one, and
// a later [Ring.Subject] of that makes somebody new. It is durable after the next
// [Ring.Commit], and the old text is off the medium after the next rotation. A text that is
// taken, empty or too long changes nothing; nor does one of a subject that is not known.
func (r *Ring) Rename(s Subject, text string) {
	r.w.Lock()
	defer r.w.Unlock()
	p := r.people[s]
	if p == nil || s == (Subject{}) || len(text) == 0 || len(text) > maxNameLen || r.names[name{p.name.kind, text}] != nil {
		return
	}
	r.mu.Lock()
	r.dropName(p)
	p.name.text = text
	r.put(p)
	r.waiting = true
	r.mu.Unlock()
	r.pend(s, &p.dirty)
}

package keyring

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestItems(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	one, two := subject(t, r, User, "one"), subject(t, r, Outside, "+1")
	a, ka, err := r.NewItem(one, two)
	if err != nil {
		t.Fatal(err)
	}
	b, kb, _ := r.NewItem(two)
	c, _, _ := r.NewItem() // about nobody
	if ka == kb || a == b || len(a.String()) != 32 {
		t.Fatal("two items share a key or an id")
	}
	if _, _, err := r.NewItem(one, Subject{1}); !errors.Is(err, ErrErased) {
		t.Errorf("about an unknown subject: %v", err)
	}
	if _, _, err := r.NewItem(make([]Subject, 256)...); err == nil {
		t.Error("about 256 subjects")
	}
	commit(t, r)
	lost, _, _ := r.NewItem(one)
	r = reopen(t, r)
	if _, ok := r.ItemKey(lost); ok || len(r.Items()) != 3 {
		t.Fatal("an item that was not committed is there")
	}
	if k, ok := r.ItemKey(a); !ok || k != ka {
		t.Fatal("key of an item changed")
	}
	of := r.ItemsOf(two)
	if len(of) != 2 || !slices.Contains(of, a) || !slices.Contains(of, b) || !slices.Equal(r.ItemsOf(one), []Item{a}) {
		t.Errorf("items of two: %v, of one: %v", of, r.ItemsOf(one))
	}

	r.DropItem(Item{1})
	if r.Waiting() {
		t.Error("waiting for an item that never was")
	}
	r.DropItem(a)
	if _, ok := r.ItemKey(a); ok || !r.Waiting() {
		t.Error("dropped, and its key is there or nothing waits")
	}
	commit(t, r)
	if r = reopen(t, r); len(r.Items()) != 2 || !r.Waiting() {
		t.Errorf("after a restart: %d items, waiting %v", len(r.Items()), r.Waiting())
	}
	if !bytes.Contains(medium(t, r), ka[:]) {
		t.Error("the test is blind: the medium should have the key until the rotation")
	}
	if _, err := r.Rotate(); err != nil || bytes.Contains(medium(t, r), ka[:]) || !bytes.Contains(medium(t, r), kb[:]) {
		t.Errorf("rotated: %v", err)
	}
	if r = reopen(t, r); len(r.Items()) != 2 || r.Waiting() {
		t.Error("dropped item is back")
	}
	if _, err := r.Erase(two); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Items(), []Item{c}) || bytes.Contains(medium(t, r), kb[:]) {
		t.Error("an item about the erased is there")
	}
}

// TestDroppedBeforeCommit: made and dropped in the same frame.
func TestDroppedBeforeCommit(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	s := subject(t, r, User, "one")
	i, k, _ := r.NewItem(s)
	r.DropItem(i)
	commit(t, r)
	if bytes.Contains(medium(t, r), k[:]) {
		t.Error("its key went to the medium")
	}
	if r = reopen(t, r); len(r.Items()) != 0 {
		t.Error("it is there")
	}
}

// TestDrop: subjects go with the items about them, over a restart, and from the medium with
// the next rotation.
func TestDrop(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	one, two, stays := subject(t, r, Outside, "+1"), subject(t, r, Outside, "+2"), subject(t, r, Outside, "+3")
	_, ka, _ := r.NewItem(one, stays)
	_, kb, _ := r.NewItem(two)
	c, _, _ := r.NewItem(stays)
	key, _ := r.Key(one)
	commit(t, r)
	r.Drop(one, two, Subject{}, Subject{7})
	check := func(when string) {
		t.Helper()
		if !slices.Equal(r.Subjects(Outside), []Subject{stays}) || !slices.Equal(r.Items(), []Item{c}) || !r.Waiting() {
			t.Errorf("%s: %v, %v, waiting %v", when, r.Subjects(Outside), r.Items(), r.Waiting())
		}
	}
	check("dropped")
	commit(t, r)
	r = reopen(t, r)
	check("after a restart")
	if _, ok := r.Key(Subject{}); !ok {
		t.Error("the box was dropped")
	}
	if _, err := r.Rotate(); err != nil {
		t.Fatal(err)
	}
	for _, k := range [][]byte{ka[:], kb[:], key[:]} {
		if bytes.Contains(medium(t, r), k) {
			t.Error("a key is on the medium")
		}
	}
}

// TestRename: a subject keeps its keys and is known by the new text alone, over a restart; the
// old one is off the medium after the next rotation.
func TestRename(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	one, two := subject(t, r, Outside, "+49301234567"), subject(t, r, Outside, "+2")
	commit(t, r)
	key, _ := r.Key(one)
	r.Rename(one, "~1")
	r.Rename(two, "~1")      // taken
	r.Rename(two, "")        // none
	r.Rename(Subject{7}, "") // nobody
	r.Rename(Subject{}, "box")
	check := func(when string) {
		t.Helper()
		_, old := r.Lookup(Outside, "+49301234567")
		now, ok := r.Lookup(Outside, "~1")
		k, _ := r.Key(one)
		_, text, _ := r.Name(two)
		if old || !ok || now != one || k != key || text != "+2" || !r.Waiting() {
			t.Errorf("%s: old %v, new %v %v, other %q, waiting %v", when, old, now, ok, text, r.Waiting())
		}
	}
	check("renamed")
	commit(t, r)
	r = reopen(t, r)
	check("after a restart")
	if !bytes.Contains(medium(t, r), []byte("+49301234567")) {
		t.Error("the search finds nothing")
	}
	if _, err := r.Rotate(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(medium(t, r), []byte("+49301234567")) {
		t.Error("the old text is on the medium")
	}
	if again := subject(t, r, Outside, "+49301234567"); again == one {
		t.Error("who calls again is the same")
	}
}

package keyring

import (
	"errors"
	"testing"

	"sotto/storage/seal"
)

func sealKey(t *testing.T, r *Ring, s Subject, c Class, d Day) seal.Key {
	t.Helper()
	k, err := r.SealKey(s, c, d)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDayKeys(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, User, "one")
	if _, err := r.DayKey(s, Calls, 10); !errors.Is(err, ErrAged) {
		t.Errorf("no chain yet: %v", err)
	}
	keys := map[seal.Key]bool{}
	for _, who := range []Subject{{}, s} {
		for _, c := range []Class{Calls, Digits, 7} {
			for _, d := range []Day{10, 11, 400} {
				keys[sealKey(t, r, who, c, d)] = true
			}
		}
	}
	if len(keys) != 18 {
		t.Fatalf("%d keys, want 18", len(keys))
	}
	commit(t, r)
	frames := r.frames
	for range 2 {
		for k := range keys {
			delete(keys, k)
		}
		for _, who := range []Subject{{}, s} {
			for _, c := range []Class{Calls, Digits, 7} {
				for _, d := range []Day{10, 11, 400} {
					k, err := r.DayKey(who, c, d)
					if err != nil || k != sealKey(t, r, who, c, d) {
						t.Fatal(err)
					}
					keys[k] = true
				}
			}
		}
		r = reopen(t, r)
	}
	if len(keys) != 18 || r.frames != frames {
		t.Errorf("%d keys, %d frames", len(keys), r.frames)
	}
	for what, f := range map[string]func() error{
		"day before":  func() error { _, err := r.DayKey(s, Calls, 9); return err },
		"write there": func() error { _, err := r.SealKey(s, Calls, 9); return err },
	} {
		if err := f(); !errors.Is(err, ErrAged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, c := range []Class{Own, Calls} {
		if _, err := r.SealKey(Subject{9}, c, 9); err == nil || c == Calls && err != ErrErased {
			t.Errorf("unknown subject, class %d: %v", c, err)
		}
	}
	if _, err := r.DayKey(s, Own, 10); err == nil {
		t.Error("own key by day")
	}
	if _, err := r.DayKey(s, Calls, ^Day(0)); err == nil || errors.Is(err, ErrAged) {
		t.Errorf("day that no box counts to: %v", err)
	}
}

// TestForgetSome: in pieces the same chains forget, each once, and what a chain opens is told
// without its key being made.
func TestForgetSome(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	list := []Subject{{}, subject(t, r, User, "one"), subject(t, r, User, "two"), subject(t, r, Outside, "+1"), subject(t, r, Outside, "+2")}
	for i, s := range list[:4] {
		sealKey(t, r, s, Calls, Day(i))
	}
	for i, want := range []int{2, 2, 0} {
		if n := r.ForgetSome(Calls, 20, 2); n != want || !r.Waiting() {
			t.Errorf("piece %d: %d chains, want %d", i, n, want)
		}
	}
	for _, s := range append(list, Subject{1}) {
		for _, c := range []Class{Own, Calls, Digits} {
			for _, d := range []Day{0, 19, 20, 21, 20 + maxAhead, 21 + maxAhead} {
				_, err := r.DayKey(s, c, d)
				if opens := r.Opens(s, c, d); opens != (err == nil) || opens != (s != list[4] && s != (Subject{1}) && c == Calls && d >= 20 && d <= 20+maxAhead) {
					t.Errorf("class %d, day %d: %v, and the key: %v", c, d, opens, err)
				}
			}
		}
	}
}

// TestForget goes on day by day with three persons, and starts again now and then.
func TestForget(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	one, two := subject(t, r, User, "one"), subject(t, r, Outside, "+1")
	sealKey(t, r, Subject{}, Calls, 0)
	sealKey(t, r, one, Calls, 0)
	sealKey(t, r, two, Calls, 50)
	sealKey(t, r, one, Digits, 0)
	commit(t, r)
	if n := r.Forget(Calls, 0); n != 0 || r.Waiting() {
		t.Fatalf("nothing to forget, and %d chains did", n)
	}
	if r.Forget(Calls, ^Day(0)) != 0 { // today less ninety days, in the first week
		t.Fatal("a day that no box counts to was taken")
	}
	for d := Day(1); d < 120; d++ {
		want := 2
		if d > 50 {
			want = 3
		}
		if n := r.Forget(Calls, d); n != want || !r.Waiting() {
			t.Fatalf("day %d: %d chains, want %d", d, n, want)
		}
		if r.Forget(Calls, d) != 0 {
			t.Fatalf("day %d: again", d)
		}
		if d%10 == 0 {
			if _, err := r.Rotate(); err != nil {
				t.Fatal(err)
			}
			r = reopen(t, r)
			if r.Waiting() {
				t.Fatal("waiting after a rotation")
			}
		}
		if _, err := r.DayKey(one, Calls, d-1); !errors.Is(err, ErrAged) {
			t.Fatalf("day %d: the day before: %v", d, err)
		}
		if _, err := r.DayKey(one, Calls, d); err != nil {
			t.Fatalf("day %d: %v", d, err)
		}
	}
	if !r.ForgetOf(one, Digits, 9) || r.ForgetOf(one, Digits, 9) || r.ForgetOf(Subject{1}, Digits, 9) || r.ForgetOf(one, Own, 9) {
		t.Error("one chain of one subject")
	}
}

// TestForgottenBeforeRotation: a restart before the rotation brings the keys back, unless
// a frame has the chain as it stands now. Then the ring knows that a rotation is due.
func TestForgottenBeforeRotation(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, User, "one")
	sealKey(t, r, s, Calls, 0)
	commit(t, r)
	r.Forget(Calls, 20)
	if r = reopen(t, r); r.Waiting() {
		t.Error("waiting for what is not forgotten")
	}
	if _, err := r.DayKey(s, Calls, 0); err != nil {
		t.Error(err)
	}
	r.Forget(Calls, 20)
	k := sealKey(t, r, s, Digits, 30)
	commit(t, r)
	r = reopen(t, r)
	if _, err := r.DayKey(s, Calls, 0); !errors.Is(err, ErrAged) || !r.Waiting() {
		t.Errorf("%v, waiting %v", err, r.Waiting())
	}
	if got, err := r.DayKey(s, Digits, 30); err != nil || got != k {
		t.Error(err)
	}
}

// TestCacheForgets looks into the cache after each thing that destroys keys.
func TestCacheForgets(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, User, "one")
	var today Day
	fill := func() (n int) {
		today += 400
		for d := today; d < today+300; d++ {
			sealKey(t, r, Subject{}, Calls, d)
			if _, ok := r.Key(s); ok {
				sealKey(t, r, s, Digits, d)
			}
		}
		return cached(r)
	}
	fill()
	for what, f := range map[string]func(){
		"Forget":   func() { r.Forget(Calls, today) },
		"ForgetOf": func() { r.ForgetOf(s, Digits, today+1) },
		"Rotate":   func() { r.Rotate() },
	} {
		if fill() < 100 {
			t.Fatal("nothing is cached")
		}
		if f(); cached(r) != 0 {
			t.Errorf("%s leaves %d keys in the cache", what, cached(r))
		}
	}
	fill()
	if _, err := r.Erase(s); err != nil || cached(r) != 0 {
		t.Errorf("Erase leaves %d keys in the cache: %v", cached(r), err)
	}
	fill()
	if r.Close(); cached(r) != 0 {
		t.Error("Close leaves keys in the cache")
	}
}

func cached(r *Ring) (n int) {
	for _, c := range r.cache.keys {
		if c.key != (seal.Key{}) {
			n++
		}
	}
	return n
}

func TestReadingAllocatesNothing(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	s := subject(t, r, User, "one")
	sealKey(t, r, s, Calls, 0)
	i, _, _ := r.NewItem(s)
	for what, f := range map[string]func(){
		"Key":             func() { r.Key(s) },
		"Lookup":          func() { r.Lookup(User, "one") },
		"ItemKey":         func() { r.ItemKey(i) },
		"DayKey":          func() { r.DayKey(s, Calls, 90) },
		"DayKey, other":   func() { r.cache.wipe(); r.DayKey(s, Calls, 3000) },
		"SealKey":         func() { r.SealKey(s, Calls, 90) },
		"DayKey, aged":    func() { r.DayKey(s, Digits, 90) },
		"DayKey, unknown": func() { r.DayKey(Subject{1}, Calls, 90) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

package storage

import (
	"bytes"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/storage/policy"
)

// TestLadder: a call is whole, then without its last digits for everybody, then one of so many
// on its day, then gone. Its row stays as it was written, byte for byte, until it is removed:
// what fades are keys.
func TestLadder(t *testing.T) {
	p := newPassing(t)
	for kind, days := range map[policy.Kind]int{policy.Digits: 2, policy.Records: 4, policy.Journal: 4, policy.Counts: 6} {
		p.s.keep(kind, days)
	}
	p.day(true) // two calls
	began := p.now
	row := func() (value []byte) {
		if err := p.s.view(func(tx *bbolt.Tx) error {
			value = bytes.Clone(tx.Bucket(bucketRecords).Get(keyOf(1)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return value
	}
	first, was := row(), ""
	if len(first) == 0 {
		t.Fatal("no record")
	}
	for day := 0; day <= 8; day++ {
		page := must(p.s.As(owner).Records(t.Context(), Query{}))
		is := "gone"
		if len(page) == 2 {
			is = page[1].From.State.String() + " " + page[1].From.Number
		} else if n := must(p.s.As(owner).Counts(t.Context(), began, began.AddDate(0, 0, 1))); len(n) > 0 {
			is = "counts"
		}
		want := "shown " + callerShown.Reveal()
		switch {
		case day > 6:
			want = "gone"
		case day > 4:
			want = "counts"
		case day > 2:
			want = "aged digits " + callerShown.Reveal()[:len(callerShown.Reveal())-3] + ellipsis
		}
		if is != want {
			t.Errorf("after %d days it is %q, want %q", day, is, want)
		}
		if now := row(); now != nil && !bytes.Equal(now, first) {
			t.Errorf("after %d days the row is another", day)
		} else if (now == nil) != (day > 4) {
			t.Errorf("after %d days the row is there: %v", day, now != nil)
		}
		if is != was {
			p.rotate()
			was = is
		}
		p.day(false)
	}
}

package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"sotto/pbx/number"
	"sotto/storage/policy"
)

// shownDigits counts the records in which the owner sees a whole number.
func shownDigits(t *testing.T, s *Store) (n int) {
	t.Helper()
	q := Query{Limit: 500}
	for {
		page := must(s.As(owner).Page(t.Context(), q))
		for _, v := range page.Views {
			if v.From.State == Shown && v.From.Number != "" || v.To.State == Shown && v.To.Number != "" {
				n++
			}
		}
		if q.Before = page.Next; !page.More {
			return n
		}
	}
}

// TestPreview: what a preview says would go is what goes when the settings are saved, for offices
// and settings at random; and what is here is what is here.
func TestPreview(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		p := newPassing(t)
		days := 20
		for d := range days {
			p.day(false)
			for range rnd.IntN(40) {
				r := randomRecord(rnd)
				r.Began = p.now
				p.s.Append(r)
			}
			if err := p.s.flush(); err != nil {
				t.Fatal(err)
			}
			switch {
			case d == 7:
				if _, err := p.s.Erase(t.Context(), owner, Person{Number: number.Must("020394771511")}); err != nil && !errors.Is(err, ErrUnknownPerson) {
					t.Fatal(err)
				}
			case d == 12:
				if _, err := p.s.Forget(t.Context(), 2, p.now.AddDate(0, 0, -9)); err != nil {
					t.Fatal(err)
				}
			}
			must(p.s.As(owner).Records(t.Context(), Query{}))
		}
		next := policy.Preset("DE")
		digits := 1 + rnd.IntN(days)
		records := digits + rnd.IntN(days)
		next.Keep[policy.Digits], next.Keep[policy.Records], next.Keep[policy.Journal] = digits, records, digits+rnd.IntN(days)
		next.Keep[policy.Counts] = max(records, next.Keep[policy.Journal]) + rnd.IntN(5)
		p.settle()
		count := func() map[policy.Kind]int {
			return map[policy.Kind]int{policy.Digits: shownDigits(t, p.s), policy.Records: rows(t, p.s, bucketRecords),
				policy.Journal: rows(t, p.s, bucketJournal), policy.Counts: rows(t, p.s, bucketCounts)}
		}
		before := count()
		list, err := p.s.As(owner).PreviewSettings(t.Context(), next)
		if err != nil || len(list) != len(policy.Kinds()) {
			t.Fatal(list, err)
		}
		rev := p.s.keeper.settingsRev
		if _, _, err := p.s.SetSettings(t.Context(), owner, rev, next); err != nil {
			t.Fatal(err)
		}
		p.settle()
		after, some := count(), 0
		for _, l := range list {
			n, counted := before[l.Kind]
			if !counted {
				continue
			}
			if l.Here != n || l.Goes != n-after[l.Kind] || l.Days != next.Keep[l.Kind] || !l.Before.Equal(p.now.Truncate(24*time.Hour).AddDate(0, 0, -l.Days)) {
				t.Errorf("seed %d: %+v; there were %d and are %d", seed, l, n, after[l.Kind])
			}
			some += l.Goes
		}
		if some == 0 && seed == 0 {
			t.Error("nothing goes")
		}
		list = must(p.s.As(owner).PreviewSettings(t.Context(), next))
		for _, l := range list {
			if l.Goes != 0 || l.Here > 0 && l.Kind != policy.Removed && l.Kind != policy.Audit && l.Oldest.Before(l.Before) {
				t.Errorf("seed %d, afterwards: %+v", seed, l)
			}
		}
		if h := p.s.Health(); h.Unproven+int(h.Unreadable) != 0 {
			t.Errorf("seed %d: %+v; %+v", seed, h, must(p.s.As(owner).Proofs(t.Context(), p.now.Truncate(24*time.Hour), time.Time{})))
		}
	}
}

func TestPreviewRefused(t *testing.T) {
	p := newPassing(t)
	next := policy.Preset("DE")
	if _, err := p.s.As(Viewer{Role: Staff, User: anna}).PreviewSettings(t.Context(), next); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.s.As(owner).PreviewSettings(ctx, next); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	next.Keep[policy.Records] = -1
	if _, err := p.s.As(owner).PreviewSettings(t.Context(), next); !errors.As(err, new(policy.Problems)) {
		t.Errorf("%v", err)
	}
	p.s.Close()
	if _, err := p.s.As(owner).PreviewSettings(t.Context(), policy.Preset("DE")); !errors.Is(err, ErrDown) {
		t.Errorf("%v", err)
	}
}

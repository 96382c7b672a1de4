package storage

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage/keyring"
)

// inBubble runs f on a box in a bubble that began at noon, and that Run keeps.
func inBubble(t *testing.T, f func(t *testing.T, b *box, s *Store)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // a bubble begins at midnight UTC
		b := newBox(t)
		s, stop := b.run()
		synctest.Wait()
		f(t, b, s)
		stop()
	})
}

func mustNote(t *testing.T, s *Store, l look, times int) {
	t.Helper()
	for range times {
		if err := s.note(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnLooks: looks at own data are one line a day, and one more for how many there were.
func TestOwnLooks(t *testing.T) {
	inBubble(t, func(t *testing.T, b *box, s *Store) {
		me := Viewer{Role: Staff, User: anna, Account: "a"}
		own := look{viewer: me, what: "own journal", rows: 2, merge: ownData}
		mustNote(t, s, own, 5)
		wantTrail(t, s, 1, "account staff: own journal 2")
		other := own
		other.viewer.Account = "b"
		mustNote(t, s, other, 1)
		notices := own
		notices.what = "notices"
		mustNote(t, s, notices, 1)
		time.Sleep(13 * time.Hour) // past midnight, and what is due comes by itself
		synctest.Wait()
		wantTrail(t, s, 2, "account staff: own journal 2", "account staff: notices 2", "account staff: own journal 8 +4")
		mustNote(t, s, own, 3)
		n := len(linesOf(t, s))
		time.Sleep(time.Hour)
		mustNote(t, s, own, 1)
		if got := len(linesOf(t, s)); got != n {
			t.Errorf("%d lines more", got-n)
		}
		wantTrail(t, s, n, "account staff: own journal 2")
		s.wmu.Lock()
		if _, err := s.settleAudit(true); err != nil {
			t.Error(err)
		}
		s.wmu.Unlock()
		wantTrail(t, s, n+1, "account staff: own journal 6 +3")
	})
}

// TestOwnLooksClosed: Close writes what was counted, a power cut loses the count alone.
func TestOwnLooksClosed(t *testing.T) {
	b := newBox(t)
	s := b.open()
	own := look{viewer: Viewer{Role: Staff, User: anna, Account: "a"}, what: "own journal", merge: ownData}
	mustNote(t, s, own, 4)
	cut := copyOf(t, b.dir)
	s.Close()
	s = b.open()
	wantTrail(t, s, 1, "account staff: own journal", "account staff: own journal +3")
	s.Close()
	b.dir = cut
	s = b.open()
	wantTrail(t, s, 1, "account staff: own journal")
	if f := faultsOf(t, s); len(f) > 0 {
		t.Errorf("found %+v", f)
	}
}

// TestAgain: a view that is drawn anew is one look for ten minutes.
func TestAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *box, s *Store) {
		live := look{viewer: owner, what: "live view", merge: again}
		n := len(linesOf(t, s)) + 1
		for range 60 {
			mustNote(t, s, live, 2)
			time.Sleep(time.Minute)
		}
		want := make([]string, 6)
		for i := range want {
			want[i] = "terminal owner: live view"
		}
		wantTrail(t, s, n, want...)
		about := live
		about.about = []keyring.Subject{{1}}
		admin := live
		admin.viewer.Role = Admin
		n = len(linesOf(t, s)) + 1
		mustNote(t, s, live, 1)
		mustNote(t, s, about, 1)
		mustNote(t, s, admin, 2)
		wantTrail(t, s, n, "terminal owner: live view", "terminal owner: live view", "terminal admin: live view")
	})
}

// TestStrangers: failed log-ins cannot fill the trail, however fast or slow they come, and each
// is counted.
func TestStrangers(t *testing.T) {
	failed := look{stranger: true, what: "failed log-in"}
	for _, every := range []time.Duration{time.Second, 61 * time.Second, 10 * time.Minute} {
		inBubble(t, func(t *testing.T, b *box, s *Store) {
			n := len(linesOf(t, s))
			tries := int(24 * time.Hour / every)
			for range tries {
				mustNote(t, s, failed, 1)
				time.Sleep(every)
			}
			synctest.Wait()
			s.wmu.Lock()
			s.settleAudit(true)
			s.wmu.Unlock()
			told, lines := 0, 0
			for _, j := range linesOf(t, s)[n:] {
				if j.By == ByStranger {
					lines++
					if told++; j.More > 0 {
						told += j.More - 1
					}
				}
			}
			if told != tries {
				t.Errorf("every %v: %d log-ins are told, want %d", every, told, tries)
			}
			if lines > 60 {
				t.Errorf("every %v: %d lines in a day", every, lines)
			}
		})
	}
	inBubble(t, func(t *testing.T, b *box, s *Store) {
		n := len(linesOf(t, s)) + 1
		mustNote(t, s, failed, 10)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantTrail(t, s, n, "stranger: failed log-in", "stranger: failed log-in +9")
		time.Sleep(12 * time.Hour)
		n = len(linesOf(t, s)) + 1
		mustNote(t, s, failed, 1) // a new one is a line at once
		wantTrail(t, s, n, "stranger: failed log-in")
	})
}

// TestBusyAccount: an account cannot push out older lines with its looks; changes always have
// their line.
func TestBusyAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, b *box, s *Store) {
		me := Viewer{Role: Admin, Account: "a"}
		n := len(linesOf(t, s))
		for i := range floodLines + 500 {
			l := look{viewer: me, what: "call records", rows: 1, about: []keyring.Subject{{byte(i), byte(i >> 8)}}, merge: merge(i % 2)}
			mustNote(t, s, l, 1)
		}
		if got := len(linesOf(t, s)) - n; got != floodLines+1 {
			t.Errorf("%d lines", got)
		}
		mustNote(t, s, look{viewer: Viewer{Role: Admin, Account: "b"}, what: "call records"}, 1)
		s.wmu.Lock()
		s.pend(look{viewer: me, what: "change"})
		s.commitLooks(nil, nil, time.Now(), 0)
		s.wmu.Unlock()
		if got := len(linesOf(t, s)) - n; got != floodLines+3 {
			t.Errorf("%d lines", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		lines := linesOf(t, s)
		if j := lines[len(lines)-1]; j.More != 499 || j.Rows != 499 || len(j.About) != maxAbout || j.What != "call records" {
			t.Errorf("%+v", j)
		}
		time.Sleep(24 * time.Hour)
		n = len(linesOf(t, s))
		mustNote(t, s, look{viewer: me, what: "call records"}, 3)
		if got := len(linesOf(t, s)) - n; got != 3 {
			t.Errorf("on the next day: %d lines", got)
		}
	})
}

func first(a, _ bool) bool { return a }

// TestManyMerged: what is counted is bounded.
func TestManyMerged(t *testing.T) {
	var tr trail
	now := time.Unix(0, 0)
	for i := range 3 * maxMerged {
		l := look{viewer: owner, what: fmt.Sprint(i), merge: again}
		tr.remember(map[alike]*merging{l.alike(): newMerging(&l, nil, now, 0)}, now, 0)
		if len(tr.merged) > maxMerged {
			t.Fatal(len(tr.merged))
		}
	}
	now = now.Add(time.Hour)
	l := look{viewer: owner, what: "new", merge: again}
	tr.remember(map[alike]*merging{l.alike(): newMerging(&l, nil, now, 0)}, now, 0)
	if len(tr.merged) != 1 || !first(tr.count(&l, now, 0)) {
		t.Errorf("%d", len(tr.merged))
	}
}

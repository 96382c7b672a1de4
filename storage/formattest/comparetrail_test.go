package formattest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/policy"
)

// trailOf asks the store for all lines of its audit trail, oldest first.
func (o *office) trailOf(v storage.Viewer) (list []storage.AuditView) {
	o.t.Helper()
	for q := (storage.AuditQuery{Limit: 500}); ; {
		p, err := o.store.As(v).Audit(o.t.Context(), q)
		o.must(err)
		list = append(list, p.Views...)
		if q.Before = p.Next; !p.More {
			slices.Reverse(list)
			return list
		}
	}
}

// compareTrail holds the lines of the audit trail to what the store says of them.
func compareTrail(t *testing.T, f *folder, shown []storage.AuditView) {
	t.Helper()
	if len(shown) == 0 || len(f.trail) < len(shown) || f.trail[0].n != shown[0].Number {
		t.Fatalf("%d lines of the audit trail, the store shows %d", len(f.trail), len(shown))
	}
	for i, v := range shown {
		l := f.trail[i]
		text := hex.EncodeToString(l.link)
		got := storage.AuditView{
			Number: l.n, Link: text[:4] + "…" + text[60:], At: time.UnixMilli(l.At).UTC(), By: storage.Actor(l.By), Role: storage.Role(l.Role), Pseudonym: l.Who,
			Account: v.Account, What: l.What, Rows: l.Rows, More: l.More, About: l.About, AboutMore: l.Others, Before: l.Before, After: l.After,
		}
		if l.err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("line %d: %+v, the store shows %+v", l.n, l.lineJSON, v)
		}
		if e := f.ring.all[whoOf(l.Who)]; l.Who != "" && (e == nil || e.kind != 'A') {
			t.Errorf("line %d is of nobody", l.n)
		}
	}
}

// whoOf is the subject of a text.
func whoOf(text string) (who id) {
	b, _ := hex.DecodeString(text)
	copy(who[:], b)
	return who
}

// compareLedger holds the ledger to what left the box.
func compareLedger(t *testing.T, f *folder, who id, want ...ledgerJSON) {
	t.Helper()
	if len(f.ledger) != len(want) {
		t.Fatalf("%d lines of the ledger, want %d", len(f.ledger), len(want))
	}
	for i, l := range f.ledger {
		w := want[i]
		if w.By = hex.EncodeToString(who[:]); l.n != uint64(i+1) || l.err != nil || l.ledgerJSON != w {
			t.Errorf("line %d of the ledger: %+v, want %+v", l.n, l.ledgerJSON, w)
		}
	}
}

// compareGrants holds the requests to what was asked and answered; the reason of one who was
// erased is gone.
func compareGrants(t *testing.T, f *folder, asked, agreed id, want []storage.Grant, reasons []string) {
	t.Helper()
	if len(f.grants) != len(want) {
		t.Fatalf("%d requests, want %d", len(f.grants), len(want))
	}
	for i, g := range f.grants {
		w := want[i]
		answered, minutes, by := int64(0), 0, ""
		if w.State != storage.Waiting {
			by = hex.EncodeToString(agreed[:])
			answered = g.Answered // Until tells that of one that was granted alone
		}
		if w.State == storage.Lasting {
			minutes = 10
			answered = w.Until.Add(-10 * time.Minute).UnixMilli()
		}
		user := g.User
		if e := f.ring.all[whoOf(user)]; user != "" && (e == nil || e.kind != 'U') {
			t.Errorf("request %d is of nobody's call", g.n)
		}
		if got := (grantJSON{uint64(w.Record), int(w.End), g.Part, w.Asked.UnixMilli(), hex.EncodeToString(asked[:]), 2, user, int(w.State), answered, by,
			map[bool]int{true: 1}[by != ""], minutes, 0}); g.err != nil || g.grantJSON != got || g.n != uint64(w.ID) {
			t.Errorf("request %d: %+v, want %+v", g.n, g.grantJSON, got)
		}
		switch r := reasons[i]; {
		case r == "" && (g.reason != "" || g.hasReason && g.reasonErr != errErased):
			t.Errorf("request %d: the reason is there", g.n)
		case r != "" && (g.reason != r || !g.hasReason || f.ring.all[g.about] == nil):
			t.Errorf("request %d: reason %q of %d bytes, want %q", g.n, g.reason, len(g.reason), r)
		}
	}
}

// compareTerms holds what was set to what is kept, and looks at canaries and proofs.
func compareTerms(t *testing.T, f *folder, set policy.Settings) {
	t.Helper()
	var got policy.Settings
	if err := json.Unmarshal(f.settings, &got); err != nil || !reflect.DeepEqual(got, set) {
		t.Errorf("settings %s, %v", f.settings, err)
	}
	if f.state == nil {
		t.Fatal("no state of the terms")
	}
	for day, lives := range f.canaries {
		for class := 1; class < len(lives); class++ {
			if lives[class] != (day >= f.state.Forgot[class]) {
				t.Errorf("canary of day %d, class %d: lives %v", day, class, lives[class])
			}
		}
	}
	for _, d := range f.days {
		if len(f.proofs[d.Date+d.Later]) != 6 {
			t.Errorf("%d proofs of %d", len(f.proofs[d.Date+d.Later]), d.Date)
		}
		for _, p := range f.proofs[d.Date+d.Later] {
			if p.State == "fail" || p.Left != 0 || p.Canary != 1 {
				t.Errorf("proof of %d: %+v", d.Date, p)
			}
		}
	}
}

// compareCounts holds the counts to all calls that were given, recorded or not.
func compareCounts(t *testing.T, o *office, f *folder) {
	t.Helper()
	want := map[uint32]map[[3]int64][2]int64{}
	for _, c := range o.calls {
		way := int64(3)
		switch outward := c.To.Line != "" || c.Emergency || c.To.User == "" && !c.To.Number.IsZero() && c.Outcome != 5; {
		case c.From.Line != "":
			way = 1
		case outward:
			way = 2
		}
		if want[c.day] == nil {
			want[c.day] = map[[3]int64][2]int64{}
		}
		k := [3]int64{int64(c.Began.Hour()), way, int64(c.Outcome)}
		n := want[c.day][k]
		want[c.day][k] = [2]int64{n[0] + 1, n[1] + int64(c.Talked.Round(time.Second).Seconds())}
	}
	got := map[uint32]map[[3]int64][2]int64{}
	for day, l := range f.counts {
		got[day] = map[[3]int64][2]int64{}
		for _, c := range l {
			got[day][[3]int64{c[0], c[1], c[2]}] = [2]int64{c[3], c[4]}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the counts are others: %v, want %v", got, want)
	}
}

// plainly looks for texts in what the audit trail, the ledger and the state say: no name and no number
// of anybody.
func (f *folder) plainly(t *testing.T, texts ...string) {
	t.Helper()
	var all strings.Builder
	for _, l := range f.trail {
		fmt.Fprintf(&all, "%+v\n", l.lineJSON)
	}
	for _, l := range f.ledger {
		fmt.Fprintf(&all, "%+v\n", l.ledgerJSON)
	}
	for _, text := range texts {
		if strings.Contains(all.String(), text) {
			t.Errorf("the audit trail or the ledger has %q", text)
		}
	}
}

// off has a user's journal off, or on.
func (o *office) off(user plan.UserID, off bool) {
	o.t.Helper()
	o.must(o.store.SetJournal(o.t.Context(), storage.Viewer{Role: storage.Staff, User: user}, user, !off))
	if o.silent == nil {
		o.silent = map[plan.UserID]bool{}
	}
	o.silent[user] = off
}

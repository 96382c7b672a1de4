package formattest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage"
)

// firstDay is when a bubble of synctest begins.
var firstDay = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// fate is what became of what an office was given.
type fate struct {
	number                string      // erased after byNumber records
	user                  plan.UserID // erased after byUser
	byNumber, byUser      int
	proofs                []storage.Proof
	agedDigits, agedCalls uint32 // the first days that are kept

	journal   plan.UserID // erased after byJournal records
	byJournal int
}

// compareRecords holds each record and both indexes to what was given: what must open does,
// and what must not does not.
func compareRecords(t *testing.T, o *office, f *folder, gone fate) {
	t.Helper()
	erasedBy := map[id]bool{}
	for _, p := range gone.proofs {
		for _, s := range p.Subjects {
			erasedBy[id(s)] = true
		}
	}
	if n := len(o.calls); len(f.records) == 0 || f.records[len(f.records)-1].id != uint64(n) {
		t.Fatalf("%d records were read to the end, %d given", len(f.records), n)
	}
	lines, persons := map[[8]byte][]uint64{}, map[id][]uint64{}
	first := -1
	for _, r := range f.records {
		given := o.calls[r.id-1]
		if r.day != given.day {
			t.Errorf("record %d is of day %d, was given on %d", r.id, r.day, given.day)
		}
		if r.err != nil {
			t.Errorf("record %d: %v: aged rows are swept", r.id, r.err)
			continue
		}
		if first < 0 {
			first = int(given.day)
		}
		for i, line := range []string{given.From.Line, given.To.Line} {
			if line != "" && (i == 0 || line != given.From.Line) {
				lines[f.lineTag(line)] = append(lines[f.lineTag(line)], r.id)
			}
		}
		for i, p := range []pbx.Party{given.From, given.To} {
			erased := p.User == gone.user && int(r.id) <= gone.byUser || p.Number.Reveal() == gone.number && int(r.id) <= gone.byNumber
			compareParty(t, f, r, i, p, erased, given.day < gone.agedDigits)
			if s := r.sides[i]; s != nil && s.err == nil {
				persons[s.who] = append(persons[s.who], r.id)
			} else if s != nil && s.err == errErased && !erasedBy[s.who] {
				t.Errorf("record %d: erased, and no proof names it", r.id)
			}
		}
		compareFacts(t, r, given.Record)
	}
	if first != int(gone.agedCalls) {
		t.Errorf("the oldest record is of day %d, want %d", first, gone.agedCalls)
	}
	for _, l := range persons {
		slices.Sort(l)
	}
	for who, l := range persons {
		if l = slices.Compact(l); !slices.Equal(f.index[who], l) {
			t.Errorf("bySubject has %d records of a subject, the rows %d", len(f.index[who]), len(l))
		}
	}
	if len(f.index) != len(persons) {
		t.Errorf("bySubject has %d subjects, the rows %d", len(f.index), len(persons))
	}
	if !reflect.DeepEqual(lines, f.lines) {
		t.Errorf("byLine and the rows differ")
	}
}

// compareJournals holds each entry, the index and the counts to the calls that were given.
func compareJournals(t *testing.T, o *office, f *folder, gone fate) {
	t.Helper()
	type expected struct {
		call int
		who  pbx.Party
		far  pbx.Party
		in   int
	}
	var want []expected
	for i, c := range o.calls {
		had := map[plan.UserID]bool{}
		add := func(who, far pbx.Party, in int) {
			if who.User != "" && !had[who.User] && !c.silent[who.User] {
				had[who.User] = true
				want = append(want, expected{i, who, far, in})
			}
		}
		add(c.From, c.To, 0)
		add(c.To, c.From, 1)
		for _, user := range c.Missed {
			add(pbx.Party{User: user}, c.From, 1)
		}
	}
	left, index := 0, map[string]bool{}
	for _, w := range want {
		if w.who.User != gone.user && (w.who.User != gone.journal || w.call >= gone.byJournal) {
			left++
		}
	}
	if len(f.entries) != left {
		t.Errorf("%d entries of journals, want %d", len(f.entries), left)
	}
	for _, e := range f.entries {
		if e.n > uint64(len(want)) {
			t.Fatalf("entry %d of %d", e.n, len(want))
		}
		w := want[e.n-1]
		c := o.calls[w.call]
		if k := f.ring.all[e.owner]; k == nil || k.kind != 'U' || k.name != string(w.who.User) || e.day != c.day {
			t.Errorf("entry %d is another's, or of another day", e.n)
		}
		if e.facts.Began != c.Began.UnixMilli() || e.facts.In != w.in || e.facts.Line != w.far.Line || e.facts.Outcome != int(c.Outcome) || e.facts.Talked != c.Talked.Milliseconds() {
			t.Errorf("entry %d: %+v", e.n, e.facts)
		}
		erased := w.far.User == gone.user && w.far.User != "" && w.call < gone.byUser || w.far.Number.Reveal() == gone.number && w.call < gone.byNumber
		switch digits := w.far.Number.Reveal(); {
		case w.far.User == "" && digits == "":
			if e.far != nil {
				t.Errorf("entry %d: another end where none was given", e.n)
			}
		case e.far == nil:
			t.Errorf("entry %d: no other end", e.n)
		case erased:
			if e.far.err != errErased {
				t.Errorf("entry %d: not erased: %v", e.n, e.far.err)
			}
		case w.far.User != "" && w.far.User == gone.journal && w.call < gone.byJournal:
			if e.far.err != errAged {
				t.Errorf("entry %d: the part of who has erased the own journal: %v", e.n, e.far.err)
			}
			index[farKey(e)] = true
		case e.far.err != nil || e.far.Ext != string(w.far.Ext) || e.far.Number != digits[:len(digits)-len(lastOf(digits))] || e.far.hasDigits != (digits != ""):
			t.Errorf("entry %d: another end: %v", e.n, e.far.err)
		default:
			if aged := c.day < gone.agedDigits; digits != "" && (aged && e.far.lastErr != errAged || !aged && e.far.last != lastOf(digits)) {
				t.Errorf("entry %d: last digits: %v", e.n, e.far.lastErr)
			}
			index[farKey(e)] = true
		}
	}
	if !reflect.DeepEqual(index, f.byFar) {
		t.Errorf("byFar has %d keys, the entries %d", len(f.byFar), len(index))
	}
	if last := f.buckets["journal"].sequence; last != uint64(len(want)) {
		t.Errorf("%d entries were written, want %d", last, len(want))
	}
}

// farKey is the key that byFar has of an entry.
func farKey(e entryRow) string {
	return string(binary.BigEndian.AppendUint64(append(e.far.who[:], e.owner[:]...), e.n))
}

// lastOf gives the last digits of a number as the office cuts them.
func lastOf(digits string) string {
	if len(digits) <= 6 {
		return digits
	}
	return digits[len(digits)-4:]
}

// compareDays holds the days to those that had a record.
func compareDays(t *testing.T, o *office, f *folder) {
	t.Helper()
	if len(f.days) != int(o.day)+1 {
		t.Errorf("%d days, want %d", len(f.days), o.day+1)
	}
	for i, d := range f.days {
		if at := time.Unix(d.Date*86400, 0).UTC(); i < 75 && !at.Equal(firstDay.AddDate(0, 0, i)) {
			t.Errorf("day %d is dated %v", i, at)
		}
		if d.Most < 1 || d.Most&(d.Most-1) != 0 {
			t.Errorf("day %d had calls of up to %d minutes", i, d.Most)
		}
	}
}

// comparePlans holds all revisions, newest last, to what was set, less an erased user.
func comparePlans(t *testing.T, o *office, f *folder, erased plan.UserID) {
	t.Helper()
	if len(f.plans) != len(o.plans) {
		t.Fatalf("%d plans, want %d", len(f.plans), len(o.plans))
	}
	for i, v := range f.plans {
		if int(v.n) != i+1 {
			t.Errorf("plan %d is number %d", i, v.n)
		}
		comparePlan(t, f, v, o.plans[i], erased)
	}
}

// compareErasures holds the rows of erasures to their proofs.
func compareErasures(t *testing.T, f *folder, proofs []storage.Proof) {
	t.Helper()
	for _, p := range proofs {
		for i, s := range p.Subjects {
			v, ok := f.erased[id(s)]
			if !ok || v.Done != 1 || v.Left != 0 || v.At != p.At.Unix() || i == 0 && (v.Rows != p.Records || v.Entries > p.Entries || v.Plans != p.Plans || v.Items != p.Items || v.Kind != string(rune(p.Kind)) ||
				v.Old != fmt.Sprintf("%x", p.OldEpoch) || v.New != fmt.Sprintf("%x", p.NewEpoch) || v.Gen != p.Rewrite) {
				t.Errorf("erasure %+v, the proof %+v", v, p)
			}
			if f.ring.all[id(s)] != nil {
				t.Error("the keyring knows an erased subject")
			}
		}
	}
}

// compareFacts tells whether what is about nobody in a record is as it was given.
func compareFacts(t *testing.T, r record, g pbx.Record) {
	t.Helper()
	bit := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	got := r.facts
	got.From, got.To, got.FromSound, got.ToSound = 0, 0, nil, nil
	want := facts{Began: g.Began.UnixMilli(), Rang: g.Rang.Milliseconds(), Talked: g.Talked.Milliseconds(), Outcome: int(g.Outcome), Cause: int(g.Cause),
		Held: bit(g.Held), Emergency: bit(g.Emergency), FromLine: g.From.Line, ToLine: g.To.Line, Private: bit(g.Private)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("record %d: %+v, want %+v", r.id, got, want)
	}
	for i, q := range []*pbx.Quality{g.FromQuality, g.ToQuality} {
		l := [][]any{r.facts.FromSound, r.facts.ToSound}[i]
		if (q != nil) != (l != nil) || q != nil && !slices.Equal(l, []any{"PCMA", 3001., 12., 43., 210., 418., 0., 0., 0., 3.}) {
			t.Errorf("record %d: sound %v", r.id, l)
		}
	}
}

// compareParty tells whether side i of a record is the party that was given.
func compareParty(t *testing.T, f *folder, r record, i int, g pbx.Party, erased, aged bool) {
	t.Helper()
	s, digits := r.sides[i], g.Number.Reveal()
	if g.User == "" && digits == "" {
		if s != nil {
			t.Errorf("record %d side %d: a party where none was given", r.id, i)
		}
		return
	}
	if s == nil {
		t.Errorf("record %d side %d: no party", r.id, i)
		return
	}
	if erased {
		if !errors.Is(s.err, errErased) || s.Ext+s.Number+s.last != "" {
			t.Errorf("record %d side %d: not erased: %v", r.id, i, s.err)
		}
		return
	}
	n := 4
	if len(digits) <= 6 {
		n = len(digits)
	}
	last := digits[len(digits)-n:]
	if s.err != nil || s.known == nil || s.Ext != string(g.Ext) || s.Number != digits[:len(digits)-n] || s.hasDigits != (digits != "") {
		t.Errorf("record %d side %d: another party (%v)", r.id, i, s.err)
		return
	}
	if digits != "" && aged && (s.lastErr != errAged || s.last != "") || digits != "" && !aged && (s.lastErr != nil || s.last != last) {
		t.Errorf("record %d side %d: last digits: %v", r.id, i, s.lastErr)
	}
	switch k := s.known; {
	case g.User != "" && (k.kind != 'U' || k.name != string(g.User)):
		t.Errorf("record %d side %d: another user", r.id, i)
	case g.User == "" && (k.kind != 'N' || k.name != international(digits) && !(aged && k.name == "~"+hex.EncodeToString(s.who[:]))):
		t.Errorf("record %d side %d: another number %q", r.id, i, k.name)
	}
}

// international is what the numbers of these tests are in the form of E.164.
func international(digits string) string {
	switch {
	case strings.HasPrefix(digits, "00"):
		return "+" + digits[2:]
	case strings.HasPrefix(digits, "0"):
		return "+49" + digits[1:]
	}
	return digits
}

func comparePlan(t *testing.T, f *folder, v revision, given plan.Plan, erased plan.UserID) {
	t.Helper()
	users := given.Users
	given.Users = nil
	flat := func(p any) (m map[string]any) {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	delete(v.plan, "users")
	for i := range given.Lines { // a line names whom it rings by the numbers of their parts
		for j, x := range given.Lines[i].Rings {
			n := slices.IndexFunc(users, func(u plan.User) bool { return u.Ext == x })
			given.Lines[i].Rings[j] = plan.Ext(fmt.Sprint(1 + n))
		}
	}
	if !reflect.DeepEqual(v.plan, flat(given)) {
		t.Errorf("plan %d: %v", v.n, v.plan)
	}
	n := 0
	for _, u := range users {
		if u.ID == erased {
			n++
			continue
		}
		who, _ := f.ring.find('U', string(u.ID))
		if !reflect.DeepEqual(v.users[who], flat(u)) {
			t.Errorf("plan %d: user %v, want %v", v.n, v.users[who], flat(u))
		}
	}
	if len(v.gone) != n || len(v.users) != len(users)-n {
		t.Errorf("plan %d: %d users and %d erased of %d", v.n, len(v.users), len(v.gone), len(users))
	}
}

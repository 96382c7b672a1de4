package cuttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/policy"
)

// The office of the workload keeps things for days, which pass on a clock that the test sets:
// hours since firstHour.
var firstHour = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// terms are how many days the office keeps things.
var terms = map[policy.Kind]int{policy.Digits: 1, policy.Records: 2, policy.Journal: 3, policy.Counts: 5, policy.Removed: 3}

// cutDigits is how many digits go first, as in the preset of the plan's country.
const cutDigits = 3

// TestChild is the process whose power is cut, in a bubble of time: a day of it passes in a
// moment.
func TestChild(t *testing.T) {
	if bubbled == nil {
		t.Skip("it is started by other tests")
	}
	synctest.Test(t, bubbled)
}

var bubbled func(*testing.T)

// settings saves settings that are known by their revision.
func (c *child) settings() error {
	set, rev, err := c.s.As(owner).Settings(context.Background())
	if err != nil {
		return err
	}
	for kind, days := range terms {
		set.Keep[kind] = days
	}
	set.Cut, set.Unmask = cutDigits, policy.Unmask{Minutes: 1 + int(rev+1)%60}
	c.say("settings?", rev+1)
	if _, _, err := c.s.SetSettings(context.Background(), owner, rev, set); err != nil {
		return err
	}
	c.say("settings", rev+1)
	return nil
}

// pass lets hours pass while the box runs, and looks at what it has done in them.
func (c *child) pass() error {
	now := int(time.Since(firstHour) / time.Hour)
	next := now + 4 + c.rnd.IntN(9)
	c.say("clock?", next)
	time.Sleep(time.Until(firstHour.Add(time.Duration(next) * time.Hour)))
	proofs, err := c.s.As(owner).Proofs(context.Background(), firstHour.AddDate(0, 0, next/24), time.Time{})
	if err != nil {
		return err
	}
	if n := c.s.Health().Unproven; n > 0 {
		return fmt.Errorf("%d terms are not kept", n)
	}
	if len(proofs) > 0 && !slices.ContainsFunc(proofs, func(p storage.DayProof) bool { return p.State != storage.ProofPass }) {
		c.say("swept", next/24)
	}
	return nil
}

// look looks at records, and what it was shown has its line.
func (c *child) look() error {
	if _, err := c.s.As(owner).Page(context.Background(), storage.Query{Limit: 3}); err != nil {
		return err
	}
	c.say("lines", c.s.Health().AuditLines)
	return nil
}

// leave lets records leave the box.
func (c *child) leave() error {
	if _, err := c.s.As(owner).Export(context.Background(), storage.Query{}, storage.CSV, io.Discard); err != nil {
		return err
	}
	c.say("lines", c.s.Health().AuditLines)
	return nil
}

// switches turns anna's journal on or off.
func (c *child) switches() error {
	off := 0
	if c.s.JournalOn(anna) {
		off = 1
	}
	c.say("switch?", off)
	if err := c.s.SetJournal(context.Background(), asAnna, anna, off == 0); err != nil {
		return err
	}
	c.say("switch", off)
	return nil
}

// wipe has anna erase her journal.
func (c *child) wipe() error {
	newest := c.newest() + c.s.Health().Queued
	c.say("wipe?", newest)
	if err := c.s.EraseJournal(context.Background(), asAnna, anna); err != nil {
		return err
	}
	c.say("wipe", newest)
	return nil
}

// wiping is wipe alone.
func (c *child) wiping() error {
	if err := c.open(); err != nil {
		return err
	}
	return errors.Join(c.wipe(), c.stop())
}

// unmask has an admin ask for a number, which is shown at once.
func (c *child) unmask() error {
	all, err := c.s.As(owner).Accounts(context.Background())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a storage.Account) bool { return a.Role == storage.Admin })
	switch {
	case !c.s.Claimed():
		return c.s.Claim(context.Background(), "owner", "a good password")
	case i < 0:
		_, err := c.s.AddAccount(context.Background(), owner, "admin", "a good password", storage.Admin, "")
		return err
	}
	r := c.s.As(storage.Viewer{Role: storage.Admin, Account: all[i].ID})
	g, err := r.AskUnmask(context.Background(), c.s.Health().Newest, storage.Caller, "somebody has called back")
	switch {
	case err == nil:
		c.say("grants", g.ID)
	case errors.Is(err, storage.ErrNoRecord), errors.Is(err, storage.ErrNothingMasked), errors.Is(err, storage.ErrDigitsGone),
		errors.Is(err, storage.ErrPersonGone), errors.Is(err, storage.ErrTooManyRequests):
		err = nil
	}
	return err
}

// made is what is known of a record that may be there.
type made struct {
	k, date int
	journal bool // anna had one
}

// annas tells whether a call stands in anna's journal, if she has one, and gives the other end.
func annas(r *pbx.Record) (far pbx.Party, in, is bool) {
	switch {
	case r.From.User == anna:
		return r.To, false, true
	case r.To.User == anna, slices.Contains(r.Missed, plan.UserID(anna)):
		return r.From, true, true
	}
	return far, false, false
}

// dated tells what became of something of a date that is kept for some days: it must be gone,
// or may.
func (tr *truth) dated(date, days int) (must, may bool) {
	return date+days < tr.swept, date+days < tr.hour/24
}

// lookAtAges holds what is left of records to their terms.
func (tr *truth) lookAtAges(seen map[int]bool, f *found) error {
	for id, m := range tr.made {
		must, may := tr.dated(m.date, terms[policy.Records])
		if id > f.records {
			continue
		}
		if want := recordOf(id, m.k); may && !seen[id] { // its rows may wait to be removed
			f.aged[personOf(want.From)]++
			if personOf(want.To) != personOf(want.From) {
				f.aged[personOf(want.To)]++
			}
		}
		if must && seen[id] || !may && !seen[id] {
			return fmt.Errorf("record %d of day %d on day %d, swept on %d: there: %v", id, m.date, tr.hour/24, tr.swept, seen[id])
		}
	}
	for id := range tr.records {
		if tr.made[id+1].k == 0 && !seen[id+1] {
			return fmt.Errorf("record %d is missing", id+1)
		}
	}
	return nil
}

// lookAtFar holds a party as it is shown to the one that was given; whose digits have gone it
// shows without them.
// What is past the term of all of it may show as such for some while: a person's keys may go before the box's.
func (tr *truth) lookAtFar(v storage.PartyView, want pbx.Party, id int, kind policy.Kind) error {
	name, e := personOf(want), tr.erased[personOf(want)]
	must, may, over := false, false, false
	if m, ok := tr.made[id]; ok {
		must, may = tr.dated(m.date, terms[policy.Digits])
		_, over = tr.dated(m.date, terms[kind])
	}
	digits := want.Number.Reveal()
	switch {
	case name == "":
		if v.State != storage.Nobody {
			return fmt.Errorf("somebody where nobody was: %v", v.State)
		}
	case v.State == storage.Erased && (id <= e.maybe || tr.former(want.User)):
		if v.User != "" || v.Name != "" || v.Ext != "" || v.Number != "" {
			return fmt.Errorf("an erased party shows something: %v", v)
		}
	case v.State == storage.Aged && over:
	case v.State == storage.Shown && id > e.sure && (!must || digits == ""):
		if v.User != want.User || v.Number != digits {
			return errors.New("is another party")
		}
	case v.State == storage.Cut && may: // also of somebody erased, if the digits had gone from all calls before
		if v.Number != digits[:len(digits)-cutDigits]+"…" {
			return errors.New("is another number")
		}
	default:
		return fmt.Errorf("a party is %v, erased up to %d or %d; its digits must be gone: %v, may: %v", v.State, e.sure, e.maybe, must, may)
	}
	return nil
}

// former tells whether a user has left the plan for so long that the box may have erased that one.
func (tr *truth) former(user plan.UserID) bool {
	var k int
	if _, err := fmt.Sscanf(string(user), "user-guest-%d", &k); err != nil || k >= tr.plan.sure {
		return false
	}
	_, may := tr.dated(tr.left[k], terms[policy.Removed])
	return may
}

// lookAtJournal holds anna's journal to the records that were made while she had one.
func (tr *truth) lookAtJournal(t *testing.T, s *storage.Store, f *found) error {
	seen := map[int]bool{}
	for q := (storage.Query{Limit: 500}); ; {
		page, err := s.As(asAnna).Page(t.Context(), q)
		if err != nil {
			return err
		}
		for _, v := range page.Views {
			id := int(v.Began.UnixMilli()-firstBegan) / 1000
			want := recordOf(id, int(v.Talked.Milliseconds()))
			far, in, is := annas(&want)
			got, own := v.To, v.From
			if in {
				got, own = own, got
			}
			if !is || seen[id] || id > f.records || own.User != anna || v.Rang != want.Rang || v.Outcome != want.Outcome || v.Cause != want.Cause || v.Held != want.Held {
				return fmt.Errorf("an entry of record %d is another one", id)
			}
			seen[id] = true
			if err := tr.lookAtFar(got, far, id, policy.Journal); err != nil {
				return fmt.Errorf("entry of record %d: %w", id, err)
			}
			if id <= tr.wiped.sure {
				return fmt.Errorf("entry of record %d is there, erased up to %d", id, tr.wiped.sure)
			}
		}
		if q.Before = page.Next; !page.More {
			break
		}
	}
	for id, m := range tr.made {
		want := recordOf(id, m.k)
		if _, _, is := annas(&want); !is || id > f.records {
			continue
		}
		must, may := tr.dated(m.date, terms[policy.Journal])
		switch {
		case !m.journal && seen[id], must && seen[id]:
			return fmt.Errorf("entry of record %d of day %d is there, swept on %d", id, m.date, tr.swept)
		case m.journal && !may && id > tr.wiped.maybe && !seen[id]:
			return fmt.Errorf("entry of record %d of day %d is lost on day %d", id, m.date, tr.hour/24)
		case m.journal && !may && id > tr.wiped.sure && !seen[id]:
			f.wiped = max(f.wiped, id)
		}
	}
	for id := range seen { // of several erasures that were under way one may have been the last
		if id <= f.wiped {
			return fmt.Errorf("half a journal: the entry of record %d is there, that of %d is erased", id, f.wiped)
		}
	}
	if f.plan == 0 {
		return nil
	}
	if f.off = btoi(!s.JournalOn(anna)); !tr.off[f.off] {
		return fmt.Errorf("anna's journal is off: %d, want %v", f.off, tr.off)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lookAtCounts holds the counts to the records of the days that are counted.
func (tr *truth) lookAtCounts(t *testing.T, s *storage.Store, f *found) error {
	list, err := s.As(owner).Counts(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	got, least, most := 0, 0, 0
	for _, c := range list {
		got += c.Calls
	}
	for id := range f.records {
		m, known := tr.made[id+1]
		must, may := tr.dated(m.date, terms[policy.Counts])
		most += btoi(!must || !known)
		least += btoi(!may || !known)
	}
	if got < least || got > most {
		return fmt.Errorf("%d calls are counted, want %d to %d of %d", got, least, most, f.records)
	}
	return nil
}

// lookAtTrail verifies the audit trail, and holds its lines to what they tell of: of each change
// there is one, and none more. A change that a failing medium has answered with an error may be
// there, and its line have given way to that of the next.
func (tr *truth) lookAtTrail(t *testing.T, s *storage.Store, f *found) error {
	rep, err := s.As(owner).VerifyAudit(t.Context())
	if err != nil {
		return err
	}
	if !rep.OK() || rep.Dropped > 0 || rep.First > 1 {
		return fmt.Errorf("audit trail: %v, %d lines were dropped", rep.Faults, rep.Dropped)
	}
	if f.lines = int(rep.Newest); f.lines < tr.lines {
		return fmt.Errorf("%d lines of the audit trail, want at least %d", f.lines, tr.lines)
	}
	n := map[string]int{}
	for q := (storage.AuditQuery{Limit: 500}); ; {
		p, err := s.As(owner).Audit(t.Context(), q)
		if err != nil {
			return err
		}
		for _, v := range p.Views {
			if n[v.What]++; v.Damaged || v.Aged {
				return fmt.Errorf("line %d of the audit trail: damaged %v, aged %v", v.Number, v.Damaged, v.Aged)
			}
		}
		if q.Before = p.Next; !p.More {
			break
		}
	}
	ledger, err := s.As(owner).Ledger(t.Context(), storage.LedgerQuery{Limit: 500})
	if err != nil {
		return err
	}
	_, rev, err := s.As(owner).Settings(t.Context())
	if err != nil {
		return err
	}
	if f.settings = int(rev); !tr.settings.has(f.settings) {
		return fmt.Errorf("settings %d, want %d to %d", f.settings, tr.settings.sure, tr.settings.maybe)
	}
	for _, c := range []struct {
		what string
		n    int
	}{
		{"change plan", f.plan}, {"make secret", f.secret}, {"change privacy settings", f.settings}, {"export call records", len(ledger)},
		{"ask to see a number", n["ask to see a number"]},
	} {
		if n[c.what] > c.n || n[c.what] < c.n && !tr.faulty {
			return fmt.Errorf("%d lines %q of %d changes", n[c.what], c.what, c.n)
		}
	}
	if erased := n["erase person"] + n["erase person again after a last call"] + n["erase person whose term is over"]; erased > f.proofs || erased < f.proofs && !tr.faulty {
		return fmt.Errorf("%d lines of %d erasures", erased, f.proofs)
	}
	if f.plan > 0 && !tr.faulty && n["turn journal on or off"]%2 != btoi(!s.JournalOn(anna)) {
		return fmt.Errorf("%d lines of switches, and the journal is on: %v", n["turn journal on or off"], s.JournalOn(anna))
	}
	if f.wipes = n["erase journal"]; f.wipes < tr.wipes || f.wiped > 0 && f.wipes == tr.wipes {
		return fmt.Errorf("%d lines of erased journals, want %d and one for record %d", f.wipes, tr.wipes, f.wiped)
	}
	if f.grants = n["ask to see a number"]; f.grants < tr.grants {
		return fmt.Errorf("%d requests, want at least %d", f.grants, tr.grants)
	}
	all, err := s.As(owner).Accounts(t.Context())
	if err != nil {
		return err
	}
	for _, a := range all {
		grants, err := s.As(storage.Viewer{Role: storage.Admin, Account: a.ID}).Grants(t.Context())
		if err != nil || len(grants) > f.grants || len(grants) > 0 && int(grants[0].ID) != f.grants && int(grants[len(grants)-1].ID) != f.grants {
			return fmt.Errorf("%d requests, %d lines of such: %w", len(grants), f.grants, cmp.Or(err, errors.New("they differ")))
		}
	}
	return nil
}

// hearTerms takes a line of a child that is about this; false for another.
func (tr *truth) hearTerms(word, rest string) bool {
	var n, to, k, journal int
	fmt.Sscan(rest, &n, &to, &k, &journal)
	switch word {
	case "made?":
		for ; n <= to; n++ {
			tr.made[n] = made{k, tr.hour / 24, journal == 1}
		}
	case "clock?":
		tr.hour = n
	case "swept":
		tr.swept = n
	case "lines":
		tr.lines = n
	case "grants":
		tr.grants = n
	case "settings?":
		tr.settings.maybe = n
	case "settings":
		tr.settings = span{n, n}
	case "switch?":
		tr.off[n] = true
	case "switch":
		tr.off = map[int]bool{n: true}
	case "wipe?":
		tr.wiped.maybe = n
	case "wipe":
		tr.wiped = span{n, n}
	default:
		return false
	}
	if !strings.HasSuffix(word, "?") {
		tr.acked++
	}
	return true
}

// ages is the part of the truth that passes with time.
type ages struct {
	hour     int // since firstHour, that the clock may show
	ran      int // acked when the box was switched off last
	swept    int // day on which the box proved that all older than its term is gone
	made     map[int]made
	left     map[int]int // by number of the plan, on which day its guest was in it last
	lines    int         // of the audit trail, at least so many
	grants   int         // at least so many
	settings span
	off      map[int]bool // 1: anna's journal is, or may be, off
	wiped    span         // her journal up to which record
	wipes    int          // lines of that, at least so many
}

func newAges() ages {
	return ages{made: map[int]made{}, left: map[int]int{}, off: map[int]bool{0: true}}
}

func (a ages) clone() ages {
	a.made, a.left, a.off = maps.Clone(a.made), maps.Clone(a.left), maps.Clone(a.off)
	return a
}

// switchedOff has the box switched off for some hours, if it has run since the last time: so its
// clock never leaps by more than a day, which is followed at once.
func (r *rig) switchedOff() {
	if tr := r.truth; tr.acked > tr.ran+8 {
		tr.ran, tr.hour = tr.acked, tr.hour+r.rnd.IntN(12)
	}
}

// settleTerms is settle of this.
func (tr *truth) settleTerms(f found) {
	tr.wipes = f.wipes
	tr.lines, tr.grants, tr.settings, tr.off = f.lines, f.grants, span{f.settings, f.settings}, map[int]bool{f.off: true}
	tr.wiped.sure = max(tr.wiped.sure, f.wiped)
	tr.wiped.maybe = tr.wiped.sure
	for id := range tr.made {
		if id > f.records {
			delete(tr.made, id)
		}
	}
}

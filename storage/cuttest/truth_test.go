package cuttest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage"
	"sotto/storage/policy"
)

// span is what was acknowledged, and what was under way and may be.
type span struct{ sure, maybe int }

func (s span) has(n int) bool { return s.sure <= n && n <= s.maybe }

// truth is what a store must hold, by what the children said.
type truth struct {
	opened  bool
	records int // at least so many
	plan    span
	secret  span
	erased  map[string]span // by person: up to which record
	proofs  int             // of erasures, at least so many
	failed  map[string]bool // erasures answered with an error: to be finished at any time, or never

	audio map[string]*audio

	ages

	faulty bool // the medium failed

	lied  bool // the medium did, and pages may be missing where bbolt believes them
	cuts  int  // settled
	acked int  // acknowledgements heard, for the figures
}

// audio is one message or recording: of n bytes, whole or cut off after those that are sure;
// gone surely or maybe.
type audio struct {
	n      int
	sure   int // from the start on
	whole  bool
	person string
	gone   span
}

// atCut is what a power cut may cost of a recording that is under way: 1.5 s, in bytes.
const atCut = 12000

func newTruth() *truth {
	return &truth{erased: map[string]span{}, failed: map[string]bool{}, audio: map[string]*audio{}, ages: newAges()}
}

func (tr *truth) clone() *truth {
	c := *tr
	c.erased, c.failed, c.audio = maps.Clone(tr.erased), maps.Clone(tr.failed), map[string]*audio{}
	c.ages = tr.ages.clone()
	for id, a := range tr.audio {
		b := *a
		c.audio[id] = &b
	}
	return &c
}

// hear takes one line of a child.
func (tr *truth) hear(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	var name string
	var n int
	if strings.HasPrefix(word, "erase") || word == "unknown" || word == "failed" {
		fmt.Sscan(rest, &name, &n)
	} else {
		fmt.Sscan(rest, &n)
	}
	if tr.hearTerms(word, rest) {
		return nil
	}
	e := tr.erased[name]
	id, _, _ := strings.Cut(rest, " ")
	if a := tr.audio[id]; a != nil {
		switch word {
		case "wrote":
			fmt.Sscan(rest, &id, &n)
			a.sure = max(a.sure, n-atCut)
		case "audio":
			a.whole = true
		case "drop?":
			a.gone.maybe = 1
		case "drop":
			a.gone.sure = 1
		}
		tr.acked++
		return nil
	}
	switch word {
	case "audio?":
		a := &audio{}
		fmt.Sscan(rest, &id, &a.n, &a.person)
		tr.audio[id] = a
		return nil
	case "open":
		tr.opened = true
		return nil
	case "records":
		tr.records = max(tr.records, n)
	case "plan?":
		tr.left[n-1] = tr.hour / 24
		tr.plan.maybe = n // with those before it that were under way when a child was killed
	case "plan":
		tr.plan = span{n, n}
	case "secret?":
		tr.secret.maybe = n
	case "secret":
		tr.secret = span{n, n}
	case "erase?":
		tr.erased[name] = span{e.sure, max(n, e.maybe)}
		tr.audioOf(name, func(a *audio) { a.gone.maybe = 1 })
	case "erase":
		tr.erased[name] = span{n, n}
		tr.audioOf(name, func(a *audio) { a.gone.sure = 1 })
		tr.proofs++
		delete(tr.failed, name)
	case "failed":
		tr.erased[name] = span{e.sure, math.MaxInt}
		tr.failed[name] = true
		return nil
	case "unknown": // or a child that was killed had erased it
	default:
		return fmt.Errorf("the child says %q", line)
	}
	if !strings.HasSuffix(word, "?") {
		tr.acked++
	}
	return nil
}

// partyOf is the reverse of what the owner sees.
func partyOf(v storage.PartyView) (pbx.Party, error) {
	n, err := number.Parse(v.Number)
	return pbx.Party{User: v.User, Ext: v.Ext, Number: n, Line: v.Line}, err
}

// found is what a look at a store saw, where more than one thing was right.
type found struct {
	records, plan, secret int
	erased                map[string]int // whose erasure was under way: the newest record that says erased
	noAudio               []string
	audio                 map[string]int // how much of a recording that was cut off
	proofs                int
	shown                 map[string]int // how many records show a person
	aged                  map[string]int // how many have named a person and show no more

	lines, grants, wipes, settings, off int

	wiped int // anna's journal is erased up to this record, of which that was not known; else 0
}

// look opens the store in the folder top, compares it with the truth and closes it. An
// error says what is wrong.
func (tr *truth) look(t *testing.T, top string) (found, error) {
	f := found{erased: map[string]int{}, shown: map[string]int{}, aged: map[string]int{}, audio: map[string]int{}}
	err := tr.lookInside(t, top, &f)
	if err == nil && !tr.lied {
		err = checkPages(filepath.Join(top, "data", "sotto.db"))
	}
	return f, err
}

func (tr *truth) lookInside(t *testing.T, top string, f *found) error {
	if err := tr.lookAtLifeline(filepath.Join(top, "data")); err != nil {
		return err
	}
	s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), quiet())
	if err != nil {
		return err
	}
	defer s.Close()
	if err := tr.lookAtRecords(t, s, f); err != nil {
		return err
	}
	if err := cmp.Or(tr.lookAtAudio(s, f), tr.lookAtErasures(t, s, f)); err != nil {
		return err
	}
	p, _ := s.CurrentPlan()
	f.plan = planNumber(&p)
	if !tr.plan.has(f.plan) {
		return fmt.Errorf("plan %d, want %d to %d", f.plan, tr.plan.sure, tr.plan.maybe)
	}
	if f.plan > 0 {
		g := tr.erased[string(guest(f.plan))]
		gone := len(p.Users) == 1
		if !reflect.DeepEqual(p, planOf(f.plan, gone)) || gone && g == (span{}) && !tr.touched(guest(f.plan)) {
			return fmt.Errorf("plan %d is another one", f.plan)
		}
		if l, err := storage.ReadLifeline(filepath.Join(top, "data")); err != nil || len(l.Users) != len(p.Users) {
			return fmt.Errorf("lifeline: %w", cmp.Or(err, errors.New("of another plan")))
		}
	}
	if err := tr.lookAtJournal(t, s, f); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := tr.lookAtCounts(t, s, f); err != nil {
		return err
	}
	sec, _ := s.Secret(anna)
	f.secret = secretNumber(sec)
	if !tr.secret.has(f.secret) {
		return fmt.Errorf("secret %d, want %d to %d", f.secret, tr.secret.sure, tr.secret.maybe)
	}
	if err := tr.lookAtTrail(t, s, f); err != nil {
		return err
	}
	if h := s.Health(); h.Unreadable > 0 || h.SetBack > 0 || h.KeysLost || h.Down != nil || h.Lifeline != nil {
		return fmt.Errorf("health: %d unreadable, set back by %d, keys lost: %v, down: %v, lifeline: %v", h.Unreadable, h.SetBack, h.KeysLost, h.Down, h.Lifeline)
	}
	return tr.lookAtFiles(top)
}

// touched tells whether an erasure of the person was ever begun.
func (tr *truth) touched(user any) bool {
	_, ok := tr.erased[fmt.Sprint(user)]
	return ok
}

func (tr *truth) lookAtRecords(t *testing.T, s *storage.Store, f *found) error {
	shown := map[string]int{} // the oldest record that shows a person whose erasure was under way
	at := storage.RecordID(0)
	f.records = int(s.Health().Newest)
	seen := map[int]bool{}
	for {
		page, err := s.As(owner).Records(t.Context(), storage.Query{Before: at, Limit: 500})
		if err != nil {
			return err
		}
		for _, v := range page {
			if at != 0 && v.ID != at-1 {
				return fmt.Errorf("record %d after %d", v.ID, at)
			}
			if at == 0 && int(v.ID) != f.records {
				return fmt.Errorf("the newest record is %d, not %d", v.ID, f.records)
			}
			at = v.ID
			seen[int(v.ID)] = true
			if err := tr.lookAtRecord(v, f, shown); err != nil {
				return fmt.Errorf("record %d: %w", v.ID, err)
			}
		}
		if len(page) < 500 {
			break
		}
	}
	if f.records < tr.records {
		return fmt.Errorf("records %d to %d, want at least %d", at, f.records, tr.records)
	}
	if err := tr.lookAtAges(seen, f); err != nil {
		return err
	}
	for name, id := range f.erased {
		if shown[name] != 0 && (!tr.failed[name] || shown[name] < id) {
			return fmt.Errorf("half an erasure: record %d shows whom record %d does not", shown[name], id)
		}
	}
	return nil
}

func (tr *truth) lookAtRecord(v storage.RecordView, f *found, shown map[string]int) error {
	id, k := int(v.ID), int(v.Talked.Milliseconds())
	want := recordOf(id, k)
	got := pbx.Record{Began: v.Began, Rang: v.Rang, Talked: v.Talked, Outcome: v.Outcome, Cause: v.Cause, Held: v.Held, Emergency: v.Emergency}
	if a, b := personOf(want.From), personOf(want.To); true {
		// Of a number whose last digits are cut everywhere the records are found no more.
		count := func(v storage.PartyView, name string) {
			switch v.State {
			case storage.Shown:
				f.shown[name]++
			case storage.Cut:
				f.aged[name]++
			}
		}
		count(v.From, a)
		if a != b {
			count(v.To, b)
		}
	}
	want.Missed = nil // they are in journals
	for _, side := range []struct {
		view storage.PartyView
		want *pbx.Party
		got  *pbx.Party
	}{{v.From, &want.From, &got.From}, {v.To, &want.To, &got.To}} {
		name := personOf(*side.want)
		if err := tr.lookAtFar(side.view, *side.want, id, policy.Records); err != nil {
			return err
		}
		var err error
		switch e := tr.erased[name]; {
		case side.view.State == storage.Shown:
			if id <= e.maybe {
				shown[name] = id
			}
			if *side.got, err = partyOf(side.view); err != nil {
				return err
			}
		case side.view.State == storage.Erased && id > e.sure && id <= e.maybe:
			f.erased[name] = max(id, f.erased[name])
			fallthrough
		default:
			*side.got = *side.want
		}
	}
	if !reflect.DeepEqual(got, want) {
		return errors.New("is another one")
	}
	return nil
}

// settle takes what a look at the surviving medium saw as the truth from now on.
func (tr *truth) settle(f found) {
	tr.records = f.records
	tr.plan = span{f.plan, f.plan}
	tr.secret = span{f.secret, f.secret}
	for name, e := range tr.erased {
		if f.erased[name] > 0 {
			e.sure = min(e.maybe, f.records)
			if tr.failed[name] {
				e.sure = f.erased[name]
			}
		}
		tr.erased[name] = span{e.sure, e.sure}
	}
	clear(tr.failed)
	tr.settleTerms(f)
	tr.cuts++
	for _, id := range f.noAudio {
		delete(tr.audio, id)
	}
	for id, a := range tr.audio {
		a.gone.maybe = 0
		a.sure = max(a.sure, f.audio[id])
	}
}

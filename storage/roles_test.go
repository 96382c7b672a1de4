package storage

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage/policy"
)

// method is something that is done by or for a viewer. may names the roles that may, by their
// first letters: owner, admin, privacy officer, installer, staff. Who is nobody may nothing.
type method struct {
	may string
	do  func(ctx context.Context, s *Store, v Viewer) error
}

// last gives the error of a call's results.
func last[A any](_ A, err error) error          { return err }
func last2[A, B any](_ A, _ B, err error) error { return err }

var outsider = Person{Number: number.Must("0203947715")}

// methods has a row for each exported method of a Reader, and each of a Store that takes a
// Viewer. What else comes of a call than ErrNotAllowed is no matter here.
var methods = map[string]method{
	"Reader.Plan":        {"oapis", func(ctx context.Context, s *Store, v Viewer) error { return last2(s.As(v).Plan(ctx)) }},
	"Reader.Office":      {"oapis", func(ctx context.Context, s *Store, v Viewer) error { return emptyIsNo(s.As(v).Office()) }},
	"Reader.FormerUsers": {"oa", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).FormerUsers(ctx)) }},
	"Reader.Accounts":    {"o", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Accounts(ctx)) }},
	"Reader.Health":      {"oapi", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Health(ctx)) }},
	"Reader.Erasures":    {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Erasures(ctx)) }},
	"Reader.Page":        {"oaps", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Page(ctx, Query{})) }},
	"Reader.Records":     {"oaps", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Records(ctx, Query{})) }},
	"Reader.Export": {"oaps", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Export(ctx, Query{}, CSV, io.Discard))
	}},
	"Reader.Counts": {"oap", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Counts(ctx, time.Time{}, time.Time{}))
	}},
	"Reader.Watch": {"oapis", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Watch(ctx)) }},
	"Reader.Live":  {"oapis", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Live(ctx, &pbx.Snapshot{})) }},
	"Reader.Find":  {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Find(ctx, outsider)) }},
	"Reader.Find user": {"oa", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Find(ctx, Person{User: boris}))
	}},
	"Reader.Find account": {"o", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Find(ctx, Person{Account: "x"}))
	}},
	"Reader.Find nobody": {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Find(ctx, Person{})) }},
	"Reader.Access": {"oap", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Access(ctx, outsider, io.Discard, nil))
	}},
	"Reader.Access own": {"oas", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Access(ctx, Person{User: anna}, io.Discard, nil))
	}},
	"Reader.Access user": {"oa", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Access(ctx, Person{User: boris}, io.Discard, nil))
	}},

	"Reader.AskUnmask": {"oap", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).AskUnmask(ctx, 1, Called, "what the reason is"))
	}},
	"Reader.AgreeUnmask":     {"op", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).AgreeUnmask(ctx, 1, true)) }},
	"Reader.Requests":        {"op", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Requests(ctx)) }},
	"Reader.Grants":          {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Grants(ctx)) }},
	"Reader.Notices":         {"s", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Notices(ctx)) }},
	"Reader.ReadNotices":     {"s", func(ctx context.Context, s *Store, v Viewer) error { return s.As(v).ReadNotices(ctx, 1) }},
	"Reader.UnreadNotices":   {"oapis", func(ctx context.Context, s *Store, v Viewer) error { s.As(v).UnreadNotices(); return nobodyMay(v) }},
	"Reader.WaitingRequests": {"oapis", func(ctx context.Context, s *Store, v Viewer) error { s.As(v).WaitingRequests(); return nobodyMay(v) }},

	"Reader.Audit":       {"op", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Audit(ctx, AuditQuery{})) }},
	"Reader.VerifyAudit": {"op", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).VerifyAudit(ctx)) }},
	"Reader.Ledger":      {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Ledger(ctx, LedgerQuery{})) }},
	"Reader.Recipients":  {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Recipients(ctx)) }},
	"Reader.Settings":    {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last2(s.As(v).Settings(ctx)) }},
	"Reader.PreviewSettings": {"oap", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).PreviewSettings(ctx, policy.Preset("")))
	}},
	"Reader.Facts": {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.As(v).Facts(ctx)) }},
	"Reader.Proofs": {"oap", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.As(v).Proofs(ctx, time.Time{}, time.Time{}))
	}},

	"Store.As":         {"oapis", func(ctx context.Context, s *Store, v Viewer) error { s.As(v); return nobodyMay(v) }},
	"Store.SetPlan":    {"oa", func(ctx context.Context, s *Store, v Viewer) error { return last(s.SetPlan(ctx, v, 99, testPlan())) }},
	"Store.MakeSecret": {"oa", func(ctx context.Context, s *Store, v Viewer) error { return last(s.MakeSecret(ctx, v, "x", nil)) }},
	"Store.Erase":      {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.Erase(ctx, v, outsider)) }},
	"Store.Erase user": {"oa", func(ctx context.Context, s *Store, v Viewer) error { return last(s.Erase(ctx, v, Person{User: "x"})) }},
	"Store.Erase account": {"o", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.Erase(ctx, v, Person{Account: "x"}))
	}},
	"Store.Erase nobody": {"oap", func(ctx context.Context, s *Store, v Viewer) error { return last(s.Erase(ctx, v, Person{})) }},
	"Store.AddAccount": {"o", func(ctx context.Context, s *Store, v Viewer) error {
		return last(s.AddAccount(ctx, v, "", "", Admin, ""))
	}},
	"Store.SetRole":       {"o", func(ctx context.Context, s *Store, v Viewer) error { return last(s.SetRole(ctx, v, "x", Admin, "")) }},
	"Store.RemoveAccount": {"o", func(ctx context.Context, s *Store, v Viewer) error { return s.RemoveAccount(ctx, v, "x") }},
	"Store.ResetPassword": {"o", func(ctx context.Context, s *Store, v Viewer) error { return last(s.ResetPassword(ctx, v, "x")) }},
	"Store.SetSettings": {"oa", func(ctx context.Context, s *Store, v Viewer) error {
		return last2(s.SetSettings(ctx, v, 99, policy.Preset("")))
	}},
	"Store.SetJournal own":   {"oas", func(ctx context.Context, s *Store, v Viewer) error { return s.SetJournal(ctx, v, anna, true) }},
	"Store.SetJournal":       {"oa", func(ctx context.Context, s *Store, v Viewer) error { return s.SetJournal(ctx, v, boris, true) }},
	"Store.EraseJournal own": {"s", func(ctx context.Context, s *Store, v Viewer) error { return s.EraseJournal(ctx, v, anna) }},
	"Store.EraseJournal":     {"", func(ctx context.Context, s *Store, v Viewer) error { return s.EraseJournal(ctx, v, boris) }},
}

// nobodyMay is the answer of what gives nobody anything and has no error.
func nobodyMay(v Viewer) error {
	if !v.known() {
		return ErrNotAllowed
	}
	return nil
}

func emptyIsNo(name, country string) error {
	if name == "" && country == "" {
		return ErrNotAllowed
	}
	return nil
}

// TestWhoMay tries every method as every role, and finds methods without a row.
func TestWhoMay(t *testing.T) {
	s := newBox(t).open()
	s.withPolicy(func(p *policy.Settings) { p.Unmask.Second = true })
	s.claim(t)
	setPlan(t, s, testPlan())
	own := s.accounts.Load().list[0].ID // its rights are those of the viewer's role here
	letters := map[Role]string{Owner: "o", Admin: "a", PrivacyOfficer: "p", Installer: "i", Staff: "s"}
	for _, role := range append(policy.Roles(), 0, 99) {
		v := Viewer{Role: role, Account: own}
		if role == Staff {
			v.User = anna
		}
		for name, m := range methods {
			err := m.do(t.Context(), s, v)
			may := letters[role] != "" && strings.Contains(m.may, letters[role])
			if denied := errors.Is(err, ErrNotAllowed); denied == may {
				t.Errorf("%s by %v (%d): %v", name, role, role, err)
			}
		}
	}
	if n := len(s.accounts.Load().list); n != 1 || len(s.grants.load().list) != 0 {
		t.Errorf("something was changed: %d accounts", n)
	}
	var all []string
	reader, store, viewer := reflect.TypeFor[*Reader](), reflect.TypeFor[*Store](), reflect.TypeFor[Viewer]()
	for i := range reader.NumMethod() {
		all = append(all, "Reader."+reader.Method(i).Name)
	}
	for i := range store.NumMethod() {
		m := store.Method(i)
		for j := range m.Type.NumIn() {
			if m.Type.In(j) == viewer {
				all = append(all, "Store."+m.Name)
			}
		}
	}
	for _, name := range all {
		if methods[name].do == nil {
			t.Errorf("%s has no row: who may?", name)
		}
	}
	for name := range methods {
		if plain, _, _ := strings.Cut(name, " "); !slices.Contains(all, plain) {
			t.Errorf("there is no %s any more", plain)
		}
	}
	if len(all) < 30 {
		t.Errorf("%d methods found", len(all))
	}
}

// TestTerminal: who stands at the box may what an owner may, but stands for no second person.
func TestTerminal(t *testing.T) {
	s := newBox(t).open()
	s.claim(t)
	setPlan(t, s, testPlan())
	for name, m := range methods {
		denied := slices.Contains([]string{"Reader.AskUnmask", "Reader.AgreeUnmask", "Reader.Requests", "Reader.Grants"}, name)
		if err := m.do(t.Context(), s, owner); strings.Contains(m.may, "o") && errors.Is(err, ErrNotAllowed) != denied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package ui

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

const (
	saysSetBack  = "An older copy of the records was put back"
	saysKeysLost = "An older copy of the keys was put back"
)

// TestAlarms: an older copy of the database or of the keyring that was put back is told
// where people look; a first start, restarts and an erasure in between tell nothing.
func TestAlarms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	owner := storage.Viewer{Role: storage.Owner}
	// starts opens the folder, looks at the pages, and closes it after f.
	starts := func(what string, yes, no []string, f func(*storage.Store)) {
		t.Helper()
		store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if !store.Claimed() {
			if _, err := store.SetPlan(t.Context(), owner, 0, testPlan()); err != nil {
				t.Fatal(err)
			}
			if err := store.Claim(t.Context(), ownerName, goodWord); err != nil {
				t.Fatal(err)
			}
		}
		r := &rig{t: t, store: store, log: &logBuffer{}}
		r.snap.Store(idle())
		r.s = New(Config{Store: store, Snapshot: r.snap.Load, Ports: testPorts, Log: slog.New(slog.DiscardHandler)})
		c := r.as(r.account(storage.Owner))
		for _, path := range []string{"/", "/health"} {
			text := c.get(path).Body.String()
			contains(t, what+" "+path, text, yes...)
			lacks(t, what+" "+path, text, no...)
		}
		if f != nil {
			f(store)
		}
	}
	// met writes a call from a number, which gets a key.
	met := func(digits string) func(*storage.Store) {
		return func(s *storage.Store) {
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			s.Append(pbx.Record{From: pbx.Party{Number: number.Must(digits), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Outcome: pbx.Answered})
			if err := s.Sync(ctx); err != nil {
				t.Error(err)
			}
			stop()
			<-done
		}
	}
	only := func(pattern string) string {
		t.Helper()
		l, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(l) != 1 {
			t.Fatal(l, err)
		}
		return l[0]
	}
	read := func(file string) []byte {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(file string, b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := []string{saysSetBack, saysKeysLost}

	starts("first start", nil, none, met("030111111"))
	starts("restart", nil, none, func(s *storage.Store) {
		if _, err := s.Erase(t.Context(), owner, storage.Person{Number: number.Must("030111111")}); err != nil {
			t.Error(err)
		}
	})
	starts("after an erasure", nil, none, nil)
	db, tail := only("sotto.db"), only("keyring.tail-*")
	oldDB, oldTail := read(db), read(tail)
	starts("idle", nil, none, met("030222222"))
	newDB, newTail := read(db), read(tail)
	starts("after a call", nil, none, nil)

	write(tail, oldTail)
	starts("older keys", []string{saysKeysLost, T("wrong.keyslost.do")}, []string{saysSetBack}, nil)

	write(tail, newTail)
	write(db, newDB)
	starts("the right ones", nil, none, func(s *storage.Store) {
		for _, name := range []string{"later", "and later"} {
			if _, err := s.AddAccount(t.Context(), owner, name, goodWord, storage.Admin, plan.UserID("")); err != nil {
				t.Error(err)
			}
		}
	})
	write(db, oldDB)
	starts("older records", []string{saysSetBack, T("wrong.setback.do")}, []string{saysKeysLost}, nil)
}

// TestNameless: parties that are left out of their records because the keyring is full are
// counted where people look.
func TestNameless(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open := func() *storage.Store {
		t.Helper()
		store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	store := open()
	if _, err := store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(t.Context(), ownerName, goodWord); err != nil {
		t.Fatal(err)
	}
	store.Close()
	ring, err := keyring.Open(dir, keyring.NewFileRoot(dir+".key"), true)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; err == nil && n < 200_000; n++ {
		_, err = ring.Subject(keyring.Outside, "+4989"+strconv.Itoa(1_000_000+n))
	}
	if !errors.Is(err, keyring.ErrFull) {
		t.Fatal(err)
	}
	if err := errors.Join(ring.Commit(), ring.Close()); err != nil {
		t.Fatal(err)
	}

	store = open()
	r := &rig{t: t, store: store, log: &logBuffer{}}
	r.snap.Store(idle())
	r.s = New(Config{Store: store, Snapshot: r.snap.Load, Ports: testPorts, Log: slog.New(slog.DiscardHandler)})
	c := r.as(r.account(storage.Installer))
	counted := func(n string) string { return "<dt>" + T("store.nameless") + "</dt><dd>" + n + "</dd>" }
	contains(t, "room", c.get("/health").Body.String(), counted("0"))
	for _, path := range []string{"/", "/health"} {
		lacks(t, path, c.get(path).Body.String(), T("wrong.nameless.do"))
	}
	for range 2 {
		store.Append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Outcome: pbx.Answered})
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Run(ctx) }()
	if err := store.Sync(ctx); err != nil {
		t.Error(err)
	}
	stop()
	<-done
	contains(t, "full", c.get("/health").Body.String(), counted("2"), T("store.lost")+"</dt><dd>0</dd>")
	for _, path := range []string{"/", "/health"} {
		contains(t, path, c.get(path).Body.String(), T("wrong.nameless.what", "2"), T("wrong.nameless.do"))
	}
}

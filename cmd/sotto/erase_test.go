package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// callOutside is a call of the demo office's 102 to an outside number.
const callOutside = `
	line 1 answers after 1 rings
	102 lifts ; 102 hears dial
	102 dials 00301237654
	line 1 hears 0301237654 within 10s
	102 and line 1 talk within 30s
	102 hangs up ; wait 5s`

// toldOf are pieces of that number, and of names, that no output may have.
var toldOf = []string{"1237654", "7654", "Workshop", "Reception"}

// erased runs the sub-command through the program's front door.
func erased(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, log bytes.Buffer
	err := run(t.Context(), append([]string{"erase"}, args...), strings.NewReader(stdin), &out, &log)
	if err != nil {
		code = exitCode(err)
		log.WriteString(err.Error())
	}
	for _, no := range toldOf {
		if strings.Contains(out.String()+log.String(), no) {
			t.Errorf("%q is in\n%s%s", no, &out, &log)
		}
	}
	return out.String(), log.String(), code
}

// TestErase: a person outside and a user are erased at the terminal, after a look and a
// word, and the box starts without them.
func TestErase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, callOutside, "-data", dir)
	if out, log, code := erased(t, "030 123 76 54\nno\n", "-data", dir, "-number", "-"); code != 1 || !strings.Contains(out, "call records: 1,") || !strings.HasSuffix(log, "nothing was erased: that was not the word") {
		t.Fatalf("%d %s%s", code, out, log)
	}
	if out, log, code := erased(t, "", "-data", dir, "-number", "0301237654"); code != 1 || !strings.Contains(log, "nothing was erased: nothing was typed") {
		t.Fatalf("%d %s%s", code, out, log)
	}
	if out, _, code := erased(t, "", "-data", dir, "-list"); code != 0 || out != "Nobody was erased yet.\n" {
		t.Fatalf("%d %s", code, out)
	}
	out, log, code := erased(t, "+49 (30) 123 76-54\r\nerase\n", "-data", dir, "-number", "-")
	if code != 0 || log != "" {
		t.Fatalf("%d %s%s", code, out, log)
	}
	holds(t, out, "The person is erased.\n", "was known as           number\n", "call records           1\n", "the old key is gone")
	if _, log, code := erased(t, "", "-data", dir, "-number", "0301237654", "-yes"); code != exitUnknown || !strings.Contains(log, "keeps nothing of this person; calls whose last digits are gone cannot be found by a number") {
		t.Errorf("again: %d %s", code, log)
	}

	out, log, code = erased(t, "", "-data", dir, "-user", "102", "-yes", "-json")
	if code != 0 {
		t.Fatalf("%d %s%s", code, out, log)
	}
	var p struct {
		Subjects []string
		Kind     string
		At       time.Time
		Records  int
		Verified bool
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil || len(p.Subjects) != 1 || p.Kind != "user" || p.Records != 1 || !p.Verified || p.At.IsZero() {
		t.Errorf("%v %s", err, out)
	}
	holds(t, log, "call records: 1,", "a user of the plan")
	if _, _, code := erased(t, "", "-data", dir, "-user", "102", "-yes"); code != exitUnknown {
		t.Errorf("a user who is not there: %d", code)
	}
	var all []json.RawMessage
	out, _, _ = erased(t, "", "-data", dir, "-list", "-json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 2 {
		t.Errorf("%v %s", err, out)
	}
	_, log = starts(t, "101 lifts ; 101 hears dial ; 101 dials 102 ; 101 hears unobtainable within 5s", "-data", dir)
	if strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
	if out, _, _ = erased(t, "", "-data", dir, "-list"); strings.Count(out, "out of the records") != 2 {
		t.Errorf("not swept by the box:\n%s", out)
	}
}

// TestEraseFormer: a user who has left the plan is erased by the extension that was the user's,
// after the word alone; not if it was several users', and not while somebody else has it.
func TestEraseFormer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, callOutside, "-data", dir)
	change := func(leaves plan.Ext, joins ...plan.User) {
		t.Helper()
		store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p, rev := store.CurrentPlan()
		is := func(u plan.User) bool { return u.Ext == leaves }
		for i := range p.Lines {
			p.Lines[i].Rings = slices.DeleteFunc(p.Lines[i].Rings, func(x plan.Ext) bool { return x == leaves })
		}
		p.Users = append(slices.DeleteFunc(p.Users, is), joins...)
		if _, err := store.SetPlan(t.Context(), atTerminal, rev, p); err != nil {
			t.Fatal(err)
		}
	}
	const left = "It is a user who had this extension and is no longer in the plan.\n"
	change("102")
	if out, log, code := erased(t, "", "-data", dir, "-user", "102", "-yes"); code != 1 || !strings.Contains(out, left) || !strings.HasSuffix(log, "nothing was erased: nothing was typed") {
		t.Errorf("unasked: %d %s%s", code, out, log)
	}
	out, log, code := erased(t, "erase\n", "-data", dir, "-user", "102")
	if code != 0 || log != "" {
		t.Fatalf("%d %s%s", code, out, log)
	}
	holds(t, out, left, "call records: 1, entries of journals: 1, revisions of the plan: 1,", "The person is erased.\n", "was known as           user\n", "the old key is gone")
	if _, log, code := erased(t, "erase\n", "-data", dir, "-user", "102"); code != exitUnknown {
		t.Errorf("again: %d %s", code, log)
	}

	change("103", plan.User{Name: "Workshop two", Ext: "103", SIP: true})
	out, log, code = erased(t, "", "-data", dir, "-user", "103", "-yes")
	if code != 0 || strings.Contains(log+out, left) || !strings.Contains(out, "It is a user of the plan,") {
		t.Errorf("of two, the one of today: %d %s%s", code, out, log)
	}
	if out, log, code := erased(t, "", "-data", dir, "-user", "103", "-yes"); code != 1 || !strings.Contains(out, left) {
		t.Errorf("the same once more reaches the other: %d %s%s", code, out, log)
	}

	change("", plan.User{Name: "Workshop three", Ext: "103", SIP: true})
	change("103")
	if out, log, code := erased(t, "erase\n", "-data", dir, "-user", "103"); code != 1 || out != "" || !strings.Contains(log, "nothing was done: several users had this extension") {
		t.Errorf("several: %d %s%s", code, out, log)
	}
	if out, _, _ := erased(t, "", "-data", dir, "-list"); strings.Count(out, "was known as ") != 2 {
		t.Error(out)
	}
}

// TestEraseAccount: a log-in is erased at the terminal by its name, which nothing repeats;
// the last owner is not, and no name but the one that was typed leads anywhere.
func TestEraseAccount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	const word = "a password for tests"
	ask := func(f func(*storage.Store)) {
		t.Helper()
		store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		f(store)
	}
	add := func(name string, role storage.Role) {
		t.Helper()
		ask(func(s *storage.Store) {
			if _, err := s.AddAccount(t.Context(), atTerminal, name, word, role, ""); err != nil {
				t.Fatal(err)
			}
		})
	}
	account := func(stdin string, args ...string) (stdout, stderr string, code int) {
		t.Helper()
		stdout, stderr, code = erased(t, stdin, append([]string{"-data", dir}, args...)...)
		for _, no := range []string{"Olga", "olga", "Ingo", "ingo", "Otto"} {
			if strings.Contains(stdout+stderr, no) {
				t.Errorf("%q is in\n%s%s", no, stdout, stderr)
			}
		}
		return stdout, stderr, code
	}
	ask(func(s *storage.Store) {
		if err := s.Claim(t.Context(), "Olga Owner", word); err != nil {
			t.Fatal(err)
		}
	})
	add("Ingo Installer", storage.Installer)

	for _, name := range []string{"Ingo", "Ingo Installer2", "-yes", "Nobody Olga"} {
		if _, log, code := account("", "-account", name, "-yes"); code != exitUnknown || log != "erase: nobody logs in with this name" {
			t.Errorf("%q: %d %s", name, code, log)
		}
	}
	if _, log, code := account("", "-account", "olga owner", "-yes"); code != 1 || !strings.Contains(log, "nothing was erased") || !strings.Contains(log, "the last owner") {
		t.Errorf("the last owner: %d %s", code, log)
	}
	if out, log, code := account("Ingo Installer\nno\n", "-account", "-"); code != 1 || !strings.Contains(out, "Somebody logs in to the page with this name") || !strings.Contains(log, "that was not the word") {
		t.Errorf("%d %s%s", code, out, log)
	}
	out, log, code := account("ingo installer\r\nerase\n", "-account", "-")
	if code != 0 || log != "" {
		t.Fatalf("%d %s%s", code, out, log)
	}
	holds(t, out, "The person is erased.\n", "was known as           account\n", "the old key is gone")
	if _, log, code := account("", "-account", "Ingo Installer", "-yes"); code != exitUnknown {
		t.Errorf("again: %d %s", code, log)
	}

	add("Otto Other", storage.Owner)
	out, log, code = account("", "-account", "Olga Owner", "-yes", "-json")
	var p struct {
		Kind     string
		Verified bool
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 || p.Kind != "account" || !p.Verified {
		t.Errorf("an owner: %d %v %s%s", code, err, out, log)
	}
	out, _, _ = account("", "-list")
	if strings.Count(out, "was known as           account\n") != 2 {
		t.Error(out)
	}
	ask(func(s *storage.Store) {
		if _, err := s.LogIn(t.Context(), "Otto Other", word); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"Olga Owner", "Ingo Installer"} {
			if _, err := s.LogIn(t.Context(), name, word); !errors.Is(err, storage.ErrWrongLogIn) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestEraseAtTheTerminal: behind a passphrase that is typed; the number does not show.
func TestEraseAtTheTerminal(t *testing.T) {
	top := t.TempDir()
	dir, word := filepath.Join(top, "data"), mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", dir}
	starts(t, callOutside, append([]string{"-passphrase-file", word}, args...)...)
	s := sit(t, append([]string{"erase", "-number", "-"}, args...)...)
	s.sees("Passphrase: ", aPassphrase+"\n")
	s.sees("Number, which does not show: ", "030 1237654\n")
	s.sees("Type the word erase to go on: ", "erase\n")
	s.sees("The person is erased.", "")
	s.sees("cleared while the box runs", "")
	screen := s.ends()
	for _, no := range toldOf {
		if strings.Contains(screen, no) {
			t.Errorf("the screen shows %q", no)
		}
	}
}

// TestEraseRefused: what cannot be done is told in words, nothing is made, and what was
// typed is not repeated.
func TestEraseRefused(t *testing.T) {
	top := t.TempDir()
	none, dir := filepath.Join(top, "none"), filepath.Join(top, "data")
	if out, log, code := erased(t, "", "-data", none, "-number", "0301237654"); code != 1 || !strings.Contains(log, "there is no box's data") {
		t.Errorf("%d %s%s", code, out, log)
	}
	if l, err := os.ReadDir(top); err != nil || len(l) > 0 {
		t.Errorf("made: %v %v", l, err)
	}
	starts(t, "wait 1s", "-data", dir)
	for _, args := range [][]string{{}, {"-number", "0301237654", "-user", "102"}, {"-list", "-user", "102"}, {"-account", "Workshop", "-user", "102"}, {"-account", "Workshop", "-list"}, {"-account", "-"}, {"0301237654"}, {"-number", "1", "0301237654"}, {"-0301237654"},
		{"-number", "030123 Workshop"}, {"-number", strings.Repeat("1237654", 9)}, {"-number", " "}, {"-root", "tpm:", "-list"}, {"-passphrase-file", "x", "-list"}} {
		if out, log, code := erased(t, "", append([]string{"-data", dir}, args...)...); code != 1 || out != "" || log == "" {
			t.Errorf("%q: %d %s%s", args, code, out, log)
		}
	}
	if _, log, code := erased(t, strings.Repeat("1237654", 1000), "-data", dir, "-number", "-"); code != 1 || !strings.Contains(log, "too long") {
		t.Errorf("a long line: %d %s", code, log)
	}
	store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, log, code := erased(t, "", "-data", dir, "-number", "0301237654"); code != 1 || !strings.Contains(log, "another Sotto uses this data folder") {
		t.Errorf("another has the folder: %d %s", code, log)
	}
	out, _, code := erased(t, "", "-h")
	if code != 0 {
		t.Error(code)
	}
	holds(t, out, "Usage: sotto erase", "-yes", "It ends with 0")
}

// TestReadLine: one line is taken and nothing after it.
func TestReadLine(t *testing.T) {
	in := strings.NewReader("one\ntwo\nthree")
	for _, want := range []string{"one", "two", "three"} {
		if got, err := readLine(t.Context(), in); got != want || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
	if _, err := readLine(t.Context(), in); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

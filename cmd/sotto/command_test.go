package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// oneCall makes a data folder with one call of 102 to an outside number.
func oneCall(t *testing.T, dir string, began time.Time) {
	t.Helper()
	if out, log, code := ask(t, "wait 100ms\n", "-data", dir, "-sip", "off", "-page", "off"); code != 0 {
		t.Fatalf("%s%s", out, log)
	}
	store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := store.CurrentPlan()
	i := slices.IndexFunc(p.Users, func(u plan.User) bool { return u.Ext == "102" })
	n, err := number.Parse("0301237654")
	if err != nil {
		t.Fatal(err)
	}
	store.Append(pbx.Record{From: pbx.Party{User: p.Users[i].ID, Ext: "102"}, To: pbx.Party{Number: n, Line: "Line 1"}, Began: began, Talked: time.Second, Outcome: pbx.Answered, Cause: pbx.NormalClearing})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCommands runs every sub-command on a stopped and on a running box: what it prints, what
// it ends with, what it writes; and that its errors and words hold no number and no name.
func TestCommands(t *testing.T) {
	for _, running := range []bool{false, true} {
		name := "stopped"
		if running {
			name = "running"
		}
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "data")
			oneCall(t, dir, time.Now())
			if running {
				runningBox(t, dir)
			}
			file := func(name string) string { return filepath.Join(top, name) }
			do := func(code int, stdin string, args ...string) (stdout, stderr string) {
				t.Helper()
				out, log, got := ask(t, stdin, append(args, "-data", dir)...)
				if got != code {
					t.Errorf("%q: %d, wanted %d\n%s%s", args, got, code, out, log)
				}
				for _, no := range append([]string{"Olga", "Ina"}, toldOf...) {
					if strings.Contains(log, no) {
						t.Errorf("%q: %q is in\n%s", args, no, log)
					}
				}
				return out, log
			}
			asJSON := func(args ...string) (v any) {
				t.Helper()
				out, _ := do(0, "", append(args, "-json")...)
				if err := json.Unmarshal([]byte(out), &v); err != nil {
					t.Errorf("%q: %v\n%s", args, err, out)
				}
				return v
			}

			out, _ := do(0, "", "terms")
			holds(t, out, "kind ", "digits ", "records ", "audit ", "Nothing was set yet: the preset of DE counts", "owner whole, admin masked",
				"Calls that make a record: internal, incoming, outgoing, failed, those to")
			out, log := do(0, "", "terms", "-set", "digits=3,records=21,numbers.admin=none")
			holds(t, out, "Call records are kept 21 days instead of 30.\n", "This is set now.\n")
			out, _ = do(0, "", "terms", "-set", "records=22")
			holds(t, out, "shows more, which the audit trail notes:\nCall records are kept 22 days instead of 21.\n")
			do(0, "", "terms", "-yes", "-set", "records=21")
			if log != "" {
				t.Error(log)
			}
			settings := asJSON("terms").(map[string]any)["settings"].(map[string]any)["keep"].(map[string]any)
			if settings["records"] != 21.0 || settings["digits"] != 3.0 || settings["journal"] != float64(policy.Preset("DE").Keep[policy.Journal]) {
				t.Error(settings)
			}
			out, _ = do(0, "", "terms", "-set", "records=21")
			holds(t, out, "All of it is so already.\n")
			_, log = do(1, "", "terms", "-set", "records=2")
			holds(t, log, "nothing was changed: keep.digits must not be longer")
			asJSON("terms", "-proofs")

			out, _ = do(0, "", "audit")
			holds(t, out, "terminal ", "change privacy settings", "change plan")
			if list := asJSON("audit", "-n", "2").([]any); len(list) != 2 {
				t.Error(list)
			}
			do(0, "", "audit", "-user", "102")
			do(exitUnknown, "", "audit", "-user", "199")
			out, _ = do(0, "", "audit", "verify")
			holds(t, out, "Nothing is wrong with the trail.\n", "What this cannot find:\n- ")
			holds(t, out, "link of the newest: ")
			if v := asJSON("audit", "verify").(map[string]any); v["ok"] != true || len(v["link"].(string)) != 64 {
				t.Error(v)
			}

			out, _ = do(0, "030 1237654\n", "access", "-number", "-", "-o", file("a.zip"))
			holds(t, out, "The archive is whole: call records: 1,")
			if z, err := zip.OpenReader(file("a.zip")); err != nil {
				t.Error(err)
			} else {
				z.Close()
			}
			if st, err := os.Stat(file("a.zip")); err != nil || st.Mode() != 0o600 {
				t.Error(st.Mode(), err)
			}
			_, log = do(1, "", "access", "-user", "102", "-o", file("a.zip"))
			holds(t, log, "-o: file exists")
			_, log = do(exitUnknown, "0309990001\n", "access", "-number", "-", "-o", file("nobody.zip"))
			holds(t, log, "keeps nothing of this person; calls whose last digits are gone cannot be found by a number")
			do(exitUnknown, "", "access", "-user", "199", "-o", file("none.zip"))
			if _, err := os.Stat(file("none.zip")); err == nil {
				t.Error("an empty archive is left")
			}
			if asJSON("access", "-user", "102", "-o", file("b.zip")).(map[string]any)["records"] != 1.0 {
				t.Error("not one record")
			}

			out, log = do(0, "", "export", "-format", "csv")
			if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(rows) != 2 {
				t.Errorf("%v %s", err, out)
			}
			holds(t, log, "The export is whole: call records: 1.\n")
			do(0, "", "export", "-format", "json", "-user", "101", "-o", file("e.json"))
			var calls []any
			if b, err := os.ReadFile(file("e.json")); err != nil || json.Unmarshal(b, &calls) != nil || len(calls) != 0 {
				t.Errorf("%v %s", err, b)
			}
			today := time.Now().UTC()
			out, _ = do(0, "", "export", "-format", "csv", "-from", today.AddDate(0, 0, 1).Format(time.DateOnly))
			if strings.Count(out, "\n") != 1 {
				t.Error(out)
			}

			out, _ = do(0, "", "ledger")
			holds(t, out, "access ", "export ")
			if list := asJSON("ledger", "-sum").([]any); len(list) != 2 {
				t.Error(list)
			}

			contacts := mustWrite(t, file("c.json"), `{"officer": {"name": "Dr. Datenschutz"}, "authority": "The authority"}`)
			out, _ = do(0, "", "papers", "-record", "-contacts", contacts)
			holds(t, out, "21", "Dr. Datenschutz", "Demo office")
			out, _ = do(0, "", "papers", "-notice", "-html", "-lang", "de")
			holds(t, out, "<!doctype html>", "lang=\"de\"", "21")
			do(0, "", "papers", "-record", "-o", file("record.txt"))
			do(1, "", "papers", "-record", "-contacts", mustWrite(t, file("d.json"), `{"Workshop": 1}`))

			do(1, "", "account", "add", "-account", "Ina", "-role", "admin")
			const twice = "a long password\na long password\n"
			out, _ = do(0, "Olga\n"+twice, "account", "add", "-account", "-", "-role", "owner")
			holds(t, out, "The account is added. Role: owner.\n")
			do(0, twice, "account", "add", "-account", "Ina", "-role", "privacy-officer")
			do(1, "a long password\nanother password\n", "account", "add", "-account", "Ida", "-role", "admin")
			do(1, twice, "account", "add", "-account", "Ina", "-role", "staff")
			do(0, "", "account", "role", "-account", "ina", "-role", "staff", "-user", "101")
			out, _ = do(0, "", "account", "list")
			holds(t, out, "Olga  owner\n", "Ina   staff  101\n")
			out, _ = do(0, "", "account", "reset", "-account", "Ina")
			holds(t, out, "Password, told only now: ")
			do(1, "no\n", "account", "remove", "-account", "Ina")
			do(0, "remove\n", "account", "remove", "-account", "Ina")
			do(exitUnknown, "", "account", "reset", "-account", "Ina")
			do(1, "", "account", "remove", "-account", "Olga", "-yes")
			if list := asJSON("account", "list").([]any); len(list) != 1 {
				t.Error(list)
			}

			table := mustWrite(t, file("u.csv"), "Name;Nebenstelle\nNew one;177\nReception;101\n")
			out, _ = do(0, "", "users", "fields")
			holds(t, out, "name, extension, and: nothing more.")
			placed := mustWrite(t, file("p.csv"), "Name;Nebenstelle;Ort\nWorkshop;102;Hall 1237654\n")
			out, _ = do(1, "", "users", "import", placed)
			holds(t, out, "switch the field on")
			do(0, "", "users", "fields", "place")
			do(0, "", "users", "import", placed)
			_, log = do(1, "no\n", "users", "fields", "none")
			holds(t, log, "nothing was changed: that was not the word")
			out, _ = do(0, "delete\n", "users", "fields", "email")
			holds(t, out, "This will delete 1 values", "name, extension, and: email.")
			do(1, "", "users", "fields", "shoe size")
			do(0, "", "users", "journal", "-user", "102", "off")
			do(exitUnknown, "", "users", "journal", "-user", "199", "on")
			do(1, "", "users", "journal", "-user", "102", "maybe")
			do(1, "", "users", "journal", "on")
			if u := asJSON("users", "list").([]any)[1].(map[string]any); u["extension"] != "102" || u["journal"] != false {
				t.Error(u)
			}
			out, _ = do(0, "", "users", "list")
			holds(t, out, "102        Workshop   off      as set")
			do(0, "", "users", "journal", "-user", "102", "on")
			out, _ = do(0, "", "audit")
			holds(t, out, "collects more: The place of users' telephones can be kept", "collects more: Users whose journal is on again: 1")

			out, _ = do(0, "", "users", "import", table, "-preview")
			holds(t, out, "row 2: added\n", "Nothing was changed: this was a preview.\n")
			out, _ = do(0, "", "users", "import", table)
			holds(t, out, "The users are taken over.")
			out, _ = do(0, "", "users", "import", table)
			holds(t, out, "The plan has all of it already.")
			_, log = do(1, "no\n", "users", "import", table, "-remove-others")
			holds(t, log, "nothing was changed: that was not the word")
			out, _ = do(1, "", "users", "import", mustWrite(t, file("v.csv"), "Name;Nebenstelle\nWorkshop two;1237654x\n"))
			holds(t, out, "row 2, extension: WRONG: ")
			for _, no := range toldOf {
				if strings.Contains(out, no) {
					t.Errorf("%q is in\n%s", no, out)
				}
			}
			_, log = do(1, "", "users", "import", file("Workshop.csv"))
			holds(t, log, "no such file")
			do(1, "", "users", "import", mustWrite(t, file("w.csv"), strings.Repeat("x", 3<<20)))
		})
	}
}

// TestTermsDelete: what a shorter term deletes is told and asked for before, and is gone after.
func TestTermsDelete(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		if out, log, _, err := box(t, callOutside, "-data", dir); err != nil {
			t.Fatalf("%v %s%s", err, out, log)
		}
		live := func(d time.Duration) {
			store := mustOpen(t, dir)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- store.Run(ctx) }()
			time.Sleep(d)
			stop()
			if err := errors.Join(<-ended, store.Close()); err != nil {
				t.Fatal(err)
			}
		}
		terms := func(stdin string, args ...string) (string, error) {
			var out, log bytes.Buffer
			err := run(t.Context(), append([]string{"terms", "-data", dir}, args...), strings.NewReader(stdin), &out, &log)
			return out.String(), err
		}
		live(25 * 24 * time.Hour)
		const deletes = "This will delete 1 call records from before 2000-01-05.\n"
		out, err := terms("no\n", "-set", "records=21,digits=3")
		if err == nil || err.Error() != "terms: nothing was changed: that was not the word" {
			t.Error(err)
		}
		holds(t, out, deletes)
		if out, err = terms(""); err != nil || !strings.Contains(out, "records     30    30      1         2000-01-01\n") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err = terms("delete\n", "-set", "records=21,digits=3"); err != nil {
			t.Error(err)
		}
		holds(t, out, deletes, "This is set now.\n")
		live(24 * time.Hour)
		if out, err = terms(""); err != nil || !strings.Contains(out, "records     21    30      0\n") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err = terms("", "-proofs", "-from", "2000-01-20"); err != nil || !strings.Contains(out, "records  ") || strings.Contains(out, "fail") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestCommandsRefused: what is said wrong is told in words that repeat none of it, makes
// nothing, and needs no data; help is there for all.
func TestCommandsRefused(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range commands() {
		for _, args := range [][]string{{"-0301237654"}, {"0301237654"}, {"Workshop", "-json", "0301237654"}, {"-from", "0301237654"}, {"-user", "1", "-number", "0301237654", "-account", "Workshop"},
			{"-set", "Workshop=0301237654"}, {"-set", "0301237654"}, {"-n", "1237654x"}, {"add", "-account", "Workshop", "-role", "0301237654"}, {"-format", "1237654"}, {"-lang", "Workshop", "-record"}} {
			out, log, code := ask(t, "", append([]string{c.name, "-data", none}, args...)...)
			if code != 1 || out != "" || !strings.HasPrefix(log, "sotto: "+c.name+": ") {
				t.Errorf("%s %q: %d %s%s", c.name, args, code, out, log)
			}
			for _, no := range toldOf {
				if strings.Contains(log, no) {
					t.Errorf("%s %q: %q is in\n%s", c.name, args, no, log)
				}
			}
		}
		out, log, code := ask(t, "", c.name, "-h")
		if code != 0 || log != "" {
			t.Errorf("%s: %d %s", c.name, code, log)
		}
		holds(t, out, "Usage: sotto "+c.name, "-json", "-data")
	}
	if _, err := os.Lstat(none); err == nil {
		t.Error("something was made")
	}
	out, _, _ := ask(t, "", "-h")
	for _, word := range []string{"erase", "terms", "audit", "access", "export", "papers", "ledger", "users", "account", "what-if", "passphrase"} {
		holds(t, out, "  sotto "+word+" ")
	}
}

// TestSpan: a day is whole, and in UTC.
func TestSpan(t *testing.T) {
	s := span{fromText: "2026-03-01", untilText: "2026-03-01"}
	if err := s.check(); err != nil || s.from.Format(time.RFC3339) != "2026-03-01T00:00:00Z" || s.until.Format(time.RFC3339) != "2026-03-02T00:00:00Z" {
		t.Error(s.from, s.until, err)
	}
	s = span{untilText: "2026-03-01T08:00:00+02:00"}
	if err := s.check(); err != nil || !s.from.IsZero() || s.until.UTC().Hour() != 6 {
		t.Error(s.until, err)
	}
	for _, s := range []span{{fromText: "yesterday"}, {untilText: "2026-13-01"}, {fromText: "2026-03-02", untilText: "2026-03-01"}} {
		if s.check() == nil {
			t.Errorf("%+v", s)
		}
	}
}

// TestSetOne sets every field there is, and no other.
func TestSetOne(t *testing.T) {
	s := policy.Preset("DE")
	for _, one := range []string{"digits=1", "keep.records=2", "cut=4", "record.internal=no", "record.incoming=no", "record.outgoing=no", "record.failed=no",
		"unmask.minutes=3", "unmask.second=no", "numbers.admin=none", "numbers.privacy-officer=none", "numbers.privacy officer=none"} {
		name, value, _ := strings.Cut(one, "=")
		before := s.Clone()
		if err := setOne(&s, name, value); err != nil {
			t.Error(one, err)
		}
		if name != "numbers.privacy officer" && len(policy.Compare(before, s)) == 0 && value != "no" {
			t.Error(one, "changed nothing")
		}
	}
	if s.Keep[policy.Records] != 2 || s.Cut != 4 || s.Record != (policy.Record{}) || s.Unmask != (policy.Unmask{Minutes: 3}) || len(s.Numbers) != 2 {
		t.Error(s)
	}
	for _, one := range []string{"=", "records=", "records=x", "cut=", "record.internal=maybe", "numbers.nobody=none", "numbers.admin=all", "country=1", "x=1"} {
		name, value, _ := strings.Cut(one, "=")
		if setOne(&s, name, value) == nil {
			t.Error(one)
		}
	}
}

// TestPlainWords: nothing that is shown moves a cursor.
func TestPlainWords(t *testing.T) {
	if got := plainWords("a\x1b[2Jb\n\u009bcÄ"); got != "a?[2Jb??cÄ" {
		t.Errorf("%q", got)
	}
}

package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAlarms: the health page tells when an older copy of the keyring or of the database was
// put back; at a first start, a restart and a start after calls it does not.
func TestAlarms(t *testing.T) {
	const (
		word    = "a password for tests"
		keys    = "An older copy of the keys was put back"
		records = "An older copy of the records was put back"
	)
	dir := filepath.Join(t.TempDir(), "data")
	// health starts the box, logs in and reads the health page.
	health := func(what string, alarms ...string) {
		t.Helper()
		b := startOnNet(t, dir, freePort(t), "-sip", "off", "-page", "127.0.0.1:0")
		defer b.stop()
		base, setup, _, browser := pageOf(t, b)
		to := base + "/login"
		if setup != "" {
			to = base + setup
		}
		read := func(res *http.Response, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res.Status, err)
			}
			return string(text)
		}
		read(browser.PostForm(to, url.Values{"name": {"Olga Owner"}, "password": {word}, "again": {word}}))
		text := read(browser.Get(base + "/health"))
		if !strings.Contains(text, "<h1>Health</h1>") {
			t.Fatalf("%s: no health page:\n%s", what, text)
		}
		for _, alarm := range []string{keys, records} {
			want := strings.Contains(strings.Join(alarms, " "), alarm)
			if strings.Contains(text, alarm) != want {
				t.Errorf("%s: it says %q: %v, want %v", what, alarm, !want, want)
			}
		}
	}
	only := func(pattern string) (file string, held []byte) {
		t.Helper()
		l, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(l) != 1 {
			t.Fatal(pattern, l)
		}
		held, err := os.ReadFile(l[0])
		if err != nil {
			t.Fatal(err)
		}
		return l[0], held
	}

	health("first start")
	health("restart")
	db, oldDB := only("sotto.db")
	tail, oldTail := only("keyring.tail-*")
	// The key of the second number comes with a mark of the first's record.
	starts(t, callOutside+strings.ReplaceAll(callOutside, "1237654", "1237655"), "-data", dir)
	health("after a call")
	_, newTail := only("keyring.tail-*")

	mustWrite(t, tail, string(oldTail))
	health("older keys", keys)
	mustWrite(t, tail, string(newTail))
	mustWrite(t, db, string(oldDB))
	health("older database", records)
}

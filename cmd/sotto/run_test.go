package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage"
	"sotto/storage/keyring"
)

// box runs the whole program in a bubble on words, and gives what it printed and logged.
func box(t *testing.T, words string, args ...string) (stdout, stderr string, took time.Duration, err error) {
	t.Helper()
	var out, log lockedBuffer
	start := time.Now()
	err = run(t.Context(), append(args, "-sip", "off", "-page", "off", "-no-control"), strings.NewReader(words), &out, &log)
	return out.String(), log.String(), time.Since(start), err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const plainCall = `
101 lifts ; 101 hears dial within 300ms
101 dials 102 ; 101 hears ringback ; 102 rings 1.0/4.0 at 25 Hz
102 lifts ; 101 and 102 talk
wait 12s
101 hangs up ; record 101 -> 102 answered 12s
102 hears busy ; 102 hangs up
wait 1s
`

// TestWholeBox makes a call with everything in place: drivers, models, switch, media and
// the sealed store on disk; then again with what the first run left.
func TestWholeBox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			out, log, _, err := box(t, plainCall, "-data", dir)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, log)
			}
			for _, want := range []string{"ready: FXS 1 Si3215 rev ", "101 lifts", "101 hears dial", "102 rings", "102 rings 1.0/4.0 at 25 Hz", "101 and 102 talk", "record 101 -> 102 answered 12s"} {
				if !strings.Contains("\n"+out, "\n"+want) {
					t.Errorf("not printed: %q in\n%s", want, out)
				}
			}
			for _, digits := range []string{"101", "102"} {
				if strings.Contains(log, digits) {
					t.Errorf("the log holds an extension:\n%s", log)
				}
			}
		})
	}
	names := []string{"Reception", "Workshop", "Demo office"}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, n := range names {
			if bytes.Contains(b, []byte(n)) {
				t.Errorf("%s holds %q in clear", filepath.Base(path), n)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWordsThatDoNotComeTrue: a script that expects what does not happen ends with an error.
func TestWordsThatDoNotComeTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, _, _, err := box(t, "101 lifts\n101 hears busy\n", "-data", filepath.Join(t.TempDir(), "data"))
		if err == nil || !strings.Contains(out, `? expected "101 hears busy"`) {
			t.Errorf("error %v, printed:\n%s", err, out)
		}
	})
}

// TestRefusesToStart: what cannot work is told in one line, within a second.
func TestRefusesToStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	badPlan := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(badPlan, []byte(`{
  "office": "Office",
  "country": "XX",
  "users": [
    {"name": "", "ext": "101"},
    {"name": "B", "ext": "101", "phone": "FXS 1"}
  ]
}`), 0o600); err != nil {
		t.Fatal(err)
	}
	twice := filepath.Join(t.TempDir(), "twice.json")
	if err := os.WriteFile(twice, []byte(`{
  "office": "Office",
  "country": "XX",
  "users": [
    {"name": "A", "ext": "201", "ports": ["FXS 1"]},
    {"name": "", "ext": "201", "ports": ["FXS 1"]}
  ]
}`), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "locked")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"data folder not writable", []string{"-data", filepath.Join(file, "data")}, []string{"cannot be written"}},
		{"data folder in use", []string{"-data", locked}, []string{"another Sotto runs on this data folder"}},
		{"plan missing", []string{"-plan", file + "x"}, []string{"plan:", "no such file"}},
		{"plan with an unknown field", []string{"-plan", badPlan}, []string{"line 6: users[1]: holds a field that is not known"}},
		{"plan with several problems", []string{"-plan", twice}, []string{"line 3: country: must be a country code", "line 6: users[1].name: is missing", "line 6: users[1].ext: is also the extension of users[0]", "line 6: users[1].ports[0]: this port is also that of users[0].ports[0]"}},
		{"no chip answers", []string{"-board", "sim:dead=FXS 1,FXS 2,FXS 3,FXS 4,FXO 1,FXO 2"}, []string{"no port of the board works", "FXS 1: identify: no chip answers: register 0 reads 0xFF", "FXO 2"}},
		{"no such board", []string{"-board", "toaster"}, []string{"-board"}},
		{"no port named", []string{"-board", "sim:dead="}, []string{"say sim, or sim:dead=FXS 2"}},
		{"no such port", []string{"-board", "sim:dead=FXS 77"}, []string{"there is no port FXS 77"}},
		{"words behind the flags", []string{"start"}, []string{"behind the flags"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				if c.name == "data folder in use" {
					store := mustOpen(t, locked)
					defer store.Close()
				}
				_, _, took, err := box(t, "", append([]string{"-data", dir}, c.args...)...)
				if err == nil {
					t.Fatal("it started")
				}
				for _, w := range c.want {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %q does not say %q", err, w)
					}
				}
				if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "goroutine") || strings.Contains(strings.ReplaceAll(err.Error(), filepath.Dir(dir), ""), "201") {
					t.Errorf("error %q", err)
				}
				if took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestOneDeadPort: the others work, and the log says which port is dead and what was read.
func TestOneDeadPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log, _, err := box(t, "101 lifts ; 101 hears dial ; 101 dials 103 ; 103 rings ; 103 lifts ; 101 and 103 talk ; 101 hangs up ; 103 hangs up ; wait 2s", "-data", filepath.Join(t.TempDir(), "data"), "-board", "sim:dead=FXS 2,FXO 1")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, w := range []string{`port="FXS 2"`, `port="FXO 1"`, "register 0 reads 0xFF"} {
			if !strings.Contains(log, w) {
				t.Errorf("the log does not say %s:\n%s", w, log)
			}
		}
		if !strings.Contains(out, "FXS 2 out of service") {
			t.Errorf("printed:\n%s", out)
		}
	})
}

// TestLifeline: with the key gone, telephones still work, and it is said.
func TestLifeline(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		if _, log, _, err := box(t, "wait 1s", "-data", dir); err != nil {
			t.Fatal(err, log)
		}
	})
	if err := os.Remove(dir + ".key"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		out, log, _, err := box(t, "101 lifts ; 101 hears dial ; 101 dials 102 ; 102 rings ; 102 lifts ; 101 and 102 talk ; 101 hangs up ; 102 hangs up ; wait 2s", "-data", dir)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, log)
		}
		if !strings.Contains(log, "the store cannot be opened: telephones work, nothing is recorded") || strings.Contains(out, "record") {
			t.Errorf("printed:\n%s\nlog:\n%s", out, log)
		}
	})
}

// TestPlanIsForTheFirstStart: a second -plan changes nothing, and says so.
func TestPlanIsForTheFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "plan.json")
	write := func(ext string) {
		text := fmt.Sprintf(`{"office": "O", "country": "SE", "users": [{"name": "A", "ext": "%s", "ports": ["FXS 1"]}]}`, ext)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("71")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			out, log, _, err := box(t, "71 lifts ; 71 hears dial ; 71 hangs up ; wait 1s", "-data", dir, "-plan", file)
			if err != nil {
				t.Errorf("%v\n%s\n%s", err, out, log)
			}
		})
		write("72")
	}
}

// TestSays: the terminal's words may name a file, which the mouth then says.
func TestSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, _, _, err := box(t, "101 lifts ; 101 hears dial ; 101 dials 102 ; 102 rings ; 102 lifts ; 101 and 102 talk ; 101 says ../../pbx/pbxtest/testdata/hello.wav ; 101 hangs up ; 102 hangs up", "-data", filepath.Join(t.TempDir(), "data"))
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestInterrupt: the end of the context ends the box in good order, in the middle of a call.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		var out, log lockedBuffer
		done := make(chan error)
		go func() {
			done <- run(ctx, []string{"-data", filepath.Join(t.TempDir(), "data"), "-sip", "off", "-page", "off", "-no-control"}, r, &out, &log)
		}()
		io.WriteString(w, "101 lifts\n101 hears dial\n101 dials 102\n102 rings\n102 lifts\n101 and 102 talk\n")
		time.Sleep(20 * time.Second)
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v\n%s", err, log.String())
		}
		if !strings.Contains(out.String(), "101 and 102 talk") || !strings.Contains(out.String(), "record 101 -> 102 answered") {
			t.Errorf("printed:\n%s", out.String())
		}
		w.Close()
	})
}

func mustOpen(t *testing.T, dir string) *storage.Store {
	t.Helper()
	s, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

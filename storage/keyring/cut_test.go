package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sotto/storage/durable"
)

// cutter stops everything before step number left.
type cutter struct {
	left   int
	cut    bool
	steps  []string
	path   string // of the keyring
	before []byte // the keyring before a rename that a power cut may still take back
}

var errCut = errors.New("cut")

func newCutter(base string, left int) *cutter {
	return &cutter{left: left, path: filepath.Join(base, "data", fileName)}
}

func (c *cutter) at(step string) error {
	if c.left--; c.left < 0 {
		c.cut = true
		return errCut
	}
	c.steps = append(c.steps, step)
	switch step {
	case "rename":
		c.before, _ = os.ReadFile(c.path)
	case "sync folder":
		c.before = nil
	}
	return nil
}

// medium gives the states that the folder may have after the cut, each as a copy: with the
// rename, and without it while the folder was not synced.
func (c *cutter) medium(t *testing.T, base string) []string {
	t.Helper()
	all := []string{copyTree(t, base)}
	if c.before != nil {
		other := copyTree(t, base)
		path := filepath.Join(other, "data", fileName)
		if err := os.Rename(path, path+durable.Suffix); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, c.before, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, other)
	}
	return all
}

func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestRotationCut stops an erasure at every step, then the start after it at every step,
// and starts again. A cut folder may have lost the last rename.
func TestRotationCut(t *testing.T) {
	inMemory(t)
	olds, news, n := 0, 0, 0
	for ; ; n++ {
		s := newScene(t)
		c := newCutter(s.base, n)
		s.r.hook = c.at
		_, err := s.r.Erase(s.victim)
		if !c.cut {
			if err != nil || !s.check(t, s.r) {
				t.Fatal(err)
			}
			clean(t, s.r)
			break
		}
		for i, first := range c.medium(t, s.base) {
			for m := 0; ; m++ {
				base := copyTree(t, first)
				before := c.before
				c := newCutter(base, m)
				if i == 0 { // perhaps no power cut: the next start sees a rename that one may still take back
					c.before = before
				}
				r, err := openWith(filepath.Join(base, "data"), NewFileRoot(filepath.Join(base, "root.key")), true, c.at)
				if err == nil {
					s.check(t, r)
					r.Close()
				}
				for _, base := range c.medium(t, base) {
					r := s.open(t, base, nil)
					if s.check(t, r) {
						news++
					} else {
						olds++
						if !r.Waiting() {
							t.Error("the dropped item is on the medium and nothing waits")
						}
						if _, err := r.Erase(s.victim); err != nil {
							t.Fatalf("erased again: %v", err)
						}
						if err := r.Verify(s.victim); err != nil {
							t.Fatal(err)
						}
					}
					clean(t, r)
					r.Close()
				}
				if !c.cut {
					break
				}
			}
		}
	}
	t.Logf("%d steps; %d times the old ring, %d times the new one", n, olds, news)
	if n < 10 || olds == 0 || news == 0 {
		t.Error("too few")
	}
}

// TestFirstStartCut stops the first start at every step.
func TestFirstStartCut(t *testing.T) {
	for n := 0; ; n++ {
		base := t.TempDir()
		os.Mkdir(filepath.Join(base, "data"), 0o700)
		c := newCutter(base, n)
		r, err := openWith(filepath.Join(base, "data"), NewFileRoot(filepath.Join(base, "root.key")), false, c.at)
		if err == nil {
			r.Close()
		}
		r = (&scene{}).open(t, base, nil)
		clean(t, r)
		r.Close()
		if !c.cut {
			return
		}
	}
}

// TestRotationFails fails each step once. Before the keyring is in place nothing has
// happened, after it only the end is missing; the ring goes on either way, and a second try does it.
func TestRotationFails(t *testing.T) {
	var outcome []string
	for n, done := 0, false; !done; n++ {
		s := newScene(t)
		i, failed := 0, ""
		s.r.hook = func(step string) error {
			if i++; i-1 == n {
				failed = step
				return errors.New("no luck")
			}
			return nil
		}
		before := s.r.epoch.ID()
		rot, err := s.r.Erase(s.victim)
		s.r.hook = nil
		done = failed == ""
		gone := s.check(t, s.r)
		late, pended := s.r.Lookup(Admin, "late")
		switch {
		case !pended || late != s.late:
			t.Fatalf("%s: who was pending is lost", failed)
		case err == nil:
			if !gone || s.r.Waiting() || rot.Old != before || rot.New != s.r.epoch.ID() || rot.Gen != s.r.gen {
				t.Fatalf("%s: no error, and erased %v, waiting %v, %+v", failed, gone, s.r.Waiting(), rot)
			}
		case errors.Is(err, ErrOldEpoch):
			if !gone || !s.r.Waiting() || s.r.OldEpoch() == nil || rot.New != s.r.epoch.ID() || rot.Old != before {
				t.Fatalf("%s: %v, and erased %v, %+v", failed, err, gone, rot)
			}
			outcome = append(outcome, failed+": happened")
		default:
			if gone || !s.r.Waiting() || s.r.OldEpoch() != nil || s.r.epoch.ID() != before || rot != (Rotation{}) {
				t.Fatalf("%s: %v, and erased %v", failed, err, gone)
			}
			outcome = append(outcome, failed+": nothing")
		}
		// The ring goes on: a power cut now loses nothing that was committed.
		p := subject(t, s.r, User, "berta")
		commit(t, s.r)
		r := s.open(t, copyTree(t, s.base), nil)
		if got, ok := r.Lookup(User, "berta"); !ok || got != p || s.check(t, r) != gone {
			t.Fatalf("%s: lost after a restart", failed)
		}
		clean(t, r)
		if err != nil {
			if gone {
				_, err = s.r.Rotate()
			} else {
				_, err = s.r.Erase(s.victim)
			}
			if err != nil || !s.check(t, s.r) {
				t.Fatalf("%s: second try: %v", failed, err)
			}
			clean(t, s.r)
		}
		if s.r.Waiting() {
			t.Fatalf("%s: still waiting", failed)
		}
	}
	want := []string{"fill slot: nothing", "make tail: nothing", "sync tail: nothing", "sync folder: nothing", "write keyring: nothing",
		"sync keyring: nothing", "rename: nothing", "sync folder: happened", "destroy slot: happened"}
	if !slices.Equal(outcome, want) {
		t.Errorf("%s", strings.Join(outcome, "\n"))
	}
}

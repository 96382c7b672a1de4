package cuttest

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// roundsFlag is how many offices meet each kind of failure.
var roundsFlag = flag.Int("rounds", 12, "offices that meet each failure of the medium")

// faulty runs offices whose medium fails with errno in the operations that hit says, from a
// random moment on: all of them until it is healed, or only some. Then it heals the medium,
// lets the office go on and cuts the power: nothing that was acknowledged may be lost.
func faulty(t *testing.T, errno syscall.Errno, hit func(Op) bool) {
	rounds, failed := *roundsFlag, 0
	if testing.Short() {
		rounds = min(rounds, 3)
	}
	kinds := map[string]int{}
	for round := range rounds {
		r := newRig(t, uint64(round)+uint64(errno)<<8)
		r.truth.faulty = true
		after, times := int64(r.rnd.IntN(60)), int64(1)<<60
		if round%2 == 1 {
			times = 1 + r.rnd.Int64N(4)
		}
		var met, done atomic.Int64
		r.run("faults", -1, map[string]func(){
			"ready": func() {
				r.disk.SetFault(func(o Op) syscall.Errno {
					if o.Kind >= OpenWrite && met.Add(1) > after && hit(o) && done.Add(1) <= times {
						return errno
					}
					return 0
				})
			},
			"tried": func() { r.disk.SetFault(nil) },
			"done": func() {
				if err := r.survive(outcomesOfCut); err != nil {
					t.Errorf("round %d, %v: %v", round, errno, err)
				}
			},
		})
		for _, e := range r.errors {
			kinds[e]++
			if !strings.Contains(e, errno.Error()) {
				t.Errorf("round %d: the error does not say what is wrong: %s", round, e)
			}
		}
		failed += int(min(done.Load(), times))
		dir := scratch(t)
		must1(t, r.disk.Dump(dir))
		if _, err := r.truth.look(t, dir); err != nil {
			t.Errorf("round %d, %v: %v", round, errno, err)
		}
	}
	if failed == 0 || len(kinds) == 0 {
		t.Error("the medium did not fail")
	}
	t.Logf("%d rounds, %d operations failed", rounds, failed)
	for e, n := range kinds {
		t.Logf("%4d %s", n, e)
	}
}

func TestFullDisk(t *testing.T) {
	faulty(t, syscall.ENOSPC, func(o Op) bool { return o.Grows })
}

func TestReadOnlyDisk(t *testing.T) {
	faulty(t, syscall.EROFS, func(o Op) bool { return true })
}

func TestFailedSync(t *testing.T) {
	faulty(t, syscall.EIO, func(o Op) bool { return o.Kind == Sync || o.Kind == SyncDir })
}

// TestFailedRead has each read of a start fail in turn, then heals: an error, or nothing
// lost, and after it all is there.
func TestFailedRead(t *testing.T) {
	r := newRig(t, 1)
	r.run("first", -1, nil)
	truth := *r.truth
	for n := int64(0); ; n++ {
		var reads atomic.Int64
		r.disk.SetFault(func(o Op) syscall.Errno {
			if o.Kind == Read && reads.Add(1) == n+1 {
				return syscall.EIO
			}
			return 0
		})
		r.run("again", -1, nil)
		r.disk.SetFault(nil)
		if reads.Load() <= n {
			t.Logf("%d reads, %d starts refused", n, len(r.errors))
			break
		}
		dir := scratch(t)
		must1(t, r.disk.Dump(dir))
		if _, err := truth.look(t, dir); err != nil {
			t.Errorf("after read %d: %v", n, err)
		}
		os.RemoveAll(dir)
	}
}

// TestStalledDisk has the medium answer no change any more: what the switch and SIP
// telephones call goes on, and when the medium goes on nothing is lost.
func TestStalledDisk(t *testing.T) {
	r := newRig(t, 1)
	stalled := make(chan struct{})
	r.run("stall", -1, map[string]func(){
		"ready": func() {
			r.disk.SetFault(func(o Op) syscall.Errno {
				if o.Kind >= OpenWrite {
					<-stalled
				}
				return 0
			})
		},
		"tried": func() { close(stalled) },
	})
	if r.truth.records != 1000 {
		t.Errorf("%d records after the medium went on, want 1000", r.truth.records)
	}
	r.disk = r.disk.Survivor(rand.New(rand.NewPCG(1, 1)))
	dir := scratch(t)
	must1(t, r.disk.Dump(dir))
	if _, err := r.truth.look(t, dir); err != nil {
		t.Error(err)
	}
}

package cuttest

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sotto/storage/policy"
)

// livesFlag is how many boxes TestPowerCuts has, each cut about 15 times.
var livesFlag = flag.Int("lives", 10, "boxes whose power is cut, about 15 times each")

// outcomesOfCut is how many survivors of each cut are looked at.
const outcomesOfCut = 3

// rig runs children on a medium and cuts.
type rig struct {
	t     *testing.T
	disk  *Disk
	truth *truth
	rnd   *rand.Rand

	errors []string // that children said, while the medium failed
}

// newRig gives one with a medium that has the folders, with nothing in them.
func newRig(t *testing.T, seed uint64) *rig {
	d := NewDisk()
	d.make(rootIno, "key", syscall.S_IFDIR|0o700)
	d.make(rootIno, "data", syscall.S_IFDIR|0o700)
	d.syncDir(rootIno)
	return &rig{t: t, disk: d, truth: newTruth(), rnd: rand.New(rand.NewPCG(seed, 11))}
}

// run runs a child on the medium and cuts after n changes, below 0 never. It gives whether
// the cut came; else the child has ended by itself, and well. When the child asks for one
// of the answers, it is called before the child goes on.
func (r *rig) run(work string, n int, answers map[string]func()) (cut bool) {
	r.t.Helper()
	dir, err := os.MkdirTemp("", "cuttest")
	must1(r.t, err)
	defer os.Remove(dir)
	m, err := NewMount(r.disk, dir)
	if err != nil {
		r.t.Skipf("NO POWER CUTS ARE TRIED: there is no FUSE here: %v", err)
	}
	defer m.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", childEnv, work, r.rnd.Uint64(), r.truth.hour), childEnv+"_TOP="+dir, "GOMAXPROCS=2")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	must1(r.t, err)
	in, err := cmd.StdinPipe()
	must1(r.t, err)
	must1(r.t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if n >= 0 {
		r.disk.CutAfter(n, func() { cmd.Process.Kill() })
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "error "); ok {
			r.errors = append(r.errors, text)
		} else if answer := answers[line]; answer != nil {
			answer()
			fmt.Fprintln(in)
		} else if err := r.truth.hear(line); err != nil {
			r.t.Fatal(err)
		}
	}
	err = cmd.Wait()
	cut = r.disk.Off()
	if err != nil && !cut || stderr.Len() > 0 {
		r.t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
	must1(r.t, m.Close())
	return cut
}

// scratch gives a folder in memory if there is one: what is looked at needs no medium.
func scratch(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "cuttest")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// survive looks at some outcomes of a cut and goes on with the last of them.
func (r *rig) survive(outcomes int) error {
	dir := scratch(r.t)
	for i := range outcomes {
		s := r.disk.Survivor(r.rnd)
		top := filepath.Join(dir, fmt.Sprint(i))
		must1(r.t, s.Dump(top))
		f, err := r.truth.look(r.t, top)
		os.RemoveAll(top)
		if err != nil {
			return err
		}
		if i == outcomes-1 {
			r.truth.settle(f)
			r.disk = s
		}
	}
	return nil
}

// TestPowerCuts cuts the power of an office at random moments, those of starting, stopping
// and erasing too.
func TestPowerCuts(t *testing.T) {
	lives, cuts := *livesFlag, 0
	if testing.Short() {
		lives = min(lives, 1)
	}
	began := time.Now()
	acked, records, erased, lines, days, past := 0, 0, 0, 0, 0, 0
	for life := range lives {
		r := newRig(t, uint64(life))
		for range 10 + r.rnd.IntN(10) {
			n := r.rnd.IntN(400)
			if r.rnd.IntN(3) == 0 {
				n = r.rnd.IntN(40)
			}
			r.switchedOff()
			if r.rnd.IntN(8) == 0 { // days pass
				n *= 8
			}
			for r.rnd.IntN(4) == 0 { // first a kill or two: the kernel keeps what was not synced
				r.run("office", r.rnd.IntN(200), nil)
				r.disk.PowerOn()
			}
			r.run("office", n, nil)
			if err := r.survive(outcomesOfCut); err != nil {
				t.Fatalf("life %d, cut %d after %d changes: %v", life, cuts, n, err)
			}
			cuts++
		}
		acked, records, erased = acked+r.truth.acked, records+r.truth.records, erased+len(r.truth.erased)
		lines, days = lines+r.truth.lines, days+r.truth.hour/24
		for _, m := range r.truth.made {
			must, _ := r.truth.dated(m.date, terms[policy.Records])
			past += btoi(must)
		}
	}
	t.Logf("%d cuts, %d outcomes each, %d ms a cut; %d acknowledgements, %d records, %d persons erased, %d lines of the audit trail, %d days with %d records past their term; nothing lost",
		cuts, outcomesOfCut, time.Since(began).Milliseconds()/int64(cuts), acked, records, erased, lines, days, past)
}

// TestKilledThenCut kills an office after each of its first changes, so that the kernel has
// what was not synced, and cuts the power early in the life that follows: that one must not
// rely on what it read before it is on the medium.
func TestKilledThenCut(t *testing.T) {
	r := newRig(t, 1)
	r.run("first", -1, nil)
	step := 1
	if testing.Short() {
		step = 7
	}
	disk, truth := r.disk, r.truth
	for n := 1; n < 90; n += step {
		r.disk, r.truth = disk.Survivor(r.rnd), truth.clone()
		r.run("office", n, nil)
		r.disk.PowerOn()
		r.run("office", 2+r.rnd.IntN(18), nil)
		if err := r.survive(5); err != nil {
			t.Errorf("killed after change %d, then cut: %v", n, err)
		}
	}
}

// every cuts one workload after each of its changes in turn, or after some in steps, each time
// from the medium as it is now, and gives how many changes it has.
func (r *rig) every(work string, step int) (n int) {
	disk, truth := r.disk, r.truth
	for n = 0; ; n += step {
		r.disk, r.truth = disk.Survivor(r.rnd), truth.clone()
		cut := r.run(work, n, nil)
		if err := r.survive(5); err != nil {
			r.t.Errorf("%s, cut after change %d: %v", work, n, err)
		}
		if !cut {
			return n
		}
	}
}

// TestCutAtEveryStep cuts after each change that a first start makes, and then after each
// that an erasure makes, the sweep after it included, and one of a journal.
func TestCutAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	r := newRig(t, 1)
	n := r.every("first", 1)
	t.Logf("first start: %d changes", n)
	r.run("prepare", -1, nil)
	before := r.disk.Survivor(r.rnd)
	truth := r.truth.clone()
	n = r.every("erase", 1)
	t.Logf("erasure: %d changes", n)
	r.disk, r.truth = before, truth
	n = r.every("wipe", 1)
	t.Logf("erasure of a journal: %d changes", n)
}

// TestCutRecording cuts after each change that a recording makes: all but its last one and a
// half seconds are there.
func TestCutRecording(t *testing.T) {
	r := newRig(t, 1)
	r.run("first", -1, nil)
	step := 1
	if testing.Short() {
		step = 4
	}
	n := r.every("record", step)
	t.Logf("recording: %d changes", n)
}

// TestNewFolder cuts after a first start that had to make the data folder: it may not
// vanish with what is in it.
func TestNewFolder(t *testing.T) {
	r := newRig(t, 1)
	r.disk.remove(rootIno, "data")
	r.disk.syncDir(rootIno)
	r.run("first", -1, nil)
	if err := r.survive(8); err != nil {
		t.Error(err)
	}
}

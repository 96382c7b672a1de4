package cuttest

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"

	"sotto/storage"
)

// flipsFlag is how many bits TestFlippedTrail flips.
var flipsFlag = flag.Int("flips", 1000, "bits that are flipped under the audit trail, each alone")

// trailOf gives the lines of the audit trail, by number.
func trailOf(t *testing.T, s *storage.Store) (map[uint64]storage.AuditView, error) {
	all := map[uint64]storage.AuditView{}
	for q := (storage.AuditQuery{Limit: 500}); ; {
		p, err := s.As(owner).Audit(t.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, v := range p.Views {
			all[v.Number] = v
		}
		if q.Before = p.Next; !p.More {
			return all, nil
		}
	}
}

// TestFlippedTrail flips random bits of a database with 500 lines of the audit trail, each alone.
// Each is harmless, or told: at the start, by the health of the store or when the trail is
// verified. None shows as another line, and none hides one.
func TestFlippedTrail(t *testing.T) {
	const parts, lines = 4, 500
	most := *flipsFlag
	if testing.Short() {
		most = min(most, 100)
	}
	top := scratch(t)
	tr := newTruth()
	inside(t, top, tr, func(c *child) error {
		err := errors.Join(c.open(), c.plan(1), c.secret(), c.records(5, 1))
		for c.s.Health().AuditLines < lines && err == nil {
			err = c.look()
		}
		return errors.Join(err, c.stop())
	})
	s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), quiet())
	must1(t, err)
	truth, err := trailOf(t, s)
	must1(t, err)
	must1(t, s.Close())
	if len(truth) < lines || len(truth) > lines+2 {
		t.Fatalf("%d lines", len(truth))
	}
	good := readFolder(t, top)
	const name = "data/sotto.db"
	rnd := rand.New(rand.NewPCG(1, 2020))
	type flip struct {
		at  int
		bit byte
	}
	flips := make([]flip, most)
	for i := range flips {
		used := good[name].used
		flips[i] = flip{used[rnd.IntN(len(used))] + rnd.IntN(blockLen), 1 << rnd.IntN(8)}
	}
	for _, at := range branchKeys(good[name].data) { // these mislead who seeks a line
		for _, bit := range []byte{1, 0x10, 0x40} {
			flips = append(flips, flip{at + 7, bit})
		}
	}
	most = len(flips)
	var refused, told, noted, harmless atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d flips in %d KiB: %d refused, %d found by verifying, %d noted otherwise, %d harmless",
			most, len(good[name].used)*blockLen>>10, refused.Load(), told.Load(), noted.Load(), harmless.Load())
		if told.Load() == 0 || harmless.Load() == 0 {
			t.Error("the flips did not reach every case")
		}
	})
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			bad := filepath.Join(top, fmt.Sprint("bad", part))
			for i := part; i < most; i += parts {
				x := flips[i]
				good.write(t, bad)
				f, err := os.OpenFile(filepath.Join(bad, name), os.O_WRONLY, 0)
				must1(t, err)
				_, err = f.WriteAt([]byte{good[name].data[x.at] ^ x.bit}, int64(x.at))
				must1(t, errors.Join(err, f.Close()))
				v := judgeTrail(t, bad, truth)
				switch {
				case v.wrong != nil:
					t.Errorf("byte %d, bit %#x: %v", x.at, x.bit, v.wrong)
				case v.refused != nil:
					refused.Add(1)
				case v.lost > 0:
					told.Add(1)
				case v.noted > 0:
					noted.Add(1)
				default:
					harmless.Add(1)
				}
			}
		})
	}
}

// branchKeys gives where in a file of bbolt the keys of eight bytes in branch pages are.
func branchKeys(data []byte) (list []int) {
	const branch, head, element = 1, 16, 16
	for page := 0; page+os.Getpagesize() <= len(data); page += os.Getpagesize() {
		p := data[page:][:os.Getpagesize()]
		if binary.NativeEndian.Uint16(p[8:]) != branch {
			continue
		}
		for i := range int(binary.NativeEndian.Uint16(p[10:])) {
			e := p[head+i*element:]
			if pos := head + i*element + int(binary.NativeEndian.Uint32(e)); binary.NativeEndian.Uint32(e[4:]) == 8 && pos+8 <= len(p) {
				list = append(list, page+pos)
			}
		}
	}
	return list
}

// judgeTrail opens a damaged store and holds its audit trail to the truth. What is lost was
// found by verifying.
func judgeTrail(t *testing.T, top string, truth map[uint64]storage.AuditView) (v verdict) {
	var log noted
	s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), slog.New(&log))
	var rep storage.AuditReport
	var got map[uint64]storage.AuditView
	if err == nil {
		defer s.Close()
		if rep, err = s.As(owner).VerifyAudit(t.Context()); err == nil {
			got, err = trailOf(t, s)
		}
	}
	if err != nil {
		v.refused = err
		for _, k := range append(known, storage.ErrDown) {
			if errors.Is(err, k) {
				return v
			}
		}
		v.wrong = fmt.Errorf("the error does not say what to do: %w", err)
		return v
	}
	v.lost = len(rep.Faults)
	h := s.Health()
	v.noted = int(h.Unreadable) + int(log.n.Load())
	for n, want := range truth {
		if n+h.SetBack > uint64(len(truth)) {
			continue // the newest transaction is lost, which is told; its number was given again
		}
		is, there := got[n]
		if there && (is.Damaged || is.Aged) {
			is.Damaged, is.Aged, is.Link, there = false, false, "", false
			if !reflect.DeepEqual(is, storage.AuditView{Number: n}) {
				v.wrong = fmt.Errorf("a damaged line shows something: %+v", is)
			}
		}
		switch {
		case there && is.Link != want.Link && rep.OK():
			v.wrong = fmt.Errorf("line %d has another link, and nothing says so", n)
		case there && func() bool { is.Link = want.Link; return !reflect.DeepEqual(is, want) }():
			v.wrong = fmt.Errorf("line %d is another one: %+v, not %+v", n, is, want)
		case !there && rep.OK():
			v.wrong = fmt.Errorf("line %d is lost, and verifying does not say so", n)
		}
	}
	for n, is := range got { // since then the box may have noted what it found, and who looked
		if _, ok := truth[n]; !ok && (is.Damaged || is.What != "verify audit trail" && is.What != "audit trail" && is.By != storage.ByBox) && rep.OK() {
			v.wrong = fmt.Errorf("line %d was never written: %+v", n, is)
		}
	}
	return v
}

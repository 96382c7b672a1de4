package cuttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// noted is a log that counts warnings and errors.
type noted struct{ n atomic.Int64 }

func (h *noted) Enabled(_ context.Context, l slog.Level) bool  { return l >= slog.LevelWarn }
func (h *noted) Handle(_ context.Context, r slog.Record) error { h.n.Add(1); return nil }
func (h *noted) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h *noted) WithGroup(string) slog.Handler                 { return h }

// verdict is what a look at a damaged store gave.
type verdict struct {
	refused error // Open, or a read, said this
	noted   int   // what was counted or logged
	lost    int   // what the truth has and the store does not show
	wrong   error // something shown is not the truth, or is missing and nothing says so
}

// known are the errors that say what to do.
var known = []error{storage.ErrDamaged, storage.ErrStranger, storage.ErrNewer, storage.ErrNotWritable,
	keyring.ErrMissing, keyring.ErrWrongRoot, keyring.ErrDamaged, keyring.ErrNoKey, keyring.ErrRootDamaged}

var errSilent = errors.New("things are missing and nothing says so")

// judge opens a store that somebody has damaged and compares all that is shown with the
// truth. Less may be shown, if something says so; never anything else.
func (tr *truth) judge(t *testing.T, top string) (v verdict) {
	var log noted
	s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), slog.New(&log))
	if err == nil {
		defer s.Close()
		err = tr.compare(t, s, &v)
	}
	if err != nil {
		v.refused = err
		for _, k := range known {
			if errors.Is(err, k) {
				return v
			}
		}
		v.wrong = fmt.Errorf("the error does not say what to do: %w", err)
		return v
	}
	h := s.Health()
	v.noted += int(h.Unreadable) + int(log.n.Load())
	if h.Down != nil {
		v.noted++
	}
	if v.lost > 0 && v.noted == 0 && v.wrong == nil {
		v.wrong = fmt.Errorf("%w: %d", errSilent, v.lost)
	}
	return v
}

func (tr *truth) compare(t *testing.T, s *storage.Store, v *verdict) error {
	page, err := s.As(owner).Records(t.Context(), storage.Query{Limit: 500})
	if err != nil {
		return err
	}
	v.lost += max(tr.records-len(page), 0)
	for _, r := range page {
		id := int(r.ID)
		want := recordOf(id, int(r.Talked.Milliseconds()))
		want.Missed = nil // they are in journals
		got := pbx.Record{Began: r.Began, Rang: r.Rang, Talked: r.Talked, Outcome: r.Outcome, Cause: r.Cause, Held: r.Held, Emergency: r.Emergency}
		for _, side := range []struct {
			view      storage.PartyView
			want, got *pbx.Party
		}{{r.From, &want.From, &got.From}, {r.To, &want.To, &got.To}} {
			gone := id <= tr.erased[personOf(*side.want)].sure
			switch side.view.State {
			case storage.Nobody:
				if personOf(*side.want) != "" {
					v.wrong = fmt.Errorf("record %d shows nobody where somebody was", id)
				}
			case storage.Shown:
				if *side.got, err = partyOf(side.view); err != nil || gone {
					v.wrong = fmt.Errorf("record %d shows a party that was erased, or is none: %v", id, err)
				}
			case storage.Erased, storage.Unsealed, storage.Aged, storage.Cut:
				if !gone {
					v.lost++
				}
				*side.got = *side.want
			default:
				v.wrong = fmt.Errorf("record %d: a party is %v", id, side.view)
			}
		}
		if !reflect.DeepEqual(got, want) || id > tr.records {
			v.wrong = fmt.Errorf("record %d is another one", id)
		}
	}
	p, _ := s.CurrentPlan()
	k := planNumber(&p)
	if k != tr.plan.sure {
		v.lost++
	}
	if want := planOf(k, false); !reflect.DeepEqual(p, want) && (k > 0 || p.Office != "") {
		v.wrong = fmt.Errorf("plan %d is another one", k)
	}
	if sec, ok := s.Secret(anna); !ok {
		if tr.secret.sure > 0 {
			v.lost++
		}
	} else if sec != secretOf(tr.secret.sure) {
		v.wrong = errors.New("the secret is another one")
	}
	for id, a := range tr.audio {
		item := itemOf(id)
		r, err := s.OpenAudio(item)
		if errors.Is(err, storage.ErrNoAudio) || errors.Is(err, seal.ErrSealed) || errors.Is(err, seal.ErrFormat) {
			if a.gone.maybe == 0 {
				v.lost++
				v.noted++ // the error
			}
			continue
		} else if err != nil {
			return err
		}
		got := make([]byte, r.Size())
		n, err := r.ReadAt(got, 0)
		if n < a.n {
			v.lost++
			if err != nil || r.Cut() {
				v.noted++
			}
		}
		r.Close()
		if a.gone.sure == 1 || !bytes.Equal(got[:n], audioOf(item, n)) {
			v.wrong = errors.New("audio is another one, or was erased")
		}
	}
	return nil
}

// flip is one bit of a file.
type flip struct {
	file string
	at   int
	bit  byte
}

// TestFlippedBits flips one bit after the other of a closed store, each alone: one of every
// byte of the small files, and random ones of the pages of the database that hold something.
func TestFlippedBits(t *testing.T) {
	const parts = 4
	most := 10_000
	if testing.Short() {
		most = 300
	}
	top := scratch(t)
	tr := newTruth()
	someOffice(t, top, tr)
	good := readFolder(t, top)
	rnd := rand.New(rand.NewPCG(1, 1970))
	var small, db []flip
	for name, f := range good {
		for _, block := range f.used {
			for at := block; at < min(block+blockLen, len(f.data)); at++ {
				switch x := (flip{name, at, 1 << rnd.IntN(8)}); {
				case name == "data/sotto.db":
					db = append(db, x)
				case len(f.data) < blockLen || rnd.IntN(len(f.data)) < 500: // of audio, some
					small = append(small, x)
				}
			}
		}
	}
	flips := small
	for len(flips) < max(most, 2*len(small)) {
		x := db[rnd.IntN(len(db))]
		x.bit = 1 << rnd.IntN(8)
		flips = append(flips, x)
	}
	rnd.Shuffle(len(flips), func(i, j int) { flips[i], flips[j] = flips[j], flips[i] })
	flips = flips[:most]
	var refused, counted, harmless atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d flips, small files have %d bytes: %d refused, %d counted, %d harmless", most, len(small), refused.Load(), counted.Load(), harmless.Load())
		if refused.Load() == 0 || counted.Load() == 0 || harmless.Load() == 0 {
			t.Error("the flips did not reach every case")
		}
	})
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			bad := filepath.Join(top, fmt.Sprint(part))
			for i := part; i < most; i += parts {
				x := flips[i]
				good.write(t, bad)
				f, err := os.OpenFile(filepath.Join(bad, x.file), os.O_WRONLY, 0)
				must1(t, err)
				_, err = f.WriteAt([]byte{good[x.file].data[x.at] ^ x.bit}, int64(x.at))
				must1(t, errors.Join(err, f.Close()))
				switch v := tr.judge(t, bad); {
				case v.wrong != nil:
					t.Errorf("%s, byte %d, bit %#x: %v", x.file, x.at, x.bit, v.wrong)
				case v.refused != nil:
					refused.Add(1)
				case v.noted > 0:
					counted.Add(1)
				default:
					harmless.Add(1)
				}
			}
		})
	}
}

// TestTornKeyring cuts the keyring and its tail at every byte, between two frames too: there
// nothing is torn, and what the database was written with shows that frames are missing. Only the last, the mark that
// Close makes, may be missing whole: no key is in it.
func TestTornKeyring(t *testing.T) {
	top := scratch(t)
	tr := newTruth()
	inside(t, top, tr, func(c *child) error {
		return errors.Join(c.open(), c.plan(1), c.records(3, 1), c.eraseOne(caller(2)), c.records(2, 1), c.records(1, 1), c.stop())
	})
	good := readFolder(t, top)
	bad := filepath.Join(top, "bad")
	for name, f := range good {
		if !strings.Contains(name, "keyring") {
			continue
		}
		refused, counted, harmless := 0, 0, 0
		for n := range f.data {
			if testing.Short() && n%16 > 0 {
				continue
			}
			good.write(t, bad)
			must1(t, os.Truncate(filepath.Join(bad, name), int64(n)))
			switch v := tr.judge(t, bad); {
			case v.wrong != nil:
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(f.data), v.wrong)
			case v.refused != nil:
				refused++
			case v.noted > 0:
				counted++
			default:
				if harmless++; harmless > 1 {
					t.Errorf("%s cut to %d of %d bytes: nothing shows it", name, n, len(f.data))
				}
			}
		}
		t.Logf("%s of %d bytes: %d refused, %d counted, %d harmless", name, len(f.data), refused, counted, harmless)
	}
}

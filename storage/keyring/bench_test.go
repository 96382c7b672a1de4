package keyring

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"sotto/storage/seal"
)

// office fills a ring as a box has it after some years: 500 users with the chain of their
// calls, 20,000 outside numbers with both chains, 10,000 messages.
func office(tb testing.TB, dir string, root Root) *Ring {
	r, err := Open(dir, root, false)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	chain := func(s Subject, c Class, d Day) {
		if _, err := r.SealKey(s, c, d); err != nil {
			tb.Fatal(err)
		}
	}
	chain(Subject{}, Calls, 0)
	for i := range 20_500 {
		kind, text := Outside, fmt.Sprintf("+49301%07d", i)
		if i < 500 {
			kind, text = User, fmt.Sprintf("u%07d", i)
		}
		s, err := r.Subject(kind, text)
		if err != nil {
			tb.Fatal(err)
		}
		chain(s, Calls, Day(i%365))
		if kind == Outside {
			chain(s, Digits, Day(i%365))
		}
		if i%2 == 0 && i < 20_000 {
			if _, _, err := r.NewItem(s); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := r.Commit(); err != nil {
		tb.Fatal(err)
	}
	return r
}

func BenchmarkRotate(b *testing.B) {
	dir := b.TempDir()
	r := office(b, dir, NewFileRoot(dir+".key"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Rotate(); err != nil {
			b.Fatal(err)
		}
	}
	fi, _ := os.Stat(r.path())
	b.ReportMetric(float64(fi.Size()), "bytes/file")
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	root := NewFileRoot(dir + ".key")
	r := office(b, dir, root)
	if _, err := r.Rotate(); err != nil {
		b.Fatal(err)
	}
	r.Close()
	b.ReportAllocs()
	for b.Loop() {
		r, err := Open(dir, root, true)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		r.Close()
		b.StartTimer()
	}
}

// BenchmarkForget steps all chains by one day, as retention does each day.
func BenchmarkForget(b *testing.B) {
	dir := b.TempDir()
	r := office(b, dir, NewFileRoot(dir+".key"))
	r.Forget(Calls, 400)
	for d := Day(401); b.Loop(); d++ {
		if n := r.Forget(Calls, d); n != 20_501 {
			b.Fatal(n)
		}
	}
}

func BenchmarkItemsOf(b *testing.B) {
	dir := b.TempDir()
	r := office(b, dir, NewFileRoot(dir+".key"))
	s, _ := r.Lookup(User, "u0000002")
	for b.Loop() {
		if len(r.ItemsOf(s)) != 1 {
			b.Fatal("no item")
		}
	}
}

func BenchmarkDayKey(b *testing.B) {
	dir := b.TempDir()
	r, err := Open(dir, NewFileRoot(dir+".key"), false)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	if _, err := r.SealKey(Subject{}, Calls, 0); err != nil {
		b.Fatal(err)
	}
	for _, d := range []Day{0, 31, 90, 365, 3650} {
		b.Run(fmt.Sprint("days=", d), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.people[Subject{}].chains[0].key(d)
			}
		})
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.DayKey(Subject{}, Calls, 3650)
		}
	})
}

// TestMemory holds what a full keyring takes in memory: the whole store has 64 MiB.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	dir := t.TempDir()
	r := office(t, dir, NewFileRoot(dir+".key"))
	runtime.GC()
	runtime.ReadMemStats(&after)
	kib := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 10
	t.Logf("%d KiB for %d persons and %d items, %d bytes of key each", kib, len(r.people), len(r.items), seal.KeyLen)
	if kib > 12<<10 {
		t.Errorf("the keyring takes %d KiB", kib)
	}
	runtime.KeepAlive(r)
}

package pbxtest

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

// TestSays: what a handset says from a file is what the other hears, and whole.
func TestSays(t *testing.T) {
	said, err := voice("hello.wav")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"none.wav", "plain.call", "../scenario_test.go", "/dev/zero", "."} {
		if _, err := voice(name); err == nil {
			t.Errorf("%q is read", name)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: "DE", Stations: 2})
		defer o.Stop(t)
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 102", "102 rings", "102 lifts", "101 and 102 talk", "101 hushes & 102 hushes", "wait 500ms")
		ear := &tape{}
		o.Board.Room.Set("102").Tap(func(_ time.Time, _, f *board.Frame) { ear.add(f) })
		o.Do(t, "101 says hello.wav", "wait 200ms", "101 hangs up", "102 hangs up", "wait 2s")
		got := ear.all()
		best, at := 0.0, 0
		for lag := range min(800, len(got)) { // 100 ms
			if c := alike(said, got[lag:]); c > best {
				best, at = c, lag
			}
		}
		t.Logf("alike to %.4f, %.1f ms later", best, float64(at)/8)
		if best < 0.99 {
			t.Errorf("what is heard is alike to %.3f", best)
		}
	})
}

// alike gives the correlation of a and the beginning of b: 1, they differ in loudness.
func alike(a, b []int16) float64 {
	if len(b) < len(a) {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb+1)
}

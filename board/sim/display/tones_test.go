package display

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sotto/board"
)

// keysOf gives DTMF samples; lengths in ms.
func keysOf(keys string, on, off int, level, snr, detune float64, r *rand.Rand) (pcm []int16) {
	for i := range keys {
		for k := range signs {
			if signs[k] != keys[i] {
				continue
			}
			lo, hi := pitches[k/4]*detune, pitches[4+k%4]*detune
			a := board.Amplitude(level)
			for n := range (on + off) * 8 {
				v := 0.0
				if n < on*8 {
					v = a*math.Sin(2*math.Pi*lo*float64(n)/8000) + a*math.Sin(2*math.Pi*hi*float64(n)/8000)
				}
				if snr != 0 {
					v += a * math.Pow(10, -snr/20) * r.NormFloat64()
				}
				pcm = append(pcm, int16(v))
			}
		}
	}
	return pcm
}

func TestDigits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct{ keys, want string }{
		{"A0812345678C", "number 0812345678"},
		{"A1122223333D555C", "number 1122223333"},
		{"A0812345678D0899B10C", "number 0812345678 withheld"},
		{"D0201234567C", "number 0201234567"},
		{"D0000000000C", "unavailable"},
		{"A12345678#", "number 12345678"},
		{"B10C", "withheld"}, {"B01C", "withheld"}, {"B00C", "unavailable"},
		{"D1#", "withheld"}, {"D2#", "unavailable"}, {"D3#", "unavailable"},
		{"D7#", "bad digits"}, {"B99C", "bad digits"}, {"AC", "bad digits"}, {"A12*3C", "bad digits"}, {"B10#", "bad digits"},
		{"0812345678", ""}, // somebody dials
		{"A081234", "bad cut short"},
		{"12A345C", "number 345"},
	} {
		for _, timing := range [][2]int{{40, 40}, {50, 50}, {70, 70}, {70, 40}, {100, 100}} {
			for _, line := range []struct{ level, snr, detune float64 }{{-8, 0, 1}, {-20, 25, 1.01}, {-36, 25, 0.99}} {
				l := hear(keysOf(c.keys, timing[0], timing[1], line.level, line.snr, line.detune, r), r.IntN(80))
				got := ""
				if len(l) == 1 {
					got = words(l[0])
				}
				if got != c.want || len(l) > 1 {
					t.Errorf("%s in %v ms at %+v: %q %+v, want %q", c.keys, timing, line, got, l, c.want)
				}
			}
		}
	}
	if l := hear(keysOf("A0812345678C", 20, 60, -10, 0, 1, r), 0); len(l) > 0 {
		t.Errorf("20 ms were taken for digits: %+v", l)
	}
	if l := hear(keysOf("A"+fmt.Sprint(uint64(math.MaxUint64))+fmt.Sprint(uint64(math.MaxUint64))+fmt.Sprint(uint64(math.MaxUint64))+fmt.Sprint(uint64(math.MaxUint64)), 50, 50, -10, 0, 1, r), 0); len(l) != 1 || l[0].Bad == "" {
		t.Errorf("digits without end: %+v", l)
	}
}

func TestAlert(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	alertOf := func(ms int, lo, hi float64) (pcm []int16) {
		for n := range ms * 8 {
			pcm = append(pcm, int16(board.Amplitude(-20)*(math.Sin(2*math.Pi*lo*float64(n)/8000)+math.Sin(2*math.Pi*hi*float64(n)/8000))))
		}
		return pcm
	}
	s := v23
	s.speed, s.level, s.seizure, s.marks = 1, -13.5, 300, 80
	for _, c := range []struct {
		ms, gap int
		lo, hi  float64
		want    bool
	}{
		{80, 60, 2130, 2750, true}, {88, 45, 2130, 2750, true}, {100, 60, 2130, 2750, true}, {110, 100, 2117, 2766, true},
		{30, 60, 2130, 2750, false}, {100, 60, 2000, 2750, false}, {100, 60, 2173, 2805, false}, {100, 1500, 2130, 2750, false},
	} {
		for shift := range 8 {
			pcm := append(alertOf(c.ms, c.lo, c.hi), make([]int16, c.gap*8)...)
			l := hear(append(pcm, s.send(call, r)...), shift*10)
			if len(l) != 1 || l[0].Number != "101" {
				t.Fatalf("%+v", l)
			}
			m := l[0]
			if (m.Alert != 0) != c.want {
				t.Errorf("%+v: alert %v", c, m.Alert)
			}
			near := func(d time.Duration, ms int) bool {
				return math.Abs(d.Seconds()*1000-float64(ms)) <= 10
			}
			if c.want && (!near(m.Alert, c.ms) || !near(m.Gap, c.gap)) {
				t.Errorf("%+v: alert %v, gap %v", c, m.Alert, m.Gap)
			}
		}
	}
}

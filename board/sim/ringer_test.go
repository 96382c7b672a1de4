package sim

import (
	"math"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// bell gives a ringer what a station chip gives its line: from on to off of a cadence,
// beginning with a burst, n times round, then silence for quiet.
func bell(hz, vrms float64, cadence []time.Duration, n int, quiet time.Duration) (events []Event, start time.Time) {
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r := ringer{name: "102", out: func(e Event) { events = append(events, e) }}
	at := start
	var feed chipsim.Feed
	pass := func(d time.Duration, on bool) {
		for phase := 0; d > 0; d -= board.FrameTime {
			feed = chipsim.Feed{Ringing: on}
			for i := range feed.Ring {
				if on {
					feed.Ring[i] = float32(vrms * math.Sqrt2 * math.Sin(2*math.Pi*hz*float64(phase)/board.SampleRate))
					phase++
				}
			}
			r.frame(at, &feed)
			at = at.Add(board.FrameTime)
		}
	}
	for range n {
		for i, d := range cadence {
			pass(d, i%2 == 0)
		}
	}
	pass(quiet, false)
	return events, start
}

func ms(l ...int) (d []time.Duration) {
	for _, x := range l {
		d = append(d, time.Duration(x)*time.Millisecond)
	}
	return d
}

func TestRingerNamesCadences(t *testing.T) {
	for _, c := range []struct {
		country string
		hz      float64
		cadence []time.Duration
		want    string
	}{
		{"US", 20, ms(2000, 4000), "102 rings 2.0/4.0 at 20 Hz"},
		{"GB", 25, ms(400, 200, 400, 2000), "102 rings 0.4/0.2/0.4/2.0 at 25 Hz"},
		{"DE", 25, ms(1000, 4000), "102 rings 1.0/4.0 at 25 Hz"},
		{"JP", 16, ms(1000, 2000), "102 rings 1.0/2.0 at 16 Hz"},
		{"SE", 25, ms(1000, 5000), "102 rings 1.0/5.0 at 25 Hz"},
		{"fast", 68, ms(500, 1000), "102 rings 0.5/1.0 at 68 Hz"},
	} {
		events, start := bell(c.hz, 45, c.cadence, 3, 10*time.Second)
		var said []string
		for _, e := range events {
			said = append(said, e.String())
		}
		if len(events) != 3 || said[0] != "102 rings" || said[1] != c.want || said[2] != "102 stops ringing" {
			t.Errorf("%s: %q, want %q", c.country, said, c.want)
			continue
		}
		var turn, silent time.Duration
		for _, d := range c.cadence {
			turn += d
		}
		silent = c.cadence[len(c.cadence)-1]
		for i, want := range []time.Duration{0, turn, 3*turn - silent} {
			if d := events[i].At.Sub(start) - want; d.Abs() > 70*time.Millisecond {
				t.Errorf("%s: %q is told for %v, off by %v", c.country, said[i], events[i].At.Sub(start), d)
			}
		}
	}
}

// TestRingerStaysStill: what moves no bell.
func TestRingerStaysStill(t *testing.T) {
	for name, volts := range map[string]float64{"silence": 0, "weak": 15} {
		if events, _ := bell(25, volts, ms(1000, 4000), 3, 10*time.Second); len(events) > 0 {
			t.Errorf("%s: %v", name, events)
		}
	}
	if events, _ := bell(25, 45, ms(20, 4000), 3, 10*time.Second); len(events) > 0 {
		t.Errorf("half a period: %v", events)
	}
}

// TestRingerAnew: a second call is told like the first.
func TestRingerAnew(t *testing.T) {
	events, _ := bell(25, 45, ms(1000, 4000, 1000, 12000), 2, 10*time.Second)
	var said []string
	for _, e := range events {
		said = append(said, e.String())
	}
	if len(said) != 6 || said[1] != said[4] || said[1] != "102 rings 1.0/4.0 at 25 Hz" {
		t.Errorf("%q", said)
	}
}

package storage

import (
	"testing"
	"time"
)

// TestBelief goes through the stories that a clock can tell. A step is what the clock shows
// and for how long the box has run since the step before; it stands next to what is believed
// then, in hours after a date.
func TestBelief(t *testing.T) {
	const unset = -490_000 // hours: in 1970
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	type step struct{ clock, ran, want int }
	for name, steps := range map[string][]step{
		"runs":                                {{0, 0, 0}, {1, 1, 1}, {30, 29, 30}},
		"off at night":                        {{0, 0, 0}, {12, 0, 12}, {36, 0, 36}},
		"a step forwards of a day":            {{0, 0, 0}, {25, 1, 25}},
		"put back by an hour: waits":          {{0, 0, 0}, {10, 10, 10}, {9, 0, 10}, {10, 1, 10}, {11, 1, 11}},
		"put back by a day: waits":            {{24, 0, 24}, {0, 0, 24}, {12, 12, 24}, {24, 12, 24}, {25, 1, 25}},
		"off for three weeks":                 {{0, 0, 0}, {500, 0, 0}, {503, 3, 3}, {505, 2, 5}, {506, 1, 506}, {507, 1, 507}},
		"off for three weeks, and at night":   {{0, 0, 0}, {500, 0, 0}, {504, 4, 4}, {516, 0, 4}, {517, 1, 5}, {518, 1, 518}},
		"on for five hours a week":            {{0, 0, 0}, {168, 0, 0}, {173, 5, 5}, {336, 0, 5}, {337, 1, 337}},
		"years ahead and put right in time":   {{0, 0, 0}, {90000, 0, 0}, {90005, 5, 5}, {6, 1, 6}, {7, 1, 7}},
		"years ahead twice, put right":        {{0, 0, 0}, {90000, 0, 0}, {90005, 5, 5}, {6, 1, 6}, {90007, 1, 7}, {90012, 5, 12}, {13, 1, 13}},
		"ahead, and set to another":           {{0, 0, 0}, {90000, 0, 0}, {90005, 5, 5}, {50006, 1, 6}, {50011, 5, 11}, {50012, 1, 50012}},
		"ahead for too long: believed":        {{0, 0, 0}, {90000, 0, 0}, {90003, 3, 3}, {90006, 3, 90006}},
		"ahead, believed, put back":           {{0, 0, 0}, {90000, 0, 0}, {90006, 6, 90006}, {7, 1, 90007}, {8, 1, 90008}, {20, 0, 90020}},
		"ahead, believed, put back, and back": {{0, 0, 0}, {90000, 0, 0}, {90006, 6, 90006}, {7, 1, 90007}, {-5000, 0, 90007}, {-4997, 3, 90010}, {11, 1, 90011}, {19, 8, 90019}},
		"put back and put right":              {{0, 0, 0}, {-5000, 0, 0}, {-4999, 1, 1}, {2, 1, 2}, {3, 1, 3}},
		"put back, and off at night":          {{0, 0, 0}, {-5000, 0, 0}, {-4988, 0, 12}, {-4987, 1, 13}},
		"put back, and off for a week":        {{0, 0, 0}, {-5000, 0, 0}, {-4832, 0, 0}, {-4826, 6, 174}},
		"loses its clock at a start":          {{0, 0, 0}, {unset, 0, 0}, {unset + 1, 1, 1}, {14, 0, 14}},
		"without a clock for days":            {{0, 0, 0}, {unset, 0, 0}, {unset + 72, 72, 72}, {unset, 0, 72}, {unset + 3, 3, 75}, {80, 0, 80}},
		"no clock, and off for three weeks":   {{0, 0, 0}, {unset, 0, 0}, {unset + 1, 1, 1}, {500, 0, 1}, {503, 3, 4}, {unset, 0, 4}, {unset + 1, 1, 5}, {505, 0, 5}, {508, 3, 508}},
		"first start without a clock":         {{unset, 0, unset}, {unset + 1, 1, unset + 1}, {5, 1, 5}},
		"first start ahead, and put right":    {{90000, 0, 90000}, {1, 1, 90001}, {2, 1, 90002}},
		"nobody looked for a week":            {{0, 0, 0}, {168, 168, 168}},
		"a little ahead, and again":           {{0, 0, 0}, {20, 0, 20}, {0, 0, 20}, {20, 0, 20}},
		"summer time is none of the clock's":  {{0, 0, 0}, {1, 1, 1}},
	} {
		var b belief
		for i, st := range steps {
			b.look(noon.Add(time.Duration(st.clock)*time.Hour), time.Duration(st.ran)*time.Hour)
			if got := time.UnixMilli(b.At).Sub(noon); got != time.Duration(st.want)*time.Hour {
				t.Errorf("%s, step %d: %v believed, want %d h", name, i, got, st.want)
			}
		}
	}
}

// TestBeliefBounds tries clocks that show anything: what is believed never goes back, never by
// more than a day at once further than the box has run unless the clock was steady, and stays in bounds.
func TestBeliefBounds(t *testing.T) {
	for _, clock := range []time.Time{{}, time.Unix(-1<<60, 0), time.Unix(1<<60, 0), time.Unix(0, 0), time.Unix(1<<62, 999_999_999)} {
		var b belief
		at := b.At
		for range 20 {
			for _, c := range []time.Time{clock, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), clock} {
				b.look(c, time.Hour)
				if b.At < at || b.date() < 0 || b.midnight() <= 0 || b.midnight() > 24*time.Hour {
					t.Fatalf("%v: %+v after %d", clock, b, at)
				}
				at = b.At
			}
		}
	}
}

// TestBeliefUnsetIsMoved: when a clock is set for the first time, look tells by how much what was
// believed until then was too early.
func TestBeliefUnsetIsMoved(t *testing.T) {
	var b belief
	b.look(time.Unix(40, 0), 0)
	b.look(time.Unix(3640, 0), time.Hour)
	right := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	moved := b.look(right, time.Hour)
	if want := right.Add(-2*time.Hour - 40*time.Second).UnixMilli(); moved != want {
		t.Errorf("moved by %d ms, want %d", moved, want)
	}
	if moved := b.look(right.Add(time.Hour), time.Hour); moved != 0 || !time.UnixMilli(b.At).Equal(right.Add(time.Hour)) {
		t.Errorf("moved by %d again, %+v", moved, b)
	}
}

package si3050

import (
	"testing"
	"time"

	"sotto/board"
)

// TestSenses feeds samples, 10 ms apart, that the model's line does not make.
func TestSenses(t *testing.T) {
	idle := sample{hasVolts: true, volts: -48}
	ringing := func(volts int) sample { return sample{hasVolts: true, volts: volts, rdt: true} }
	for _, c := range []struct {
		name  string
		steps []step
		want  []board.EventKind
	}{
		{"voltage is not looked at while it rings", []step{{idle, 30}, {ringing(0), 200}, {ringing(15), 200}, {ringing(60), 200}, {idle, 30}},
			[]board.EventKind{board.RingOn, board.RingOff}},
		{"nor while it begins to", []step{{idle, 30}, {sample{hasVolts: true, volts: 40, edges: 0x20}, 20}, {sample{hasVolts: true, volts: 10, edges: 0x40}, 20}, {idle, 30}}, nil},
		{"voltage of 10 V", []step{{idle, 30}, {sample{hasVolts: true, volts: -10}, 6}, {idle, 30}, {sample{hasVolts: true, volts: -10}, 8}, {idle, 30}},
			[]board.EventKind{board.LineInUse, board.LineFree}},
		{"short turn of polarity", []step{{idle, 30}, {sample{hasVolts: true, volts: 48}, 4}, {idle, 30}}, nil},
		{"turn over zero", []step{{idle, 30}, {sample{hasVolts: true}, 20}, {sample{hasVolts: true, volts: 48}, 5}}, []board.EventKind{board.PolarityReversed}},
		{"no voltmeter: pulse", []step{{sample{}, 30}, {sample{edges: 0x20}, 2}, {sample{}, 5}}, []board.EventKind{board.PolarityReversed}},
		{"no voltmeter: pulse of our own hook", []step{{sample{edges: 0x20}, 2}, {sample{}, 30}}, nil},
		{"no voltmeter: message lamp", []step{{sample{}, 30}, {sample{edges: 0x20}, 8}, {sample{}, 30}}, nil},
		{"no voltmeter: one cycle", []step{{sample{}, 30}, {sample{edges: 0x20}, 2}, {sample{edges: 0x40}, 2}, {sample{}, 30}}, nil},
	} {
		var s senses
		var events [8]board.Event
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s.restart(now)
		var got []board.EventKind
		for _, step := range c.steps {
			for range step.n {
				now = now.Add(10 * ms)
				step.sample.at = now
				s.step(step.sample, ringTimeout, &events)
				for _, e := range events[:s.n] {
					got = append(got, e.Kind)
				}
			}
		}
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			ok = got[i] == c.want[i]
		}
		if !ok {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// step is a sample, n times.
type step struct {
	sample
	n int
}

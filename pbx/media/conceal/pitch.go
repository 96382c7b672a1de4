package conceal

import "math"

const (
	// MinLag and MaxLag bound the periods that are looked for, in samples: 200 to 66.7 Hz
	// (G.711 Appendix I). A higher voice is found at twice its period.
	MinLag = 40
	MaxLag = 120
	window = 160 // samples that are compared
	// PitchSpan is the number of samples that Pitch looks at.
	PitchSpan = window + MaxLag
)

// Pitch finds the period of the last PitchSpan samples of past: the lag at which the last
// 20 ms are most like what is lag samples before them. The match is the normalised
// correlation there: 1 for a periodic signal, about 0 for noise, 0 for silence. A shorter
// past gives MaxLag and 0.
func Pitch(past []int16) (lag int, match float32) {
	if len(past) < PitchSpan {
		return MaxLag, 0
	}
	var x [PitchSpan]float32
	for i, s := range past[len(past)-PitchSpan:] {
		x[i] = float32(s)
	}
	// Every second lag on every second sample first, as the Appendix does, then the
	// neighbours of the best in full.
	coarse, _ := likest(&x, MinLag, MaxLag, 2)
	return likest(&x, max(MinLag, coarse-1), min(MaxLag, coarse+1), 1)
}

// likest is the lag from first to last, by step, with the largest normalised correlation
// of every step-th sample; MaxLag and 0 if none is positive.
func likest(x *[PitchSpan]float32, first, last, step int) (lag int, match float32) {
	recent, old := x[MaxLag:], x[MaxLag-first:]
	var now, then float64 // exact, so that loud sound that has left the window leaves nothing behind
	for i := 0; i < window; i += step {
		now += square(recent[i])
		then += square(old[i])
	}
	lag = MaxLag
	for l := first; l <= last; l += step {
		old = x[MaxLag-l : PitchSpan-l]
		if l > first { // the energy of the older window moves with it
			then += square(old[0]) - square(x[MaxLag-l+window])
		}
		var cross float32
		for i := 0; i < window; i += step {
			cross += recent[i] * old[i]
		}
		if cross <= 0 || now < window || then < window { // silence is like nothing
			continue
		}
		if m := float32(float64(cross) / math.Sqrt(now*then)); m > match {
			lag, match = l, m
		}
	}
	return lag, match
}

func square(v float32) float64 { return float64(v) * float64(v) }

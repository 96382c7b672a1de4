package progress

import (
	"math"
	"math/rand/v2"

	"sotto/board"
)

// music gives n samples of a piece of its own for every seed: a metre of 60 to 180 beats
// a minute, a tuning in which some note is a tone of the exchange or just beside it, and
// players of one kind or another. No piece is a single pure sine alone: that, on the
// exchange's frequency and in its cadence, is the exchange's tone.
func music(rng *rand.Rand, n int) []int16 {
	const (
		organ   = iota // chords that are held
		piano          // notes that die away
		beeps          // short sines over drums and bass: pop
		ringer         // a melody of square waves, staccato, alone
		drums          // a beat, and a hum of 50 Hz
		pulse          // one organ chord again and again, as long as its pause
		whistle        // somebody whistles a tune
		styles
	)
	out := make([]float64, n)
	bpm := 60 + rng.Float64()*120
	if rng.IntN(2) == 0 { // where a cadence of an exchange is in the metre
		bpm = []float64{60, 62.5, 75, 80, 120, 125, 150}[rng.IntN(7)]
	}
	beat := 60 / bpm * board.SampleRate
	root := []float64{350, 400, 413, 420, 425, 440, 450, 480, 620, 950}[rng.IntN(10)] * (1 + 0.01*rng.NormFloat64()*float64(rng.IntN(2)))
	style := rng.IntN(styles)
	scale := [7]float64{0, 2, 4, 5, 7, 9, 11}
	note := func(degree int) float64 {
		octave := math.Floor(float64(degree) / 7)
		return root * math.Pow(2, octave+scale[degree-7*int(octave)]/12)
	}
	// voice adds one note: harmonics with their amplitudes, decay in seconds (0: none).
	voice := func(at, length float64, hz, amp float64, harmonics []float64, decay, vibrato float64) {
		first, last := int(at), min(int(at+length), n)
		for h, a := range harmonics {
			w := 2 * math.Pi * hz * float64(h+1) / board.SampleRate
			if w > 0.85*math.Pi {
				break
			}
			phase := rng.Float64() * 2 * math.Pi
			v, before, turn := math.Sin(phase), math.Sin(phase-w), 2*math.Cos(w)
			env, fall := amp*a, 1.0
			if decay > 0 {
				fall = math.Exp(-float64(h+1) / decay / board.SampleRate)
			}
			for i := max(first, 0); i < last; i++ {
				edge := env
				if r := min(i-first, last-i); r < 40 {
					edge *= float64(r) / 40
				}
				out[i] += edge * v
				env *= fall
				if vibrato == 0 {
					v, before = turn*v-before, v
					continue
				}
				phase += w * (1 + vibrato*math.Sin(2*math.Pi*5.5*float64(i)/board.SampleRate))
				v = math.Sin(phase)
			}
		}
	}
	hit := func(at, amp, decay float64) {
		env := amp
		for i := int(at); i < min(int(at)+2000, n); i++ {
			out[i] += env * rng.NormFloat64()
			env *= decay
		}
	}
	full := []float64{1, 0.5, 0.35, 0.25, 0.15, 0.1}
	square := []float64{1, 0, 1. / 3, 0, 1. / 5, 0, 1. / 7}
	flute := []float64{1, 0.4, 0.15}
	chords := [][3]int{{0, 2, 4}, {3, 5, 7}, {4, 6, 8}, {5, 7, 9}}
	gate := []float64{0.5, 0.5, 0.9, 0.3}[rng.IntN(4)]
	degree := 0
	for k := 0; float64(k)*beat < float64(n); k++ {
		at := float64(k) * beat
		switch style {
		case organ:
			if k%2 == 0 {
				for _, d := range chords[rng.IntN(4)] {
					voice(at, 2*beat, note(d-7*rng.IntN(2)), 2000, full, 0, 0)
				}
			}
		case piano:
			for j := range 2 {
				degree += rng.IntN(3) - 1
				degree = max(-7, min(7, degree))
				voice(at+float64(j)*beat/2, 3*beat, note(degree), 4000, full, 0.4, 0)
			}
			voice(at, beat, note(-14+degree/2), 2500, full, 0.6, 0)
		case beeps:
			for j := range 2 {
				if rng.IntN(4) == 0 {
					degree = rng.IntN(5)
				}
				voice(at+float64(j)*beat/2, gate*beat/2, note(degree), 5000, []float64{1}, 0, 0)
			}
			hit(at, 2500, 0.997)
			voice(at, beat*0.8, note(-14+chords[k/4%4][0]), 4000, full, 0.5, 0)
		case ringer:
			if rng.IntN(3) > 0 {
				degree = rng.IntN(5)
			}
			split := 1 << rng.IntN(2)
			for j := range split {
				voice(at+float64(j)*beat/float64(split), gate*beat/float64(split), note(degree), 6000, square, 0, 0)
			}
		case drums:
			hit(at, 8000, 0.996)
			hit(at+beat/2, 4000, 0.99)
			voice(at, beat/2, 60, 8000, []float64{1, 0.3}, 0.1, 0)
		case pulse:
			for _, d := range chords[k/8%4] {
				voice(at, beat/2, note(d), 2500, flute, 0, 0)
			}
		case whistle:
			if rng.IntN(3) > 0 {
				degree = rng.IntN(8)
			}
			voice(at, beat*(0.4+0.6*rng.Float64()), note(degree)*(1+0.02*rng.NormFloat64()), 6000, []float64{1, 0.03}, 0, 0.01+0.02*rng.Float64())
		}
	}
	volume := math.Pow(10, -rng.Float64()*25/20)
	pcm := make([]int16, n)
	for i, v := range out {
		pcm[i] = int16(max(-32768, min(32767, v*volume)))
	}
	return pcm
}

package pbxtest

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/exchange"
	"sotto/board/sim/wav"
	"sotto/pbx/country"
	"sotto/pbx/plan"
)

// TestHoursOfLineCall: people talk and music plays on exchange lines for hours, ten of them
// with -soak; nothing of it is taken for the end of the call. The line hears an echo of the
// near end. Speech made by scripts/speech.sh is used where it is there.
func TestHoursOfLineCall(t *testing.T) {
	length := 2 * time.Minute // in each country
	switch {
	case testing.Short():
		length = 30 * time.Second
	case *soak:
		length = 10 * time.Hour / time.Duration(len(five))
	}
	recorded := recordings(t)
	for i, code := range five {
		echo := func(x *exchange.Config) { x.EchoLoss = 12 }
		oneLine(t, code, plan.Line{Reversal: i%2 == 0}, echo, func(t *testing.T, o *Office) {
			rng := rand.New(rand.NewPCG(uint64(i), 4))
			c, _ := country.Lookup(code)
			o.Do(t, "line 1 calls", "101 rings", "101 lifts", "101 and line 1 talk")
			near, far := o.Board.Room.Set("101"), o.Board.Room.Line("line 1").Far()
			for began, n := time.Now(), 0; time.Since(began) < length; n++ {
				const piece = 20 * board.SampleRate
				var said []int16
				switch {
				case n%3 == 0 && len(recorded) > 0:
					pcm := recorded[rng.IntN(len(recorded))]
					at := rng.IntN(max(1, len(pcm)-piece))
					said = slices.Clone(pcm[at:min(at+piece, len(pcm))])
				case n%3 == 0:
					said = talk(rng, piece)
				default:
					said = tune(rng, c, piece)
				}
				far.Say(said)
				if n%2 == 0 {
					near.Say(talk(rng, piece/2))
				}
				time.Sleep(time.Duration(len(said)) * time.Second / board.SampleRate)
				if l := o.Records.List(); len(l) > 0 {
					t.Fatalf("%s: ended after %v, in piece %d: %v\n%s", code, time.Since(began), n, l[0].Cause, o.Text())
				}
			}
			o.Do(t, "101 and line 1 talk", "101 hushes", "line 1 hangs up with busy", "line 1 is idle", "record line 1 -> 101 answered", "101 hangs up", "wait 3s")
		})
	}
	t.Logf("%v of calls, %d recordings of speech", length*time.Duration(len(five)), len(recorded))
}

// recordings reads the speech that is there, with -soak.
func recordings(t *testing.T) (l [][]int16) {
	if !*soak {
		return nil
	}
	files, err := filepath.Glob("../../tmp/speech/*.wav")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		pcm, err := wav.Read(f, 3600*board.SampleRate)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l = append(l, pcm)
	}
	return l
}

// note adds a sound of n samples at sample at: harmonics of hz with these amplitudes.
func note(out []float64, at, n int, hz, amp float64, harmonics []float64) {
	for h, a := range harmonics {
		w := 2 * math.Pi * hz * float64(h+1) / board.SampleRate
		if w > 0.85*math.Pi || a == 0 {
			continue
		}
		v, before, turn := 0.0, -math.Sin(w), 2*math.Cos(w)
		for i := at; i < min(at+n, len(out)); i++ {
			edge := min(1, float64(i-at)/80, float64(at+n-i)/80)
			out[i] += amp * a * edge * v
			v, before = turn*v-before, v
		}
	}
}

// talk gives n samples of something like speech: syllables of a voice whose pitch moves,
// with two formants, and a pause now and then.
func talk(rng *rand.Rand, n int) []int16 {
	out := make([]float64, n)
	pitch := 90 + 130*rng.Float64()
	for at := 0; at < n; {
		hz := pitch * (0.85 + 0.3*rng.Float64())
		first, second := 300+500*rng.Float64(), 900+1400*rng.Float64()
		var harmonics []float64
		for f := hz; f < 3400; f += hz {
			near := func(c, wide float64) float64 { return math.Exp(-(f - c) * (f - c) / (2 * wide * wide)) }
			harmonics = append(harmonics, 0.02+near(first, 120)+0.5*near(second, 200))
		}
		length := int((0.08 + 0.2*rng.Float64()) * board.SampleRate)
		note(out, at, length, hz, 3000, harmonics)
		at += length + int(0.05*rng.Float64()*board.SampleRate)
		if rng.IntN(8) == 0 {
			at += int(rng.Float64() * board.SampleRate)
		}
	}
	return samples(out)
}

// tune gives n samples of music that is tuned to a tone of the country's exchange and keeps
// its time: a melody of rich notes, chords, or beeps over a bass. It is never that tone alone.
func tune(rng *rand.Rand, c *country.Country, n int) []int16 {
	kind := []country.ToneKind{country.Busy, country.Congestion, country.Ringback, country.Dial}[rng.IntN(4)]
	step := c.Tone(kind).Loop()[0]
	root, beat := step.Sines[0].Hz, board.SampleRate/2
	if step.On > 0 {
		beat = int((step.On + step.Off) * board.SampleRate / time.Second)
	}
	for beat > board.SampleRate {
		beat /= 2
	}
	rich, chord, beeps := rng.IntN(3) == 0, rng.IntN(2) == 0, []float64{1}
	out := make([]float64, n)
	scale := []float64{1, 9. / 8, 5. / 4, 4. / 3, 3. / 2, 5. / 3}
	for at, k := 0, 0; at < n; at, k = at+beat, k+1 {
		hz := root
		if rng.IntN(3) == 0 {
			hz *= scale[rng.IntN(len(scale))]
		}
		switch {
		case rich:
			note(out, at, beat*(1+rng.IntN(3))/4, hz, 4000, []float64{1, 0, 1. / 3, 0, 1. / 5, 0, 1. / 7})
		case chord:
			for _, s := range []int{0, 2, 4} {
				note(out, at, beat/2, hz*scale[s], 2500, []float64{1, 0.4, 0.15})
			}
		default:
			note(out, at, beat/2, hz, 4000, beeps)
			note(out, at, beat*4/5, root/3, 3500, []float64{1, 0.6, 0.4, 0.3})
		}
	}
	return samples(out)
}

func samples(out []float64) []int16 {
	pcm := make([]int16, len(out))
	for i, v := range out {
		pcm[i] = int16(max(-32768, min(32767, v)))
	}
	return pcm
}

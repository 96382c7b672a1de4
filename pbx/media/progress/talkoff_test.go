package progress

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/wav"
	"sotto/pbx/country"
	"sotto/pbx/media/dtmf"
)

var speech = flag.String("speech", "../../../tmp/speech", "folder of speech made by scripts/speech.sh")

// judge listens with the plan of one country or of all.
type judge struct {
	codes []string
	plans []*Plan
	heard time.Duration
	told  [NumKinds]int
}

func judges(t testing.TB) *judge {
	j := &judge{codes: country.Codes()}
	for _, code := range j.codes {
		c, _ := country.Lookup(code)
		w := tones(c)
		w.SilenceFrames = 0
		j.plans = append(j.plans, compiled(t, w))
	}
	return j
}

// listen lets countries from first on, every step-th, hear a sound. One that ends a call is false.
func (j *judge) listen(t *testing.T, name string, pcm []int16, first, step int) {
	t.Helper()
	for i := first; i < len(j.plans); i += step {
		d := new(Detector)
		d.Start(j.plans[i])
		j.heard += time.Duration(len(pcm)) * time.Second / board.SampleRate
		for _, e := range hear(d, pcm) {
			if !e.On {
				continue
			}
			j.told[e.Kind]++
			if e.Kind != Dial && e.Kind != Ringback {
				t.Errorf("%s in %s: %v after %v", name, j.codes[i], e.Kind, e.at)
			}
		}
	}
}

func (j *judge) report(t *testing.T, what string) {
	t.Logf("%.1f hours of %s: %d busy, %d congestion, %d unobtainable, %d dial, %d ringback", j.heard.Hours(), what,
		j.told[Busy], j.told[Congestion], j.told[Unobtainable], j.told[Dial], j.told[Ringback])
}

// voices reads the speech.
func voices(t *testing.T) (names []string, all [][]int16) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*speech, "*.wav"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(*speech); errors.Is(err, fs.ErrNotExist) || len(files) == 0 {
		t.Fatalf("no speech in %s: make it with scripts/speech.sh tmp/speech, or run with -short", *speech)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		pcm, err := wav.Read(file, 3600*board.SampleRate)
		file.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names, all = append(names, filepath.Base(name)), append(all, pcm)
	}
	return names, all
}

// TestSpeechEndsNoCall: speech is no tone that ends a call, at any level.
func TestSpeechEndsNoCall(t *testing.T) {
	if testing.Short() {
		t.Skip("an hour of speech takes seconds")
	}
	names, all := voices(t)
	j := judges(t)
	step, levels := 5, []float64{0}
	if *soak {
		step, levels = 3, []float64{0, -10, -20}
	}
	for i, pcm := range all {
		for n, level := range levels {
			quieter := pcm
			if level != 0 {
				quieter = make([]int16, len(pcm))
				for k, v := range pcm {
					quieter[k] = int16(float64(v) * math.Pow(10, level/20))
				}
			}
			j.listen(t, names[i], quieter, (i+n)%step, step)
		}
	}
	j.report(t, "speech")
}

// TestMusicEndsNoCall is the same with music, which has pitches that are exact and beats
// that are steady.
func TestMusicEndsNoCall(t *testing.T) {
	minutes, step := 24, 3
	hard := []int{42, 64, 385, 435, 522, 543, 568}
	if *soak {
		minutes = 600
	} else if testing.Short() {
		minutes, hard = 1, hard[:1]
	}
	j := judges(t)
	play := func(i, first, step int) {
		pcm := music(rand.New(rand.NewPCG(uint64(i), 77)), 60*board.SampleRate)
		j.listen(t, fmt.Sprintf("minute %d", i), pcm, first, step)
	}
	for i := range minutes {
		play(i, i%step, step)
	}
	// Pieces that a laxer detector took for busy: beeps on the very frequency, in the very
	// cadence, over a bass or drums, and a melody of square waves.
	for _, i := range hard {
		play(i, 0, 1)
	}
	j.report(t, "music")
}

// TestSignalsEndNoCall is the same with digits and what modems and fax machines send.
func TestSignalsEndNoCall(t *testing.T) {
	j := judges(t)
	for _, key := range []dtmf.Key{{Low: -11, High: -9, On: 70 * ms, Off: 70 * ms}, {Low: -8, High: -6, On: 250 * ms, Off: 250 * ms}, {Low: -10, High: -8, On: 500 * ms, Off: 500 * ms}} {
		var g dtmf.Generator
		if err := g.Send("1111147025836369#*0000AAAABBBBCCCCDDDD", key); err != nil {
			t.Fatal(err)
		}
		var pcm []int16
		for g.Busy() {
			var f board.Frame
			g.Add(&f)
			pcm = append(pcm, f[:]...)
		}
		j.listen(t, "digits", pcm, 0, 1)
	}
	rng := rand.New(rand.NewPCG(8, 9))
	for _, s := range []struct {
		name    string
		hz      [2]float64 // sent by turns of a bit
		baud    float64
		on, off time.Duration
	}{
		{"V.21 low", [2]float64{980, 1180}, 300, 10 * time.Second, time.Second},
		{"V.21 high", [2]float64{1650, 1850}, 300, 10 * time.Second, time.Second},
		{"V.23 back", [2]float64{390, 450}, 75, 10 * time.Second, time.Second},
		{"Bell 103", [2]float64{1070, 1270}, 300, 10 * time.Second, time.Second},
		{"calling tone of fax", [2]float64{1100, 1100}, 1, 500 * ms, 3 * time.Second},
		{"calling tone of modem", [2]float64{1300, 1300}, 1, 600 * ms, 1800 * ms},
		{"answer tone", [2]float64{2100, 2100}, 1, 3300 * ms, 75 * ms},
	} {
		var pcm []int16
		phase := 0.0
		for len(pcm) < 60*board.SampleRate {
			hz, left := s.hz[0], 0.0
			for range int(s.on.Seconds() * board.SampleRate) {
				if left--; left < 0 {
					hz, left = s.hz[rng.IntN(2)], left+board.SampleRate/s.baud
				}
				phase += 2 * math.Pi * hz / board.SampleRate
				pcm = append(pcm, int16(4000*math.Sin(phase)))
			}
			pcm = append(pcm, quietFor(s.off)...)
		}
		j.listen(t, s.name, pcm, 0, 1)
	}
	j.report(t, "signals")
}

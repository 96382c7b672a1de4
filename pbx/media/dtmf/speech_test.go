package dtmf

import (
	"errors"
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"sotto/board"
	"sotto/board/sim/wav"
	"sotto/pbx/media/g711"
)

var speech = flag.String("speech", "../../../tmp/speech", "folder of speech made by scripts/speech.sh")

// Speech is no digit: at most 5 in 30 minutes by the contract, held here to 2 an hour for
// every level and law.
func TestTalkOff(t *testing.T) {
	if testing.Short() {
		t.Skip("an hour of speech takes seconds")
	}
	files, err := filepath.Glob(filepath.Join(*speech, "*.wav"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(*speech); errors.Is(err, fs.ErrNotExist) || len(files) == 0 {
		t.Fatalf("no speech in %s: make it with scripts/speech.sh tmp/speech, or run with -short", *speech)
	}
	type corpus struct {
		name string
		pcm  []int16
		gain float64 // that brings its speech to 0 dBm0
	}
	var all []corpus
	seconds := 0
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
		seconds += len(pcm) / board.SampleRate
		all = append(all, corpus{filepath.Base(name), pcm, math.Pow(10, -speechLevel(pcm)/20)})
	}
	hours := float64(seconds) / 3600
	if hours < 1 {
		t.Fatalf("%.2f hours of speech, want one: make it with scripts/speech.sh tmp/speech", hours)
	}
	const dialTone = "under dial tone"
	paths := []string{"linear", g711.ALaw.String(), g711.MuLaw.String(), dialTone}
	under := []sine{{350, board.Amplitude(-31), 0}, {440, board.Amplitude(-31), 1}}
	total, runs := 0, 0.0
	for _, level := range []float64{-10, -20, -30} {
		for i, path := range paths {
			n := 0
			for _, c := range all {
				gain := c.gain * math.Pow(10, level/20)
				pcm := make([]int16, len(c.pcm))
				for j, s := range c.pcm {
					v := float64(s) * gain
					if path == dialTone {
						v += under[0].at(j) + under[1].at(j)
					}
					pcm[j] = clip(v)
					if i == 1 || i == 2 {
						l := g711.Law(i - 1)
						pcm[j] = l.Decode(l.Encode(pcm[j]))
					}
				}
				told, at := hear(new(Detector), pcm)
				for k, e := range told {
					if e.Kind == Start {
						n++
						t.Logf("%s at %.2f s: %c", c.name, float64(at[k])/board.SampleRate, e.Digit)
					}
				}
			}
			t.Logf("%.0f dBm0, %s: %d false digits in %.2f hours", level, path, n, hours)
			if float64(n) > 2*hours {
				t.Error("too many")
			}
			total += n
			runs++
		}
	}
	t.Logf("%d voices, %d false digits in %.1f hours", len(files), total, hours*runs)
}

// speechLevel is the level in dBm0 of the frames in which somebody speaks: those within
// 20 dB of the loudest.
func speechLevel(pcm []int16) float64 {
	var frames []float64
	loudest := 0.0
	for len(pcm) >= board.FrameLen {
		e := 0.0
		for _, s := range pcm[:board.FrameLen] {
			e += float64(s) * float64(s)
		}
		frames = append(frames, e)
		loudest = max(loudest, e)
		pcm = pcm[board.FrameLen:]
	}
	sum, n := 0.0, 0
	for _, e := range frames {
		if e > loudest/100 {
			sum += e
			n++
		}
	}
	return board.Level(math.Sqrt(sum / float64(max(n, 1)) / board.FrameLen))
}

package display

import (
	"os"
	"path/filepath"
	"testing"

	"sotto/board"
	"sotto/board/sim/wav"
)

// Speech is no message. The corpus is what scripts/speech.sh makes.
func TestSpeech(t *testing.T) {
	files, _ := filepath.Glob("../../../tmp/speech/*.wav")
	if testing.Short() {
		t.Skip("reads an hour of speech")
	}
	if len(files) == 0 {
		t.Fatal("no speech: make it with scripts/speech.sh tmp/speech, or run with -short")
	}
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
		d := New()
		for ; len(pcm) >= board.FrameLen; pcm = pcm[board.FrameLen:] {
			f := board.Frame(pcm)
			if m, ok := d.Hear(start, &f); ok {
				t.Errorf("%s: %+v", filepath.Base(name), m)
			}
		}
	}
	t.Logf("%d s of speech", seconds)
}

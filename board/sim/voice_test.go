package sim

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"sotto/board"
	"sotto/board/sim/wav"
)

func TestVoiceFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, pcm []int16) string {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := wav.Write(f, pcm); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	want := []int16{1, -2, 3}
	if got, err := VoiceFile(write("a.wav", want)); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	text, pipe := filepath.Join(dir, "text"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	long := write("long.wav", make([]int16, 600*board.SampleRate+1))
	for _, name := range []string{"", dir, text, pipe, long, "/dev/zero", filepath.Join(dir, "none.wav")} {
		if pcm, err := VoiceFile(name); err == nil {
			t.Errorf("%q gives %d samples", name, len(pcm))
		}
	}
}

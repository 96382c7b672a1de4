package sim

import (
	"fmt"
	"os"
	"syscall"

	"sotto/board"
	"sotto/board/sim/wav"
)

// maxVoice bounds the samples of a file that a handset says: ten minutes.
const maxVoice = 600 * board.SampleRate

// VoiceFile reads a WAV file (8 kHz, mono, 16 bit) of at most ten minutes for
// [Words.Voice]. It reads what the program may read, so it is for a person at its
// terminal and for nobody else. What is no regular file is refused, and never waited for.
func VoiceFile(name string) ([]int16, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	pcm, err := wav.Read(f, maxVoice)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return pcm, nil
}

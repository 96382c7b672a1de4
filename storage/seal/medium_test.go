package seal

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

var errMedium = errors.New("medium is gone")

// broken gives an error from the n-th read or write on.
type broken struct {
	r io.ReaderAt
	n int
}

func (b *broken) fails() bool { b.n--; return b.n < 0 }

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if b.fails() {
		return 0, errMedium
	}
	return b.r.ReadAt(p, off)
}

func (b *broken) Write(p []byte) (int, error) {
	if b.fails() {
		return 0, errMedium
	}
	return len(p), nil
}

// TestAudioMedium: an error of the medium is that error, never a cut or damaged file.
func TestAudioMedium(t *testing.T) {
	whole := sealAudio(t, preferred, 9*chunkLen, 5000)
	for _, file := range [][]byte{whole, whole[:len(whole)-1], slices.Concat(whole[:3*sealedLen], make([]byte, 20*sealedLen))} {
		opened := false
		for n := 0; n < 30 && !opened; n++ {
			r, err := OpenAudio(&broken{bytes.NewReader(file), n}, int64(len(file)), &testKey, testItem)
			opened = err == nil
			if !opened && !errors.Is(err, errMedium) {
				t.Errorf("read %d fails: %v", n, err)
			}
			if opened {
				if m, err := r.ReadAt(make([]byte, 100), 0); m != 0 || !errors.Is(err, errMedium) {
					t.Errorf("read of the audio fails: %d, %v", m, err)
				}
			}
		}
		if !opened {
			t.Error("not opened after 30 reads")
		}
	}
}

func TestAudioWriter(t *testing.T) {
	if _, err := NewAudio(&broken{}, &testKey, testItem); !errors.Is(err, errMedium) {
		t.Errorf("no header: %v", err)
	}
	w, _ := NewAudio(&broken{n: 2}, &testKey, testItem)
	if n, err := w.Write(make([]byte, 3*chunkLen)); n != 2*chunkLen || !errors.Is(err, errMedium) {
		t.Errorf("second chunk fails: %d, %v", n, err)
	}
	if n, err := w.Write([]byte{1}); n != 0 || !errors.Is(err, errMedium) {
		t.Errorf("write after that: %d, %v", n, err)
	}
	for range 2 {
		if err := w.Close(); !errors.Is(err, errMedium) {
			t.Errorf("close after that: %v", err)
		}
	}
	var file bytes.Buffer
	w, _ = NewAudio(&file, &testKey, testItem)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := w.Write([]byte{1}); n != 0 || err == nil {
		t.Errorf("write after close: %d, %v", n, err)
	}
	if file.Len() != audioHeadLen+tagLen {
		t.Errorf("%d bytes for no audio", file.Len())
	}
}

// TestAudioAllocs: a chunk written or read takes no memory.
func TestAudioAllocs(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		w, _ := newAudio(a, io.Discard, &testKey, testItem)
		frame := make([]byte, 1000)
		if n := testing.AllocsPerRun(100, func() { w.Write(frame) }); n != 0 {
			t.Errorf("%v for a write", n)
		}
		r, err := openAudio(sealAudio(t, a, 120_000, 4096))
		if err != nil {
			t.Fatal(err)
		}
		off := int64(0)
		if n := testing.AllocsPerRun(100, func() { r.ReadAt(frame, off); off += 1000 }); n != 0 {
			t.Errorf("%v for a read", n)
		}
	})
}

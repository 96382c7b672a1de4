package seal

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
)

var testItem = [16]byte{0: 7, 15: 9}

// sealAudio gives the file of n bytes of audio, written in pieces of some length.
func sealAudio(t testing.TB, a algorithm, n, piece int) []byte {
	var file bytes.Buffer
	w, err := newAudio(a, &file, &testKey, testItem)
	if err != nil {
		t.Fatal(err)
	}
	for p := range slices.Chunk(testAudio(n), piece) {
		if m, err := w.Write(p); m != len(p) || err != nil {
			t.Fatalf("%d of %d written: %v", m, len(p), err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func openAudio(file []byte) (*AudioReader, error) {
	return OpenAudio(bytes.NewReader(file), int64(len(file)), &testKey, testItem)
}

// kept opens a file, reads all of it, and tells how much there was.
func kept(t *testing.T, file []byte) (n int, cut bool, err error) {
	t.Helper()
	r, err := openAudio(file)
	if err != nil {
		return 0, false, err
	}
	plain, err := io.ReadAll(io.NewSectionReader(r, 0, math.MaxInt64))
	if !bytes.Equal(plain, testAudio(len(plain))) {
		t.Fatal("not what was written")
	}
	if err == nil && int64(len(plain)) != r.Size() {
		t.Fatalf("%d bytes read, size %d", len(plain), r.Size())
	}
	return len(plain), r.Cut(), err
}

func TestAudioRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		for _, n := range []int{0, 1, 160, 4095, 4096, 4097, 8192, 20000} {
			for _, piece := range []int{160, 4096, 10000} {
				file := sealAudio(t, a, n, piece)
				if want := audioHeadLen + n + (n/chunkLen+1)*tagLen; len(file) != want {
					t.Errorf("%d bytes seal to %d, want %d", n, len(file), want)
				}
				if got, cut, err := kept(t, file); got != n || cut || err != nil {
					t.Errorf("%d bytes in pieces of %d: %d, cut %t, %v", n, piece, got, cut, err)
				}
			}
		}
		// A last chunk may be full, too.
		file := refAudio([]byte{3, byte(a), 17: 5}, testKey[:], testItem, testAudio(8192), 4096, 4096)
		if got, cut, err := kept(t, file); got != 8192 || cut || err != nil {
			t.Errorf("full last chunk: %d, cut %t, %v", got, cut, err)
		}
	})
}

// TestAudioCut cuts a file at every byte: what is kept ends with the last whole chunk.
func TestAudioCut(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		file := sealAudio(t, a, 2*chunkLen+300, 1000)
		step := 1
		if testing.Short() {
			step = 7
		}
		for i := 0; i < len(file); i += step {
			got, cut, err := kept(t, file[:i])
			if i < audioHeadLen {
				if !errors.Is(err, ErrFormat) {
					t.Fatalf("cut to %d bytes: %v", i, err)
				}
			} else if want := (i - audioHeadLen) / sealedLen * chunkLen; got != want || !cut || err != nil {
				t.Fatalf("cut to %d bytes: %d kept, want %d; cut %t, %v", i, got, want, cut, err)
			}
		}
	})
}

// TestAudioUnwritten makes a file longer, as a power cut may leave it: the length is
// there and the bytes are not.
func TestAudioUnwritten(t *testing.T) {
	file := sealAudio(t, preferred, 40*chunkLen, chunkLen)
	for whole := 1; whole <= 40; whole += 3 {
		for _, more := range []int{1, 15, 16, 100, sealedLen, 3*sealedLen + 20, 500 * sealedLen} {
			torn := slices.Concat(file[:audioHeadLen+whole*sealedLen], make([]byte, more))
			if got, cut, err := kept(t, torn); got != whole*chunkLen || !cut || err != nil {
				t.Fatalf("%d chunks and %d zeros: %d, cut %t, %v", whole, more, got, cut, err)
			}
		}
	}
}

// TestAudioForged changes the order, number and marks of chunks. Nothing but what was
// written is ever read, at its own place.
func TestAudioForged(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		file := sealAudio(t, a, 3*chunkLen+300, chunkLen)
		head, c := file[:audioHeadLen], slices.Collect(slices.Chunk(file[audioHeadLen:], sealedLen))
		again := sealAudio(t, a, 3*chunkLen+300, chunkLen)
		c2 := slices.Collect(slices.Chunk(again[audioHeadLen:], sealedLen))
		marked := refAudio(head, testKey[:], testItem, testAudio(10000), 4096, 4096) // chunk 1 has the mark
		m := slices.Collect(slices.Chunk(marked[audioHeadLen:], sealedLen))
		for _, x := range []struct {
			name   string
			chunks [][]byte
			kept   int // before the error, if there is one
			cut    bool
			err    error
		}{
			{"as written", c, 3*chunkLen + 300, false, nil},
			{"two exchanged", [][]byte{c[0], c[2], c[1], c[3]}, chunkLen, false, ErrSealed},
			{"one left out", [][]byte{c[0], c[2], c[3]}, chunkLen, true, nil},
			{"the first left out", c[1:], 0, false, ErrSealed},
			{"one twice", [][]byte{c[0], c[1], c[1], c[2], c[3]}, 2 * chunkLen, true, nil},
			{"the last left out", c[:3], 3 * chunkLen, true, nil},
			{"only the last", c[3:], 0, true, nil},
			{"one of another file", [][]byte{c[0], c2[1], c[2], c[3]}, chunkLen, false, ErrSealed},
			{"the last of another file", [][]byte{c[0], c[1], c[2], c2[3]}, 3 * chunkLen, true, nil},
			{"more after the mark", [][]byte{m[0], m[1], c[2], c[3]}, chunkLen, false, ErrSealed},
			{"the mark at the end", m, 2 * chunkLen, false, nil},
			{"an empty chunk after the last", [][]byte{c[0], c[1], c[2], c[3], make([]byte, 16)}, 3 * chunkLen, true, nil},
		} {
			got, cut, err := kept(t, slices.Concat(head, slices.Concat(x.chunks...)))
			if got != x.kept || cut != x.cut && err == nil || !errors.Is(err, x.err) {
				t.Errorf("%s: %d kept, want %d; cut %t; %v", x.name, got, x.kept, cut, err)
			}
		}
	})
}

func TestAudioBoundToItemAndKey(t *testing.T) {
	file := sealAudio(t, preferred, 5000, 5000)
	r := bytes.NewReader(file)
	other := testKey
	other[0] ^= 1
	if _, err := OpenAudio(r, r.Size(), &other, testItem); !errors.Is(err, ErrSealed) {
		t.Errorf("other key: %v", err)
	}
	if _, err := OpenAudio(r, r.Size(), &testKey, [16]byte{}); !errors.Is(err, ErrSealed) {
		t.Errorf("other item: %v", err)
	}
	for i := range audioHeadLen {
		bad := slices.Clone(file)
		bad[i] ^= 3
		if _, err := openAudio(bad); !errors.Is(err, ErrSealed) && !(i == 0 && errors.Is(err, ErrFormat)) {
			t.Errorf("byte %d of the header: %v", i, err)
		}
	}
}

// TestAudioFlipped flips bits: the chunk does not open, those before it do.
func TestAudioFlipped(t *testing.T) {
	file := sealAudio(t, preferred, 2*chunkLen+300, 1000)
	for i := audioHeadLen; i < len(file); i += 61 {
		bad := slices.Clone(file)
		bad[i] ^= 1 << (i % 8)
		got, cut, err := kept(t, bad)
		switch chunk := (i - audioHeadLen) / sealedLen; chunk {
		case 0, 1:
			if got != chunk*chunkLen || !errors.Is(err, ErrSealed) {
				t.Fatalf("byte %d: %d kept, %v", i, got, err)
			}
		case 2: // a torn chunk and a changed one look alike
			if got != 2*chunkLen || !cut || err != nil {
				t.Fatalf("byte %d: %d kept, cut %t, %v", i, got, cut, err)
			}
		}
	}
}

func TestAudioReadAt(t *testing.T) {
	const n = 5*chunkLen + 77
	r, err := openAudio(sealAudio(t, preferred, n, n))
	if err != nil {
		t.Fatal(err)
	}
	want := testAudio(n)
	if err := iotest.TestReader(io.NewSectionReader(r, 0, n), want); err != nil {
		t.Error(err)
	}
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for range 200 {
				off, buf := rnd.IntN(n+100), make([]byte, rnd.IntN(2*chunkLen))
				got, err := r.ReadAt(buf, int64(off))
				left := max(0, n-off)
				if got != min(len(buf), left) || got < len(buf) && err != io.EOF || got == len(buf) && err != nil ||
					got > 0 && !bytes.Equal(buf[:got], want[off:off+got]) {
					t.Errorf("%d at %d: %d, %v", len(buf), off, got, err)
				}
			}
		})
	}
	all.Wait()
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative place")
	}
	if n, err := r.ReadAt(make([]byte, 1), math.MaxInt64); n != 0 || err != io.EOF {
		t.Errorf("the highest place: %d, %v", n, err)
	}
}

// TestAudioReadsOnce plays audio frame by frame: each chunk is read and opened once.
func TestAudioReadsOnce(t *testing.T) {
	file := sealAudio(t, preferred, 10*chunkLen, 5000)
	e := &endless{file: file}
	r, err := OpenAudio(e, int64(len(file)), &testKey, testItem)
	if err != nil {
		t.Fatal(err)
	}
	e.calls = 0
	for off := int64(0); off < r.Size(); off += 160 {
		r.ReadAt(make([]byte, 160), off)
	}
	if e.calls != 10 {
		t.Errorf("%d reads of 10 chunks", e.calls)
	}
}

// endless has as many bytes as one asks for, and counts the calls.
type endless struct {
	file  []byte
	calls int
}

func (e *endless) ReadAt(p []byte, off int64) (int, error) {
	e.calls++
	clear(p)
	if off < int64(len(e.file)) {
		copy(p, e.file[off:])
	}
	return len(p), nil
}

// TestAudioSizes gives sizes that the file does not have.
func TestAudioSizes(t *testing.T) {
	file := sealAudio(t, preferred, 3*chunkLen, 5000)
	for _, size := range []int64{math.MinInt64, -1, 0, audioHeadLen - 1} {
		if _, err := OpenAudio(bytes.NewReader(file), size, &testKey, testItem); !errors.Is(err, ErrFormat) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	for _, size := range []int64{int64(len(file)) + 1, math.MaxInt64 - 1, math.MaxInt64} {
		if _, err := OpenAudio(bytes.NewReader(file), size, &testKey, testItem); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("size %d: %v", size, err)
		}
		e := &endless{file: file}
		r, err := OpenAudio(e, size, &testKey, testItem)
		if err != nil || r.Size() != 3*chunkLen || !r.Cut() || e.calls > 64 {
			t.Errorf("size %d of an endless file: %v, %d reads", size, err, e.calls)
		}
	}
}

// FuzzAudio opens anything, of any size; what comes out is what was written.
func FuzzAudio(f *testing.F) {
	file := refAudio([]byte{3, 2, 17: 5}, testKey[:], testItem, testAudio(chunkLen+300), chunkLen, 300)
	f.Add(file, int64(len(file)))
	f.Add(file[:audioHeadLen+sealedLen+20], int64(audioHeadLen+sealedLen+20))
	f.Add([]byte{3, 2}, int64(1<<40))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		e := &endless{file: b}
		r, err := OpenAudio(e, size, &testKey, testItem)
		if e.calls > 64 {
			t.Errorf("%d reads", e.calls)
		}
		if err != nil {
			if r != nil {
				t.Error("a reader with an error")
			}
			return
		}
		buf := make([]byte, 3*chunkLen)
		n, err := r.ReadAt(buf, 0)
		if int64(n) > r.Size() || err == nil && n < len(buf) || !bytes.Equal(buf[:n], testAudio(n)) {
			t.Errorf("%d of %d bytes, %v", n, r.Size(), err)
		}
	})
}

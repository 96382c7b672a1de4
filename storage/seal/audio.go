package seal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	format3      = 3
	audioSaltLen = 16
	audioHeadLen = 2 + audioSaltLen
	chunkLen     = 4096
	sealedLen    = chunkLen + tagLen
)

var errAudioClosed = errors.New("audio is closed")

// chunks seals and opens the chunks of one file; what follows the cipher is kept here
// so that no chunk needs memory of its own.
type chunks struct {
	aead       aead
	additional [audioHeadLen + 16]byte // header, item's id
	nonce      [nonceLen]byte
	buf        [sealedLen]byte
}

func (c *chunks) init(k *Key, head [audioHeadLen]byte, id [16]byte) {
	copy(c.additional[:], head[:])
	copy(c.additional[audioHeadLen:], id[:])
	derived := k.Derive("sotto audio 1" + string(head[1:]))
	c.aead = newAEAD(algorithm(head[1]), &derived)
}

// setNonce makes the nonce of the STREAM construction: number (11), 1 for the last (1).
func (c *chunks) setNonce(n uint64, last bool) {
	binary.BigEndian.PutUint64(c.nonce[3:], n)
	c.nonce[nonceLen-1] = 0
	if last {
		c.nonce[nonceLen-1] = 1
	}
}

// AudioWriter seals a stream of audio in chunks of 4,096 bytes, each written with one
// Write as soon as it is full. It is for one goroutine.
type AudioWriter struct {
	w   io.Writer
	c   chunks
	n   uint64 // number of the chunk that is being filled
	len int    // bytes in it
	err error  // sticky: after a torn write no chunk may follow
}

// NewAudio writes the header of the item's audio to w, and makes the writer of the
// rest. Errors are those of w.
func NewAudio(w io.Writer, k *Key, id [16]byte) (*AudioWriter, error) {
	return newAudio(preferred, w, k, id)
}

func newAudio(a algorithm, w io.Writer, k *Key, id [16]byte) (*AudioWriter, error) {
	head := [audioHeadLen]byte{format3, byte(a)}
	rand.Read(head[2:])
	return audioWith(head, w, k, id)
}

func audioWith(head [audioHeadLen]byte, w io.Writer, k *Key, id [16]byte) (*AudioWriter, error) {
	a := &AudioWriter{w: w}
	a.c.init(k, head, id)
	if _, err := w.Write(head[:]); err != nil {
		return nil, fmt.Errorf("write audio: %w", err)
	}
	return a, nil
}

// Write takes audio. What does not yet fill a chunk is kept until it does, or until
// Close. After an error of the writer below every Write gives that error.
func (a *AudioWriter) Write(p []byte) (int, error) {
	n := 0
	for a.err == nil && n < len(p) {
		m := copy(a.c.buf[a.len:chunkLen], p[n:])
		n, a.len = n+m, a.len+m
		if a.len == chunkLen {
			a.flush(false)
		}
	}
	return n, a.err
}

// Close writes the last chunk, which is what tells a whole file from one that was cut
// off. It leaves the writer below open. A second Close gives nil, or the error that
// the first one gave.
func (a *AudioWriter) Close() error {
	if a.err == nil {
		if a.flush(true); a.err == nil {
			a.err = errAudioClosed
		}
	}
	if a.err == errAudioClosed {
		return nil
	}
	return a.err
}

func (a *AudioWriter) flush(last bool) {
	a.c.setNonce(a.n, last)
	sealed := a.c.aead.Seal(a.c.buf[:0], a.c.nonce[:], a.c.buf[:a.len], a.c.additional[:])
	if _, err := a.w.Write(sealed); err != nil {
		a.err = fmt.Errorf("write audio: %w", err)
	}
	a.n, a.len = a.n+1, 0
}

// AudioReader opens sealed audio at any place. Its methods may be called from several
// goroutines, as [io.ReaderAt] asks.
type AudioReader struct {
	r    io.ReaderAt
	size int64
	cut  bool
	last int64 // number of the chunk that has the mark, -1 if none has

	mu    sync.Mutex
	c     chunks
	have  int64 // number of the chunk that lies open in c.buf, -1 for none
	plain []byte
}

// OpenAudio opens the audio of an item that NewAudio wrote, of size sealed bytes. It
// returns [ErrFormat] for what does not begin as audio, [ErrSealed] if the first chunk
// is whole and does not open, and errors of r.
//
// A file that was cut off is no error, see [AudioReader.Cut].
func OpenAudio(r io.ReaderAt, size int64, k *Key, id [16]byte) (*AudioReader, error) {
	if size < audioHeadLen {
		return nil, ErrFormat
	}
	var head [audioHeadLen]byte
	if err := readFull(r, head[:], 0); err != nil {
		return nil, err
	}
	if head[0] != format3 || !algorithm(head[1]).known() {
		return nil, ErrFormat
	}
	a := &AudioReader{r: r, last: -1, have: -1}
	a.c.init(k, head, id)
	if err := a.findEnd(size - audioHeadLen); err != nil {
		return nil, err
	}
	return a, nil
}

// findEnd finds how much of body sealed bytes is audio.
func (a *AudioReader) findEnd(body int64) error {
	whole, rest := body/sealedLen, body%sealedLen
	last, n := whole, rest
	if rest == 0 {
		last, n = whole-1, sealedLen
	}
	if last >= 0 {
		err := a.load(last, n, true)
		if err == nil {
			a.last, a.size = last, last*chunkLen+n-tagLen
			return nil
		}
		if err != ErrSealed {
			return err
		}
	}
	a.cut = true
	if whole == 0 {
		return nil
	}
	if err := a.load(0, sealedLen, false); err != nil {
		return err
	}
	// The last whole chunk is the end, unless it does not open: then so much of the
	// file was made longer and never written, and the end lies between.
	good, bad := int64(0), whole
	for i := whole - 1; bad-good > 1; i = good + (bad-good)/2 {
		switch err := a.load(i, sealedLen, false); err {
		case nil:
			good = i
		case ErrSealed:
			bad = i
		default:
			return err
		}
	}
	whole = bad
	a.size = whole * chunkLen
	return nil
}

// Size is the length of the audio in bytes.
func (a *AudioReader) Size() int64 { return a.size }

// Cut tells whether the audio was cut off: no chunk at its end has the mark of the last
// one. It is then kept up to the last whole chunk.
func (a *AudioReader) Cut() bool { return a.cut }

// ReadAt implements [io.ReaderAt] for the plain audio. A chunk that does not open gives
// [ErrSealed], with what lies before it; nothing of it is given.
func (a *AudioReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read audio: negative place")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(p) {
		if off >= a.size {
			return n, io.EOF
		}
		i := off / chunkLen
		if i != a.have {
			length := int64(sealedLen)
			if i == a.last {
				length = a.size - i*chunkLen + tagLen
			}
			if err := a.load(i, length, i == a.last); err != nil {
				return n, err
			}
		}
		m := copy(p[n:], a.plain[off%chunkLen:])
		n, off = n+m, off+int64(m)
	}
	return n, nil
}

// load opens chunk i, of n sealed bytes, into c.buf.
func (a *AudioReader) load(i, n int64, last bool) error {
	a.have = -1
	sealed := a.c.buf[:n]
	if err := readFull(a.r, sealed, audioHeadLen+i*sealedLen); err != nil {
		return err
	}
	a.c.setNonce(uint64(i), last)
	plain, err := a.c.aead.Open(sealed[:0], a.c.nonce[:], sealed, a.c.additional[:])
	if err != nil {
		return ErrSealed
	}
	a.have, a.plain = i, plain
	return nil
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	if n, err := r.ReadAt(b, off); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read audio: %w", err)
	}
	return nil
}

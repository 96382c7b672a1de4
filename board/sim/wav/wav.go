// Package wav reads and writes the one kind of sound file that the box's simulator and
// tests use: RIFF WAVE, 8 kHz, mono, 16-bit linear. The simulator's handsets speak and
// record with it; tests of the signal packages read their material with it. It is not
// the reader of customers' files: prompts and messages come in other ways.
//
// It trusts no length that it reads: memory grows with the bytes that are there, up to a
// bound of the caller's, never with what a header claims.
package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"sotto/board"
)

var (
	// ErrFormat says that the bytes are no WAVE file, or one of a kind not read here.
	ErrFormat = errors.New("wav: not an 8 kHz mono 16-bit file")
	// ErrTooLong says that a file holds more samples than its reader or writer can take.
	ErrTooLong = errors.New("wav: too long")
)

const (
	headerLen = 44      // RIFF, a 16-byte fmt chunk, and the head of the data chunk
	maxSkip   = 1 << 20 // bound of a chunk that is passed over
)

// Read gives the samples of a file. A file cut short in its samples gives those that are
// there, as players do; one of another format gives ErrFormat, one of more than limit
// samples ErrTooLong.
func Read(r io.Reader, limit int) ([]int16, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return nil, ErrFormat
	}
	for known := false; ; {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, fmt.Errorf("%w: no samples: %w", ErrFormat, err)
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch id := string(head[:4]); {
		case id == "fmt " && size >= 16 && size <= maxSkip:
			body := make([]byte, size+size&1)
			if _, err := io.ReadFull(r, body); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrFormat, err)
			}
			le := binary.LittleEndian
			if le.Uint16(body) != 1 || le.Uint16(body[2:]) != 1 || le.Uint32(body[4:]) != board.SampleRate || le.Uint16(body[14:]) != 16 {
				return nil, ErrFormat
			}
			known = true
		case id == "data":
			if !known {
				return nil, ErrFormat
			}
			return samples(r, size, limit)
		default:
			if size > maxSkip {
				return nil, ErrFormat
			}
			if _, err := io.CopyN(io.Discard, r, size+size&1); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrFormat, err)
			}
		}
	}
}

func samples(r io.Reader, size int64, limit int) ([]int16, error) {
	most := 2 * int64(limit)
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, min(size, most+2))); err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	if int64(b.Len()) > most {
		return nil, ErrTooLong
	}
	raw := b.Bytes()
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm, nil
}

// Write writes a file of the samples.
func Write(w io.Writer, pcm []int16) error {
	if len(pcm) > (math.MaxUint32-headerLen)/2 {
		return ErrTooLong
	}
	size := uint32(2 * len(pcm))
	le := binary.LittleEndian
	b := make([]byte, 0, headerLen+2*len(pcm))
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, headerLen-8+size)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, 1) // linear PCM
	b = le.AppendUint16(b, 1) // channels
	b = le.AppendUint32(b, board.SampleRate)
	b = le.AppendUint32(b, 2*board.SampleRate) // bytes a second
	b = le.AppendUint16(b, 2)                  // bytes a sample of all channels
	b = le.AppendUint16(b, 16)                 // bits a sample
	b = append(b, "data"...)
	b = le.AppendUint32(b, size)
	for _, s := range pcm {
		b = le.AppendUint16(b, uint16(s))
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}

package archive

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"fmt"
	"math"

	"sotto/pbx/media/g711"
)

// rate is how many samples of audio are a second, and how many bytes of G.711.
const rate = 8000

// longest is how much of G.711 a WAV file of 16-bit samples holds, whose sizes are of 32 bits:
// three days.
const longest = (math.MaxUint32 - 64) / 2

// audio writes all files of audio. They are not compressed: speech gains little, and a small
// box loses much time.
func (a *writer) audio(z *zip.Writer) error {
	for i := range a.c.Audio {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		h, err := a.oneAudio(z, i+1, &a.c.Audio[i])
		if err != nil {
			return err
		}
		a.sum.Audio = append(a.sum.Audio, h)
	}
	return nil
}

// oneAudio writes one file. What does not open is told in h, and is no error.
func (a *writer) oneAudio(z *zip.Writer, n int, what *Audio) (h Heard, err error) {
	size := min(max(what.Size, 0), longest)
	h = Heard{Seconds: float64(size) / rate, Cut: what.Cut || size < what.Size}
	f, err := what.Open()
	if err != nil {
		return Heard{Broken: true}, nil
	}
	defer f.Close()
	h.File = fmt.Sprintf("audio/%04d.wav", n)
	err = entry(z, h.File, a.c.Made, zip.Store, func(b *bufio.Writer) error {
		if _, err := b.Write(wavHead(uint32(size))); err != nil {
			return err
		}
		var law [rate]byte
		var pcm [2 * rate]byte
		for at := int64(0); at < size; at += rate {
			if err := a.ctx.Err(); err != nil {
				return err
			}
			piece := law[:min(rate, size-at)]
			if !h.Broken {
				got, _ := f.ReadAt(piece, at) // why it does not open is no matter to the person
				if h.Broken = got < len(piece); h.Broken {
					h.Seconds = float64(at+int64(got)) / rate
				}
				fill(piece[got:])
			} else {
				fill(piece)
			}
			for i, code := range piece {
				binary.LittleEndian.PutUint16(pcm[2*i:], uint16(g711.ALaw.Decode(code)))
			}
			if _, err := b.Write(pcm[:2*len(piece)]); err != nil {
				return err
			}
			a.step(1)
		}
		return nil
	})
	return h, err
}

// fill makes silence.
func fill(p []byte) {
	for i := range p {
		p[i] = g711.ALaw.Silence()
	}
}

// wavHead is the header of a RIFF file in the PCM wave format, mono and of 16 bits, for so many
// samples (Multimedia Programming Interface and Data Specifications 1.0, IBM and Microsoft, 1991).
func wavHead(samples uint32) []byte {
	h := make([]byte, 0, 44)
	u16 := binary.LittleEndian.AppendUint16
	u32 := binary.LittleEndian.AppendUint32
	h = u32(append(h, "RIFF"...), 36+2*samples)
	h = u32(append(h, "WAVEfmt "...), 16)
	h = u16(u16(h, 1), 1) // PCM, one channel
	h = u32(u32(h, rate), 2*rate)
	h = u16(u16(h, 2), 16) // bytes a frame, bits a sample
	return u32(append(h, "data"...), 2*samples)
}

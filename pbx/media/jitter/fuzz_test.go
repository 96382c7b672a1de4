package jitter

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// FuzzBuffer gives the buffer any packets at any time: it stands them, what it counts adds
// up, and no sound waits longer than the bound.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 2, 160, 1, 0, 2, 160, 1, 0, 2, 160, 5, 0, 0, 0, 5, 9, 9, 9})
	f.Add([]byte{1, 200, 77, 255, 8, 8, 8, 8, 6, 1, 2, 3, 7, 1, 2, 3, 2, 0, 2, 40, 3, 255, 2, 40})
	payload := make([]byte, MaxPayload+1)
	for i := range payload {
		payload[i] = byte(i * i >> 3)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := New()
		var at time.Duration
		var seq uint16
		var ts uint32
		var out board.Frame
		var put, taken uint64
		for ; len(data) >= 4; data = data[4:] {
			op, x, y, n := data[0], data[1], data[2], int(data[3])
			seq += uint16(int8(x)) * uint16(1+op>>6*77)
			ts += uint32(int32(int8(x)) * int32(y) << (op >> 5))
			switch op & 7 {
			case 0, 1, 2, 3:
				b.Put(at, seq, ts, op&8 != 0, g711.Law(op>>4&1), payload[:n*int(1+y%8)%(MaxPayload+2)])
				put++
			case 4:
				b.Comfort(at, seq, ts, y)
				put++
			case 5:
				b.Event(at, seq, ts)
				put++
			case 6:
				b.Skip(n - 5)
			case 7:
				if x == 0 {
					b.Restart()
				}
				at += time.Duration(n) * time.Millisecond
				for range n % 64 {
					b.Get(&out)
					taken++
				}
			}
			b.Get(&out)
			taken++
			s := b.Stats()
			if s.Received != put || s.Target < MinDelay || s.Target > MaxDelay || s.Late+s.Duplicate+s.Discarded > s.Received ||
				s.Concealed+s.Comforted > time.Duration(taken+1)*board.FrameTime || s.Jitter < 0 {
				t.Fatalf("%+v after %d packets and %d frames", s, put, taken)
			}
			if b.end-b.play > int64(MaxDelay/sample)+MaxPayload+reserve+frame+early || b.line.frac < 0 || b.line.frac > steps || b.done > b.end && b.done > b.play {
				t.Fatalf("%d samples wait, done %d, play %d, end %d", b.end-b.play, b.done, b.play, b.end)
			}
		}
	})
}

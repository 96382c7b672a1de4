package display

import (
	"math"
	"math/rand/v2"
	"testing"

	"sotto/board"
)

// FuzzHear plays a score, a byte a sound: no panic, and no message out of nowhere.
func FuzzHear(f *testing.F) {
	f.Add([]byte("\x03\x04\x85\x8d\x04\x02\x02"))
	f.Add([]byte("\x69\x09\x11\x71\x02\x06\x02"))
	f.Add([]byte("\x00\x80\xff\x7f"))
	f.Fuzz(func(t *testing.T, score []byte) {
		r := rand.New(rand.NewPCG(1, 1))
		phase := 0.0
		var pcm []int16
		bits := func(n int, bit func(i int) int) {
			for i := range n * 20 / 3 {
				phase += []float64{2100, 1300}[bit(i*3/20)&1] / 8000
				pcm = append(pcm, int16(3000*math.Sin(2*math.Pi*phase)))
			}
		}
		for _, c := range score[:min(len(score), 100)] {
			switch v := int(c >> 3); c & 7 {
			case 0:
				for range 80 {
					pcm = append(pcm, int16(r.Int()>>v))
				}
			case 1:
				pcm = append(pcm, keysOf(string(signs[v&15]), 50, 30+v, -10, 0, 1, r)...)
			case 2:
				pcm = append(pcm, make([]int16, v*v)...)
			case 3:
				bits(80+8*v, func(i int) int { return i })
			case 4:
				bits(40+v, func(int) int { return 1 })
			case 5, 6: // a byte, of v and other bits
				b := []int{v, 0x80 + v, v + 0x30, 0}[c&1+c>>6&2]
				bits(10, func(i int) int { return (b<<1 | 0x200) >> i })
			default:
				for i := range 100 * v {
					pcm = append(pcm, int16(2000*(math.Sin(2*math.Pi*2130*float64(i)/8000)+math.Sin(2*math.Pi*2750*float64(i)/8000))))
				}
			}
		}
		d := New()
		for ; len(pcm) >= board.FrameLen; pcm = pcm[board.FrameLen:] {
			fr := board.Frame(pcm)
			switch m, ok := d.Hear(start, &fr); {
			case !ok && m != (Message{}):
				t.Fatalf("%+v without a message", m)
			case ok && m.Modem == "":
				t.Fatalf("a message out of nowhere: %+v", m)
			case ok && m.Bad != "" && (m.Number != "" || m.Name != "" || m.Waiting != nil):
				t.Fatalf("a bad message is shown: %+v", m)
			}
		}
	})
}

// FuzzParse reads any bytes as a message, with the right checksum and without.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x80\x06\x04\x01O\x07\x01X"))
	f.Add([]byte("\x04\x0912241830P"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 255 {
			return
		}
		for _, kind := range []byte{0x04, 0x06, 0x80, 0x82, 0x33} {
			msg := append([]byte{kind, byte(len(body))}, body...)
			var sum byte
			for _, b := range msg {
				sum += b
			}
			m := parse(append(msg, -sum))
			if m.Bad != "" && (m.Number != "" || m.Name != "" || m.Waiting != nil) {
				t.Fatalf("%+v", m)
			}
		}
	})
}

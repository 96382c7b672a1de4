package media

import (
	"math"
	"testing"

	"sotto/pbx/media/tone"
)

// FuzzPatch gives the engine any patches: it stands them, and who hears only voices
// hears their sum.
func FuzzPatch(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 1, 0, 0})
	f.Add([]byte{9, 1, 2, 3, 250, 7, 1, 1, 1, 9, 9, 3, 15, 0})
	tones := []*tone.Tone{nil, steady(0, 440), tone.Must([]tone.Step{{Sines: []tone.Sine{{Hz: 425, Level: -5}}, On: 35 * ms}}, nil)}
	watch := compiled(f)
	clips := []*Clip{nil, {}, {Samples: make([]int16, 90)}}
	f.Fuzz(func(t *testing.T, data []byte) {
		const n = 5
		e := still(n)
		var phones [2]*phone // ports n and n+1
		for i := range phones {
			phones[i], _ = attached(t, e, int16(700*(i+1)))
		}
		for p := range e.in {
			e.in[p] = filled(int16(9000 * (p - 1)))
		}
		for len(data) > 0 {
			var ears []Ear
			for len(data) >= 7 && len(ears) < 8 {
				b := data[:7]
				data = data[7:]
				ears = append(ears, Ear{Port: Port(b[0] % 9), From: [MaxFrom]Port{Port(b[1] % 8), Port(b[2] % 8), Port(b[3])}, N: int(int8(b[4])) % 6,
					Tone: tones[int(b[5])%3], Clip: clips[int(b[5])/3%3], Run: uint32(b[6] >> 4), Digits: b[6]&1 == 1, Relay: b[6]&2 != 0})
				if b[6]&4 != 0 {
					ears[len(ears)-1].Watch = watch
				}
			}
			if len(data) < 7 {
				data = nil
			}
			e.Publish(&Patch{Ears: ears})
			for range 3 {
				e.Tick()
			}
			first := map[Port]*Ear{}
			for i := range ears {
				if first[ears[i].Port] == nil {
					first[ears[i].Port] = &ears[i]
				}
			}
			for p := range Port(n + len(phones)) {
				sum, out := 0, silence
				if p < n {
					out = e.out[p]
				} else if first[p] != nil && !first[p].Relay {
					out = phones[p-n].heard
				} else {
					continue
				}
				if x := first[p]; x != nil {
					if x.Tone != nil || x.Clip != nil {
						continue
					}
					for i := range MaxFrom {
						switch from := x.From[i]; {
						case i >= x.N:
						case from < n:
							sum += int(e.in[from][0])
						case int(from-n) < len(phones):
							sum += int(phones[from-n].says)
						}
					}
				}
				if want := filled(int16(max(math.MinInt16, min(math.MaxInt16, sum)))); out != want {
					t.Fatalf("port %d hears %d, want %d: %+v", p, out[0], want[0], ears)
				}
			}
		}
	})
}

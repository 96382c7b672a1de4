package dtmf

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDbg(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < 60; n++ {
		s := scene{digit: Digits[r.IntN(16)], presses: 1, lead: 2400 + r.IntN(80), rand: r}
		s.key.On = 60 * time.Millisecond
		s.key.Off = 40 * time.Millisecond
		s.gap = 80
		s.at = 200
		s.finish(-10, 0)
		var d Detector
		out := ""

		told, _ := s.run(t, &d)

		if len(told) == 0 {
			t.Log(string(s.digit), s.lead%40, out)
		}
	}
}

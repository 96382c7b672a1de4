package dtmf

import (
	"errors"
	"math"
	"testing"
	"time"

	"sotto/board"
)

// send gives the samples of digits sent in the way of k, over a background.
func send(t *testing.T, digits string, k Key, background int16) []int16 {
	t.Helper()
	var g Generator
	if err := g.Send(digits, k); err != nil {
		t.Fatal(err)
	}
	var pcm []int16
	for g.Busy() {
		var f board.Frame
		for i := range f {
			f[i] = background
		}
		if !g.Add(&f) {
			t.Fatal("busy, but nothing to add")
		}
		pcm = append(pcm, f[:]...)
	}
	var f board.Frame
	if g.Add(&f) || f != (board.Frame{}) {
		t.Error("goes on after the last digit")
	}
	return pcm
}

// What is sent is what Q.23 and the key ask for: tones, levels, times to the sample.
func TestGenerator(t *testing.T) {
	k := Key{Low: -12, High: -7, LowShift: 0.01, HighShift: -0.01, Wait: 7 * time.Millisecond, On: 200 * time.Millisecond, Off: 33 * time.Millisecond}
	for _, v := range []struct {
		digit     byte
		low, high float64
	}{
		{'1', 697, 1209}, {'2', 697, 1336}, {'3', 697, 1477}, {'A', 697, 1633},
		{'4', 770, 1209}, {'5', 770, 1336}, {'6', 770, 1477}, {'B', 770, 1633},
		{'7', 852, 1209}, {'8', 852, 1336}, {'9', 852, 1477}, {'C', 852, 1633},
		{'*', 941, 1209}, {'0', 941, 1336}, {'#', 941, 1477}, {'D', 941, 1633},
	} {
		pcm := send(t, string(v.digit), k, 0)
		if want := (240*8 + board.FrameLen - 1) / board.FrameLen * board.FrameLen; len(pcm) != want {
			t.Fatalf("%c: %d samples, want %d", v.digit, len(pcm), want)
		}
		rest := make([]float64, len(pcm))
		for i, s := range pcm {
			rest[i] = float64(s)
		}
		tones := []sine{{v.low * 1.01, board.Amplitude(-12), 0}, {v.high * 0.99, board.Amplitude(-7), 0}}
		for i := range 1600 {
			for _, u := range tones {
				rest[56+i] -= u.at(i)
			}
		}
		for i, r := range rest {
			if math.Abs(r) > 0.51 {
				t.Fatalf("%c: sample %d is %.1f off", v.digit, i, r)
			}
		}
	}
}

func TestGeneratorAdds(t *testing.T) {
	if pcm := send(t, "5", Key{Low: -3, High: -3, On: 100 * time.Millisecond}, 30000); pcm[0] != 30000 || pcm[1] != math.MaxInt16 {
		t.Errorf("over a background of 30000: %d", pcm[:4])
	}
}

func TestGeneratorRefuses(t *testing.T) {
	var g Generator
	if err := g.Send("12", DefaultKey); err != nil {
		t.Fatal(err)
	}
	if err := g.Send("1x", DefaultKey); !errors.Is(err, ErrKey) || g.digits != "12" {
		t.Errorf("not a key: %v, and %q to go", err, g.digits)
	}
	if err := g.Send("", DefaultKey); err != nil || g.Busy() {
		t.Errorf("nothing to send: %v, busy %v", err, g.Busy())
	}
	if err := g.Send("1", Key{}); err != nil {
		t.Fatal(err)
	}
	if f := (board.Frame{}); !g.Add(&f) || g.Busy() {
		t.Error("a key of no length does not end")
	}
}

// What the box dials its own receiver takes.
func TestDefaultKey(t *testing.T) {
	const number = Digits + "abcd0011"
	told, _ := hear(new(Detector), append(send(t, number, DefaultKey, 0), make([]int16, 800)...))
	got := ""
	for _, e := range told {
		if e.Kind == Start {
			got += string(e.Digit)
		}
	}
	if want := Digits + "ABCD0011"; got != want {
		t.Errorf("sent %s, heard %s", want, got)
	}
}

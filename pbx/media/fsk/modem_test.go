package fsk

import (
	"math"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/number"
)

func modulate(m Modem, f func(*modulator)) []int16 {
	mod := modulator{inc: m.steps()}
	f(&mod)
	return mod.out
}

func rms(x []int16) float64 {
	var e float64
	for _, v := range x {
		e += float64(v) * float64(v)
	}
	return math.Sqrt(e / float64(len(x)))
}

// frequency measures a steady sine by its upward zero crossings.
func frequency(x []int16) float64 {
	first, last, n := -1.0, 0.0, -1.0
	for i := 1; i < len(x); i++ {
		if x[i-1] < 0 && x[i] >= 0 {
			last = float64(i) - float64(x[i])/float64(int(x[i])-int(x[i-1]))
			if n++; first < 0 {
				first = last
			}
		}
	}
	return n / (last - first) * board.SampleRate
}

func TestFrequenciesAndLevel(t *testing.T) {
	for m, want := range map[Modem][2]float64{Bell202: {1200, 2200}, V23: {1300, 2100}} {
		mark, space := want[0], want[1]
		for one, hz := range map[bool]float64{true: mark, false: space} {
			x := modulate(m, func(mod *modulator) {
				for range 1200 {
					mod.bit(one)
				}
			})
			if got := frequency(x); math.Abs(got-hz) > 0.1 {
				t.Errorf("%v: %t is %.2f Hz, want %g", m, one, got, hz)
			}
			if got := board.Level(rms(x)); math.Abs(got-Level) > 0.05 {
				t.Errorf("%v: level %.2f dBm0", m, got)
			}
		}
	}
}

// 200 bytes are 2000 bits of 6 2/3 samples, and the phase after any bit is what the
// standard frequencies make of it: bits end between samples.
func TestBitTiming(t *testing.T) {
	for _, m := range []Modem{Bell202, V23} {
		mark, space := m.Frequencies()
		bits := []bool{}
		x := modulate(m, func(mod *modulator) {
			for i := range 200 {
				b := byte(i * 37)
				mod.byte(b)
				bits = append(bits, false)
				for k := range 8 {
					bits = append(bits, b>>k&1 == 1)
				}
				bits = append(bits, true)
			}
		})
		if want := 2000.0 * 8000 / 1200; math.Abs(float64(len(x))-want) > 1 {
			t.Errorf("%v: %d samples, want %.1f", m, len(x), want)
		}
		for i, v := range x {
			at := float64(i) / board.SampleRate * Baud // in bits
			turns := 0.0
			for k := range int(at) {
				turns += hz(bits[k], mark, space) / Baud
			}
			if part := at - math.Floor(at); int(at) < len(bits) {
				turns += part * hz(bits[int(at)], mark, space) / Baud
			}
			want := board.Amplitude(Level) * math.Sin(2*math.Pi*turns)
			if math.Abs(float64(v)-want) > 2 {
				t.Fatalf("%v: sample %d is %d, want %.1f", m, i, v, want)
			}
		}
	}
}

func hz(one bool, mark, space float64) float64 {
	if one {
		return mark
	}
	return space
}

func TestAlertTone(t *testing.T) {
	pcm := mustClip(t, styleOf(t, "GB"), Caller{}, time.Time{})
	tone := pcm[100:700]
	for _, hz := range []float64{2130, 2750} {
		var re, im float64
		for i, v := range tone {
			s, c := math.Sincos(2 * math.Pi * hz * float64(i) / board.SampleRate)
			re, im = re+float64(v)*c, im+float64(v)*s
		}
		peak := 2 * math.Hypot(re, im) / float64(len(tone))
		if got := 20 * math.Log10(peak/board.Amplitude(AlertLevel)); math.Abs(got) > 0.3 {
			t.Errorf("%g Hz is %.2f dB off its level", hz, got)
		}
	}
	for i, v := range pcm[800:1280] {
		if v != 0 {
			t.Fatalf("sample %d of the gap is %d", i, v)
		}
	}
	if pcm[1281] == 0 || pcm[790] == 0 {
		t.Error("the gap is longer than 60 ms")
	}
}

// TestCorrupted turns bits of a message over: nothing wrong is ever shown as right.
func TestCorrupted(t *testing.T) {
	s := styleOf(t, "DE")
	msg := s.setUp(Caller{Number: number.Must("0301234567"), Name: "Anna"}, start)
	for i := range msg {
		for bit := range 8 {
			bad := append([]byte(nil), msg...)
			bad[i] ^= 1 << bit
			pcm, err := s.send(bad, false)
			if err != nil {
				t.Fatal(err)
			}
			l := hear(pcm)
			if len(l) != 1 || l[0].Bad == "" || l[0].Number != "" || l[0].Name != "" {
				t.Fatalf("byte %d bit %d: %+v", i, bit, l)
			}
		}
	}
}

// TestCutShort ends the clip anywhere: a message is whole, bad or not there.
func TestCutShort(t *testing.T) {
	for _, code := range []string{"US", "SE"} {
		pcm := mustClip(t, styleOf(t, code), Caller{Number: number.Must("0301234567")}, start)
		seen := map[string]int{}
		for n := 0; n <= len(pcm); n += 320 {
			switch l := hear(pcm[:n:n]); {
			case len(l) > 1:
				t.Fatalf("%+v", l)
			case len(l) == 0:
				seen["nothing"]++
			case l[0].Bad == "" && l[0].Number != "0301234567", l[0].Bad != "" && l[0].Number != "":
				t.Fatalf("%s cut at %d: %+v", code, n, l[0])
			default:
				seen[l[0].Bad]++
			}
		}
		if seen["nothing"] == 0 || seen["cut short"]+seen["framing"] == 0 {
			t.Errorf("%s: %v", code, seen)
		}
	}
}

// TestOneAfterTheOther shows clips in a row to one display.
func TestOneAfterTheOther(t *testing.T) {
	var pcm []int16
	codes := []string{"US", "GB", "SE", "DE", "NL", "DK", "GB"}
	for _, code := range codes {
		pcm = append(pcm, mustClip(t, styleOf(t, code), Caller{Number: number.Must("101")}, start)...)
		pcm = append(pcm, make([]int16, 2000)...)
	}
	l := hear(pcm)
	if len(l) != len(codes) {
		t.Fatalf("%d messages, want %d: %+v", len(l), len(codes), l)
	}
	for i, m := range l {
		if m.Number != "101" || m.Bad != "" || (m.Alert != 0) != (codes[i] == "GB") {
			t.Errorf("%s: %+v", codes[i], m)
		}
	}
}

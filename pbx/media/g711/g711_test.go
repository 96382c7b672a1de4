package g711

import (
	"math"
	"testing"

	"sotto/board"
)

var laws = []Law{ALaw, MuLaw}

// Code points of ITU-T G.711, tables 1a, 1b, 2a and 2b: the ends of every segment, in
// the units of the standard (12-bit magnitude for A, 13-bit for µ), shifted to 16 bits.
func TestCodePoints(t *testing.T) {
	for _, v := range []struct {
		law    Law
		code   byte
		linear int16
	}{
		{ALaw, 0xD5, 1 << 3}, {ALaw, 0x55, -1 << 3}, // least values
		{ALaw, 0xC5, 33 << 3}, {ALaw, 0xF5, 66 << 3}, {ALaw, 0xE5, 132 << 3},
		{ALaw, 0x95, 264 << 3}, {ALaw, 0x85, 528 << 3}, {ALaw, 0xB5, 1056 << 3}, {ALaw, 0xA5, 2112 << 3},
		{ALaw, 0xAA, 4032 << 3}, {ALaw, 0x2A, -4032 << 3}, // greatest values
		{MuLaw, 0xFF, 0}, {MuLaw, 0x7F, 0}, {MuLaw, 0xFE, 2 << 2}, {MuLaw, 0x7E, -2 << 2},
		{MuLaw, 0xEF, 33 << 2}, {MuLaw, 0xDF, 99 << 2}, {MuLaw, 0xCF, 231 << 2}, {MuLaw, 0xBF, 495 << 2},
		{MuLaw, 0xAF, 1023 << 2}, {MuLaw, 0x9F, 2079 << 2}, {MuLaw, 0x8F, 4191 << 2},
		{MuLaw, 0x80, 8031 << 2}, {MuLaw, 0x00, -8031 << 2},
	} {
		if got := v.law.Decode(v.code); got != v.linear {
			t.Errorf("%v: decode %#02x = %d, want %d", v.law, v.code, got, v.linear)
		}
		if want := v.code; v.linear != 0 {
			if got := v.law.Encode(v.linear); got != want {
				t.Errorf("%v: encode %d = %#02x, want %#02x", v.law, v.linear, got, want)
			}
		}
	}
	for _, l := range laws {
		if got := l.Encode(0); got != l.Silence() {
			t.Errorf("%v: encode 0 = %#02x, want silence %#02x", l, got, l.Silence())
		}
		if hi, lo := l.Encode(math.MaxInt16), l.Encode(math.MinInt16); hi != l.Encode(l.Decode(hi)) || hi^0x80 != lo {
			t.Errorf("%v: full scale encodes to %#02x and %#02x", l, hi, lo)
		}
	}
}

// The decision values of G.711 in its own units: a sample at one belongs to the interval
// above it, the sample below it to the interval below.
func TestDecisionValues(t *testing.T) {
	for _, l := range laws {
		var bounds []int
		x, step := 0, 0
		switch l {
		case ALaw: // 32 steps of 2, then 16 each of 4, 8 … 128 (units of 1/4096)
			for seg := range 7 {
				n, step := 16, 2<<seg
				if seg == 0 {
					n = 32
				}
				for range n {
					x += step
					bounds = append(bounds, x<<3)
				}
			}
		case MuLaw: // one step of 1, 15 of 2, then 16 each of 4, 8 … 256 (units of 1/8159)
			x = 1
			bounds = append(bounds, x<<2)
			for range 15 {
				x += 2
				bounds = append(bounds, x<<2)
			}
			for seg := range 7 {
				step = 4 << seg
				for range 16 {
					x += step
					bounds = append(bounds, x<<2)
				}
			}
		}
		last := bounds[len(bounds)-1]
		if want := map[Law]int{ALaw: 4096 << 3, MuLaw: 8159 << 2}[l]; last != want {
			t.Fatalf("%v: virtual decision value %d, want %d", l, last, want)
		}
		n := 0 // intervals passed
		for s := 0; s <= math.MaxInt16; s++ {
			for n < len(bounds)-1 && s >= bounds[n] {
				n++
			}
			want := byte(0x80|n) ^ aMask
			if l == MuLaw {
				want = ^byte(n)
			}
			if got := l.Encode(int16(s)); got != want {
				t.Fatalf("%v: encode %d = %#02x, want %#02x", l, s, got, want)
			}
			if got := l.Encode(int16(^s)); got != want^0x80 {
				t.Fatalf("%v: encode %d = %#02x, want %#02x", l, ^s, got, want^0x80)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, l := range laws {
		for c := range 256 {
			want := byte(c)
			if l == MuLaw && c == 0x7F { // minus zero
				want = 0xFF
			}
			if got := l.Encode(l.Decode(byte(c))); got != want {
				t.Errorf("%v: code %#02x comes back as %#02x", l, c, got)
			}
		}
		prev := int16(math.MinInt16)
		for i := math.MinInt16; i <= math.MaxInt16; i++ {
			s := int16(i)
			d := l.Decode(l.Encode(s))
			if d < prev {
				t.Fatalf("%v: not monotonic at %d", l, s)
			}
			prev = d
			// Half a step of the segment, and what the top interval clips.
			bound := max((abs(i)+132)/32+1, 16)
			if abs(i) > 31000 {
				bound = 1024
			}
			if abs(int(d)-i) > bound {
				t.Fatalf("%v: %d comes back as %d", l, s, d)
			}
		}
	}
}

func abs(x int) int { return max(x, -x) }

// Once through the other law loses nothing more the second time: tandem conversions
// settle.
func TestOtherLawSettles(t *testing.T) {
	for _, l := range laws {
		other := MuLaw - l
		via := func(c byte) byte { return l.Encode(other.Decode(other.Encode(l.Decode(c)))) }
		for c := range 256 {
			once := via(byte(c))
			if twice := via(once); twice != once {
				t.Errorf("%v: code %#02x gives %#02x, then %#02x", l, c, once, twice)
			}
		}
	}
}

// The periodic sequences of G.711, tables 5 and 6: a sine of 1 kHz at 0 dBm0.
func TestReferenceTone(t *testing.T) {
	for l, codes := range map[Law][8]byte{
		ALaw:  {0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4},
		MuLaw: {0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E},
	} {
		sum := 0.0
		for _, c := range codes {
			sum += math.Pow(float64(l.Decode(c)), 2)
		}
		if got := board.Level(math.Sqrt(sum / 8)); math.Abs(got) > 0.08 {
			t.Errorf("%v: the reference tone is at %.2f dBm0", l, got)
		}
	}
}

func TestPayloadType(t *testing.T) {
	for _, l := range laws {
		if got, ok := ForPayloadType(l.PayloadType()); !ok || got != l {
			t.Errorf("%v: payload type %d is %v, %v", l, l.PayloadType(), got, ok)
		}
	}
	if _, ok := ForPayloadType(9); ok {
		t.Error("payload type 9 is no G.711")
	}
	if ALaw.String() != "PCMA" || MuLaw.String() != "PCMU" {
		t.Error("laws go by their SDP names")
	}
}

func TestAllocs(t *testing.T) {
	pcm, code := make([]int16, board.FrameLen), make([]byte, board.FrameLen)
	if n := testing.AllocsPerRun(100, func() {
		for _, l := range laws {
			l.EncodeAll(code, pcm)
			l.DecodeAll(pcm, code)
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func FuzzSlices(f *testing.F) {
	f.Add([]byte{0, 0x7F, 0x80, 0xFF}, uint8(3), false)
	f.Fuzz(func(t *testing.T, in []byte, room uint8, mu bool) {
		l := ALaw
		if mu {
			l = MuLaw
		}
		pcm := make([]int16, room)
		n := l.DecodeAll(pcm, in)
		if n != min(len(in), int(room)) {
			t.Fatalf("decoded %d of %d into %d", n, len(in), room)
		}
		out := make([]byte, len(in))
		if m := l.EncodeAll(out, pcm[:n]); m != n {
			t.Fatalf("encoded %d of %d", m, n)
		}
		for i := range n {
			if out[i] != l.Encode(l.Decode(in[i])) || pcm[i] != l.Decode(in[i]) {
				t.Fatalf("slice and sample differ at %d", i)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	var pcm [board.FrameLen]int16
	var code [board.FrameLen]byte
	for b.Loop() {
		ALaw.EncodeAll(code[:], pcm[:])
	}
}

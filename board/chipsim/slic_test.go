package chipsim

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

// slicBench is a chip with its bus, and a telephone that is moved by hand.
type slicBench struct {
	t      *testing.T
	viol   *Violations
	slic   *SLIC
	conn   spi.Conn
	closed bool // hook
	edges  []Edge
	mouth  int16
	feed   Feed
	ints   []time.Time
}

func (b *slicBench) Line(_ time.Time, feed *Feed, draw *Draw) {
	b.feed = *feed
	draw.Closed, draw.REN = b.closed, 1
	draw.Edges = append(draw.Edges[:0], b.edges...)
	if n := len(b.edges); n > 0 {
		b.closed = b.edges[n-1].Closed
	}
	b.edges = b.edges[:0]
	for i := range draw.Mouth {
		draw.Mouth[i] = b.mouth
	}
}

func onSLIC(t *testing.T, part SLICPart, f func(*testing.T, *slicBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &slicBench{t: t, viol: new(Violations)}
		b.slic = NewSLIC(part, b.viol)
		b.slic.Plug(b)
		b.slic.OnInterrupt(func(at time.Time) { b.ints = append(b.ints, at) })
		b.conn = b.slic.Conn()
		f(t, b)
	})
}

// start gives the chip its clock and takes it out of reset.
func (b *slicBench) start() {
	b.slic.Clock(true)
	b.slic.Reset(false)
	time.Sleep(slicSettle)
}

func (b *slicBench) tx(packets ...spi.Packet) {
	b.t.Helper()
	if err := b.conn.TxPackets(packets); err != nil {
		b.t.Fatal(err)
	}
}

func (b *slicBench) write(pairs ...byte) {
	b.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		b.tx(spi.Packet{W: pairs[i : i+1]}, spi.Packet{W: pairs[i+1 : i+2]})
	}
}

func (b *slicBench) read(reg byte) byte {
	b.t.Helper()
	r := []byte{0}
	b.tx(spi.Packet{W: []byte{reg | 0x80}}, spi.Packet{R: r})
	return r[0]
}

func (b *slicBench) indirect(addr byte, v uint16) {
	b.write(28, byte(v), 29, byte(v>>8), 30, addr)
	time.Sleep(b.slic.serviceTime())
}

// powered brings the line up the way that a driver does, in short.
func (b *slicBench) powered() {
	b.t.Helper()
	b.start()
	for a := range 256 {
		if _, must := slicIndirect(b.slic.part, byte(a)); must {
			b.indirect(byte(a), 0)
		}
	}
	shift := byte(0)
	if b.slic.part.is3215() {
		shift = 13
	}
	b.indirect(slicDACG-shift, 0x4000)
	b.indirect(slicADCG-shift, 0x4000)
	b.indirect(slicLCRT-shift, 0x1000)
	if b.slic.part.mosfet() {
		b.write(92, 0x60)
	}
	b.write(8, 0, 67, 7, 66, 1, 69, 8, 70, 8, 14, 0)
	time.Sleep(200 * time.Millisecond)
	b.write(97, 0x1f, 96, 0x5f)
	time.Sleep(600 * time.Millisecond)
	b.write(2, 0, 3, 0, 4, 0, 5, 0, 1, 0x3c, 22, 0xff, 64, 1)
}

// frame passes one frame and the time for it.
func (b *slicBench) frame(drx *Bus) (dtx *Bus) {
	dtx = new(Bus)
	if drx == nil {
		drx = new(Bus)
	}
	start := time.Now()
	time.Sleep(board.FrameTime)
	b.slic.Frame(start, drx, dtx)
	return dtx
}

// breach fails the test unless exactly one breach was noted since the last call, with
// this text.
func (b *slicBench) breach(text string) {
	b.t.Helper()
	l := b.viol.List()
	*b.viol = Violations{}
	if len(l) != 1 || !strings.Contains(l[0], text) {
		b.t.Errorf("breaches %q, want one of %q", l, text)
	}
}

func (b *slicBench) clean() {
	b.t.Helper()
	if l := b.viol.List(); len(l) != 0 {
		b.t.Errorf("breaches %q", l)
	}
	*b.viol = Violations{}
}

var allSLICs = []SLICPart{Si3210, Si3210M, Si3215, Si3215M}

func TestSLICFraming(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.start()
		b.write(71, 5)
		if v := b.read(71); v != 5 {
			t.Errorf("CS raised between the bytes: %d", v)
		}
		r := make([]byte, 4)
		b.tx(spi.Packet{W: []byte{0x80 | 71, 0, 0x80 | 11, 0}, R: r})
		if !slices.Equal(r, []byte{0xff, 5, 0xff, 0x33}) {
			t.Errorf("CS kept: % x", r)
		}
		// A command without its data, then the dummy pulses that start anew.
		b.tx(spi.Packet{W: []byte{71}})
		b.tx(spi.Packet{W: []byte{0}, BitsPerWord: 1}, spi.Packet{W: []byte{0}, BitsPerWord: 1})
		if v := b.read(71); v != 5 {
			t.Errorf("after a half access: %d", v)
		}
		if err := b.conn.Tx(make([]byte, 2), make([]byte, 1)); err == nil {
			t.Error("different lengths taken")
		}
		b.clean()
	})
}

func TestSLICTooEarly(t *testing.T) {
	onSLIC(t, Si3210, func(t *testing.T, b *slicBench) {
		b.read(0)
		b.breach("before reset")
		b.slic.Reset(false)
		b.breach("without a clock")
		b.slic.Clock(true)
		time.Sleep(time.Second)
		if v := b.read(0); v != 0xff {
			t.Errorf("reset without clock: register 0 reads %#x", v)
		}
		b.breach("before reset")
		b.slic.Reset(true)
		b.slic.Reset(false)
		time.Sleep(slicSettle / 2)
		if v := b.read(0); v != 0xff {
			t.Errorf("too early: register 0 reads %#x", v)
		}
		b.breach("before reset")
		time.Sleep(slicSettle / 2)
		if v := b.read(0); v != 5 {
			t.Errorf("register 0 reads %#x", v)
		}
		b.clean()
	})
}

func TestSLICRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*slicBench)
		want string
	}{
		{"reserved", func(b *slicBench) { b.write(12, 0) }, "register 12 written: reserved"},
		{"read-only", func(b *slicBench) { b.write(82, 0) }, "register 82 written"},
		{"pulse metering", func(b *slicBench) { b.write(44, 0) }, "register 44"},
		{"indirect reserved", func(b *slicBench) { b.indirect(28, 0) }, "indirect register 28: reserved"},
		{"indirect busy", func(b *slicBench) { b.write(30, 1, 30, 2) }, "indirect register 2 used while"},
		{"indirect data busy", func(b *slicBench) { b.write(30, 1, 28, 2) }, "register 28 written while"},
		{"indirect read early", func(b *slicBench) { b.write(30, 1); b.read(28) }, "register 28 read while"},
		{"PCM mode", func(b *slicBench) { b.write(1, 0x28) }, "16-bit linear"},
		{"daisy", func(b *slicBench) { b.write(0, 0x80) }, "daisy"},
		{"cadence", func(b *slicBench) { b.write(34, 0x18) }, "cadence"},
		{"oscillator", func(b *slicBench) { b.write(33, 4, 64, 4) }, "oscillator 2"},
		{"calibration fed", func(b *slicBench) { b.write(96, 0x5f) }, "line fed"},
		{"calibration off-hook", func(b *slicBench) { b.write(64, 0); b.closed = true; b.frame(nil); b.write(96, 0x5f) }, "off the hook"},
		{"calibration down", func(b *slicBench) { b.write(64, 0, 14, 0x10, 96, 0x5f) }, "converter down"},
		{"calibration disturbed", func(b *slicBench) { b.write(64, 0, 96, 0x5f, 64, 1) }, "linefeed changed"},
		{"calibration read early", func(b *slicBench) { b.write(64, 0, 96, 0x5f); b.read(98) }, "register 98 read before"},
		{"converter calibrated down", func(b *slicBench) { b.write(14, 0x10, 93, 0x99) }, "converter calibrated before"},
		{"fed down", func(b *slicBench) { b.write(64, 0, 14, 0x10); time.Sleep(3 * time.Second); b.write(64, 1) }, "line fed with"},
		{"clock stopped", func(b *slicBench) { b.slic.Clock(false) }, "clock stopped"},
		{"slot", func(b *slicBench) { b.write(2, 250); b.frame(nil) }, "outside the frame"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
				b.powered()
				b.clean()
				tt.do(b)
				b.breach(tt.want)
			})
		})
	}
	for _, tt := range []struct {
		name  string
		write []byte
		want  string
	}{
		{"converter", []byte{14, 0}, "converter raised before indirect register 0"},
		{"PCM", []byte{2, 0, 3, 0, 5, 0, 1, 0x3c}, "slot register 4"},
		{"calibration", []byte{96, 0x5f}, "calibrated before indirect register 0"},
	} {
		t.Run("fresh "+tt.name, func(t *testing.T) {
			onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
				b.start()
				b.write(tt.write...)
				if l := b.viol.List(); len(l) == 0 || !strings.Contains(l[0], tt.want) {
					t.Errorf("breaches %q, want %q", l, tt.want)
				}
			})
		})
	}
}

func TestSLICIndirect(t *testing.T) {
	for _, part := range allSLICs {
		onSLIC(t, part, func(t *testing.T, b *slicBench) {
			b.start()
			service := map[bool]time.Duration{false: 125 * time.Microsecond, true: 62500 * time.Nanosecond}[part.is3215()]
			b.write(28, 0x34, 29, 0x12, 30, 7)
			time.Sleep(service - 1)
			if v := b.read(31); v == 0 {
				t.Error("done too early")
			}
			time.Sleep(1)
			if v := b.read(31); v != 0 {
				t.Error("not done")
			}
			b.write(28, 0xff, 29, 0xff, 30, 8)
			time.Sleep(service)
			b.write(30, 7)
			time.Sleep(service)
			if l, h := b.read(28), b.read(29); l != 0x34 || h != 0x12 {
				t.Errorf("reads %02x%02x", h, l)
			}
			// What was never written is noise, and another noise after each reset.
			noise := func() (v [10]byte) {
				for i := range v {
					b.write(30, byte(i))
					time.Sleep(service)
					v[i] = b.read(28)
				}
				return v
			}
			before := noise()
			b.slic.Reset(true)
			b.slic.Reset(false)
			time.Sleep(slicSettle)
			if noise() == before {
				t.Error("indirect registers survive a reset")
			}
			b.clean()
		})
	}
}

func TestSLICConverter(t *testing.T) {
	for _, part := range allSLICs {
		onSLIC(t, part, func(t *testing.T, b *slicBench) {
			b.powered()
			if v := b.read(82); v < 0xc6 || v > 0xc8 { // 75 V
				t.Errorf("battery %#02x", v)
			}
			b.write(64, 0, 14, 0x10)
			if v := b.read(82); v != 0 {
				t.Errorf("first sample %#02x", v)
			}
			time.Sleep(500 * time.Millisecond)
			if v := b.read(82); v < 0x40 {
				t.Errorf("drained to %#02x", v)
			}
			b.slic.SetFaults(func(f *SLICFaults) { f.Leak = true })
			b.write(14, 0)
			time.Sleep(200 * time.Millisecond)
			b.write(14, 0x10)
			time.Sleep(500 * time.Millisecond)
			if v := b.read(82); v >= 6 {
				t.Errorf("with a leak %#02x", v)
			}
			b.slic.SetFaults(func(f *SLICFaults) { f.NoSupply = true })
			b.write(14, 0)
			time.Sleep(time.Second)
			if v := b.read(82); v != 0 {
				t.Errorf("without supply %#02x", v)
			}
			b.clean()
		})
	}
}

func TestSLICDebounce(t *testing.T) {
	onSLIC(t, Si3210, func(t *testing.T, b *slicBench) {
		b.powered()
		b.frame(nil)
		base := time.Now()
		b.edges = []Edge{{2 * time.Millisecond, true}, {3 * time.Millisecond, false}, {4 * time.Millisecond, true}}
		b.frame(nil)
		if len(b.ints) != 0 || b.read(68)&1 != 0 {
			t.Error("not debounced")
		}
		b.frame(nil)
		if len(b.ints) != 1 || b.ints[0].Sub(base) != 14*time.Millisecond || b.read(68)&1 == 0 || b.read(19) != slicLCIP {
			t.Errorf("interrupts %v after %v", b.ints, base)
		}
		// The pin stays, and rises again only after it was cleared.
		b.edges = []Edge{{0, false}}
		b.frame(nil)
		b.frame(nil)
		if len(b.ints) != 1 || !b.slic.Interrupt() || b.read(68)&1 != 0 {
			t.Errorf("interrupts %v", b.ints)
		}
		b.write(19, 0xfd)
		if !b.slic.Interrupt() {
			t.Error("cleared what was not named")
		}
		b.write(19, slicLCIP)
		if b.slic.Interrupt() || b.read(19) != 0 {
			t.Error("not cleared")
		}
		b.clean()
	})
}

func TestSLICEcho(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.powered()
		b.write(64, 2) // on-hook transmission: voice passes
		drx := new(Bus)
		for i := range drx {
			putBits(&drx[i], 0, 10000)
		}
		for _, dB := range []float64{math.Inf(1), 6, 20} {
			b.slic.SetReturnLoss(dB)
			dtx := b.frame(drx)
			want := 10000 * math.Pow(10, -dB/20)
			if got := getBits(&dtx[17], 0); math.Abs(float64(got)-want) > 1 {
				t.Errorf("%g dB: %d returns, want %g", dB, got, want)
			}
		}
		b.write(9, 0x30) // both ways mute
		if dtx := b.frame(drx); getBits(&dtx[3], 0) != 0 || b.feed.Audio[3] != 0 {
			t.Error("not mute")
		}
		b.write(9, 0x01, 8, slicDLM)
		if dtx := b.frame(drx); getBits(&dtx[3], 0) != 10000 || b.feed.Audio[3] != 0 {
			t.Error("no loopback")
		}
		b.write(8, 0)
		b.frame(drx)
		if got := 20 * math.Log10(float64(b.feed.Audio[3])/10000); math.Abs(got+3.5) > 0.01 {
			t.Errorf("coarse gain %.2f dB", got)
		}
		b.clean()
	})
}

func TestSLICCollision(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.powered()
		b.write(64, 2)
		b.mouth = 100
		var drx, dtx Bus
		putBits(&dtx[5], 0, 7)
		b.slic.Frame(time.Now(), &drx, &dtx)
		b.breach("two chips")
	})
}

func TestSLICBits(t *testing.T) {
	for bit := 0; bit <= 8*BytesPerSync-16; bit++ {
		var b [BytesPerSync]byte
		putBits(&b, bit, -12345)
		if v := getBits(&b, bit); v != -12345 {
			t.Fatalf("bit %d: %d", bit, v)
		}
	}
}

func TestSLICFaults(t *testing.T) {
	onSLIC(t, Si3210, func(t *testing.T, b *slicBench) {
		b.powered()
		b.slic.SetFaults(func(f *SLICFaults) { f.Dead = true })
		if v := b.read(68); v != 0xff {
			t.Errorf("dead chip reads %#x", v)
		}
		b.frame(nil)
		if b.feed.Volts != 0 {
			t.Error("dead chip feeds")
		}
		bus := errors.New("bus")
		b.slic.SetFaults(func(f *SLICFaults) { *f = SLICFaults{SPI: bus} })
		if err := b.conn.Tx([]byte{0, 0}, nil); err != bus {
			t.Error(err)
		}
		b.slic.SetFaults(func(f *SLICFaults) { *f = SLICFaults{Write: LoseWrites(71, 2)} })
		b.write(71, 1, 71, 2)
		if v := b.read(71); v != 0 {
			t.Errorf("lost writes arrive: %d", v)
		}
		b.write(71, 3)
		if v := b.read(71); v != 3 {
			t.Errorf("register 71 reads %d", v)
		}
		b.slic.PowerAlarm(1 << 2)
		if len(b.ints) != 1 || !b.ints[0].Equal(time.Now()) || b.read(19) != 1<<4 || b.read(64) != 0 {
			t.Errorf("power alarm: %v, status %#x, linefeed %#x", b.ints, b.read(19), b.read(64))
		}
		b.slic.BrownOut()
		time.Sleep(slicSettle)
		if b.read(8) != 2 || b.read(64) != 0 || b.read(71) != 0 || b.slic.Interrupt() {
			t.Error("brown-out leaves something behind")
		}
		b.clean()
	})
}

func TestSLICFrameAllocates(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.powered()
		var drx, dtx Bus
		for _, lf := range []byte{1, 2, 4, 0} {
			b.write(64, lf)
			now := time.Now()
			if n := testing.AllocsPerRun(100, func() {
				dtx = Bus{}
				b.slic.Frame(now, &drx, &dtx)
			}); n != 0 {
				t.Errorf("linefeed %d: %g allocations", lf, n)
			}
		}
	})
}

func BenchmarkSLICFrame(b *testing.B) {
	for _, bb := range []struct {
		name string
		lfs  byte
	}{{"idle", lfForwardActive}, {"talk", lfForwardOHT}, {"ring", lfRinging}} {
		b.Run(bb.name, func(b *testing.B) {
			s := NewSLIC(Si3215, new(Violations))
			s.clock, s.inReset, s.vbat, s.lfs = true, false, 75, bb.lfs
			s.reg[1] = slicPCME | slicLinear16
			s.reg[14] = 0
			s.reg[8] = 0
			s.ind[slicDACG-13], s.ind[slicADCG-13] = 0x4000, 0x4000
			s.now = time.Now()
			start := s.now
			var drx, dtx Bus
			for b.Loop() {
				s.Frame(start, &drx, &dtx)
				start = start.Add(board.FrameTime)
			}
		})
	}
}

// Whatever bytes come, the model stands.
func FuzzSLIC(f *testing.F) {
	f.Add([]byte{0, 0x80, 0, 14, 0, 64, 4, 0x80 | 68, 0})
	f.Add([]byte{2, 2, 250, 3, 3, 1, 0x3c, 8, 0, 64, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			b := &slicBench{t: t, viol: new(Violations)}
			b.slic = NewSLIC(SLICPart(data[0]%4), b.viol)
			b.slic.Plug(b)
			b.conn = b.slic.Conn()
			b.start()
			for i := 1; i < len(data); i += 8 {
				b.tx(spi.Packet{W: data[i:min(i+8, len(data))]})
				b.closed, b.mouth = data[i]&1 != 0, int16(data[i])<<8
				b.frame(nil)
			}
		})
	})
}

// SPI and the media clock may come at the same time.
func TestSLICConcurrent(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.powered()
		b.slic.OnInterrupt(func(time.Time) { b.slic.Interrupt() })
		done := make(chan bool)
		go func() {
			defer close(done)
			c := b.slic.Conn()
			r := make([]byte, 2)
			for i := range 1000 {
				if err := c.Tx([]byte{0x80 | byte(64+i%8), 0}, r); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		for i := range 100 {
			b.edges = append(b.edges, Edge{After: time.Duration(i) * 100 * time.Microsecond, Closed: i%7 < 4})
			b.frame(nil)
		}
		<-done
	})
}

// An empty socket is a line on hook.
func TestSLICUnplugged(t *testing.T) {
	onSLIC(t, Si3215, func(t *testing.T, b *slicBench) {
		b.powered()
		b.closed = true
		b.frame(nil)
		b.frame(nil)
		if b.read(68)&1 == 0 {
			t.Error("off hook not seen")
		}
		b.slic.Plug(nil)
		b.frame(nil)
		b.frame(nil)
		if b.read(68)&1 != 0 {
			t.Error("off hook without a telephone")
		}
	})
}

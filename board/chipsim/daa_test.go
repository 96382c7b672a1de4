package chipsim

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

// daaRig is a chip on the bench: clocks, RESET and SPI by hand.
type daaRig struct {
	t    *testing.T
	v    Violations
	d    *DAA
	conn spi.Conn
	co   benchCO
	next time.Time
	drx  Bus
	dtx  Bus
}

// benchCO is a line under direct command.
type benchCO struct {
	volts, mA float64
	hz, vrms  float64
	n         int
	audio     int16
	inUse     bool
	edges     []Edge
	starts    []time.Time // of the edges' frames
	mouth     board.Frame
	talk      bool
}

func (c *benchCO) Line(start time.Time, seizure *Seizure, supply *Supply) {
	*supply = Supply{Volts: c.volts, Milliamps: c.mA, InUse: c.inUse}
	for i := range supply.Audio {
		supply.Audio[i] = c.audio
	}
	if c.vrms > 0 {
		supply.Ringing = true
		for i := range supply.Ring {
			period := int(board.SampleRate / c.hz)
			supply.Ring[i] = float32(c.vrms * 1.4142)
			if c.n%period >= period/2 {
				supply.Ring[i] = -supply.Ring[i]
			}
			c.n++
		}
	}
	for _, e := range seizure.Edges {
		c.edges, c.starts = append(c.edges, e), append(c.starts, start)
	}
	c.mouth, c.talk = seizure.Mouth, seizure.Talk
}

func newDAARig(t *testing.T, side LineSide) *daaRig {
	r := &daaRig{t: t, co: benchCO{volts: -48, mA: -25}}
	r.d = NewDAA(side, &r.v)
	r.d.Plug(&r.co)
	r.conn = r.d.Conn()
	return r
}

// up brings the chip to frame lock in the order that the data sheet asks for.
func (r *daaRig) up() *daaRig {
	r.d.Clock(true)
	time.Sleep(time.Millisecond)
	r.d.Reset(false)
	time.Sleep(2 * time.Millisecond)
	for _, n := range []byte{34, 35, 36, 37} {
		r.write(n, 0)
	}
	r.write(33, 0x38)
	r.write(6, 0)
	time.Sleep(lockTime)
	r.write(4, 0)
	r.next = time.Now()
	return r
}

func (r *daaRig) write(n, v byte) {
	r.t.Helper()
	r.bytes(0x20, n, v)
}

func (r *daaRig) read(n byte) byte {
	r.t.Helper()
	return r.bytes(0x60, n, 0)
}

func (r *daaRig) bytes(b ...byte) (last byte) {
	r.t.Helper()
	for _, w := range b {
		in := []byte{0}
		if err := r.conn.Tx([]byte{w}, in); err != nil {
			r.t.Fatal(err)
		}
		last = in[0]
	}
	return last
}

// run passes frames.
func (r *daaRig) run(d time.Duration) {
	for range d / board.FrameTime {
		r.dtx = Bus{}
		time.Sleep(time.Until(r.next.Add(board.FrameTime)))
		r.d.Frame(r.next, &r.drx, &r.dtx)
		r.next = r.next.Add(board.FrameTime)
	}
}

// heard gives the last sample of the last frame on the highway.
func (r *daaRig) heard() int16 {
	s := r.dtx[board.FrameLen-1]
	return int16(uint16(s[0])<<8 | uint16(s[1]))
}

// TestDAAViolations: each thing that the data sheet forbids is noted, once.
func TestDAAViolations(t *testing.T) {
	for _, c := range []struct {
		want string
		side LineSide
		do   func(r *daaRig)
	}{
		{"before PCLK", Si3019, func(r *daaRig) { r.d.Clock(false); r.d.Reset(true); time.Sleep(time.Second); r.d.Reset(false) }},
		{"too short", Si3019, func(r *daaRig) { r.d.Reset(true); r.d.Reset(false) }},
		{"before the chip has settled", Si3019, func(r *daaRig) {
			r.d.Reset(true)
			time.Sleep(time.Second)
			r.d.Reset(false)
			if v := r.read(2); v != 0 {
				t.Errorf("register 2 reads %#x too early", v)
			}
		}},
		{"before the chip has settled", Si3019, func(r *daaRig) { r.write(1, 0x80); r.read(2) }},
		{"before the chip has settled", Si3019, func(r *daaRig) { r.d.Clock(false); r.d.Clock(true); time.Sleep(time.Second); r.read(2) }},
		{"chip select", Si3019, func(r *daaRig) { _ = r.conn.Tx([]byte{0x60, 2, 0}, make([]byte, 3)) }},
		{"broadcast read", Si3019, func(r *daaRig) { r.bytes(0xE0, 2, 0) }},
		{"does not exist", Si3019, func(r *daaRig) { r.write(60, 0) }},
		{"does not exist", Si3019, func(r *daaRig) { r.read(0) }},
		{"does not exist", Si3018, func(r *daaRig) { r.read(29) }},
		{"reserved register", Si3019, func(r *daaRig) { r.write(9, 0) }},
		{"reserved register", Si3019, func(r *daaRig) { r.write(55, 0) }},
		{"reserved bits", Si3019, func(r *daaRig) { r.write(26, 0x04) }},
		{"reserved bits", Si3019, func(r *daaRig) { r.write(42, 1) }},
		{"read-only", Si3019, func(r *daaRig) { r.write(29, 1) }},
		{"RCAL", Si3019, func(r *daaRig) { r.write(25, 0x20) }},
		{"RTO", Si3019, func(r *daaRig) { r.write(23, 0x03) }},
		{"FULL", Si3019, func(r *daaRig) { r.write(26, 0x90); r.write(31, 0xA0) }},
		{"FULL", Si3019, func(r *daaRig) { r.write(26, 0xD0); r.write(31, 0xA0) }},
		{"FULL", Si3011, func(r *daaRig) { r.write(26, 0xC0); r.write(31, 0xA0) }},
		{"OPE", Si3019, func(r *daaRig) { r.write(17, 0x08); r.write(5, 0x09) }},
		{"without frame lock", Si3019, func(r *daaRig) { r.write(6, 0x10); r.write(5, 0x09) }},
		{"powered down off hook", Si3019, func(r *daaRig) { r.write(5, 0x09); r.write(6, 0x10) }},
		{"before the slot registers", Si3019, func(r *daaRig) { r.write(1, 0x80); time.Sleep(time.Second); r.write(33, 0x38) }},
		{"not on a byte", Si3019, func(r *daaRig) { r.write(33, 0); r.write(34, 1); r.write(33, 0x38) }},
		{"format", Si3019, func(r *daaRig) { r.write(33, 0x20) }},
	} {
		t.Run(c.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDAARig(t, c.side).up()
				if r.v.Count() != 0 {
					t.Fatalf("bring-up: %q", r.v.List())
				}
				c.do(r)
				if l := r.v.List(); len(l) != 1 || !strings.Contains(l[0], c.want) {
					t.Errorf("violations %q, want one with %q", l, c.want)
				}
			})
		})
	}
}

func TestDAASPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019)
		if r.read(2) != 0xFF {
			t.Error("answers in reset")
		}
		r.up()
		if v := r.read(2); v != 3 {
			t.Errorf("register 2 = %#x", v)
		}
		r.bytes(0x28, 36, 0x77) // chip 1 of a chain
		if r.read(36) != 0 {
			t.Error("took a write for another chip")
		}
		r.bytes(0xA0, 36, 0x77)
		if r.read(36) != 0x77 {
			t.Error("did not take a broadcast")
		}
		r.bytes(0x60) // a transfer that broke off
		r.bytes(0, 0, 0)
		if r.read(2) != 3 {
			t.Error("three zero bytes do not bring the byte machine back")
		}
		boom := errors.New("boom")
		r.d.SetFaults(DAAFaults{SPI: boom})
		if err := r.conn.Tx([]byte{0}, nil); err != boom {
			t.Errorf("Tx: %v", err)
		}
	})
}

func TestDAALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		r.run(20 * time.Millisecond)
		if r.read(11) != 0x35 || r.read(12)&0x40 == 0 || r.read(13) != 0x58 || int8(r.read(29)) != -48 {
			t.Errorf("11: %#x 12: %#x 13: %#x 29: %d", r.read(11), r.read(12), r.read(13), int8(r.read(29)))
		}
		r.d.SetFaults(DAAFaults{NoFrameLock: true})
		if r.read(11) != 0x05 || r.read(12) != 0 || r.read(13) != 0x40 || r.read(29) != 0 || r.read(4)&0x20 == 0 {
			t.Error("values of the line side without frame lock")
		}
		r.d.SetFaults(DAAFaults{})
		time.Sleep(lockTime - 1)
		if r.read(12) != 0 {
			t.Error("locked too early")
		}
		time.Sleep(1)
		if r.read(12)&0x40 == 0 {
			t.Error("no lock")
		}
	})
}

// TestDAAOffHook: edges of the loop and the mute after each choice of calibration.
func TestDAAOffHook(t *testing.T) {
	for _, c := range []struct {
		r16, r17, r25, r31 byte
		mute               time.Duration
		open               time.Duration
	}{
		{0, 0, 0x05, 0x20, 402750 * time.Microsecond, 250 * time.Microsecond},
		{0, 0, 0x05, 0x28, 402750 * time.Microsecond, 3 * time.Millisecond},
		{0x40, 0, 0x05, 0x00, 786750 * time.Microsecond, 26 * time.Millisecond},
		{0, 0x20, 0x05, 0x20, 146750 * time.Microsecond, 250 * time.Microsecond},
		{0, 0x20, 0x25, 0x60, 9750 * time.Microsecond, 250 * time.Microsecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newDAARig(t, Si3019).up()
			r.write(16, c.r16)
			r.write(17, c.r17)
			r.write(25, c.r25)
			r.write(31, c.r31)
			r.co.audio = 100
			at := time.Now()
			r.write(5, 0x09)
			mute := time.Duration(-1)
			for n := 0; n < 100 && mute < 0; n++ {
				r.run(board.FrameTime)
				for i := range r.dtx {
					if r.dtx[i] != [BytesPerSync]byte{} {
						mute = time.Duration(n)*board.FrameTime + time.Duration(i)*samplePeriod
						break
					}
				}
			}
			if mute != c.mute {
				t.Errorf("mute of %v, want %v", mute, c.mute)
			}
			r.run(100 * time.Millisecond)
			if v := r.read(28); v != 22 || r.read(12)&0x1F != 7 || r.read(19)&2 != 0 {
				t.Errorf("LCS2 %d, LCS %d, register 19 %#x", v, r.read(12)&0x1F, r.read(19))
			}
			back := time.Now()
			r.write(5, 0x08)
			r.run(100 * time.Millisecond)
			if len(r.co.edges) != 2 {
				t.Fatalf("edges %v", r.co.edges)
			}
			for i, want := range []time.Time{at.Add(hookLatency), back.Add(c.open)} {
				if got := r.co.starts[i].Add(r.co.edges[i].After); !got.Equal(want) || r.co.edges[i].Closed != (i == 0) {
					t.Errorf("edge %d off by %v", i, got.Sub(want))
				}
			}
			if r.v.Count() != 0 {
				t.Errorf("%q", r.v.List())
			}
		})
	}
}

// TestDAAPulses: ten edges within a second reach the line as they were written.
func TestDAAPulses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		for range 5 {
			r.write(5, 0x09)
			r.run(40 * time.Millisecond)
			r.write(5, 0x08)
			r.run(60 * time.Millisecond)
		}
		if len(r.co.edges) != 10 {
			t.Errorf("%d edges, want 10", len(r.co.edges))
		}
	})
}

// TestDAARing: the validation circuit, set by set.
func TestDAARing(t *testing.T) {
	for _, c := range []struct {
		name          string
		r22, r23, r24 byte
		hz, vrms      float64
		length        time.Duration
		rise          time.Duration // RDT; 0 is never
		fall          time.Duration // after the end of ringing
	}{
		{"as in the driver", 0x16, 0x23, 0x99, 20, 85, time.Second, 260 * time.Millisecond, 512 * time.Millisecond},
		{"reset values", 0x96, 0x2D, 0x99, 20, 85, 2 * time.Second, 1040 * time.Millisecond, 640 * time.Millisecond},
		{"short burst", 0x16, 0x23, 0x99, 25, 60, 400 * time.Millisecond, 260 * time.Millisecond, 512 * time.Millisecond},
		{"RTO before RDLY", 0x16, 0x93, 0x99, 25, 60, 400 * time.Millisecond, 0, 0},
		{"too slow", 0x16, 0x23, 0x99, 8, 85, time.Second, 0, 0},
		{"too fast", 0x16, 0x23, 0x99, 125, 85, time.Second, 0, 0},
		{"fast allowed", 0x19, 0x23, 0x99, 125, 85, time.Second, 260 * time.Millisecond, 512 * time.Millisecond},
		{"too weak", 0x16, 0x23, 0x99, 20, 12, time.Second, 0, 0},
		{"too short", 0x16, 0x23, 0x99, 20, 85, 240 * time.Millisecond, 0, 0},
		{"one-shot", 0x96, 0x2D, 0x19, 20, 85, time.Second, 10 * time.Millisecond, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDAARig(t, Si3019).up()
				r.write(22, c.r22)
				r.write(23, c.r23)
				r.write(24, c.r24)
				r.run(50 * time.Millisecond)
				r.co.hz, r.co.vrms = c.hz, c.vrms
				var rise, fall time.Duration
				for n := time.Duration(0); n < c.length+6*time.Second; n += board.FrameTime {
					if n == c.length {
						r.co.vrms = 0
					}
					r.run(board.FrameTime)
					if on := r.d.Register(5)&4 != 0; on && rise == 0 {
						rise = n + board.FrameTime
					} else if !on && rise != 0 && fall == 0 {
						fall = n + board.FrameTime - c.length
					}
				}
				if d := rise - c.rise; d < -10*time.Millisecond || d > 30*time.Millisecond {
					t.Errorf("RDT after %v, want %v", rise, c.rise)
				}
				if d := fall - c.fall; d < -10*time.Millisecond || d > 30*time.Millisecond {
					t.Errorf("RDT off after %v, want %v", fall, c.fall)
				}
			})
		})
	}
}

// TestDAAReversal: one pulse of one ring bit, no RDT.
func TestDAAReversal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		r.write(24, 0x99)
		r.write(4, 0)
		r.run(50 * time.Millisecond)
		r.co.volts = 48
		seen := 0
		for range 50 {
			r.run(board.FrameTime)
			v := r.d.Register(5)
			if v&0x20 != 0 {
				seen++
			}
			if v&0x44 != 0 {
				t.Fatalf("register 5 = %#x", v)
			}
		}
		if seen < 1 || seen > 2 || r.read(4) != 1 {
			t.Errorf("RDTP in %d frames, register 4 = %#x", seen, r.read(4))
		}
	})
}

func TestDAAInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		var at []time.Time
		r.d.OnInterrupt(func(t time.Time) { at = append(at, t) })
		r.write(24, 0x99)
		r.write(22, 0x16)
		r.write(23, 0x23)
		r.write(3, 0x80)
		r.write(2, 0x87) // INTE, RDI
		r.co.hz, r.co.vrms = 20, 85
		r.run(time.Second)
		if len(at) != 1 {
			t.Fatalf("%d interrupts at the ring's start", len(at))
		}
		r.write(4, 0x7F)
		r.co.vrms = 0
		r.run(time.Second)
		if len(at) != 2 {
			t.Errorf("%d interrupts by the ring's end", len(at))
		}
	})
}

func TestDAAWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		r.write(2, 0x13)
		r.write(5, 0x09)
		r.run(3900 * time.Millisecond)
		r.write(2, 0x03) // cannot be cleared
		r.run(3900 * time.Millisecond)
		if !r.d.OffHook() {
			t.Error("on hook too early")
		}
		r.run(200 * time.Millisecond)
		if r.d.OffHook() || r.read(2) != 0x13 {
			t.Error("still off hook")
		}
	})
}

func TestDAALoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		for i := range r.drx {
			r.drx[i][0], r.drx[i][1] = 0x10, 0x00
		}
		r.write(6, 0x10)
		r.run(board.FrameTime)
		if got := r.heard(); got != 3693 { // 0.9 dB down
			t.Errorf("PDL loop gives %d", got)
		}
		r.write(10, 1)
		r.run(board.FrameTime)
		if got := r.heard(); got != 4096 {
			t.Errorf("DDL loop gives %d", got)
		}
	})
}

// TestDAAAudio: gains, full scale, on-hook monitor.
func TestDAAAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		r.co.audio = 1000
		r.run(board.FrameTime)
		if r.heard() != 0 {
			t.Error("heard on hook without ONHM")
		}
		r.write(5, 0x08)
		r.run(board.FrameTime)
		if got := r.heard(); got != 1445 { // full scale is 0 dBm: 3.2 dB hotter
			t.Errorf("on hook %d", got)
		}
		r.write(26, 0xC0)
		r.write(31, 0xA0)
		r.run(board.FrameTime)
		if got := r.heard(); got != 1000 {
			t.Errorf("with FULL %d", got)
		}
		r.d.SetOnHookOffset(50)
		r.write(39, 6)
		r.run(board.FrameTime)
		if got := r.heard(); got != 2095 {
			t.Errorf("with gain and offset %d", got)
		}
		for i := range r.drx {
			r.drx[i][0], r.drx[i][1] = 0x10, 0x00
		}
		r.write(38, 0x16)
		r.write(5, 0x09)
		r.run(500 * time.Millisecond)
		if got := r.co.mouth[79]; got != 2053 || !r.co.talk {
			t.Errorf("towards the line %d", got)
		}
		if got := r.heard(); got != 1995 {
			t.Errorf("off hook %d", got)
		}
	})
}

func TestDAAAllocs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		at := time.Now()
		frame := func() { r.d.Frame(at, &r.drx, &r.dtx); at = at.Add(board.FrameTime) }
		for _, what := range []string{"idle", "ringing", "off hook"} {
			switch what {
			case "ringing":
				r.co.hz, r.co.vrms = 20, 85
			case "off hook":
				r.co.vrms = 0
				r.write(5, 0x09)
			}
			if n := testing.AllocsPerRun(100, frame); n > 0 {
				t.Errorf("%s: %v allocations a frame", what, n)
			}
		}
	})
}

// FuzzDAABytes: no bytes on the bus bring the model down.
func FuzzDAABytes(f *testing.F) {
	f.Add([]byte{0x20, 6, 0, 0x20, 5, 9, 0x60, 5, 0})
	f.Add([]byte{0x20, 1, 0x80, 0x20, 33, 0x38, 0xA0, 34, 0xFF, 0x20, 35, 3, 0x20, 24, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			r := newDAARig(t, Si3019).up()
			r.co.hz, r.co.vrms, r.co.audio = 20, 85, 5
			for i := range b {
				r.bytes(b[i])
				if i%3 == 2 {
					r.run(20 * time.Millisecond)
				}
			}
		})
	})
}

func BenchmarkDAAIdle(b *testing.B) {
	var v Violations
	d := NewDAA(Si3019, &v)
	d.Plug(&silentCO{})
	d.Clock(true)
	time.Sleep(time.Millisecond)
	d.Reset(false)
	time.Sleep(2 * time.Millisecond)
	c := d.Conn()
	for _, w := range [][3]byte{{0x20, 34, 0}, {0x20, 35, 0}, {0x20, 36, 0}, {0x20, 37, 0}, {0x20, 33, 0x38}, {0x20, 6, 0}, {0x20, 5, 8}} {
		for i := range w {
			_ = c.Tx(w[i:i+1], nil)
		}
	}
	time.Sleep(lockTime)
	var drx, dtx Bus
	at := time.Now()
	for b.Loop() {
		d.Frame(at, &drx, &dtx)
		at = at.Add(board.FrameTime)
	}
}

type silentCO struct{}

func (silentCO) Line(_ time.Time, _ *Seizure, s *Supply) { *s = Supply{Volts: -48, Milliamps: -25} }

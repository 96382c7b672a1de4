package chipsim

import (
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

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

// TestDAARingBits: the ring bits follow the ringing within a frame, half a period each, a
// frame late; they are gone when it is over.
func TestDAARingBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDAARig(t, Si3019).up()
		r.run(100 * time.Millisecond)
		r.co.hz, r.co.vrms = 100, 80 // a square wave: 5 ms each way
		r.run(50 * time.Millisecond)
		for i := range 10 {
			want := byte(regRDTP)
			if i >= 5 {
				want = regRDTN
			}
			if v := r.read(5) & (regRDTP | regRDTN); v != want {
				t.Errorf("after %d ms register 5 shows %#02x, want %#02x", i, v, want)
			}
			time.Sleep(time.Millisecond)
		}
		r.co.vrms = 0
		r.run(2 * time.Second)
		if v := r.read(5) & (regRDTP | regRDTN); v != 0 {
			t.Errorf("register 5 shows %#02x after the ringing", v)
		}
	})
}

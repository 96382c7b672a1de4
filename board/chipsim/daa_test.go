package chipsim

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestDAAImpedance: codes that a line side does not have are 600 Ω.
func TestDAAImpedance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for side, has := range map[LineSide]string{Si3018: "0034F", Si3019: "0123456789ABCDEF", Si3011: "02"} {
			r := newDAARig(t, side).up()
			for code := range byte(16) {
				r.write(30, code)
				want := byte(0)
				if strings.ContainsRune(has, rune("0123456789ABCDEF"[code])) {
					want = code
				}
				if got := r.d.ACIM(); got != want || r.read(30) != code {
					t.Errorf("line side %d, code %d: %d", side, code, got)
				}
			}
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

package chipsim

import (
	"errors"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"
)

// Bits of the registers that the model acts on.
const (
	regOH   = 0x01
	regRDT  = 0x04
	regONHM = 0x08
	regRDTP = 0x20
	regRDTN = 0x40

	intPOL  = 0x01
	intLCSO = 0x04
	intDOD  = 0x08
	intFDT  = 0x20
	intRDT  = 0x80
)

type daaConn struct{ d *DAA }

func (c *daaConn) String() string      { return "Si3050 model" }
func (c *daaConn) Duplex() conn.Duplex { return conn.Full }

// Tx sends w under one chip select.
func (c *daaConn) Tx(w, r []byte) error {
	return c.TxPackets([]spi.Packet{{W: w, R: r}})
}

// TxPackets implements [spi.Conn].
func (c *daaConn) TxPackets(p []spi.Packet) error {
	now := time.Now()
	d := c.d
	d.mu.Lock()
	err := d.transfer(now, p)
	call := d.interrupt()
	d.mu.Unlock()
	if call != nil {
		call(now)
	}
	return err
}

func (d *DAA) transfer(now time.Time, p []spi.Packet) error {
	if d.faults.SPI != nil {
		return d.faults.SPI
	}
	d.advance(now)
	for i := range p {
		w, r := p[i].W, p[i].R
		if len(w) != 0 && len(r) != 0 && len(w) != len(r) {
			return errors.New("spi: buffers of different length")
		}
		if n := max(len(w), len(r)); n != 1 || p[i].KeepCS {
			d.violations.Add("Si3050: %d bytes with chip select held, want one byte a pulse", n)
			d.phase = 0
			for j := range r {
				r[j] = 0xFF
			}
			continue
		}
		var in byte
		if len(w) == 1 {
			in = w[0]
		}
		out := d.exchangeByte(now, in)
		if len(r) == 1 {
			r[0] = out
		}
	}
	return nil
}

// exchangeByte is one chip select pulse: control, address and data in turn (Si3050
// data sheet §5.35). The pull-up of SDO gives ones where the chip does not drive it.
func (d *DAA) exchangeByte(now time.Time, in byte) byte {
	if d.faults.Dead || d.resetPin {
		return 0xFF
	}
	switch d.phase {
	case 0:
		if in&0x30 != 0x20 { // not a control byte: the chip waits for the next
			return 0xFF
		}
		d.control, d.phase = in, 1
		return 0xFF
	case 1:
		d.address, d.phase = in, 2
		return 0xFF
	}
	d.phase = 0
	d.lastAccess = now
	broadcast, read := d.control&0x80 != 0, d.control&0x40 != 0
	if broadcast && read {
		d.violations.Add("Si3050: broadcast read")
		return 0xFF
	}
	if !broadcast && d.control&0x0F != 0 { // another chip of a chain
		return 0xFF
	}
	n := d.address
	if n == 0 || n > 59 {
		d.violations.Add("Si3050: register %d does not exist", n)
		return 0
	}
	if d.clockLost || now.Before(d.readyAt) {
		d.violations.Add("Si3050: register %d accessed before the chip has settled", n)
		return 0
	}
	if read {
		return d.read(now, n)
	}
	d.write(now, n, in)
	return 0xFF
}

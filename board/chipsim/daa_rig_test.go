package chipsim

import (
	"testing"
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

package si321x

import (
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"

	"sotto/board"
	"sotto/board/chipsim"
)

// noise sits between driver and chip and turns bits of the answers: at each access
// the next byte of data says whether and how, and when it is used up, the last half is
// used again.
type noise struct {
	spi.Conn
	data []byte
	i    int
}

func (n *noise) Duplex() conn.Duplex { return conn.Full }

func (n *noise) TxPackets(p []spi.Packet) error {
	err := n.Conn.TxPackets(p)
	for i := 1; i < len(p); i += 2 {
		if n.i >= len(n.data) {
			n.i = len(n.data) / 2
		}
		if n.i >= len(n.data) {
			return err
		}
		// Most accesses go well, so that the driver gets somewhere.
		if v := n.data[n.i]; v >= 0xf0 {
			p[i].R[0] ^= 1 << (v & 7)
			if v&8 != 0 {
				p[i].R[0] = 0xff
			}
		}
		n.i++
	}
	return err
}

// Whatever a chip answers, no method panics and each ends.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0xff})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0xf1, 0, 0, 0xf8})
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			slic := chipsim.NewSLIC(chipsim.Si3210, new(chipsim.Violations))
			slic.Clock(true)
			slic.Reset(false)
			time.Sleep(2 * time.Millisecond)
			quiet, began := &noise{Conn: slic.Conn()}, time.Now()
			c := New(quiet, Config{})
			if len(data) > 0 && data[0]&1 != 0 {
				if err := c.PowerUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			quiet.data = data
			if c.condition != InService && c.PowerUp(t.Context()) != nil {
				c.Recover(t.Context())
			}
			for i := range 50 {
				c.Service(time.Now(), time.Now())
				c.Set(board.SignalKind(i % 9))
				time.Sleep(100 * time.Millisecond)
				if c.condition == NeedsRecovery && i%20 == 0 {
					c.Recover(t.Context())
				}
			}
			c.Measure()
			c.Apply(board.Line{Ringing: board.Ringing{Hz: 50, Vrms: 60}})
			c.Close()
			// Each of the few power-ups ends within the limits of its waits.
			if d := time.Since(began); d > 2*time.Minute {
				t.Errorf("took %v", d)
			}
		})
	})
}

// A chip that is not there, or that answers any constant, is no endless wait either.
func TestConstantAnswers(t *testing.T) {
	for v := range 256 {
		synctest.Test(t, func(t *testing.T) {
			slic := chipsim.NewSLIC(chipsim.Si3215, new(chipsim.Violations))
			slic.Clock(true)
			slic.Reset(false)
			time.Sleep(2 * time.Millisecond)
			slic.SetFaults(func(f *chipsim.SLICFaults) { f.Read = func(_, _ byte) byte { return byte(v) } })
			c := New(slic.Conn(), Config{})
			if err := c.PowerUp(t.Context()); err == nil {
				t.Errorf("a chip that always reads %#02x comes up", v)
			}
			if err := c.Recover(t.Context()); err == nil {
				t.Errorf("a chip that always reads %#02x recovers", v)
			}
		})
	}
}

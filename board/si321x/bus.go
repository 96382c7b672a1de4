package si321x

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

const (
	readBit      = 0x80 // of the first byte of an access
	maxAccesses  = 3    // in one transaction
	indirectPoll = 150 * time.Microsecond
	indirectTime = 20 * time.Millisecond // the chip serves within 125 µs
)

// bus is the register port: each access is two bytes, and chip select is raised after
// each byte. It allocates nothing.
type bus struct {
	conn    spi.Conn
	w, r    [2 * maxAccesses]byte
	packets [2 * maxAccesses]spi.Packet
}

func (b *bus) init(conn spi.Conn) {
	b.conn = conn
	for i := range b.packets {
		b.packets[i] = spi.Packet{W: b.w[i : i+1], R: b.r[i : i+1]}
	}
}

func (b *bus) put(i int, command, data byte) { b.w[2*i], b.w[2*i+1] = command, data }

// transfer runs the first n accesses.
func (b *bus) transfer(n int) error {
	if err := b.conn.TxPackets(b.packets[:2*n]); err != nil {
		return fmt.Errorf("register %d: %w", b.w[0]&^readBit, err)
	}
	return nil
}

func (b *bus) read(reg byte) (byte, error) {
	b.put(0, readBit|reg, 0)
	err := b.transfer(1)
	return b.r[1], err
}

// read2 reads two registers in one transaction.
func (b *bus) read2(x, y byte) (vx, vy byte, err error) {
	b.put(0, readBit|x, 0)
	b.put(1, readBit|y, 0)
	err = b.transfer(2)
	return b.r[1], b.r[3], err
}

func (b *bus) write(reg, v byte) error {
	b.put(0, reg, v)
	return b.transfer(1)
}

// writeRead writes a register and reads it back, in one transaction.
func (b *bus) writeRead(reg, v byte) (byte, error) {
	b.put(0, reg, v)
	b.put(1, readBit|reg, 0)
	err := b.transfer(2)
	return b.r[3], err
}

// set writes a register and checks that it holds the value.
func (b *bus) set(reg, v byte) error {
	got, err := b.writeRead(reg, v)
	if err == nil && got != v {
		err = fmt.Errorf("register %d reads %#02x after %#02x was written: %w", reg, got, v, ErrVerify)
	}
	return err
}

type setting struct{ reg, value byte }

func (b *bus) setAll(settings []setting) error {
	for _, s := range settings {
		if err := b.set(s.reg, s.value); err != nil {
			return err
		}
	}
	return nil
}

// idle waits until no indirect access is under way.
func (b *bus) idle(ctx context.Context) error {
	for end := time.Now().Add(indirectTime); ; {
		v, err := b.read(regIAS)
		if err != nil || v == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("register %d reads %#02x after %v: %w", regIAS, v, indirectTime, ErrIndirectBusy)
		}
		if err := board.Wait(ctx, indirectPoll); err != nil {
			return err
		}
	}
}

// writeIndirect writes the indirect register at the part's own address.
func (b *bus) writeIndirect(ctx context.Context, addr byte, v uint16) error {
	if err := b.idle(ctx); err != nil {
		return fmt.Errorf("write indirect register %d: %w", addr, err)
	}
	b.put(0, regIDALow, byte(v))
	b.put(1, regIDAHigh, byte(v>>8))
	b.put(2, regIAA, addr)
	return b.transfer(3)
}

func (b *bus) readIndirect(ctx context.Context, addr byte) (uint16, error) {
	err := b.idle(ctx)
	if err == nil {
		if err = b.write(regIAA, addr); err == nil {
			err = b.idle(ctx)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read indirect register %d: %w", addr, err)
	}
	low, high, err := b.read2(regIDALow, regIDAHigh)
	return uint16(high)<<8 | uint16(low), err
}

func (b *bus) verifyIndirect(ctx context.Context, addr byte, want uint16) error {
	got, err := b.readIndirect(ctx, addr)
	if err == nil && got != want {
		err = fmt.Errorf("indirect register %d reads %#04x after %#04x was written: %w", addr, got, want, ErrVerify)
	}
	return err
}

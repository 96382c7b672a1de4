package main

import (
	"encoding/binary"
	"syscall"
	"testing"
)

func TestStreamCounts(t *testing.T) {
	var s stream
	for _, n := range []uint32{5, 6, 8, 7, 8} { // one overtaken, one twice
		s.take(n, 100)
	}
	if s.got != 5 || s.late != 2 || s.last != 8 || s.jit != 0 {
		t.Errorf("got %d, late %d, last %d, jitter %v", s.got, s.late, s.last, s.jit)
	}
	s.take(9, 100+16_000)
	if s.jit != 1000 || s.jmax != 1000 { // a sixteenth of the change
		t.Errorf("jitter %v, at most %v", s.jit, s.jmax)
	}
}

func TestKernelTime(t *testing.T) {
	stamp := func(typ uint32) []byte {
		b := make([]byte, 32)
		binary.LittleEndian.PutUint64(b, 32)
		binary.LittleEndian.PutUint32(b[8:], syscall.SOL_SOCKET)
		binary.LittleEndian.PutUint32(b[12:], typ)
		binary.LittleEndian.PutUint64(b[16:], 3)
		binary.LittleEndian.PutUint64(b[24:], 7)
		return b
	}
	if got := kernelTime(append(stamp(1), stamp(syscall.SO_TIMESTAMPNS)...)); got != 3_000_000_007 {
		t.Errorf("%d", got)
	}
	for _, b := range [][]byte{nil, stamp(1), make([]byte, 40), stamp(syscall.SO_TIMESTAMPNS)[:20]} {
		if got := kernelTime(b); got != 0 {
			t.Errorf("%d of %x", got, b)
		}
	}
}

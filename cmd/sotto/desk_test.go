package main

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestWorking: what does not tell how far it is tells that it goes on, and leaves nothing on
// the line.
func TestWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			lasts time.Duration
			want  string
		}{
			{900 * time.Millisecond, ""},
			{2500 * time.Millisecond, "\rcounting: 1 s\x1b[K\rcounting: 2 s\x1b[K\r\x1b[K"},
		} {
			var b bytes.Buffer
			d := &desk{err: &b}
			done := d.working("counting")
			time.Sleep(c.lasts)
			done()
			if b.String() != c.want {
				t.Errorf("%v: %q", c.lasts, b.String())
			}
		}
		(&desk{err: io.Discard}).working("counting")()
	})
}

package edge

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
)

// TestStream has what a connection sends and what comes of it; it is cut at every byte too.
func TestStream(t *testing.T) {
	good := sample("OPTIONS", "")
	withBody := strings.Replace(good, "Length: 0\r\n\r\n", "Length: 4\r\n\r\n\r\n\r\n", 1)
	for _, row := range []struct{ name, data, want string }{
		{"one", good, "accept"},
		{"two", good + good, "accept,accept"},
		{"body of line ends", withBody + good, "accept,accept"},
		{"line end between", good + "\r\n" + good, "accept,accept"},
		{"three line ends between", good + "\r\n\r\n\r\n" + good, "accept,pong,accept"},
		{"two pings", "\r\n\r\n\r\n\r\n", "pong,pong"},
		{"half a ping", "\r\n\r", ""},
		{"half a message", good[:40], "wait"},
		{"length in two values", strings.Replace(good, "Length: 0", "Length: 0\r\n 4", 1) + good, "400,close"},
		{"length of two headers", strings.Replace(good, "\r\n\r\n", "\r\nl: 0\r\n\r\n", 1) + good, "400,close"},
		{"length too large", strings.Replace(good, "Length: 0", fmt.Sprintf("Length: %d", MaxBody+1), 1) + good, "513,close"},
		{"largest body", strings.Replace(good, "Length: 0", fmt.Sprintf("Length: %d", MaxBody), 1) + strings.Repeat("a", MaxBody) + good, "accept,accept"},
		{"bad message of a known length", strings.Replace(good, "Call-ID", "Call ID", 1) + good, "400,accept"},
		{"no SIP", "EHLO mail\r\n\r\n" + good, "drop,close"},
		{"bare line feed", strings.Replace(good, "Max", "\nMax", 1) + good, "400,close"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := NewChecker(maphash.MakeSeed())
			if got := onStream(t, c, []byte(row.data)); got != row.want {
				t.Fatalf("%s, want %s", got, row.want)
			}
			for i := 1; i < min(len(row.data), 1000); i++ {
				if got := onStream(t, c, []byte(row.data[:i]), []byte(row.data[i:])); got != row.want {
					t.Fatalf("split at %d: %s, want %s", i, got, row.want)
				}
			}
		})
	}
}

// A head that does not end costs no more than MaxHead, however it is sent, and is answered.
func TestStreamBoundsHalfMessages(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	head := strings.TrimSuffix(sample("OPTIONS", ""), "\r\n") + strings.Repeat("X: "+strings.Repeat("a", 100)+"\r\n", 200)
	for _, step := range []int{1, 7, 1000, MaxMessage} {
		var s Stream
		var at int
		for at = 0; at < len(head); at += step {
			if _, err := s.Write([]byte(head[at:min(at+step, len(head))])); err != nil {
				t.Fatal(err)
			}
			msg, ok, _ := s.Next()
			if !ok {
				continue
			}
			if v := c.Message(msg, tcpFlow, true); verdict(t, c, msg, v) != "513" || !v.Close {
				t.Errorf("step %d: %+v", step, v)
			}
			break
		}
		if at+step < MaxHead || at > MaxHead {
			t.Errorf("step %d: ended after %d", step, at)
		}
		if _, _, err := s.Next(); !errors.Is(err, ErrUnframed) {
			t.Errorf("step %d: %v", step, err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, ErrUnframed) {
			t.Errorf("step %d: still takes bytes: %v", step, err)
		}
	}
}

func TestStreamRefusesToGrow(t *testing.T) {
	var s Stream
	block := make([]byte, MaxMessage)
	var err error
	for range 3 {
		if _, err = s.Write(block); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || cap(s.buf) > 3*MaxMessage {
		t.Errorf("%v, holds %d", err, cap(s.buf))
	}
}

// An idle connection holds no large buffer.
func TestStreamLetsGo(t *testing.T) {
	var s Stream
	data := sample("OPTIONS", "")
	s.Write([]byte(strings.Repeat(data, 30)))
	n := 0
	for {
		_, ok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		n++
	}
	if n != 30 || cap(s.buf) > 2048 || s.Partial() {
		t.Errorf("%d messages, holds %d, partial %v", n, cap(s.buf), s.Partial())
	}
}

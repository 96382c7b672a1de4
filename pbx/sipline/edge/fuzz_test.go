package edge

import (
	"bytes"
	"hash/maphash"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// judge checks what must hold for any bytes at all.
func judge(t *testing.T, c *Checker, data []byte, stream bool) {
	t.Helper()
	flow := udpFlow
	if stream {
		flow = tcpFlow
	}
	v := c.Message(data, flow, stream)
	verdict(t, c, data, v)
	if v.Kind != Accept {
		return
	}
	msg := v.message()
	for _, h := range v.headers() {
		if strings.ContainsAny(h.Name(), "\r\n \t:") || strings.ContainsAny(h.Value(), "\r\n") {
			t.Errorf("header %q with a line end", h)
		}
	}
	if msg.Via() == nil || msg.From() == nil || msg.To() == nil || msg.CallID() == nil || msg.CSeq() == nil {
		t.Error("accepted without a mandatory header")
	}
	checkStable(t, c, data, v)
}

func (v Verdict) headers() []sip.Header {
	if v.Request != nil {
		return v.Request.Headers()
	}
	return v.Response.Headers()
}

func FuzzMessage(f *testing.F) {
	for _, row := range torture {
		f.Add(readTorture(f, row.file), false)
	}
	f.Add([]byte(sample("INVITE", "")), true)
	c := NewChecker(maphash.MakeSeed())
	f.Fuzz(func(t *testing.T, data []byte, stream bool) { judge(t, c, data, stream) })
}

// FuzzStream checks that a connection cut in two anywhere gives what it gives in one.
func FuzzStream(f *testing.F) {
	for _, row := range torture {
		f.Add(readTorture(f, row.file), uint16(10))
	}
	f.Add([]byte("\r\n\r\n\r\n"+sample("INVITE", "")+sample("ACK", "")), uint16(3))
	c := NewChecker(maphash.MakeSeed())
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		data = data[:min(len(data), MaxMessage)]
		cut := int(at) % (len(data) + 1)
		if whole, halves := onStream(t, c, data), onStream(t, c, data[:cut], data[cut:]); whole != halves {
			t.Errorf("cut at %d: %s, whole: %s", cut, halves, whole)
		}
	})
}

// fuzzHeader puts a text into a header of a request that is good otherwise.
func fuzzHeader(f *testing.F, method, before, after string, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	c := NewChecker(maphash.MakeSeed())
	f.Fuzz(func(t *testing.T, s string) {
		judge(t, c, []byte(sample(method, before+s+after+"\r\n")), false)
	})
}

func FuzzVia(f *testing.F) {
	fuzzHeader(f, "OPTIONS", "Via: ", "", "SIP/2.0/UDP a.example;branch=z9hG4bK1;rport", "SIP / 2.0 / TCP [2001:db8::1]:5060 ; x=\"a,b\" , SIP/2.0/UDP 192.0.2.1;received=[::1]", "SIP/2.0/UDP 192.0.2.15;;,;,,")
}

func FuzzAddress(f *testing.F) {
	fuzzHeader(f, "REGISTER", "Contact: ", "", "*", "\"a\\\"\" <sip:a:b@c.example:5060;lr?x=y>;q=0.5, <tel:1>", "sip:a@b.example;expires=60", "Bell, A <sip:a@b>")
}

func FuzzURI(f *testing.F) {
	fuzzHeader(f, "OPTIONS", "Contact: <", ">", "sip:a:b@c.example:5060;lr;x=y?x=y&z", "sip:[2001:db8:::192.0.2.1]:5070", "soap.beep://192.0.2.103:3002", "sip:%41;x=%25@[::ffff:192.0.2.1]", "sips:x")
}

// What has been cut off anywhere is not accepted, and breaks nothing.
func TestCutAnywhere(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, row := range torture {
		data := readTorture(t, row.file)
		end := bytes.Index(data, []byte("\r\n\r\n"))
		for i := range data {
			v := c.Message(data[:i], udpFlow, false)
			verdict(t, c, data[:i], v)
			if v.Kind == Accept && i < end {
				t.Errorf("%s: accepted %d bytes of a head of %d", row.file, i, end)
			}
		}
	}
}

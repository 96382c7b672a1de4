package edge

import (
	"hash/maphash"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// sipgoAlone is what the parser of sipgo gets wrong by itself, each a reason for this
// package to read messages with a grammar of its own. When a row fails, sipgo was mended:
// take it out, and see whether its parser could be used after all.
var sipgoAlone = []struct {
	name, text string // text: a file of testdata/torture, or a message
	wrong      func(msg sip.Message, err error) bool
}{
	{"novelsc is refused", "novelsc", func(_ sip.Message, err error) bool { return err != nil }},
	{"wsinv is not the same when built again", "wsinv", unstable},
	{"ipv4-mapped-ipv6 is not the same when built again", "rfc5118/ipv4-mapped-ipv6", unstable},
	{"multi01 is accepted", "multi01", accepted},
	{"mcl01 is accepted", "mcl01", accepted},
	{"insuf is accepted", "insuf", accepted},
	{"regbadct is accepted", "regbadct", accepted},
	{"unksm2 is accepted", "unksm2", accepted},
	{"badvers is accepted", "badvers", accepted},
	{"mismatch01 is accepted", "mismatch01", accepted},
	{"the method is not the one sent", sample("options", ""), func(msg sip.Message, err error) bool {
		return err == nil && msg.(*sip.Request).Method == "OPTIONS"
	}},
	{"a list of Vias without parameters is one", sample("OPTIONS", "v: SIP/2.0/UDP a.example, SIP/2.0/UDP b.example\r\n"), func(msg sip.Message, err error) bool {
		return err != nil || len(msg.GetHeaders("via")) != 2
	}},
	{"a comma in quotes ends a Via", sample("OPTIONS", "Via: SIP/2.0/UDP a.example;x=\"a,b\";branch=z9hG4bK7\r\n"), func(msg sip.Message, err error) bool {
		return err != nil
	}},
	{"a semicolon in quotes ends a parameter", sample("OPTIONS", "Contact: <sip:a@b.example>;x=\"a;tag=b\"\r\n"), func(msg sip.Message, err error) bool {
		return err == nil && msg.(*sip.Request).Contact().Params.Has("tag")
	}},
	{"a tag in capitals is none", sample("OPTIONS", "f: <sip:a@b.example>;TAG=z\r\n"), func(msg sip.Message, err error) bool {
		return err == nil && !msg.From().Params.Has("tag")
	}},
	{"compact names are not found", sample("OPTIONS", "k: timer\r\n"), func(msg sip.Message, err error) bool {
		return err == nil && msg.GetHeaders("Supported") == nil
	}},
	{"a port of a Via may be anything", sample("OPTIONS", "v: SIP/2.0/UDP a.example:-7;branch=z9hG4bK7\r\n"), accepted},
	{"spaces may be around a URI", sample("OPTIONS", "Contact: <sip:a@b.example >\r\n"), accepted},
}

func accepted(_ sip.Message, err error) bool { return err == nil }

func unstable(msg sip.Message, err error) bool {
	if err != nil {
		return true
	}
	again, err := sip.ParseMessage([]byte(msg.String()))
	return err != nil || again.String() != msg.String()
}

func TestSipgoAlone(t *testing.T) {
	for _, row := range sipgoAlone {
		data := []byte(row.text)
		if len(row.text) < 40 {
			data = readTorture(t, row.text)
		}
		if !row.wrong(sip.ParseMessage(data)) {
			t.Errorf("no more: %s", row.name)
		}
	}
}

// TestStable builds each accepted message again and reads that: it must be the same.
func TestStable(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, row := range torture {
		if row.want == "accept" {
			data := readTorture(t, row.file)
			checkStable(t, c, data, c.Message(data, udpFlow, false))
		}
	}
}

// checkStable checks that what is built from an accepted message is accepted, and is built
// the same again.
func checkStable(t testing.TB, c *Checker, data []byte, v Verdict) {
	t.Helper()
	built, again := v.text(), ""
	v2 := c.Message([]byte(built), udpFlow, false)
	if v2.Kind == Accept {
		again = v2.text()
	}
	if again != built {
		t.Errorf("sent:\n%q\nbuilt:\n%q\nbuilt of that (%s):\n%q", data, built, v2.Why, again)
		return
	}
	a, b := v.message(), v2.message()
	if *a.CallID() != *b.CallID() || *a.CSeq() != *b.CSeq() {
		t.Errorf("built again: %s %s, first %s %s", b.CallID(), b.CSeq(), a.CallID(), a.CSeq())
	}
	if v.Request != nil && v.Request.Method != v2.Request.Method {
		t.Errorf("built again: %s, first %s", v2.Request.Method, v.Request.Method)
	}
}

func (v Verdict) message() sip.Message {
	if v.Request != nil {
		return v.Request
	}
	return v.Response
}

func (v Verdict) text() string { return v.message().String() }

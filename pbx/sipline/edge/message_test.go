package edge

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// sample gives a request in order, with the header of extra instead of those of its names.
func sample(method, extra string) string {
	s := method + " sip:101@192.0.2.254 SIP/2.0\r\n"
	for _, h := range []string{
		"Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bK74bf9\r\n",
		"Max-Forwards: 70\r\n",
		"From: \"Ann\" <sip:201@192.0.2.254>;tag=9fxced76sl\r\n",
		"To: <sip:101@192.0.2.254>\r\n",
		"Call-ID: 3848276298220188511@198.51.100.7\r\n",
		"CSeq: 314 " + method + "\r\n",
		"Contact: <sip:201@198.51.100.7:5062;transport=udp>\r\n",
	} {
		name, _, _ := strings.Cut(h, ":")
		instead, _, _ := strings.Cut(extra, ":")
		if compact := map[string]string{"v": "Via", "f": "From", "m": "Contact"}[instead]; compact != "" {
			instead = compact
		}
		if !strings.EqualFold(name, instead) {
			s += h
		}
	}
	return s + extra + "Content-Length: 0\r\n\r\n"
}

func check(t *testing.T, data string, stream bool) (Verdict, *Checker) {
	t.Helper()
	c := NewChecker(maphash.MakeSeed())
	flow := udpFlow
	if stream {
		flow = tcpFlow
	}
	v := c.Message([]byte(data), flow, stream)
	verdict(t, c, []byte(data), v)
	return v, c
}

// TestHeaders has one header a row, and what becomes of it.
func TestHeaders(t *testing.T) {
	for _, row := range []struct{ header, want string }{
		{"v: SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP [2001:db8::1]:5070", "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;received=198.51.100.7|Via: SIP/2.0/TCP [2001:db8::1]:5070"},
		{"Via: SIP/2.0/UDP 198.51.100.7:5062;received=203.0.113.1;branch=z9hG4bK1", "Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bK1"},
		{"Via: SIP/2.0/UDP 10.0.0.1;RPORT;Branch=z9hG4bK1", "Via: SIP/2.0/UDP 10.0.0.1;rport=40000;branch=z9hG4bK1;received=198.51.100.7"},
		{"Via: SIP/2.0/UDP 198.51.100.7;rport=9;branch=z9hG4bK1", "Via: SIP/2.0/UDP 198.51.100.7;rport=40000;branch=z9hG4bK1;received=198.51.100.7"},
		{"Via: SIP/2.0/UDP a.example;x=\"a,b;c\";branch=z9hG4bK1", "Via: SIP/2.0/UDP a.example;x=\"a,b;c\";branch=z9hG4bK1;received=198.51.100.7"},
		{"Via: SIP/2.0/UDP a.example:0;branch=z9hG4bK1", "bad via"},
		{"Via: SIP/2.0/UDP a.example:70000;branch=z9hG4bK1", "bad via"},
		{"Via: SIP/2.0/UDP [2001:db8::1%eth0];branch=z9hG4bK1", "bad via"},
		{"Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;branch=z9hG4bK2", "bad via"},
		{"Via: SIP/2.0/UDP a.example;branch=z9hG4bK1,", "bad via"},
		{"Via: SIP/3.0/UDP a.example;branch=z9hG4bK1", "bad via"},
		{"Via: SIP/2.0/UDP a.example b.example;branch=z9hG4bK1", "bad via"},
		{"m: <sip:a@b.example>;q=0.5, \"x, <y>\" <sip:c@d.example>", "Contact: <sip:a@b.example>;q=0.5|Contact: \"x, <y>\" <sip:c@d.example>"},
		{"Contact: <sip:a@b.example>;+sip.instance=\"<urn:uuid:1>\";Reg-ID=1;methods=\"INVITE, ACK\"", "Contact: <sip:a@b.example>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;methods=\"INVITE, ACK\""},
		{"Contact: sip:a@b.example;expires=x", "Contact: <sip:a@b.example>;expires=3600"},
		{"Contact: <sip:a@b.example>;expires=99999999999999999999", "Contact: <sip:a@b.example>;expires=4294967295"},
		{"Contact: <sip:a@b.example;Transport=tcp;LR>", "Contact: <sip:a@b.example;transport=tcp;lr>"},
		{"Contact: *", "bad address"}, // no REGISTER
		{"Contact: <sip:a@b.example", "bad address"},
		{"Contact: <sip:a@b@c.example>", "bad address"},
		{"Contact: <sip:a:b:c@d.example>", "bad address"},
		{"Contact: <sip:a@b.example:>", "bad address"},
		{"Contact: <sip:a@[::1>", "bad address"},
		{"Contact: <sip:a@[::1]x>", "bad address"},
		{"Contact: <sip:a%4@b.example>", "bad address"},
		{"Contact: <sip:@b.example>", "bad address"},
		{"Contact: <sip://b.example>", "bad address"},
		{"Contact: <sip:a@b.example;x=1;x=2>", "bad address"},
		{"Contact: ", "bad address"},
		{"From: Ann Bell <sip:a@b.example>;TAG=x", "From: \"Ann Bell\" <sip:a@b.example>;tag=x"},
		{"From: \xc3\x84nne <sip:a@b.example>;tag=x", "From: \"\xc3\x84nne\" <sip:a@b.example>;tag=x"},
		{"From: <sip:*98#@b.example>;tag=x", "From: <sip:*98#@b.example>;tag=x"},
		{"From: <tel:+15550100;phone-context=x>;tag=x", "From: <tel:+15550100;phone-context=x>;tag=x"},
		{"From: <sip:a@b.example>;tag=", "bad address"},
		{"From: <sip:a@b.example>;tag=x;tag=y", "bad address"},
		{"From: <sip:a@b.example>;tag=x, <sip:c@d.example>", "bad address"},
		{"From: \"a\x07\" <sip:a@b.example>;tag=x", "bad address"},
		{"From: \"a\\\x07\" <sip:a@b.example>;tag=x", "From: \"a\\\x07\" <sip:a@b.example>;tag=x"},
		{"From: \"a\\\rb\" <sip:a@b.example>;tag=x", "bad address"},
		{"Route: <sip:a.example;lr>,<sip:b.example;lr>", "Route: <sip:a.example;lr>|Route: <sip:b.example;lr>"},
		{"Refer-To: <sip:a@b.example?Replaces=x%3Bto-tag%3Dy>", "Refer-To: <sip:a@b.example?Replaces=x%3Bto-tag%3Dy>"},
		{"r: <sip:a@b.example>", "Refer-To: <sip:a@b.example>"},
		{"k: timer, 100rel", "Supported: timer, 100rel"},
		{"x: 1800;refresher=uac", "Session-Expires: 1800;refresher=uac"},
		{"EVENT: dialog", "Event: dialog"},
		{"X-Own:a\r\n  b\r\n\tc", "X-Own: a b c"},
		{"Expires: 99999999999", "Expires: 4294967295"},
		{"Expires: soon", "Expires: 3600"},
		{"Max-Forwards: 256", "bad max-forwards"},
		{"Max-Forwards: -1", "bad max-forwards"},
		{"CSeq: 2147483647 OPTIONS", "CSeq: 2147483647 OPTIONS"},
		{"CSeq: 2147483648 OPTIONS", "bad cseq"},
		{"CSeq: 0x1 OPTIONS", "bad cseq"},
		{"CSeq: 1", "bad cseq"},
		{"CSeq: 1 options", "bad cseq"},
		{"Call-ID: a b", "bad call-id"},
		{"Call-ID:", "bad call-id"},
		{"Subject: a\x00b", "bad line"},
		{"Subject: a\rb", "bad line"},
		{"Subject: a\nb", "bad line"},
		{"Subject: a\x1b[2J", "bad line"},
		{"Sub ject: a", "bad header name"},
		{": a", "bad header name"},
		{"Subject", "bad header name"},
		{"To", "bad header name"},
		{"Event: a\r\no: b", "header twice"},
		{"Max-Forwards: 70\r\nMAX-FORWARDS: 70", "header twice"},
		{"Content-Length: 0", "header twice"},
		{"l: +0", "header twice"},
		{"X-Y: " + strings.Repeat("a", MaxLine), "bad line"},
		{strings.Repeat("X-Y: a\r\n", MaxHeaders) + "X-Y: a", "too many values"},
		{"Via: SIP/2.0/UDP a.example" + strings.Repeat(",SIP/2.0/UDP a.example", MaxVias), "too many values"},
		{"Contact: <sip:a@b.example>" + strings.Repeat(",<sip:a@b.example>", MaxContacts), "too many values"},
		{"Route: <sip:a@b.example>" + strings.Repeat(",<sip:a@b.example>", MaxRoutes), "too many values"},
		{"Contact: <sip:a@b.example>" + manyParams(MaxParams+1), "bad address"},
	} {
		v, _ := check(t, sample("OPTIONS", row.header+"\r\n"), false)
		got := v.Why.String()
		if v.Kind == Accept {
			name, _, _ := strings.Cut(row.want, ":")
			var l []string
			for _, h := range v.Request.GetHeaders(name) {
				l = append(l, h.String())
			}
			got = strings.Join(l, "|")
		}
		if got != row.want {
			t.Errorf("%.80q:\n got %q\nwant %q", row.header, got, row.want)
		}
	}
}

func manyParams(n int) (s string) {
	for i := range n {
		s += fmt.Sprintf(";p%d", i)
	}
	return s
}

// TestMessages has whole messages and their ends.
func TestMessages(t *testing.T) {
	big := strings.Repeat("a", MaxBody+1)
	good := sample("INVITE", "")
	noLength := strings.Replace(good, "Content-Length: 0\r\n", "", 1)
	for _, row := range []struct {
		name, data string
		stream     bool
		kind       Kind
		why        Reason
		close      bool
	}{
		{"good", good, false, Accept, OK, false},
		{"good on a stream", good, true, Accept, OK, false},
		{"line ends before it", "\r\n\r\n" + good, false, Accept, OK, false},
		{"star", strings.Replace(sample("REGISTER", "Contact: *\r\n"), "Content-", "Expires: 0\r\nContent-", 1), false, Accept, OK, false},
		{"star and another", sample("REGISTER", "Contact: *\r\nContact: <sip:a@b.example>\r\n"), false, Reply, BadAddress, false},
		{"no length", noLength, false, Accept, OK, false},
		{"no length on a stream", noLength, true, Reply, BadLength, true},
		{"length in the next line", strings.Replace(good, "Length: 0", "Length:\r\n 0", 1), true, Accept, OK, false},
		{"length in two lines", strings.Replace(good, "Length: 0", "Length: 0\r\n 0", 1), true, Reply, BadLength, true},
		{"length of a huge number", strings.Replace(good, "Length: 0", "Length: 18446744073709551617", 1), false, Reply, BadLength, false},
		{"large body", strings.Replace(good, "Length: 0", fmt.Sprintf("Length: %d", len(big)), 1) + big, false, Reply, TooLarge, false},
		{"large body without length", noLength + big, false, Reply, TooLarge, false},
		{"large datagram", good + strings.Repeat("a", MaxMessage), false, Reply, TooLarge, false},
		{"large head", strings.Replace(good, "Content-", strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 9)+"Content-", 1), false, Reply, TooLarge, false},
		{"ACK", strings.Replace(sample("ACK", ""), "Call-ID", "Call ID", 1), false, Drop, BadName, false},
		{"ACK without CSeq", strings.Replace(sample("ACK", ""), "CSeq", "XSeq", 1), false, Drop, Missing, false},
		{"ack", strings.Replace(sample("ack", ""), "Call-ID", "Call ID", 1), false, Drop, BadName, false},
		{"ACK in CSeq", strings.Replace(good, "314 INVITE", "314 ACK", 1), false, Drop, BadCSeq, false},
		{"response", "SIP/2.0 200 OK" + good[strings.Index(good, "\r\n"):], false, Accept, OK, false},
		{"response without reason", "SIP/2.0 200" + good[strings.Index(good, "\r\n"):], false, Accept, OK, false},
		{"response 099", "SIP/2.0 099 x" + good[strings.Index(good, "\r\n"):], false, Drop, BadStatus, false},
		{"response 700", "SIP/2.0 700 x" + good[strings.Index(good, "\r\n"):], false, Drop, BadStatus, false},
		{"response of another version", "SIP/3.0 200 OK" + good[strings.Index(good, "\r\n"):], false, Drop, BadVersion, false},
		{"only a start line", "SIP/2.0 ", false, Drop, NoEnd, false},
		{"web", "GET / HTTP/1.1\r\nVia: SIP/2.0/UDP a.example\r\n\r\n", false, Drop, NotSIP, false},
		{"web on a stream", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, Drop, NotSIP, true},
		{"nothing", "", false, Drop, NotSIP, false},
		{"space before the method", " " + good, false, Drop, NotSIP, false},
		{"bare line feeds", strings.ReplaceAll(good, "\r\n", "\n"), false, Drop, NoEnd, false},
		{"no Via to answer to", strings.Replace(good, "Via:", "Viax:", 1), false, Drop, Missing, false},
		{"Via that cannot be read", sample("INVITE", "Via: x\r\n"), false, Drop, BadVia, false},
		{"too short to be answered", "A a SIP/2.0\r\nv:SIP/2.0/UDP a\r\n\r\n", false, Drop, Missing, false},
		{"ping", "\r\n\r\n", true, Pong, OK, false},
		{"ping by datagram", "\r\n\r\n", false, Pong, OK, false},
		{"NUL", "\x00", false, Pong, OK, false},
		{"STUN", "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl", false, Pong, OK, false},
		{"version in small letters", strings.Replace(good, " SIP/2.0\r\n", " sip/2.0\r\n", 1), false, Accept, OK, false},
		{"version without digits", strings.Replace(good, " SIP/2.0\r\n", " SIP/x\r\n", 1), false, Reply, BadStart, false},
	} {
		v, _ := check(t, row.data, row.stream)
		if v.Kind != row.kind || v.Why != row.why || v.Close != row.close {
			t.Errorf("%s: kind %d for %q, close %v\n%s", row.name, v.Kind, v.Why, v.Close, v.Reply)
		}
		if v.Kind == Pong && string(v.Reply) != map[bool]string{true: "\r\n"}[row.stream] {
			t.Errorf("%s: answers %q", row.name, v.Reply)
		}
	}
}

// TestReply checks the answer to a broken request to the byte.
func TestReply(t *testing.T) {
	data := sample("INVITE", "Via: SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bK74bf9, SIP/2.0/TCP b.example\r\nMax-Forwards: 999\r\nUser-Agent: x\r\nVia: SIP/2.0/UDP c.example\r\n")
	c := NewChecker(maphash.MakeSeed())
	v := c.Message([]byte(data), udpFlow, false)
	got := string(v.Reply)
	_, tag, _ := strings.Cut(got, "<sip:101@192.0.2.254>;tag=")
	tag, _, _ = strings.Cut(tag, "\r\n")
	want := "SIP/2.0 400 Bad Request\r\n" +
		"From: \"Ann\" <sip:201@192.0.2.254>;tag=9fxced76sl\r\n" +
		"To: <sip:101@192.0.2.254>;tag=" + tag + "\r\n" +
		"Call-ID: 3848276298220188511@198.51.100.7\r\n" +
		"CSeq: 314 INVITE\r\n" +
		"Via: SIP/2.0/UDP 10.0.0.9:5062;rport=40000;branch=z9hG4bK74bf9;received=198.51.100.7, SIP/2.0/TCP b.example\r\n" +
		"Via: SIP/2.0/UDP c.example\r\n" +
		"Content-Length: 0\r\n\r\n"
	if got != want || len(tag) < 7 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := string(c.Message([]byte(data), udpFlow, false).Reply); again != got {
		t.Errorf("a repetition is answered otherwise:\n%s", again)
	}
}

func TestReceived(t *testing.T) {
	for _, row := range []struct{ host, from, want string }{
		{"192.0.2.1", "192.0.2.1:5060", ""},
		{"192.0.2.1", "[::ffff:192.0.2.1]:5060", ""},
		{"[::ffff:192.0.2.1]", "192.0.2.1:5060", ""},
		{"2001:db8::1", "[2001:db8:0::1]:5060", ""},
		{"2001:db8::1", "[2001:db8::2]:5060", "2001:db8::2"},
		{"pbx.example", "192.0.2.1:5060", "192.0.2.1"},
	} {
		v := &sip.ViaHeader{Host: row.host}
		Received(v, netip.MustParseAddrPort(row.from))
		if got, _ := v.Params.Get("received"); got != row.want {
			t.Errorf("%s from %s: received=%s, want %s", row.host, row.from, got, row.want)
		}
	}
}

func TestReasonsHaveTexts(t *testing.T) {
	seen := map[string]bool{}
	for r := range Reasons {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d: %q", r, s)
		} else {
			seen[s] = true
		}
	}
}

// Dropping nonsense and keep-alives must cost nothing but the look at it.
func TestDropsDoNotAllocate(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, data := range []string{"\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("\xff", 1400)} {
		b := []byte(data)
		c.Message(b, udpFlow, false)
		if n := testing.AllocsPerRun(100, func() { c.Message(b, udpFlow, false) }); n > 0 {
			t.Errorf("%.20q: %v allocations", data, n)
		}
	}
}

// What a message may cost: a few allocations a header, and none that grows with the load.
func TestMessageBudget(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for method, most := range map[string]float64{"INVITE": 30, "REGISTER": 30} {
		data := []byte(sample(method, "Supported: timer\r\n"))
		if n := testing.AllocsPerRun(100, func() { c.Message(data, udpFlow, false) }); n > most {
			t.Errorf("%s: %v allocations, at most %v", method, n, most)
		}
	}
}

// The texts of an accepted message must outlive the reader's buffer.
func TestMessageOwnsItsText(t *testing.T) {
	data := []byte(strings.Replace(sample("INVITE", "Subject: a\r\n b\r\n"), "Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nv=0", 1))
	c := NewChecker(maphash.MakeSeed())
	v := c.Message(data, udpFlow, false)
	before := v.text()
	for i := range data {
		data[i] = 'x'
	}
	if after := v.text(); after != before || !strings.HasSuffix(before, "v=0") {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
}

func BenchmarkMessage(b *testing.B) {
	invite := strings.Replace(sample("INVITE", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK\r\nSupported: 100rel, timer, replaces\r\nUser-Agent: bench\r\nContent-Type: application/sdp\r\n"),
		"Content-Length: 0\r\n\r\n", "Content-Length: 131\r\n\r\n"+
			"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", 1)
	register := sample("REGISTER", "Contact: <sip:201@198.51.100.7:5062>;expires=3600\r\nAuthorization: Digest username=\"u\", realm=\"sotto\", nonce=\"0123456789abcdef0123456789abcdef\", uri=\"sip:192.0.2.254\", response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"abcd\"\r\n")
	bad := strings.Replace(invite, "Max-Forwards: 70", "Max-Forwards: 700", 1)
	for _, row := range []struct{ name, data string }{{"INVITE", invite}, {"REGISTER", register}, {"bad", bad}} {
		b.Run(row.name, func(b *testing.B) {
			c, data := NewChecker(maphash.MakeSeed()), []byte(row.data)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if c.Message(data, udpFlow, false).Kind == Drop {
					b.Fatal("dropped")
				}
			}
		})
		b.Run(row.name+"/sipgo", func(b *testing.B) {
			p, data := sip.NewParser(), []byte(row.data)
			b.ReportAllocs()
			for b.Loop() {
				p.ParseSIP(data)
			}
		})
	}
}

package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestOffer(t *testing.T) {
	for _, c := range []struct {
		name string
		l    Local
		want string
	}{
		{"all", *us(), `v=0
o=- 5 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 8 0 101 13
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap:13 CN/8000
a=ptime:20
a=sendrecv
`},
		{"hold, over IPv6, with RTCP elsewhere", Local{Addr: netip.MustParseAddrPort("[2001:db8::1%eth0]:4000"), RTCP: 4003, ID: 1<<62 - 1, Version: 7,
			Codecs: []Codec{{Payload: 96, Name: "opus", Rate: 48000, Channels: 2}}, Dir: SendOnly, PTime: 30}, `v=0
o=- 4611686018427387903 7 IN IP6 2001:db8::1
s=-
c=IN IP6 2001:db8::1
t=0 0
m=audio 4000 RTP/AVP 96
a=rtpmap:96 opus/48000/2
a=rtcp:4003
a=ptime:30
a=sendonly
`},
		{"an IPv4 address written as IPv6, RTCP beside RTP", Local{Addr: netip.MustParseAddrPort("[::ffff:192.0.2.9]:4000"), RTCP: 4001, Codecs: []Codec{PCMA}, Dir: Inactive}, `v=0
o=- 0 0 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 4000 RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=ptime:20
a=inactive
`},
	} {
		if got := string(c.l.Offer()); got != crlf(c.want) {
			t.Errorf("%s:\n%s", c.name, got)
		}
	}
}

const offered = `v=0
o=- 1 1 IN IP4 192.0.2.50
s=-
c=IN IP4 192.0.2.50
t=3338481189 3370017201
t=0 0
m=video 9000 RTP/AVP 99
m=audio 9002 RTP/AVP 0 8 97
a=rtpmap:97 telephone-event/8000
`

func TestAnswer(t *testing.T) {
	l := us()
	for _, c := range []struct {
		prefer bool
		codec  Codec
	}{{false, PCMU}, {true, PCMA}} {
		l.Prefer = c.prefer
		got, chosen, err := l.Answer(parse(t, offered))
		want := crlf(fmt.Sprintf(`v=0
o=- 5 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=3338481189 3370017201
m=video 0 RTP/AVP 99
m=audio 4000 RTP/AVP %[1]d 97
a=rtpmap:%[1]d %[2]s/8000
a=rtpmap:97 telephone-event/8000
a=fmtp:97 0-16
a=ptime:20
a=sendrecv
`, c.codec.Payload, c.codec.Name))
		if err != nil || string(got) != want || chosen.Codec != c.codec {
			t.Errorf("prefer %v: %v\n%s", c.prefer, err, got)
		}
	}
}

// TestOffersKeepLines: what was once refused keeps its place in every later offer, and
// the answer is looked for where the audio line is.
func TestOffersKeepLines(t *testing.T) {
	l := us()
	_, c, err := l.Answer(parse(t, offered))
	if err != nil {
		t.Fatal(err)
	}
	l.Lines = c.Lines
	if got, want := mediaLines(l.Offer()), "video 0 RTP/AVP 99 | audio 4000 RTP/AVP 8 0 101 13"; got != want {
		t.Errorf("offered %s, want %s", got, want)
	}
	head := "v=0\no=- 1 2 IN IP4 192.0.2.50\ns=-\nc=IN IP4 192.0.2.50\nt=0 0\n"
	c, err = Accept(l, parse(t, head+"m=video 0 RTP/AVP 99\nm=audio 9002 RTP/AVP 8\n"))
	if err != nil || c.Codec != PCMA || len(c.Lines.lines) != 2 || c.Lines.audio != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err = Accept(l, parse(t, head+"m=audio 9002 RTP/AVP 8\n")); !errors.Is(err, ErrNothing) {
		t.Errorf("an answer with a line too few: %v", err)
	}
	if _, err = Accept(l, parse(t, head+"m=audio 9002 RTP/AVP 8\nm=audio 0 RTP/AVP 8\n")); !errors.Is(err, ErrNothing) {
		t.Errorf("an answer on another line: %v", err)
	}
}

// TestPacketTime: a packet holds what the other end wants, then what this one does.
func TestPacketTime(t *testing.T) {
	for _, c := range []struct {
		said string
		ours int
		want int
	}{{"", 0, 20}, {"", 40, 40}, {"a=ptime:30", 40, 30}, {"a=ptime:30\na=maxptime:20", 0, 20}, {"a=ptime:25", 0, 20}, {"a=ptime:0", 0, 20},
		{"a=ptime:5", 0, 10}, {"a=ptime:200", 0, 60}, {"a=ptime:x", 0, 20}, {"a=maxptime:10", 0, 10}} {
		l := us()
		l.PTime = c.ours
		_, got, err := l.Answer(parse(t, offered+c.said))
		if err != nil || got.PTime != c.want {
			t.Errorf("%q and %d: %d ms, %v; want %d", c.said, c.ours, got.PTime, err, c.want)
		}
	}
}

func TestAccept(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"as offered", "m=audio 9000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\na=ptime:30", "PCMA send 8 receive 8 events 101 101 comfort false sendrecv 30 ms"},
		{"all of it", "m=audio 9000 RTP/AVP 0 8 101 13\na=rtpmap:101 telephone-event/8000", "PCMU send 0 receive 0 events 101 101 comfort true sendrecv 20 ms"},
		{"other numbers", "m=audio 9000 RTP/AVP 96 97\na=rtpmap:97 telephone-event/8000\na=rtpmap:96 PCMA/8000", "PCMA send 96 receive 8 events 97 101 comfort false sendrecv 20 ms"},
		{"what was not offered first", "m=audio 9000 RTP/AVP 9 8", "PCMA send 8 receive 8 events 0 0 comfort false sendrecv 20 ms"},
		{"on hold", "m=audio 9000 RTP/AVP 8\na=sendonly", "PCMA send 8 receive 8 events 0 0 comfort false recvonly 20 ms"},
		{"with feedback", "m=audio 9000 RTP/AVPF 8", "PCMA send 8 receive 8 events 0 0 comfort false sendrecv 20 ms"},
		{"refused", "m=audio 0 RTP/AVP 8", ""},
		{"encrypted", "m=audio 9000 RTP/SAVP 8", ""},
		{"only what was not offered", "m=audio 9000 RTP/AVP 9", ""},
		{"keys alone", "m=audio 9000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000", ""},
		{"video", "m=video 9000 RTP/AVP 8", ""},
		{"no line", "a=sendrecv", ""},
	} {
		got, err := Accept(us(), parse(t, "v=0\no=- 1 1 IN IP4 192.0.2.50\ns=-\nc=IN IP4 192.0.2.50\nt=0 0\n"+c.line+"\n"))
		if c.want == "" && !errors.Is(err, ErrNothing) || c.want != "" && (err != nil || showChosen(&got) != c.want) {
			t.Errorf("%s: %s, %v", c.name, showChosen(&got), err)
		}
	}
}

// TestDirections tries every direction that one may offer against every one that the
// other may want (RFC 3264 section 6.1): none gets more than it said, and both agree.
func TestDirections(t *testing.T) {
	for offer := range Direction(4) {
		for want := range Direction(4) {
			a, b := us(), us()
			a.Dir, b.Dir = offer, want
			answer, cb, err := b.Answer(parse(t, string(a.Offer())))
			if err != nil {
				t.Fatal(err)
			}
			ca, err := Accept(a, parse(t, string(answer)))
			if err != nil {
				t.Fatal(err)
			}
			if ca.Dir.Sends() != cb.Dir.Receives() || ca.Dir.Receives() != cb.Dir.Sends() || ca.Dir != cb.Dir.Mirror() {
				t.Errorf("%s to %s: %s and %s", offer, want, ca.Dir, cb.Dir)
			}
			if s := offer.Sends() && want.Receives(); ca.Dir.Sends() != s {
				t.Errorf("%s to %s: the offerer sends: %v, want %v", offer, want, ca.Dir.Sends(), s)
			}
			if !strings.Contains(string(answer), "\r\na="+cb.Dir.String()+"\r\n") {
				t.Errorf("%s to %s: the answer does not say %s", offer, want, cb.Dir)
			}
		}
	}
}

func TestBad(t *testing.T) {
	const head = "v=0\no=- 1 1 IN IP4 192.0.2.50\ns=-\nc=IN IP4 192.0.2.50\nt=0 0\n"
	for _, c := range []struct {
		name, text string
		want       error // nil: good
	}{
		{"nothing", "", errVersion},
		{"another version", "v=1\no=- 1 1 IN IP4 192.0.2.50\n", errVersion},
		{"no version", head[4:], errVersion},
		{"a second description", head + head, errVersion},
		{"no origin", "v=0\ns=-\n", errOrigin},
		{"an empty line", head + "\na=x\n", errType},
		{"a line without type", head + "hello\n", errType},
		{"a type of nobody", head + "x=1\n", errType},
		{"NUL", head + "i=a\x00b\n", errCharacter},
		{"CR alone", head + "i=a\rb\n", errCharacter},
		{"times", head + "t=now\n", errTime},
		{"long times", head + "t=0 " + strings.Repeat("1", 21) + "\n", errTime},
		{"no formats", head + "m=audio 9000 RTP/AVP\n", errMedia},
		{"no formats, refused", head + "m=audio 0 RTP/AVP\n", nil},
		{"no protocol", head + "m=audio 9000\n", errMedia},
		{"a port too high", head + "m=audio 65536 RTP/AVP 0\n", errMedia},
		{"a port below", head + "m=audio -1 RTP/AVP 0\n", errMedia},
		{"a port that is none", head + "m=audio x RTP/AVP 0\n", errMedia},
		{"a count that is none", head + "m=audio 9000/x RTP/AVP 0\n", errMedia},
		{"a control character in what is repeated", head + "m=audio\x07 9000 RTP/AVP 0\n", errMedia},
		{"a long word in what is repeated", head + "m=" + strings.Repeat("a", 65) + " 9000 RTP/AVP 0\n", errMedia},
		{"8 lines", head + strings.Repeat("m=audio 9000 RTP/AVP 0\n", 8), nil},
		{"9 lines", head + strings.Repeat("m=audio 9000 RTP/AVP 0\n", 9), errLines},
		{"32 formats", head + "m=audio 9000 RTP/AVP" + strings.Repeat(" 0", 32) + "\n", nil},
		{"33 formats", head + "m=audio 9000 RTP/AVP" + strings.Repeat(" 0", 33) + "\n", errFormats},
		{"64 attributes twice", head + strings.Repeat("a=x\n", 64) + "m=audio 9000 RTP/AVP 0\n" + strings.Repeat("a=x:1\n", 64), nil},
		{"65 attributes", head + strings.Repeat("a=x\n", 65), errAttributes},
		{"65 attributes of a line", head + "m=audio 9000 RTP/AVP 0\n" + strings.Repeat("a=x:1\n", 65), errAttributes},
		{"8 KiB", head + "i=" + strings.Repeat("x", MaxSize-len(head)-2), nil},
		{"more", head + "i=" + strings.Repeat("x", MaxSize-len(head)-1), errSize},
	} {
		s, err := Parse([]byte(c.text))
		if !errors.Is(err, c.want) || (err == nil) != (s != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Parse([]byte(head + "m=audio secret RTP/AVP 0\n")); err == nil || err.Error() != "session description line 6: bad media line" {
		t.Errorf("the error reads %q", err)
	}
}

// TestFirstOfTwo: of two connections or maps the first counts, of directions the last, and
// RTCP goes nowhere else when it cannot go where it is wanted.
func TestFirstOfTwo(t *testing.T) {
	s := parse(t, `v=0
o=- 1 1 IN IP4 192.0.2.50
c=IN IP4 192.0.2.50
c=IN IP4 192.0.2.51
m=audio 9000 RTP/AVP 96 08 8
c=IN IP4 192.0.2.52
c=IN IP4 192.0.2.53
a=rtpmap:96 PCMU/8000
a=rtpmap:96 opus/48000/2
a=sendonly
a=recvonly
a=rtcp:0
a=rtcp:70000
a=rtcp:9009 IN IP4 224.0.0.1
`)
	r, ok := s.Audio()
	if !ok || r.RTP.String() != "192.0.2.52:9000" || r.RTCP.IsValid() || r.Dir != RecvOnly || len(r.Codecs) != 2 || !r.Codecs[0].Same(PCMU) || r.Codecs[1] != PCMA {
		t.Errorf("%+v", r)
	}
}

// FuzzParse gives the parser anything. What it takes can be answered, whatever it is; the
// answer is a description that the other end can take; and what is written of an audio
// line reads as the same.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v[1]))
	}
	f.Add([]byte(offered))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			if len(err.Error()) > 80 {
				t.Fatalf("a long error: %v", err)
			}
			return
		}
		if r, ok := s.Audio(); ok {
			writeAgain(t, r)
		}
		l := us()
		answer, c, err := l.Answer(s)
		if err != nil {
			return
		}
		back, err := Parse(answer)
		if err != nil {
			t.Fatalf("our own answer: %v\n%s", err, answer)
		}
		if len(back.lines) != len(s.lines) || back.time != s.time {
			t.Fatalf("%d lines for %d\n%s", len(back.lines), len(s.lines), answer)
		}
		if c.PTime < minPTime || c.PTime > maxPTime || c.PTime%10 != 0 || c.Codec.Channels != 0 || c.Codec.Rate != 8000 {
			t.Fatalf("%+v", c)
		}
		offerer := us()
		offerer.Codecs, offerer.Dir, offerer.Lines = c.Remote.Codecs, c.Remote.Dir, c.Lines
		o, err := Accept(offerer, back)
		if err != nil {
			t.Fatalf("they cannot take it: %v\n%s", err, answer)
		}
		if !o.Codec.Same(c.Codec) || o.PayloadIn != c.Codec.Payload || o.Events != c.EventsIn || o.EventsIn != c.Events || o.Comfort != c.Comfort || o.Dir != c.Dir.Mirror() {
			t.Fatalf("they take it for %+v, we for %+v", o, c)
		}
		l.Lines = c.Lines
		if again, err := Parse(l.Offer()); err != nil || len(again.lines) != len(s.lines) {
			t.Fatalf("offered again: %v", err)
		}
	})
}

// writeAgain offers what a remote said and reads it again.
func writeAgain(t *testing.T, r *Remote) {
	if len(r.Codecs) == 0 {
		return
	}
	l := &Local{Addr: r.RTP, Codecs: r.Codecs, Dir: r.Dir, PTime: r.PTime}
	if !l.Addr.IsValid() {
		l.Addr = netip.MustParseAddrPort("192.0.2.7:9")
	}
	text := l.Offer()
	s, err := Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	q, ok := s.Audio()
	if !ok || q.RTP != l.Addr || q.Dir != r.Dir || !slices.Equal(q.Codecs, r.Codecs) || r.PTime != 0 && q.PTime != r.PTime {
		t.Fatalf("%+v\nwas written as\n%s\nand read as %+v", r, text, q)
	}
}

func BenchmarkAnswer(b *testing.B) {
	text := []byte(crlf(vectors(b)["yealink.sdp"][1]))
	l := us()
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := l.Answer(s); err != nil {
			b.Fatal(err)
		}
	}
}

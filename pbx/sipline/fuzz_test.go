package sipline

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

const sdpOffer = "v=0\r\no=- 7 1 IN IP4 192.0.2.250\r\ns=-\r\nc=IN IP4 192.0.2.250\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

// request makes a request of 201 at 192.0.2.250; %T in to is the tag that the box gave last.
func request(method, branch string, cseq int, to, body string, headers ...string) string {
	m := &siptest.Message{Start: method + " sip:202@192.0.2.1 SIP/2.0", Headers: append([]string{"Via: SIP/2.0/UDP 192.0.2.250;rport;branch=z9hG4bK" + branch,
		"From: <sip:201@192.0.2.1>;tag=f", "To: <sip:202@192.0.2.1>" + to, "Call-ID: c", fmt.Sprintf("CSeq: %d %s", cseq, strings.TrimPrefix(method, "2")), "Contact: <sip:201@192.0.2.250>", "Max-Forwards: 70"}, headers...), Body: body}
	if body != "" {
		m.Headers = append(m.Headers, "Content-Type: application/sdp")
	}
	m.Headers = append(m.Headers, fmt.Sprintf("Content-Length: %d", len(body)))
	return m.String()
}

// FuzzServer sends messages to a running box, of one who is trusted and of one who is not,
// over UDP and a stream, and lets time go by between them. Whatever they are, a response
// gets no answer, a stranger starts nothing and gets no more than he sent and half as
// much again, and in the end nothing is left. Pieces are parted by a NUL and a letter: what
// is to be done with the next one.
func FuzzServer(f *testing.F) {
	const tag = ";tag=%T"
	invite := request("INVITE", "1", 1, "", sdpOffer)
	ack := request("ACK", "2", 1, tag, "")
	bye := request("BYE", "3", 2, tag, "")
	f.Add([]byte(invite + "\x00w\x00u" + ack + "\x00u" + bye))
	f.Add([]byte(invite + "\x00u" + request("CANCEL", "1", 1, "", "") + "\x00u" + ack))
	f.Add([]byte(invite + "\x00w\x00u" + ack + "\x00u" + request("INVITE", "4", 2, tag, strings.Replace(sdpOffer, "a=rtp", "a=sendonly\r\na=rtp", 1)) + "\x00u" + request("UPDATE", "5", 3, tag, sdpOffer) + "\x00s" + bye))
	f.Add([]byte(request("INVITE", "1", 1, "", "") + "\x00w\x00u" + request("ACK", "2", 1, tag, sdpOffer) + "\x00t" + request("INFO", "5", 3, tag, "") + "\x00u" + request("OPTIONS", "6", 4, tag, "") + "\x00w"))
	f.Add([]byte(request("INVITE", "1", 1, "", sdpOffer, "Require: 100rel", "Supported: timer", "Session-Expires: 90", "Min-SE: 90") + "\x00u" + request("PRACK", "7", 2, tag, "", "RAck: 1 1 INVITE") + "\x00W"))
	f.Add([]byte(request("REGISTER", "1", 1, "", "", "Expires: 60") + "\x00u" + request("REGISTER", "2", 2, "", "", "Expires: 0") + "\x00W\x00t" + request("OPTIONS", "3", 3, "", "")))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"))
	for _, row := range tortures {
		data := torture(f, row.file)
		f.Add(data)
		f.Add(append([]byte("\x00t"), data...))
		f.Add(append([]byte("\x00s"), data...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 16<<10 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			friend := netip.MustParseAddrPort("192.0.2.250:5060")
			b := start(t, unlimited, func(_ *box, c *Config) {
				c.Trusted = func(a netip.AddrPort) (plan.UserID, bool) { return "u201", a.Addr() == friend.Addr() }
			})
			b.registered("202", func(p *siptest.Phone) { p.Answers = time.Second })
			last := "x"
			out := map[netip.Addr]int{}
			var mu sync.Mutex // of both
			b.tap = func(to netip.AddrPort, d []byte) {
				mu.Lock()
				defer mu.Unlock()
				if _, v, ok := bytes.Cut(d, []byte("\r\nTo: ")); ok {
					if _, v, ok = bytes.Cut(v, []byte(";tag=")); ok && to.Addr() == friend.Addr() {
						v, _, _ = bytes.Cut(v, []byte("\r\n"))
						last = string(v)
					}
				}
				out[to.Addr()] += len(d)
			}
			u, s, v, w := b.udp(friend), b.udp(netip.AddrPortFrom(stranger.Addr(), 5060)), b.tcp(netip.AddrPortFrom(friend.Addr(), 6000)), b.tcp(stranger)
			in, posted := 0, 0
			for i, piece := range bytes.Split(data, []byte{0}) {
				kind := byte('u')
				if i > 0 && len(piece) > 0 {
					kind, piece = piece[0], piece[1:]
				}
				mu.Lock()
				tag := last
				mu.Unlock()
				piece = bytes.ReplaceAll(piece, []byte("%T"), []byte(tag))
				switch kind {
				case 'w':
					time.Sleep(1100 * time.Millisecond)
				case 'W':
					time.Sleep(time.Minute)
				case 't':
					v.tcp.SetWriteDeadline(time.Now().Add(time.Second))
					v.send(piece)
				case 's':
					posted = len(b.posted)
					for _, m := range s.send(piece) {
						if bytes.HasPrefix(piece, []byte("SIP/2.0 ")) {
							t.Errorf("a response is answered: %s", m.Start)
						}
					}
					mu.Lock()
					sent := out[stranger.Addr()]
					mu.Unlock()
					if in += len(piece); sent > in*3/2 {
						t.Errorf("%d bytes for %d", sent, in)
					}
					if len(b.posted) != posted {
						t.Error("a stranger calls")
					}
				case 'S':
					w.tcp.SetWriteDeadline(time.Now().Add(time.Second))
					w.send(piece)
				default:
					u.send(piece)
				}
			}
			// Whatever is up is ended by the exchange.
			b.sip.order(func() {
				for _, c := range b.sip.ports {
					b.release(c, 16)
				}
			})
			time.Sleep(8 * time.Minute) // timer C
			b.empty()
			u.close()
			v.close()
			w.close()
			b.stop()
			b.done.Wait()
			b.rtp.Close()
			for l := range strings.Lines(b.log.String()) {
				if len(l) > 512 {
					t.Errorf("log line of %d bytes", len(l))
				}
			}
		})
	})
}

// FuzzStream cuts what a friend and a stranger send over a connection into pieces: it is
// answered as it is whole.
func FuzzStream(f *testing.F) {
	for _, row := range tortures {
		f.Add(torture(f, row.file), uint16(17), true)
		f.Add(append(torture(f, row.file), torture(f, "lwsdisp")...), uint16(211), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16, trusted bool) {
		if len(data) > 16<<10 {
			return
		}
		size = max(size, 1)
		var told [2]string
		for i := range told {
			synctest.Test(t, func(t *testing.T) {
				opts := []func(*box, *Config){unlimited}
				if trusted {
					opts = append(opts, trust)
				}
				b := start(t, opts...)
				p := b.tcp(stranger)
				var got []*siptest.Message
				for rest := data; len(rest) > 0; {
					n := len(rest)
					if i == 1 {
						n = min(n, int(size))
					}
					p.tcp.SetWriteDeadline(time.Now().Add(time.Second))
					got = append(got, p.send(rest[:n])...)
					rest = rest[n:]
				}
				time.Sleep(9 * time.Minute)
				synctest.Wait()
				l := strings.Fields(finals(append(got, p.take()...)))
				slices.Sort(l) // what is refused at once overtakes what is thought about
				told[i] = strings.Join(l, " ")
				b.empty()
				b.stop()
				b.done.Wait()
				b.rtp.Close()
			})
		}
		if told[0] != told[1] {
			t.Errorf("whole: %q, in pieces of %d: %q", told[0], size, told[1])
		}
	})
}

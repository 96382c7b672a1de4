package sipline

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx/sipline/siptest"
)

// tortures are the messages of RFC 4475 and RFC 5118 with what the running box answers:
// to who is taken for user 201 without credentials, over UDP and over a stream, and to
// strangers. What the RFC leaves open and what was chosen is in the table of package
// edge; "404" is a call that was let in, to somebody who does not exist here.
var tortures = []struct {
	file                     string
	udp, tcp                 string // trusted; "" silence
	strangerUDP, strangerTCP string
	binds                    int // bindings written for the trusted
	end                      bool
	note                     string
}{
	{"wsinv", "481", "481", "401", "401", 0, false, "has a To tag: of no dialog here"},
	{"intmeth", "501", "501", "401", "401", 0, false, ""},
	{"esc01", "404", "404", "401", "401", 0, false, ""},
	{"escnull", "200", "200", "401", "401", 2, false, ""},
	{"esc02", "501", "501", "401", "401", 0, false, ""},
	{"lwsdisp", "200", "200", "401", "401", 0, false, ""},
	{"longreq", "404", "404", "401", "401", 0, false, ""},
	{"dblreq", "200", "200 400", "401", "401 401", 1, true, "over UDP what is behind is noise; on a stream it is a call with a broken description, and noise behind it"},
	{"semiuri", "200", "200", "401", "401", 0, false, ""},
	{"transports", "200", "200", "401", "401", 0, false, ""},
	{"mpart01", "405", "405", "401", "401", 0, false, ""},
	{"unreason", "", "", "", "", 0, false, "a response"},
	{"noreason", "", "", "", "", 0, false, "a response"},
	{"badinv01", "400", "400", "400", "400", 0, false, ""},
	{"clerr", "400", "513", "400", "513", 0, true, ""},
	{"ncl", "400", "400", "400", "400", 0, true, ""},
	{"scalar02", "400", "400", "400", "400", 0, false, ""},
	{"scalarlg", "", "", "", "", 0, false, "a response"},
	{"quotbal", "400", "400", "400", "400", 0, false, ""},
	{"ltgtruri", "400", "400", "400", "400", 0, false, ""},
	{"lwsruri", "400", "400", "400", "400", 0, false, ""},
	{"lwsstart", "400", "400", "400", "400", 0, false, ""},
	{"trws", "400", "400", "400", "400", 0, false, ""},
	{"escruri", "400", "400", "400", "400", 0, false, ""},
	{"baddate", "404", "404", "401", "401", 0, false, "Date is never read"},
	{"regbadct", "400", "400", "400", "400", 0, false, ""},
	{"badaspec", "400", "400", "400", "400", 0, false, ""},
	{"baddn", "400", "", "400", "", 0, false, "its head does not end: a stream waits"},
	{"badvers", "505", "505", "505", "505", 0, false, ""},
	{"mismatch01", "400", "400", "400", "400", 0, false, ""},
	{"mismatch02", "501", "501", "501", "501", 0, false, ""},
	{"bigcode", "", "", "", "", 0, false, "a response"},
	{"badbranch", "400", "400", "400", "400", 0, false, ""},
	{"insuf", "400", "400", "400", "400", 0, false, ""},
	{"unkscm", "416", "416", "401", "401", 0, false, ""},
	{"novelsc", "416", "416", "401", "401", 0, false, ""},
	{"unksm2", "400", "400", "400", "400", 0, false, ""},
	{"bext01", "420", "420", "401", "401", 0, false, ""},
	{"invut", "415", "415", "401", "401", 0, false, ""},
	{"regaut01", "401", "401", "401", "401", 0, false, ""},
	{"multi01", "400", "400", "400", "400", 0, false, ""},
	{"mcl01", "400", "400", "400", "400", 0, true, ""},
	{"bcast", "", "", "", "", 0, false, "a response for somebody else"},
	{"zeromf", "200", "200", "401", "401", 0, false, ""},
	{"cparam01", "200", "200", "401", "401", 1, false, ""},
	{"cparam02", "200", "200", "401", "401", 1, false, ""},
	{"regescrt", "200", "200", "401", "401", 1, false, ""},
	{"sdp01", "406", "406", "401", "401", 0, false, ""},
	{"inv2543", "404", "400", "401", "400", 0, true, "no Content-Length"},
	{"test", "", "", "", "", 0, true, "no SIP"},
	{"rfc5118/ipv6-good", "200", "200", "401", "401", 1, false, ""},
	{"rfc5118/ipv6-bad", "400", "400", "400", "400", 0, false, ""},
	{"rfc5118/port-ambiguous", "200", "200", "401", "401", 1, false, ""},
	{"rfc5118/port-unambiguous", "200", "200", "401", "401", 1, false, ""},
	{"rfc5118/via-received-param-with-delim", "481", "481", "401", "401", 0, false, "a BYE of no dialog"},
	{"rfc5118/via-received-param-no-delim", "200", "200", "401", "401", 0, false, ""},
	{"rfc5118/ipv6-in-sdp", "488", "488", "401", "401", 0, false, "has no codec of the box"},
	{"rfc5118/mult-ip-in-header", "481", "481", "401", "401", 0, false, "a BYE of no dialog"},
	{"rfc5118/mult-ip-in-sdp", "404", "404", "401", "401", 0, false, ""},
	{"rfc5118/ipv4-mapped-ipv6", "488", "488", "401", "401", 0, false, "has no codec of the box"},
	{"rfc5118/ipv6-bug-abnf-3-colons", "200", "200", "401", "401", 0, false, ""},
	{"rfc5118/ipv6-correct-abnf-2-colons", "200", "200", "401", "401", 0, false, ""},
}

// finals gives the final answers as a text.
func finals(l []*siptest.Message) string {
	var s []string
	for _, m := range l {
		if m.Status() == 0 {
			return "a request: " + m.Start
		}
		if m.Status() != 100 {
			s = append(s, strconv.Itoa(m.Status()))
		}
	}
	return strings.Join(s, " ")
}

// needs is what an answer must carry, beside its status.
var needs = map[int]string{401: "WWW-Authenticate", 405: "Allow", 406: "Accept", 415: "Accept", 420: "Unsupported", 501: "Allow", 503: "Retry-After"}

func checkNeeds(t testing.TB, l []*siptest.Message) {
	t.Helper()
	for _, m := range l {
		if h := needs[m.Status()]; h != "" && m.Get(h) == "" && m.Get("Via") != "" && m.Get("CSeq") != "" && !strings.HasPrefix(m.Get("CSeq"), "8 INVITE") {
			t.Errorf("%s without %s", m.Start, h)
		}
		if m.Body != "" {
			t.Errorf("%s has a body", m.Start)
		}
	}
}

func TestTorture(t *testing.T) {
	for _, row := range tortures {
		for _, trusted := range []bool{true, false} {
			name, want := row.file+"/trusted", row.udp
			var opts []func(*box, *Config)
			if trusted {
				opts = append(opts, trust)
			} else {
				name, want = row.file+"/stranger", row.strangerUDP
			}
			t.Run(name, func(t *testing.T) {
				office(t, func(t *testing.T, b *box) {
					data := torture(t, row.file)
					sum, n := 0, 0
					var got []*siptest.Message
					b.tap = func(to netip.AddrPort, d []byte) {
						if to.Addr() != stranger.Addr() {
							t.Errorf("a packet goes to %s", to)
						}
						sum, n = sum+len(d), n+1
						got = append(got, siptest.ParseMessage(d))
					}
					b.udp(stranger).send(data)
					if s := finals(got); s != want {
						t.Fatalf("answered %q, want %q", s, want)
					}
					if row.file != "mismatch02" {
						checkNeeds(t, got)
					}
					if !trusted && (n > 1 || sum > len(data)*3/2) {
						t.Errorf("%d answers of %d bytes to %d", n, sum, len(data))
					}
					b.checkEffect(trusted, row.binds, want)
				}, opts...)
			})
		}
	}
}

// checkEffect checks that a message had none, but for calls and bindings of who is trusted.
func (b *box) checkEffect(trusted bool, binds int, want string) {
	b.Helper()
	calls := 0
	if trusted && want == "404" {
		calls = 1
	}
	if !trusted {
		binds = 0
	}
	got := 0
	for _, e := range b.posted {
		if e.Kind == 1 {
			got++
		}
	}
	if got != calls {
		b.Errorf("%d calls, want %d", got, calls)
	}
	if n := len(b.saved.Bindings()); n != binds {
		b.Errorf("%d bindings, want %d", n, binds)
	}
	if n := b.sip.Legs(); n != 0 && calls == 0 {
		b.Errorf("%d legs", n)
	}
}

// TestTortureOnStream sends each message whole, byte by byte, and in two pieces cut at
// every place.
func TestTortureOnStream(t *testing.T) {
	for _, row := range tortures {
		for _, trusted := range []bool{true, false} {
			name, want := row.file+"/trusted", row.tcp
			var opts []func(*box, *Config)
			if trusted {
				opts = append(opts, trust)
			} else {
				name, want = row.file+"/stranger", row.strangerTCP
			}
			t.Run(name, func(t *testing.T) {
				data := torture(t, row.file)
				synctest.Test(t, func(t *testing.T) {
					b := start(t, append(opts, unlimited)...)
					defer b.shutdown()
					try := func(what string, pieces ...[]byte) {
						p := b.tcp(netip.AddrPortFrom(stranger.Addr(), 1024+uint16(time.Now().Unix()/40%60000)))
						p.b.TB = t
						var got []*siptest.Message
						for _, d := range pieces {
							got = append(got, p.send(d)...)
						}
						pause(2 * time.Second)
						synctest.Wait()
						got = append(got, p.take()...)
						if s := finals(got); s != want {
							t.Fatalf("%s: answered %q, want %q", what, s, want)
						}
						if end := p.ended(); end != row.end {
							t.Fatalf("%s: closed %v", what, end)
						}
						b.sip.order(func() { b.sip.reg.Forget("u201"); b.sip.bindingsChanged("u201") })
						p.close()
						pause(48 * time.Second) // transactions are over
					}
					try("whole", data)
					single := make([][]byte, len(data))
					for i := range data {
						single[i] = data[i : i+1]
					}
					try("byte by byte", single...)
					step := 1
					if testing.Short() {
						step = 37
					}
					for i := 1; i < len(data); i += step {
						try("cut at "+strconv.Itoa(i), data[:i], data[i:])
					}
					b.empty()
				})
			})
		}
	}
}

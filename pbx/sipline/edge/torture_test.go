package edge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

var (
	udpFlow = wire.Flow{Proto: wire.UDP, Local: netip.MustParseAddrPort("192.0.2.254:5060"), Remote: netip.MustParseAddrPort("198.51.100.7:40000")}
	tcpFlow = wire.Flow{Proto: wire.TCP, Local: udpFlow.Local, Remote: udpFlow.Remote, Conn: 1}
)

// torture is what the edge alone makes of each message of RFC 4475 and RFC 5118. Where the
// RFC lets us choose, the last column says what was chosen. On TCP the verdict is the same,
// but for those of tortureTCP.
var torture = []struct {
	file   string
	want   string // "accept", "drop" or the status of the reply
	reason Reason
	note   string
}{
	{"wsinv", "accept", OK, ""},
	{"intmeth", "accept", OK, "501 comes from above"},
	{"esc01", "accept", OK, ""},
	{"escnull", "accept", OK, ""},
	{"esc02", "accept", OK, "501 comes from above"},
	{"lwsdisp", "accept", OK, ""},
	{"longreq", "accept", OK, ""},
	{"dblreq", "accept", OK, "what is behind the length is cut off"},
	{"semiuri", "accept", OK, ""},
	{"transports", "accept", OK, ""},
	{"mpart01", "accept", OK, ""},
	{"unreason", "accept", OK, ""},
	{"noreason", "accept", OK, ""},
	{"badinv01", "400", BadVia, ""},
	{"clerr", "400", BadLength, ""},
	{"ncl", "400", BadLength, ""},
	{"scalar02", "400", BadCSeq, ""},
	{"scalarlg", "drop", BadCSeq, "a response"},
	{"quotbal", "400", BadAddress, ""},
	{"ltgtruri", "400", BadStart, ""},
	{"lwsruri", "400", BadStart, ""},
	{"lwsstart", "400", BadStart, "might be accepted"},
	{"trws", "400", BadStart, "might be accepted"},
	{"escruri", "400", BadStart, "headers in the URI might be ignored"},
	{"baddate", "accept", OK, "Date is never read"},
	{"regbadct", "400", BadAddress, ""},
	{"badaspec", "400", BadAddress, ""},
	{"baddn", "400", NoEnd, ""},
	{"badvers", "505", BadVersion, ""},
	{"mismatch01", "400", BadCSeq, ""},
	{"mismatch02", "501", BadMismatch, ""},
	{"bigcode", "drop", BadStatus, "a response"},
	{"badbranch", "400", BadVia, "might be matched as RFC 2543 does"},
	{"insuf", "400", Missing, ""},
	{"unkscm", "accept", OK, "416 comes from above"},
	{"novelsc", "accept", OK, "416 comes from above"},
	{"unksm2", "400", BadAddress, ""},
	{"bext01", "accept", OK, "420 comes from above"},
	{"invut", "accept", OK, "415 comes from above"},
	{"regaut01", "accept", OK, "401 comes from above"},
	{"multi01", "400", Twice, ""},
	{"mcl01", "400", Twice, ""},
	{"bcast", "drop", ManyVias, "a response for somebody behind us"},
	{"zeromf", "accept", OK, "we forward nothing"},
	{"cparam01", "accept", OK, ""},
	{"cparam02", "accept", OK, ""},
	{"regescrt", "accept", OK, ""},
	{"sdp01", "accept", OK, "406 comes from above"},
	{"inv2543", "accept", OK, ""},
	{"test", "drop", NotSIP, "no version and no Via: nowhere to answer to"},
	{"rfc5118/ipv6-good", "accept", OK, ""},
	{"rfc5118/ipv6-bad", "400", BadStart, ""},
	{"rfc5118/port-ambiguous", "accept", OK, "the port is read as part of the address"},
	{"rfc5118/port-unambiguous", "accept", OK, ""},
	{"rfc5118/via-received-param-with-delim", "accept", OK, ""},
	{"rfc5118/via-received-param-no-delim", "accept", OK, ""},
	{"rfc5118/ipv6-in-sdp", "accept", OK, ""},
	{"rfc5118/mult-ip-in-header", "accept", OK, ""},
	{"rfc5118/mult-ip-in-sdp", "accept", OK, ""},
	{"rfc5118/ipv4-mapped-ipv6", "accept", OK, ""},
	{"rfc5118/ipv6-bug-abnf-3-colons", "accept", OK, "the third colon is dropped"},
	{"rfc5118/ipv6-correct-abnf-2-colons", "accept", OK, ""},
}

// tortureTCP is where a stream differs: the verdicts of all messages in it, and "close" or
// "wait" if it ends so.
var tortureTCP = map[string]string{
	"dblreq":  "accept,accept,drop,close", // two messages, and the rest of a body
	"clerr":   "513,close",                // declares more than MaxBody; with less it would wait
	"ncl":     "400,close",
	"mcl01":   "400,close",
	"inv2543": "400,close",  // no Content-Length
	"baddn":   "wait",       // the head does not end
	"test":    "drop,close", // no SIP
}

func readTorture(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "torture", file+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verdict tells a verdict in one word, and checks what holds for each.
func verdict(t testing.TB, c *Checker, data []byte, v Verdict) string {
	t.Helper()
	line := string(c.AppendLog(nil, data, v))
	if len(line) > 512 || strings.ContainsAny(line, "@\r\n\x00") {
		t.Errorf("log line %q", line)
	}
	response := bytes.HasPrefix(bytes.ToUpper(data), []byte("SIP/"))
	ack := bytes.HasPrefix(bytes.ToUpper(data), []byte("ACK "))
	if v.Kind == Reply && (response || ack) {
		t.Errorf("answers %q with %q", data, v.Reply)
	}
	if v.Kind == Reply && len(v.Reply) > len(data) {
		t.Errorf("answers %d bytes with %d", len(data), len(v.Reply))
	}
	if (v.Kind == Accept) != (v.Request != nil || v.Response != nil) || (v.Kind == Accept || v.Kind == Pong) != (v.Why == OK) {
		t.Errorf("verdict %+v does not fit together", v)
	}
	switch v.Kind {
	case Accept:
		return "accept"
	case Pong:
		return "pong"
	case Reply:
		checkReply(t, v.Reply)
		return string(v.Reply[8:11])
	}
	return "drop"
}

// checkReply checks that an answer has only what it may have, and a Via to go by.
func checkReply(t testing.TB, reply []byte) {
	t.Helper()
	lines := strings.Split(string(reply), "\r\n")
	vias := 0
	for i, line := range lines {
		if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			t.Errorf("reply line %q", line)
		}
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "v":
			vias++
		case "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Content-Length", "l":
		default:
			if i > 0 && i < len(lines)-2 {
				t.Errorf("reply has the line %q", line)
			}
		}
	}
	if vias == 0 || !strings.HasPrefix(lines[0], "SIP/2.0 ") || !bytes.HasSuffix(reply, []byte("\r\n\r\n")) {
		t.Errorf("reply %q", reply)
	}
}

// TestTortureReplies lets sipgo read the answers, but for those that repeat what it cannot.
func TestTortureReplies(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, row := range torture {
		v := c.Message(readTorture(t, row.file), udpFlow, false)
		if v.Kind != Reply || v.Why == BadAddress || v.Why == BadCSeq {
			continue
		}
		if _, err := sip.ParseMessage(v.Reply); err != nil {
			t.Errorf("%s: %v\n%s", row.file, err, v.Reply)
		}
	}
}

func TestTorture(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, row := range torture {
		t.Run(row.file, func(t *testing.T) {
			data := readTorture(t, row.file)
			kept := bytes.Clone(data)
			v := c.Message(data, udpFlow, false)
			if got := verdict(t, c, data, v); got != row.want || v.Why != row.reason {
				t.Fatalf("%s for %q, want %s for %q\n%s", got, v.Why, row.want, row.reason, v.Reply)
			}
			if !bytes.Equal(data, kept) {
				t.Error("the bytes were changed")
			}
			if v.Close {
				t.Error("asks to close a datagram")
			}
		})
	}
}

// onStream runs bytes through a Stream in pieces and tells what came of them.
func onStream(t testing.TB, c *Checker, pieces ...[]byte) string {
	t.Helper()
	var s Stream
	var l []string
	for _, p := range pieces {
		if _, err := s.Write(p); err != nil {
			t.Fatal(err)
		}
		for {
			msg, ok, err := s.Next()
			if err != nil {
				if l[len(l)-1] != "close" {
					t.Fatalf("stream ended (%v) without the Checker asking for it: %v", err, l)
				}
				return strings.Join(l, ",")
			}
			if !ok {
				break
			}
			v := c.Message(msg, tcpFlow, true)
			l = append(l, verdict(t, c, msg, v))
			if v.Close {
				return strings.Join(append(l, "close"), ",")
			}
		}
		if n := len(s.buf) - s.off; n >= MaxMessage {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if s.Partial() {
		l = append(l, "wait")
	}
	return strings.Join(l, ",")
}

func wantTCP(file, udp string) string {
	if want := tortureTCP[file]; want != "" {
		return want
	}
	return udp
}

func TestTortureOnStream(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, row := range torture {
		t.Run(row.file, func(t *testing.T) {
			data := readTorture(t, row.file)
			whole := onStream(t, c, data)
			if want := wantTCP(row.file, row.want); whole != want {
				t.Fatalf("%s, want %s", whole, want)
			}
			for i := 1; i < len(data); i++ {
				if got := onStream(t, c, data[:i], data[i:]); got != whole {
					t.Fatalf("split at %d: %s, whole: %s", i, got, whole)
				}
			}
			single := make([][]byte, len(data))
			for i := range data {
				single[i] = data[i : i+1]
			}
			if got := onStream(t, c, single...); got != whole {
				t.Fatalf("byte by byte: %s, whole: %s", got, whole)
			}
		})
	}
}

// TestTorturePairs glues each message to each on one stream: the second one is read as if
// it were alone, unless the first one took the frame with it.
func TestTorturePairs(t *testing.T) {
	c := NewChecker(maphash.MakeSeed())
	for _, a := range torture {
		for _, b := range torture {
			first, second := wantTCP(a.file, a.want), wantTCP(b.file, b.want)
			if strings.Contains(first, "wait") {
				continue // the second goes on with the first
			}
			want := first + "," + second
			if strings.HasSuffix(first, "close") {
				want = first
			}
			if got := onStream(t, c, append(readTorture(t, a.file), readTorture(t, b.file)...)); got != want {
				t.Errorf("%s then %s: %s, want %s", a.file, b.file, got, want)
			}
		}
	}
}

func TestTortureFilesAreWhole(t *testing.T) {
	n := 0
	for _, dir := range []string{"testdata/torture", "testdata/torture/rfc5118"} {
		sums, err := os.ReadFile(dir + "/SHA256SUMS")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(sums)) {
			var sum, name string
			fmt.Sscan(line, &sum, &name)
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				continue
			}
			if got := sha256.Sum256(b); hex.EncodeToString(got[:]) != sum {
				t.Errorf("%s was changed: are line ends kept (-text)?", name)
			}
			n++
		}
	}
	if n != len(torture) {
		t.Errorf("%d files, %d rows", n, len(torture))
	}
}

package neighbours

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/ear"
	"sotto/board/sim/wav"
)

// voice104 is the number of the voice that baresip speaks with: handset 104's.
const voice104 = 3

// baresip is a softphone as a process.
type baresip struct {
	t       *testing.T
	dir     string
	account string
	control net.Conn
	events  *transcript // as JSON
}

const configuration = `sip_listen 127.0.0.1:%d
net_interface 127.0.0.1
audio_source aufile,%[3]s/voice.wav
audio_player aubridge,far
audio_alert aubridge,alert
ringback_disabled yes
statmode_default off
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
snd_path %[3]s
module_tmp uuid.so
module_tmp account.so
module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:%[2]d
`

// startBaresip starts a softphone of a user and registers it.
func startBaresip(t *testing.T, b *box, user, transport, codecs string) *baresip {
	t.Helper()
	dir := t.TempDir()
	p := &baresip{t: t, dir: dir, events: newTranscript(),
		account: fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%[1]s;auth_pass=%[4]s;answermode=manual;regint=600;audio_codecs=%s", user, b.addr, transport, b.secrets[user], codecs)}
	write(t, filepath.Join(dir, "voice.wav"), speech(t, voice104))
	control := freePort(t)
	write(t, filepath.Join(dir, "config"), fmt.Appendf(nil, configuration, freePort(t), control, dir))
	write(t, filepath.Join(dir, "accounts"), nil)
	write(t, filepath.Join(dir, "contacts"), nil)
	cmd := exec.CommandContext(t.Context(), "baresip", "-f", dir, "-s", "-v")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	ended := start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			cmd.Process.Kill()
			select {
			case <-ended:
				t.Logf("baresip:\n%s", strings.ReplaceAll(log.String(), "\r", ""))
			case <-time.After(patience):
			}
		}
	})
	for limit := time.Now().Add(patience); p.control == nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("baresip cannot be reached")
		}
		p.control, _ = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", control))
	}
	t.Cleanup(func() { p.control.Close() })
	go p.listen()
	p.register()
	return p
}

// listen collects what baresip tells, in netstrings.
func (p *baresip) listen() {
	for r := bufio.NewReader(p.control); ; {
		head, err := r.ReadString(':')
		n, bad := strconv.Atoi(strings.TrimSuffix(head, ":"))
		if err != nil || bad != nil || n < 0 || n > 1<<20 {
			return
		}
		text := make([]byte, n+1)
		if _, err := io.ReadFull(r, text); err != nil {
			return
		}
		p.events.add(string(text[:n]))
	}
}

// say gives baresip a command.
func (p *baresip) say(command, params string) {
	p.t.Helper()
	b, _ := json.Marshal(map[string]string{"command": command, "params": params})
	if _, err := fmt.Fprintf(p.control, "%d:%s,", len(b), b); err != nil {
		p.t.Fatal(err)
	}
}

// tells waits until baresip tells of an event since line n, and gives the line after.
func (p *baresip) tells(n int, event string) int {
	p.t.Helper()
	after := p.events.wait(n, patience, is(event))
	if after < 0 {
		p.t.Fatalf("baresip does not tell of %s, but\n%s", event, strings.Join(p.events.since(n), "\n"))
	}
	return after
}

func is(event string) func(string) bool {
	return func(line string) bool { return strings.Contains(line, `"`+event+`"`) }
}

// register makes baresip register. Its first attempt ever fails: it knows MD5 alone, and
// gives up when there is another challenge beside. The person tries again, until the box
// has understood.
func (p *baresip) register() {
	p.t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		n := p.events.count()
		p.say("uanew", p.account)
		n = p.events.wait(n, patience, func(l string) bool { return is("REGISTER_OK")(l) || is("REGISTER_FAIL")(l) })
		if n < 0 {
			break
		}
		if strings.Contains(p.events.since(n - 1)[0], "REGISTER_OK") {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.t.Fatalf("baresip does not register\n%s", strings.Join(p.events.since(0), "\n"))
}

// hears waits until baresip hears a voice in the call that began last.
func (p *baresip) hears(marker int) {
	p.t.Helper()
	for limit := time.Now().Add(patience); !p.heard(marker); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("baresip does not hear the other end")
		}
	}
}

// heard tells whether a voice is in what baresip has recorded so far.
func (p *baresip) heard(marker int) bool {
	p.t.Helper()
	list, _ := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav"))
	if len(list) == 0 {
		return false
	}
	data, err := os.ReadFile(list[len(list)-1]) // their names tell the time
	if err != nil {
		p.t.Fatal(err)
	}
	var markers []float64
	for i := range 4 {
		markers = append(markers, sim.MarkerHz(i))
	}
	e := ear.New(nil, markers)
	const head, frame = 44, 2 * board.FrameLen // the head is complete only at the end of the call
	for at := head; at+frame <= len(data); at += frame {
		var f board.Frame
		for i := range f {
			f[i] = int16(binary.LittleEndian.Uint16(data[at+2*i:]))
		}
		for _, v := range e.Hear(time.Time{}.Add(time.Duration(at/frame)*board.FrameTime), &f) {
			if v.Kind == ear.MarkerOn && v.Marker == marker {
				return true
			}
		}
	}
	return false
}

// speech gives a minute of a voice as a WAV file.
func speech(t *testing.T, marker int) []byte {
	t.Helper()
	pcm := make([]int16, 60*board.SampleRate)
	for i := range pcm {
		pcm[i] = int16(board.Amplitude(-16) * math.Sin(2*math.Pi*sim.MarkerHz(marker)*float64(i)/board.SampleRate))
	}
	var w bytes.Buffer
	if err := wav.Write(&w, pcm); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBaresip: calls in both directions, over UDP and TCP, with either law; digits; hold;
// either end hangs up; and a call to an echo.
func TestBaresip(t *testing.T) {
	need(t, "baresip", "sipp")
	b := startBox(t)
	for _, c := range []struct{ transport, user, codecs string }{{"udp", "201", "PCMA,PCMU"}, {"tcp", "202", "PCMU"}} {
		t.Run(c.transport, func(t *testing.T) {
			b.t = t
			p := startBaresip(t, b, c.user, c.transport, c.codecs)

			// It calls; 101 hangs up.
			n := p.events.count()
			p.say("dial", "101")
			p.tells(n, "CALL_RINGING")
			b.do("101 rings", "101 lifts")
			p.tells(n, "CALL_ESTABLISHED")
			b.do("101 hears voice 104")
			p.hears(0)
			line := b.printed.count()
			p.say("sndcode", "1590*#")
			b.hears(line, "1590*#")
			p.say("hold", "")
			b.do("101 hears hold")
			p.say("resume", "")
			b.do("101 speaks", "101 hears voice 104", "101 hangs up", "record "+c.user+" -> 101 answered", "wait 1s") // so long may be meant as the R key
			p.tells(n, "CALL_CLOSED")

			// It is called; it hangs up.
			n = p.events.count()
			b.do("101 lifts", "101 hears dial", "101 dials "+c.user, "101 hears ringback")
			p.tells(n, "CALL_INCOMING")
			p.say("accept", "")
			p.tells(n, "CALL_ESTABLISHED")
			b.do("101 hears voice 104")
			p.hears(0)
			p.say("hangup", "")
			b.do("101 hears busy", "record 101 -> "+c.user+" answered", "101 hangs up", "wait 1s")
			p.tells(n, "CALL_CLOSED")

			// It calls and gives up; it is called and refuses.
			p.say("dial", "102")
			b.do("102 rings")
			p.say("hangup", "")
			b.do("record "+c.user+" -> 102 abandoned", "wait 1s")
			n = p.events.count()
			b.do("101 lifts", "101 hears dial", "101 dials "+c.user, "101 hears ringback")
			p.tells(n, "CALL_INCOMING")
			p.say("hangup", "")
			b.do("101 hears busy", "record 101 -> "+c.user+" busy", "101 hangs up", "wait 1s")
			// SIPp sends it back what it says, straight through the box.
			if c.transport == "udp" {
				echo := newSIPp(t, b, "204", "u1")
				echo.register()
				answered := echo.plays("uas", "204", "-rtp_echo")
				n = p.events.count()
				p.say("dial", "204")
				p.tells(n, "CALL_ESTABLISHED")
				p.hears(voice104)
				p.say("hangup", "")
				answered()
				b.do("record " + c.user + " -> 204 answered")
			}
			p.say("quit", "")
		})
	}
	b.t = t
	b.quit()
}

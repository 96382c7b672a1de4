package neighbours

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sotto/pbx/media/g711"
)

// sipp is a SIPp process to be: one socket, one user.
type sipp struct {
	t    *testing.T
	b    *box
	dir  string
	user string
	port int
	mode string // u1 or t1
}

func newSIPp(t *testing.T, b *box, user, mode string) *sipp {
	t.Helper()
	p := &sipp{t: t, b: b, dir: t.TempDir(), user: user, port: freePort(t), mode: mode}
	voice := make([]byte, 8*8000) // 8 s; of what does not matter
	for i := range voice {
		voice[i] = g711.ALaw.Encode(int16(800 * (i%16 - 8)))
	}
	write(t, filepath.Join(p.dir, "voice.al"), voice)
	return p
}

// command makes a run of a scenario with more arguments.
func (p *sipp) command(scenario, service string, args ...string) *exec.Cmd {
	file, err := filepath.Abs(filepath.Join("testdata", scenario+".xml"))
	if err != nil {
		p.t.Fatal(err)
	}
	media := strconv.Itoa(p.port + 2&^1)
	cmd := exec.CommandContext(p.t.Context(), "sipp", append([]string{p.b.addr, "-sf", file, "-s", service, "-i", "127.0.0.1", "-p", strconv.Itoa(p.port), "-t", p.mode,
		"-mi", "127.0.0.1", "-mp", media, "-key", "caller", p.user, "-au", p.user, "-ap", p.b.secrets[p.user],
		"-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error", "-trace_err", "-error_file", "errors.log"}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "TERM=dumb")
	return cmd
}

// plays starts a scenario, and gives how to wait for its good end.
func (p *sipp) plays(scenario, service string, args ...string) (wait func()) {
	p.t.Helper()
	cmd := p.command(scenario, service, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ended := start(p.t, cmd)
	return func() {
		p.t.Helper()
		select {
		case err := <-ended:
			if err != nil {
				why, _ := os.ReadFile(filepath.Join(p.dir, "errors.log"))
				p.t.Errorf("sipp %s: %v\n%s\n%s", scenario, err, tail(string(why), 3000), tail(out.String(), 2000))
			}
		case <-time.After(2 * patience):
			p.t.Errorf("sipp %s does not end", scenario)
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// register registers the user, over UDP, at the port that the scenarios are played at.
// Who calls does so, too: SIPp knows MD5 alone, and fails when it is asked by both. Its
// REGISTER is so short that it is asked by MD5 alone, which the box remembers.
func (p *sipp) register() {
	p.t.Helper()
	q := *p
	q.mode = "u1"
	q.plays("register", p.user)()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

// TestSIPp: telephones that keep to the letter of their scenarios call each other.
func TestSIPp(t *testing.T) {
	need(t, "sipp")
	b := startBox(t)
	idle := b.sockets()
	for _, c := range []struct{ name, caller, called string }{
		{"the caller hangs up", "uac", "uas"},
		{"the called hangs up", "uac_wait", "uas_bye"},
		{"the caller cancels", "uac_cancel", "uas_ring"},
		{"the caller holds", "uac_hold", "uas"},
	} {
		for _, mode := range []string{"u1", "t1"} {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				b.t = t
				called := newSIPp(t, b, "202", "u1") // SIPp registers and listens in different runs: no connection lasts
				called.register()
				caller := newSIPp(t, b, "201", mode)
				caller.register()
				answered := called.plays(c.called, "202", "-rtp_echo", "-d", "500")
				caller.plays(c.caller, "202", "-d", "700", "-auth_uri", "202@"+b.addr)()
				answered()
			})
		}
	}
	t.Run("options", func(t *testing.T) {
		b.t = t
		p := newSIPp(t, b, "203", "u1")
		p.register()
		p.plays("options", "203")()
	})
	b.t = t
	gone(t, b, idle)
	b.quit()
}

// gone waits until the box has no more sockets than before the calls.
func gone(t *testing.T, b *box, idle int) {
	t.Helper()
	for limit := time.Now().Add(patience); b.sockets() > idle; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d sockets of UDP are open, %d were before the calls", b.sockets(), idle)
		}
	}
}

// TestHundredCalls: a hundred calls, twenty a second: none fails, nothing is left.
func TestHundredCalls(t *testing.T) {
	need(t, "sipp")
	b := startBox(t)
	idle := b.sockets()
	called := newSIPp(t, b, "202", "u1")
	called.register()
	caller := newSIPp(t, b, "201", "u1")
	caller.register()
	answered := called.plays("uas", "202", "-m", "100")
	caller.plays("uac_setup", "202", "-m", "100", "-r", "20", "-d", "1000", "-auth_uri", "202@"+b.addr)()
	answered()
	gone(t, b, idle)
	if left := b.goroutines("sotto/pbx/media/rtpport"); len(left) > 1 { // the reader of all sockets stays
		t.Errorf("%d goroutines of sessions are left, such as\n%s", len(left), left[0])
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sotto/storage"
	"sotto/storage/keyring"
)

// tryTask is a sub-command that does what a test wants.
type tryTask struct {
	*common
	do func(context.Context, *storage.Store, *desk) error
}

func (t *tryTask) flags(f *flag.FlagSet)                                    { f.StringVar(&t.out, "o", "", "") }
func (t *tryTask) check(words []string) error                               { return nil }
func (t *tryTask) run(ctx context.Context, s *storage.Store, d *desk) error { return t.do(ctx, s, d) }

// tried is a control socket in a folder of its own, with the sub-command "try".
type tried struct {
	*control
	t     *testing.T
	store *storage.Store
	log   *lockedBuffer
	did   chan error // what the sub-command ended with
}

func try(t *testing.T, do func(context.Context, *storage.Store, *desk) error) *tried {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	log := &lockedBuffer{}
	store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	x := &tried{t: t, store: store, log: log, did: make(chan error, 100)}
	x.control = openControl(dir, "file", store, slog.New(slog.NewTextHandler(log, nil)))
	if x.control == nil {
		t.Fatal(log.String())
	}
	t.Cleanup(x.close)
	cmd := &command{name: "try", make: func(c *common) task {
		return &tryTask{c, func(ctx context.Context, s *storage.Store, d *desk) error {
			err := do(ctx, s, d)
			x.did <- err
			return err
		}}
	}}
	x.find = func(word string) *command {
		if word == "try" {
			return cmd
		}
		return nil
	}
	return x
}

// dial connects as a sub-command does, or worse.
func (x *tried) dial() *net.UnixConn {
	x.t.Helper()
	addr, done, err := controlAddr(x.dir)
	if err != nil {
		x.t.Fatal(err)
	}
	defer done()
	c, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func (x *tried) asks(q request) *net.UnixConn {
	x.t.Helper()
	c := x.dial()
	b, _ := json.Marshal(q)
	if err := writeFrame(c, frameCommand, b); err != nil {
		x.t.Fatal(err)
	}
	return c
}

// ends gives what it ended with, past all else that is said.
func (x *tried) ends(c net.Conn) (code int, text string) {
	x.t.Helper()
	for {
		kind, data, err := readFrame(c)
		if err != nil {
			return -1, err.Error()
		}
		if kind == frameEnd {
			return int(data[0]), string(data[1:])
		}
	}
}

// attach runs the sub-command as a process of its own would.
func (x *tried) attach(ctx context.Context, stdin io.Reader, args ...string) (out string, err error) {
	var b bytes.Buffer
	o := &common{options: options{data: x.dir}}
	d := newDesk(o, stdin, &b, &b)
	if f, ok := stdin.(*os.File); ok {
		d.in = f
	}
	err = attach(ctx, o, append([]string{"try"}, args...), d)
	return b.String(), err
}

// TestControl: everything that a sub-command says, asks and reads goes through, and what it
// ends with.
func TestControl(t *testing.T) {
	long := strings.Repeat("0123456789", 20000)
	x := try(t, func(ctx context.Context, s *storage.Store, d *desk) error {
		d.say("hello\n")
		word, err := d.ask(ctx, "Word: ", false)
		if err != nil {
			return err
		}
		hidden, err := d.ask(ctx, "Hidden: ", true)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "%s %s %s", word, hidden, long)
		if err := d.confirm(ctx, "burn"); err != nil {
			return err
		}
		return exitError{errors.New("as it should"), exitUnknown}
	})
	out, err := x.attach(t.Context(), strings.NewReader("one\ntwo\nburn\n"))
	if want := "hello\nWord: one two " + long + "This cannot be undone. Type the word burn to go on: "; out != want {
		t.Errorf("%.200q of %d", out, len(out))
	}
	if exitCode(err) != exitUnknown || err.Error() != "as it should" {
		t.Error(err)
	}
	if _, err = x.attach(t.Context(), strings.NewReader("one\ntwo\nbrun\n")); exitCode(err) != 1 || err.Error() != "that was not the word" {
		t.Error(err)
	}
	if _, err = x.attach(t.Context(), strings.NewReader("")); err == nil || err.Error() != "nothing was typed" {
		t.Error(err)
	}
	if strings.Contains(x.log.String(), "level=ERROR") || strings.Contains(x.log.String(), "one") {
		t.Error(x.log.String())
	}
}

// TestControlFile: a file is read to its end on the side that opened it.
func TestControlFile(t *testing.T) {
	for _, size := range []int{0, 1, readSize, readSize + 1, 3*readSize - 1} {
		text := strings.Repeat("x", size)
		x := try(t, func(ctx context.Context, s *storage.Store, d *desk) error {
			got, err := io.ReadAll(d.in)
			if string(got) != text {
				return fmt.Errorf("%d bytes of %d", len(got), size)
			}
			return err
		})
		f, err := os.Open(mustWrite(t, filepath.Join(t.TempDir(), "f"), text))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := x.attach(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
}

// TestControlCancelled: who goes away, takes the sub-command along, whatever it was at; so
// does the box that stops.
func TestControlCancelled(t *testing.T) {
	at := map[string]func(context.Context, *storage.Store, *desk) error{
		"waits": func(ctx context.Context, _ *storage.Store, d *desk) error {
			d.say("here")
			<-ctx.Done()
			return ctx.Err()
		},
		"asks": func(ctx context.Context, _ *storage.Store, d *desk) error {
			_, err := d.ask(ctx, "here", false)
			return err
		},
		"writes": func(ctx context.Context, _ *storage.Store, d *desk) error {
			for {
				if _, err := io.WriteString(d.out, "here "+strings.Repeat("x", 10000)); err != nil {
					return err
				}
			}
		},
	}
	for name, do := range at {
		x := try(t, do)
		c := x.asks(request{Version: controlVersion, Args: []string{"try"}})
		if _, data, err := readFrame(c); err != nil || !strings.HasPrefix(string(data), "here") {
			t.Fatal(err)
		}
		c.Close()
		if err := <-x.did; err == nil {
			t.Errorf("%s: no error", name)
		}
		c = x.asks(request{Version: controlVersion, Args: []string{"try"}})
		readFrame(c)
		x.close()
		if err := <-x.did; err == nil {
			t.Errorf("%s: the box stops: no error", name)
		}
		if _, err := os.Lstat(filepath.Join(x.dir, controlName)); !errors.Is(err, os.ErrNotExist) {
			t.Error("the socket is left", err)
		}
	}
	x := try(t, at["waits"])
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	ended := make(chan error)
	go func() { _, err := x.attach(ctx, r); ended <- err }()
	for !strings.Contains(x.log.String(), "a sub-command runs") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-x.did; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestControlHostile: what is not said by a sub-command is refused or ended, nothing breaks,
// and the next one is served.
func TestControlHostile(t *testing.T) {
	x := try(t, func(ctx context.Context, _ *storage.Store, d *desk) error {
		line, err := d.ask(ctx, "?", false)
		if err == nil {
			_, err = io.WriteString(d.out, line)
		}
		if line == "panic" {
			panic("of 030 1237654")
		}
		return err
	})
	ok := `{"version":1,"args":["try"]}`
	for name, bytes := range map[string]string{
		"nothing": "", "half a head": "c\x00", "half a frame": "c\xff\xff{", "another kind": "a\x00\x02{}", "no JSON": "c\x00\x01{",
		"no words": "c\x00\x0d{\"version\":1}", "another version": "c\x00\x1c{\"version\":2,\"args\":[\"try\"]}",
		"null": "c\x00\x04null", "unknown": "c\x00\x1c{\"version\":1,\"args\":[\"tri\"]}", "what needs no store": "c\x00\x20{\"version\":1,\"args\":[\"what-if\"]}",
		"many words":    "c\x01\x2f{\"version\":1,\"args\":[" + strings.Repeat(`"","",`, 46) + `"",""]}`,
		"a wrong flag":  "c\x00\x23{\"version\":1,\"args\":[\"try\",\"-030\"]}",
		"two commands":  "c\x00\x1c" + ok + "c\x00\x1c" + ok,
		"a long answer": "", "another frame": "",
	} {
		c := x.dial()
		switch name {
		case "a long answer", "another frame":
			io.WriteString(c, "c\x00\x1c"+ok)
			readFrame(c)
			kind := byte(frameAnswer)
			if name == "another frame" {
				kind = frameEnd
			}
			writeFrame(c, kind, make([]byte, maxTyped+1))
		default:
			io.WriteString(c, bytes)
			c.CloseWrite()
		}
		code, text := x.ends(c)
		if code == 0 || strings.Contains(text, "030") {
			t.Errorf("%s: %d %s", name, code, text)
		}
		c.Close()
	}
	if out, err := x.attach(t.Context(), strings.NewReader("panic\n")); err == nil || err.Error() != errControlBroke.Error() || strings.Contains(x.log.String(), "1237654") || !strings.Contains(x.log.String(), "control_test.go") {
		t.Errorf("%v %s\n%s", err, out, x.log.String())
	}
	if out, err := x.attach(t.Context(), strings.NewReader("fine\n")); err != nil || out != "?fine" {
		t.Error(out, err)
	}
	if x.refused.Load() == 0 || !strings.Contains(x.log.String(), "sub-commands were refused") {
		t.Error(x.refused.Load(), x.log.String())
	}
}

// TestUnasked: an answer that nobody asked for ends the sub-command.
func TestUnasked(t *testing.T) {
	x := try(t, func(ctx context.Context, _ *storage.Store, d *desk) error { <-ctx.Done(); return ctx.Err() })
	c := x.asks(request{Version: controlVersion, Args: []string{"try"}})
	writeFrame(c, frameAnswer, []byte("erase"))
	if err := <-x.did; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestControlAtOnce: there are four places; a fifth is told so, and a place is free again
// when one has ended.
func TestControlAtOnce(t *testing.T) {
	x := try(t, func(ctx context.Context, _ *storage.Store, d *desk) error { d.say("x"); <-ctx.Done(); return nil })
	var all []*net.UnixConn
	for range controlAtOnce {
		c := x.asks(request{Version: controlVersion, Args: []string{"try"}})
		readFrame(c)
		all = append(all, c)
	}
	if code, text := x.ends(x.dial()); code != 1 || text != errControlBusy.Error() {
		t.Error(code, text)
	}
	all[0].Close()
	<-x.did
	for {
		c := x.asks(request{Version: controlVersion, Args: []string{"try"}})
		if kind, data, err := readFrame(c); err == nil && kind == frameWords {
			break
		} else if err == nil && kind == frameEnd && string(data[1:]) != errControlBusy.Error() {
			t.Fatal(string(data))
		}
		c.Close()
	}
}

// TestControlShut: data that is not open yet is told of in words.
func TestControlShut(t *testing.T) {
	x := try(t, func(context.Context, *storage.Store, *desk) error { return nil })
	x.setStore(nil)
	if _, err := x.attach(t.Context(), nil); err == nil || err.Error() != errControlShut.Error() {
		t.Error(err)
	}
	x.setStore(x.store)
	if _, err := x.attach(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestControlPlace: the socket is its user's alone, whatever the length of its path, and one
// that is left over does not matter.
func TestControlPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 60))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustWrite(t, filepath.Join(dir, controlName), "left over")
		c := openControl(dir, "file", nil, slog.New(slog.DiscardHandler))
		if c == nil {
			t.Fatal("none")
		}
		if st, err := os.Lstat(filepath.Join(dir, controlName)); err != nil || st.Mode() != os.ModeSocket|0o600 {
			t.Error(st.Mode(), err)
		}
		if err := attach(t.Context(), &common{options: options{data: dir}}, []string{"erase"}, newDesk(&common{}, nil, io.Discard, io.Discard)); err == nil || err.Error() != errControlShut.Error() {
			t.Error(err)
		}
		c.close()
	}
	if err := attach(t.Context(), &common{options: options{data: dir}}, []string{"erase"}, newDesk(&common{}, nil, io.Discard, io.Discard)); !errors.Is(err, errNoControl) {
		t.Error(err)
	}
	for peer, may := range map[uint32]bool{0: true, 1000: true, 1001: false, 65534: false} {
		if err := mayControl(peer, 1000); (err == nil) != may {
			t.Errorf("user %d: %v", peer, err)
		}
	}
}

// TestHostileBox: what poses as a box gets no file and moves no cursor, and does not hang a
// sub-command for ever.
func TestHostileBox(t *testing.T) {
	for name, frames := range map[string]string{
		"ends": "", "half": "o\x00\x05x", "unknown": "?\x00\x00", "an end of nothing": "x\x00\x00", "wants a file": "r\x00\x00",
	} {
		here, there := net.Pipe()
		go func() {
			readFrame(there)
			io.WriteString(there, frames)
			there.Close()
		}()
		if err := lend(t.Context(), here, &common{}, []string{"erase"}, newDesk(&common{}, nil, io.Discard, io.Discard)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("c\x00\x1c{\"version\":1,\"args\":[\"try\"]}"))
	f.Add([]byte("c\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, data, err := readFrame(bytes.NewReader(b))
		if err == nil && (len(data) != len(b[3:]) && len(data) > len(b)-3 || kind != b[0]) {
			t.Errorf("%q of %q", data, b)
		}
	})
}

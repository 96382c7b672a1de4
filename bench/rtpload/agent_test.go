package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCallBetweenAgents places a call from one agent to another with nothing between.
func TestCallBetweenAgents(t *testing.T) {
	uas, err := newAgent("127.0.0.1:9", "", "127.0.0.1", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer uas.conn.Close()
	uac, err := newAgent(uas.local, "", "127.0.0.1", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer uac.conn.Close()
	m := newMedia("127.0.0.1", 0, 20000, 1)
	defer func() { m.quit.Store(true); <-m.done }()
	uas.newMedia = m.newEnd

	end := m.newEnd()
	c, err := uac.invite("1100", "1000", "", end, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	uas.mu.Lock()
	l := uas.legs[c.callID]
	uas.mu.Unlock()
	<-l.acked
	if got := end.remote.Load(); got == nil || int(got.Port()) != l.media.port {
		t.Errorf("the caller sends to %v, the far end hears at %d", got, l.media.port)
	}
	if got := l.media.remote.Load(); got == nil || int(got.Port()) != end.port {
		t.Errorf("the far end sends to %v, the caller hears at %d", got, end.port)
	}
	if err := c.bye(5 * time.Second); err != nil {
		t.Error(err)
	}
	if l.media.running.Load() || end.running.Load() {
		t.Error("the media goes on after the end of the call")
	}
}

func TestOtherTargetsAreRefused(t *testing.T) {
	if _, err := newAgent("192.0.2.1:5060", "", "127.0.0.1", 0, false); err == nil {
		t.Error("took a target that is not loopback")
	}
}

func TestLogins(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(name, []byte("1000 abc\n\n1001\tdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := logins{all: "pw-%u"}
	if err := l.read(name); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"1000": "abc", "1001": "def", "1002": "pw-1002"} {
		if got := l.of(user); got != want {
			t.Errorf("%s logs in with %q, want %q", user, got, want)
		}
	}
	var none logins
	if none.used() || none.of("1000") != "" {
		t.Error("without passwords users log in")
	}
	if err := none.read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, text := range []string{"", "1000\n", "1000 a b\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := new(logins).read(name); err == nil {
			t.Errorf("took %q", text)
		}
	}
}

package media

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sotto/board"
	"sotto/pbx/media/dtmf"
)

// caller presses keys on a port of an engine that is ticked by hand.
type caller struct {
	e    *Engine
	port Port
	gen  dtmf.Generator
}

// tick lets n frames pass and gives the digits that were told.
func (c *caller) tick(n int) string {
	var told []byte
	for range n {
		c.e.in[c.port] = board.Frame{}
		c.gen.Add(&c.e.in[c.port])
		c.e.Tick()
		for len(c.e.digits) > 0 {
			if d := <-c.e.Digits(); d.Port == c.port {
				told = append(told, d.Sign)
			}
		}
	}
	return string(told)
}

func press(t *testing.T, e *Engine, p Port, keys string) *caller {
	t.Helper()
	c := &caller{e: e, port: p}
	if err := c.gen.Send(keys, dtmf.DefaultKey); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDigits(t *testing.T) {
	e := still(4)
	e.Publish(&Patch{Ears: []Ear{{Port: 2, Digits: true}}})
	if got := press(t, e, 2, dtmf.Digits).tick(300); got != dtmf.Digits {
		t.Errorf("told %q, want %q", got, dtmf.Digits)
	}
	e.Publish(&Patch{Ears: []Ear{{Port: 2}}})
	if got := press(t, e, 2, "123").tick(60); got != "" {
		t.Errorf("told %q where none are wanted", got)
	}
	e.Publish(&Patch{})
	if got := press(t, e, 2, "123").tick(60); got != "" {
		t.Errorf("told %q without an ear", got)
	}
	if got := e.Counters().DroppedDigits; got != 0 {
		t.Errorf("%d digits dropped", got)
	}
}

// TestDigitAcrossPatches changes the patch at every frame of a digit: it is told once.
func TestDigitAcrossPatches(t *testing.T) {
	dial := steady(-13, 425)
	listen := Ear{Port: 1, Tone: dial, Digits: true}
	deaf := Ear{Port: 1}
	for _, c := range []struct {
		name string
		ears []Ear // one a frame from the change on, the last for good
	}{
		{"the tone ends", []Ear{{Port: 1, Digits: true}}},
		{"a voice comes", []Ear{{Port: 1, From: [MaxFrom]Port{0}, N: 1, Digits: true}}},
		{"another Run", []Ear{{Port: 1, Tone: dial, Run: 2, Digits: true}}},
		{"not wanted for a frame", []Ear{deaf, listen}},
		{"not wanted for three frames", []Ear{deaf, deaf, deaf, listen}},
	} {
		for at := range 25 {
			e := still(2)
			e.Publish(&Patch{Ears: []Ear{listen}})
			p := press(t, e, 1, "")
			if err := p.gen.Send("55", dtmf.Key{Low: -11, High: -9, On: 200 * ms, Off: 60 * ms}); err != nil {
				t.Fatal(err)
			}
			got := p.tick(at)
			for i := range c.ears {
				e.Publish(&Patch{Ears: []Ear{c.ears[i]}})
				got += p.tick(1)
			}
			if got += p.tick(60); got != "55" {
				t.Errorf("%s at frame %d: told %q, want 55", c.name, at, got)
			}
		}
	}
}

// TestDigitsWantedNoMore: a digit that is recognised when none is wanted is not told.
func TestDigitsWantedNoMore(t *testing.T) {
	e := still(1)
	e.Publish(&Patch{Ears: []Ear{{Digits: true}}})
	p := press(t, e, 0, "12")
	got := p.tick(10)
	e.Publish(&Patch{Ears: []Ear{{}}})
	if got += p.tick(60); got != "1" {
		t.Errorf("told %q, want 1", got)
	}
	if st := &e.ports[0]; st.pressed || st.listens {
		t.Error("the detector runs on")
	}
}

// TestDigitOfTheNextPerson: a port that lost its ear begins anew.
func TestDigitOfTheNextPerson(t *testing.T) {
	e := still(1)
	e.Publish(&Patch{Ears: []Ear{{Digits: true}}})
	got := press(t, e, 0, "7").tick(5) // cut off in the middle
	e.Publish(&Patch{})
	e.Tick()
	e.Publish(&Patch{Ears: []Ear{{Digits: true}}})
	got += press(t, e, 0, "7").tick(40)
	if got != "77" {
		t.Errorf("told %q, want 77", got)
	}
}

func TestDigitsAreDroppedAndCounted(t *testing.T) {
	e := still(1)
	e.Publish(&Patch{Ears: []Ear{{Digits: true}}})
	var g dtmf.Generator
	keys := strings.Repeat("12", (cap(e.digits)+10)/2)
	if err := g.Send(keys, dtmf.Key{Low: -11, High: -9, On: 60 * ms, Off: 60 * ms}); err != nil {
		t.Fatal(err)
	}
	for g.Busy() {
		e.in[0] = board.Frame{}
		g.Add(&e.in[0])
		e.Tick()
	}
	if got, kept := e.Counters().DroppedDigits, len(e.digits); got != 10 || kept != cap(e.digits) {
		t.Errorf("%d dropped and %d kept of %d", got, kept, len(keys))
	}
	if first := <-e.Digits(); first.Sign != '1' {
		t.Error("the oldest is not the first")
	}
}

func TestDigitIsNotShown(t *testing.T) {
	var log strings.Builder
	d := Digit{Port: 3, Sign: '7'}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "d", d)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "d", d)
	_, text, _ := strings.Cut(log.String(), "level")
	_, js, _ := strings.Cut(text, "level")
	text, _, _ = strings.Cut(text, "\n")
	for _, s := range []string{text, js, fmt.Sprint(d), fmt.Sprintf("%+v %#v %d %x %q", d, d, d, d, d), fmt.Sprintf("%v", &d), fmt.Sprintf("%v", []Digit{d})} {
		if strings.Contains(s, "7") || strings.Contains(s, "55") || !strings.Contains(s, "digit from port 3") {
			t.Errorf("shown as %s", s)
		}
	}
}

package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sotto/board/sim/exchange"
)

// Help tells the words.
const Help = `101 lifts | 101 hangs up | 101 dials 102 | 101 pulses 102 | 101 flashes [100ms] | 101 says hello.wav | 101 hushes | 101 speaks
  any of these: ... after 250ms; several at once: 101 lifts & 102 lifts
101 hears dial | 101 hears nothing | 101 hears voice 102 | 101 hears digit 5 | 102 rings [1.0/4.0 at 25 Hz] | 102 stops ringing | 102 shows 101 [Reception]
101 and 102 talk | 101 sees reversal | record 101 -> 102 answered
line 1 calls | line 1 abandons | line 1 answers [after 2 rings] | line 1 never answers | line 1 is busy | line 1 is congested
line 1 hangs up [with break [250ms] | with reversal | with busy | with congestion] | line 1 says hello.wav | line 1 sends digit 5
line 1 breaks 90ms | line 1 reverses | line 1 counts [no] reversal | line 1 has [no] dial tone | line 1 is cut | line 1 is joined
line 1 lifts another set | line 1 hangs up another set
line 1 is seized | line 1 is idle | line 1 rings | line 1 hears 0123 | line 1 hears pulses 0123 | line 1 hears voice 101 | 101 hears voice line 1
  any of these: ... within 300ms; or the other way round: never 103 rings
port 101 fails | port FXO 1 works | wait 3s | help | quit`

// ErrQuit is returned by Do for the word quit.
var ErrQuit = errors.New("quit")

// Words does what it is told in the simulator's words, one statement at a time. It is
// used by one goroutine.
type Words struct {
	// Voice gives the samples of the file that a handset is to say, by the name in the
	// words; nil when there are none. [VoiceFile] is one.
	Voice func(name string) ([]int16, error)

	room   *Room
	fault  func(port string, works bool) error
	mark   int       // events before the last action
	markAt time.Time // when the last action was done
}

// Words gives an interpreter of the simulator's words.
func (b *Board) Words() *Words { return &Words{room: b.Room, fault: b.fault} }

// maxStatement bounds a line of words.
const maxStatement = 4096

// Run reads statements from in, one a line or parted by semicolons, until in or ctx
// ends or one fails. A # that stands alone or before a word begins a comment. With
// lenient, what fails is told and the next statement is read: that is a person at a
// terminal.
func (w *Words) Run(ctx context.Context, in io.Reader, lenient func(error)) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 0, maxStatement), maxStatement)
	n := 1
	for ; sc.Scan(); n++ {
		for _, st := range strings.Split(uncomment(sc.Text()), ";") {
			err := w.Do(ctx, st)
			switch {
			case err == nil:
			case errors.Is(err, ErrQuit), ctx.Err() != nil:
				return err
			case lenient != nil:
				lenient(err)
			default:
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: longer than %d characters", n, maxStatement)
	}
	return sc.Err()
}

// uncomment cuts a comment off. # is also a key of the telephone: within a word, and
// behind dials.
func uncomment(line string) string {
	for i := range len(line) {
		if line[i] != '#' || i > 0 && line[i-1] != ' ' && line[i-1] != '\t' && line[i-1] != ';' {
			continue
		}
		if f := strings.Fields(line[:i]); len(f) == 0 || f[len(f)-1] != "dials" {
			return line[:i]
		}
	}
	return line
}

// Do does one statement. An action is over when Do comes back, an expectation has come
// true. Errors say what to say instead; that of an expectation that failed is an *Expected.
func (w *Words) Do(ctx context.Context, text string) error {
	f := fields(text)
	if len(f) == 0 {
		return nil
	}
	switch f[0] {
	case "quit", "exit", "help":
		if len(f) > 1 {
			return fmt.Errorf("say %s alone", f[0])
		}
		if f[0] != "help" {
			return ErrQuit
		}
		w.room.Note(time.Now(), Help)
		return nil
	case "wait":
		if len(f) != 2 {
			return errors.New("say how long: wait 300ms, or wait 3s")
		}
		d, err := duration(f[1])
		if err != nil {
			return err
		}
		return pause(ctx, d)
	case "port":
		if n := len(f); n >= 3 && (f[n-1] == "fails" || f[n-1] == "works") {
			w.begin()
			return w.fault(strings.Join(f[1:n-1], " "), f[n-1] == "works")
		}
		return errors.New("say: port 101 fails, or: port FXO 1 works")
	case "never":
		return w.never(f[1:])
	case "record":
		return w.expect(ctx, f)
	}
	if len(f) >= 2 {
		switch f[1] {
		case "hears", "rings", "stops", "shows", "sees", "and":
			return w.expect(ctx, f)
		case "is":
			if len(f) >= 3 && (f[2] == "seized" || f[2] == "idle") {
				return w.expect(ctx, f)
			}
		}
	}
	return w.act(ctx, text)
}

// fields parts words. The name of an exchange line is one: "line 1" or, by its label,
// "FXO 1".
func fields(text string) (l []string) {
	for _, f := range strings.Fields(text) {
		if n := len(l); n > 0 && (l[n-1] == "line" || l[n-1] == "FXO") && (n == 1 || l[n-2] != "port") {
			l[n-1] = "line " + f
			continue
		}
		l = append(l, f)
	}
	return l
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("%q is no time; say 300ms or 3s", s)
	}
	return d, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin notes that an action begins: expectations look at what comes after it.
func (w *Words) begin() {
	w.room.mu.Lock()
	w.mark, w.markAt = w.room.count(), time.Now()
	w.room.mu.Unlock()
}

// act lets hands do something, several at once if joined by &, and waits until they did.
// All is understood before anything is done.
func (w *Words) act(ctx context.Context, text string) error {
	var moves []move
	for _, part := range strings.Split(text, "&") {
		m, err := w.hand(fields(part))
		if err != nil {
			return err
		}
		moves = append(moves, m)
	}
	w.begin()
	for _, m := range moves {
		if m.offHook && m.line != nil && m.line.Exchange.State() != exchange.Talking {
			return fmt.Errorf("nobody is through on %s; say: %s calls, or: %s answers", m.set.name, m.set.name, m.set.name)
		}
		if m.offHook && m.line == nil && !m.set.OffHook() {
			return fmt.Errorf("%s is on the hook; say: %s lifts", m.set.name, m.set.name)
		}
		if m.set.Wait(m.after); m.line != nil && m.after > 0 && !m.offHook {
			m.set.then(m.do)
		} else {
			m.do()
		}
		w.room.add(Event{At: time.Now(), What: Did, Who: m.set.name, Name: m.said})
	}
	for _, m := range moves {
		for m.set.Busy() {
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		if at := m.set.Moved(); at.After(w.markAt) {
			w.markAt = at
		}
	}
	return nil
}

// move is one thing for a hand to do.
type move struct {
	set     *Handset
	line    *Line // whose far telephone it is; nil for one in the office
	after   time.Duration
	said    string
	do      func()
	offHook bool // needs a handset that is off the hook
}

// keyTime and keyPause are how long a person presses a key, and waits between two.
const keyTime, keyPause = 70 * time.Millisecond, 70 * time.Millisecond

// keys are the keys of a telephone.
const keys = "0123456789*#ABCD"

// hand understands one action.
func (w *Words) hand(f []string) (m move, err error) {
	if len(f) < 2 {
		return m, fmt.Errorf("%q is not among the words; say help", strings.Join(f, " "))
	}
	if m.set, err = w.handset(f[0]); err != nil {
		return m, err
	}
	if m.set.guest {
		return m, fmt.Errorf("%s is not on the board: it is worked elsewhere", f[0])
	}
	if m.line = w.room.Line(f[0]); m.line != nil && f[1] != "says" && f[1] != "hushes" && f[1] != "speaks" {
		return w.far(m, f)
	}
	h, verb, rest := m.set, f[1], f[2:]
	if n := len(rest); n > 0 && rest[n-1] == "after" {
		return m, errors.New("say after how long: after 250ms")
	} else if n >= 2 && rest[n-2] == "after" {
		if m.after, err = duration(rest[n-1]); err != nil {
			return m, err
		}
		rest = rest[:n-2]
	}
	arg := strings.Join(rest, " ")
	m.said = strings.TrimSpace(verb + " " + arg)
	want := "" // what the verb takes
	switch verb {
	case "lifts":
		m.do = h.Lift
	case "hangs":
		want, m.do = "up", h.HangUp
	case "dials", "pulses":
		keys := keys
		if verb == "pulses" {
			keys = keys[:10]
		}
		if arg == "" || strings.Trim(arg, keys) != "" || len(arg) > 40 {
			return m, fmt.Errorf("say which digits, up to 40 of %s: %s %s 102", keys, f[0], verb)
		}
		want, m.offHook = arg, true
		m.do = func() { h.Press(arg, keyTime, keyPause) }
		if verb == "pulses" {
			m.do = func() { h.Pulse(arg) }
		}
	case "flashes":
		d := h.flash
		if arg != "" {
			if d, err = duration(arg); err != nil {
				return m, err
			}
		}
		want, m.offHook = arg, true
		m.do = func() { h.Flash(d) }
	case "says":
		pcm, err := w.voice(f[0], arg)
		if err != nil {
			return m, err
		}
		want, m.offHook = arg, true
		m.do = func() { h.then(func() { h.words = pcm }) }
	case "hushes", "speaks":
		m.do = func() { h.then(func() { h.hushed = verb == "hushes" }) }
	default:
		return m, fmt.Errorf("%q is not among the words; say help", verb)
	}
	if arg != want {
		return m, fmt.Errorf("say just: %s", strings.TrimSpace(f[0]+" "+verb+" "+want))
	}
	return m, nil
}

// voice gives what a handset is to say.
func (w *Words) voice(who, name string) ([]int16, error) {
	switch {
	case name == "":
		return nil, fmt.Errorf("say what: %s says hello.wav", who)
	case w.Voice == nil:
		return nil, errors.New("there are no files here to say")
	}
	pcm, err := w.Voice(name)
	if err != nil {
		return nil, fmt.Errorf("%w; say a WAV file of 8 kHz, mono, 16 bit", err)
	}
	return pcm, nil
}

// handset finds a telephone by its name.
func (w *Words) handset(name string) (*Handset, error) {
	if h := w.room.Set(name); h != nil {
		return h, nil
	}
	what := "telephone"
	if strings.HasPrefix(name, "line ") {
		what = "exchange line"
	}
	return nil, fmt.Errorf("there is no %s %q; there are %s", what, name, strings.Join(w.room.Names(), ", "))
}

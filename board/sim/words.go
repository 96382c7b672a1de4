package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Help tells the words.
const Help = `101 lifts | 101 hangs up | 101 dials 102 | 101 pulses 102 | 101 flashes [100ms] | 101 hushes | 101 speaks
  any of these: ... after 250ms; several at once: 101 lifts & 102 lifts
101 hears dial | 101 hears nothing | 102 rings [1.0/4.0 at 25 Hz] | 102 stops ringing | 101 and 102 talk | record 101 -> 102 answered
  any of these: ... within 300ms; never 103 rings
port 101 fails | port 101 works | wait 3s | help | quit`

// ErrQuit is returned by Do for the word quit.
var ErrQuit = errors.New("quit")

// Expected is the error of an expectation that did not come true.
type Expected struct {
	Line string // the expectation
	Got  string // what was noticed since the last action
}

func (e *Expected) Error() string {
	return fmt.Sprintf("expected %q; noticed since the last action: %s", e.Line, e.Got)
}

// Patience is how long an expectation without "within" waits.
const Patience = 10 * time.Second

// Words does what it is told in the simulator's words, one statement at a time.
type Words struct {
	room   *Room
	fault  func(port string, works bool) error
	mark   int       // events of the log before the last action
	markAt time.Time // when the last action was done
}

// Words gives an interpreter of the simulator's words.
func (b *Board) Words() *Words { return &Words{room: b.Room, fault: b.fault} }

// Run reads statements from in, one a line or parted by semicolons, until in or ctx
// ends or one fails; # begins a comment. With lenient, what fails is told and the next
// statement is read: that is a person at a terminal.
func (w *Words) Run(ctx context.Context, in io.Reader, lenient func(error)) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 0, 4096), 4096)
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		for _, st := range strings.Split(text, ";") {
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
	return sc.Err()
}

// Do does one statement.
func (w *Words) Do(ctx context.Context, text string) error {
	f := strings.Fields(text)
	if len(f) == 0 {
		return nil
	}
	switch f[0] {
	case "quit", "exit":
		return ErrQuit
	case "help":
		w.room.Note(time.Now(), Help)
		return nil
	case "wait":
		d, err := duration(f, 1)
		if err != nil {
			return err
		}
		return w.pass(ctx, d)
	case "never":
		return w.never(strings.Join(f[1:], " "))
	case "record":
		return w.expect(ctx, f)
	case "port":
		if len(f) == 3 && (f[2] == "fails" || f[2] == "works") {
			w.begin()
			return w.fault(f[1], f[2] == "works")
		}
		return fmt.Errorf("say: port 101 fails, or: port 101 works")
	}
	if len(f) >= 2 {
		switch f[1] {
		case "hears", "rings", "stops", "and":
			return w.expect(ctx, f)
		}
	}
	return w.act(ctx, text)
}

func duration(f []string, i int) (time.Duration, error) {
	if i >= len(f) {
		return 0, fmt.Errorf("a time is missing, such as 300ms or 3s")
	}
	d, err := time.ParseDuration(f[i])
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("this is no time; say 300ms or 3s")
	}
	return d, nil
}

func (w *Words) pass(ctx context.Context, d time.Duration) error {
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
	w.mark, w.markAt = len(w.room.log), time.Now()
	w.room.mu.Unlock()
}

// act lets hands do something, several at once if joined by &, and waits until they did.
func (w *Words) act(ctx context.Context, text string) error {
	var busy []*Handset
	w.begin()
	for _, part := range strings.Split(text, "&") {
		h, err := w.hand(strings.Fields(part))
		if err != nil {
			return err
		}
		busy = append(busy, h)
	}
	for _, h := range busy {
		for h.Busy() {
			if err := w.pass(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		if at := h.Moved(); at.After(w.markAt) {
			w.markAt = at
		}
	}
	return nil
}

// hand gives a hand something to do.
func (w *Words) hand(f []string) (*Handset, error) {
	if len(f) < 2 {
		return nil, fmt.Errorf("that is not among the words; say help")
	}
	h := w.room.Set(f[0])
	if h == nil {
		return nil, fmt.Errorf("there is no telephone of this name; there are %s", strings.Join(w.room.Names(), ", "))
	}
	who, verb, rest := f[0], f[1], f[2:]
	if n := len(rest); n >= 2 && rest[n-2] == "after" {
		d, err := duration(rest, n-1)
		if err != nil {
			return nil, err
		}
		h.Wait(d)
		rest = rest[:n-2]
	}
	arg := ""
	if len(rest) > 0 {
		arg = rest[0]
	}
	did := verb
	switch verb {
	case "lifts":
		h.Lift()
	case "hangs":
		did = "hangs up"
		h.HangUp()
	case "dials", "pulses":
		if arg == "" || strings.Trim(arg, "0123456789*#ABCD") != "" || len(arg) > 40 || verb == "pulses" && strings.Trim(arg, "0123456789") != "" {
			return nil, fmt.Errorf("say which digits")
		}
		did = verb + " " + arg
		if verb == "dials" {
			h.Press(arg, 70*time.Millisecond, 70*time.Millisecond)
		} else {
			h.Pulse(arg)
		}
	case "flashes":
		d := h.flash
		if arg != "" {
			var err error
			if d, err = duration(rest, 0); err != nil {
				return nil, err
			}
		}
		h.Flash(d)
	case "hushes":
		h.Hush(true)
	case "speaks":
		h.Hush(false)
	default:
		return nil, fmt.Errorf("that is not among the words; say help")
	}
	w.room.add(Event{At: time.Now(), What: Did, Who: who, Name: did})
	return h, nil
}

// expect waits until a line is noticed or is so already.
func (w *Words) expect(ctx context.Context, f []string) error {
	limit, from := Patience, time.Now()
	if n := len(f); n >= 2 && f[n-2] == "within" {
		d, err := duration(f, n-1)
		if err != nil {
			return err
		}
		f, limit, from = f[:n-2], d, w.markAt
	}
	line := strings.Join(f, " ")
	// What is noticed takes the ear some time to name, so the wait is longer than the
	// limit; the onset is held against it.
	timer := time.NewTimer(time.Until(from.Add(limit + 5*time.Second)))
	defer timer.Stop()
	for {
		w.room.mu.Lock()
		ok, late := w.seen(line, from.Add(limit))
		changed := w.room.changed
		w.room.mu.Unlock()
		switch {
		case ok:
			return nil
		case late > 0:
			return &Expected{strings.Join(f, " "), fmt.Sprintf("it came %v too late", late.Round(time.Millisecond))}
		}
		select {
		case <-changed:
		case <-timer.C:
			return &Expected{line, w.since()}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seen looks for a line among the events since the last action, then among what is so.
func (w *Words) seen(line string, limit time.Time) (ok bool, late time.Duration) {
	if who, found := strings.CutSuffix(line, " hears nothing"); found {
		return w.room.tones[who] == "" && len(w.room.voices[who]) == 0, 0
	}
	a, b, pair := strings.Cut(strings.TrimSuffix(line, " talk"), " and ")
	for i := min(w.mark, len(w.room.log)); i < len(w.room.log); i++ {
		e := &w.room.log[i]
		s := e.String()
		hit := s == line || e.What == Said && strings.HasPrefix(s, line+" ") || e.What == RingsAs && e.Who+" rings" == line ||
			pair && e.What == Talks && (e.Who == b && e.Name == a)
		if !hit {
			continue
		}
		if e.At.After(limit) {
			late = e.At.Sub(limit)
			continue
		}
		return true, 0
	}
	_, ok = w.room.holds(line)
	return ok && late == 0, late
}

// never fails if a line was noticed at any time.
func (w *Words) never(line string) error {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	for i := range w.room.log {
		if s := w.room.log[i].String(); s == line || strings.HasPrefix(s, line+" ") {
			return &Expected{"never " + line, "it was noticed"}
		}
	}
	return nil
}

// since lists what was noticed since the last action.
func (w *Words) since() string {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	var l []string
	for i := min(w.mark, len(w.room.log)); i < len(w.room.log); i++ {
		if s := w.room.log[i].String(); s != "" {
			l = append(l, s)
		}
	}
	if l == nil {
		return "nothing"
	}
	return strconv.Itoa(len(l)) + ": " + strings.Join(l, ", ")
}

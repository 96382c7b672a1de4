package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sotto/board/sim/ear"
)

// Expected is the error of an expectation that did not come true.
type Expected struct {
	Line string // the expectation
	Got  string // what was noticed since the last action
}

func (e *Expected) Error() string {
	return fmt.Sprintf("expected %q; noticed since the last action: %s", e.Line, e.Got)
}

const (
	// Patience is how long an expectation without "within" waits.
	Patience = 10 * time.Second
	// naming is how long it takes at most to name what is noticed: a tone needs some of
	// its cadence. The wait is longer by it than the limit; the onset is held against that.
	naming = 5 * time.Second
)

// expectation is a line of what is to be noticed.
type expectation struct {
	line      string
	what      What // HearsNot: nothing is heard
	who, name string
	voice     int // number of the voice
}

// expectation understands a line.
func (w *Words) expectation(f []string) (x expectation, err error) {
	x.line = strings.Join(f, " ")
	if len(f) >= 2 && f[0] == "record" {
		x.what = Said
		return x, nil
	}
	if len(f) < 2 {
		return x, errors.New("say what is expected: 101 hears dial, 102 rings, 102 shows 101, 101 and 102 talk, record 101 -> 102")
	}
	if _, err := w.handset(f[0]); err != nil {
		return x, err
	}
	x.who, x.name = f[0], strings.Join(f[2:], " ")
	switch f[1] {
	case "hears":
		return w.heard(x, f[2:])
	case "rings":
		if x.what = Rings; x.name == "" {
			break
		}
		x.what = RingsAs
		ok := len(f) == 6 && f[3] == "at" && f[5] == "Hz"
		if ok {
			_, err := strconv.ParseFloat(f[4], 64)
			ok = err == nil && strings.Trim(f[2], "0123456789./") == ""
		}
		if !ok {
			return x, fmt.Errorf("say: %s rings, or: %s rings 1.0/4.0 at 25 Hz", x.who, x.who)
		}
	case "stops":
		if x.what = RingsNot; x.name != "ringing" {
			return x, fmt.Errorf("say: %s stops ringing", x.who)
		}
	case "shows":
		if x.what = Shows; x.name == "" {
			return x, fmt.Errorf("say what: %s shows 101 Reception, or: %s shows withheld", x.who, x.who)
		}
	case "is":
		if w.room.Line(x.who) == nil || len(f) != 3 {
			return x, errors.New("say: line 1 is seized, or: line 1 is idle")
		}
		if x.what, x.name = IsSeized, ""; f[2] == "idle" {
			x.what = IsIdle
		} else if f[2] != "seized" {
			return x, fmt.Errorf("say: %s is seized, or: %s is idle", x.who, x.who)
		}
	case "sees":
		if x.what = Sees; x.name != reversal {
			return x, fmt.Errorf("say: %s sees %s", x.who, reversal)
		}
	case "and":
		if len(f) != 4 || f[3] != "talk" || f[2] == f[0] {
			return x, fmt.Errorf("say with whom: %s and 102 talk", x.who)
		}
		if _, err := w.handset(f[2]); err != nil {
			return x, err
		}
		x.what, x.who, x.name = Talks, min(f[0], f[2]), max(f[0], f[2])
	default:
		return x, fmt.Errorf("%q is nothing that can be expected; say help", f[1])
	}
	return x, nil
}

// heard understands what is to be heard: a tone, a digit, a voice, or nothing.
func (w *Words) heard(x expectation, f []string) (expectation, error) {
	x.what = Hears
	switch {
	case x.name == "nothing":
		x.what = HearsNot
	case w.room.Line(x.who) != nil && len(f) == 1 && strings.Trim(f[0], keys) == "":
		x.what = HearsNumber
	case w.room.Line(x.who) != nil && len(f) == 2 && f[0] == "pulses":
		if x.what, x.name = HearsPulses, f[1]; strings.Trim(f[1], keys[:10]) != "" {
			return x, fmt.Errorf("say which digits: %s hears pulses 0123", x.who)
		}
	case len(f) == 2 && f[0] == "digit":
		if x.what, x.name = HearsDigit, f[1]; len(x.name) != 1 || !strings.Contains(keys, x.name) {
			return x, fmt.Errorf("say one of %s: %s hears digit 5", keys, x.who)
		}
	case len(f) == 2 && f[0] == "voice":
		h, err := w.handset(f[1])
		if err != nil {
			return x, err
		}
		x.what, x.name, x.voice = HearsVoice, "", h.marker
	default:
		if tones := w.tones(); !slices.Contains(tones, x.name) {
			return x, fmt.Errorf("no tone is called %q; there are %s", x.name, strings.Join(tones, ", "))
		}
	}
	return x, nil
}

// tones lists what can be heard.
func (w *Words) tones() []string {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	return append(slices.Clone(w.room.known), ear.Unknown, "nothing")
}

// is tells whether an event is what is expected.
func (x *expectation) is(e *Event) bool {
	switch x.what {
	case Said, Shows:
		return e.What == x.what && x.begins(e.String())
	case Rings:
		return (e.What == Rings || e.What == RingsAs) && e.Who == x.who
	case RingsAs:
		return e.What == RingsAs && e.String() == x.line
	case HearsNot:
		return false
	case HearsNumber:
		return (e.What == HearsNumber || e.What == HearsPulses) && e.Who == x.who && e.Name == x.name
	}
	return e.What == x.what && e.Who == x.who && e.Name == x.name && (e.Voice == x.voice || e.What != HearsVoice) || x.what == RingsNot && e.What == RingsNot && e.Who == x.who
}

// begins tells whether a line is what is expected; what follows may be left out.
func (x *expectation) begins(line string) bool {
	rest, ok := strings.CutPrefix(line, x.line)
	return ok && (rest == "" || rest[0] == ' ')
}

// expect waits until a line is noticed or is so already.
func (w *Words) expect(ctx context.Context, f []string) error {
	limit, from := Patience, time.Now()
	if n := len(f); f[n-1] == "within" {
		return errors.New("say within how long: within 300ms")
	} else if n >= 2 && f[n-2] == "within" {
		d, err := duration(f[n-1])
		if err != nil {
			return err
		}
		f, limit, from = f[:n-2], d, w.markAt
	}
	x, err := w.expectation(f)
	if err != nil {
		return err
	}
	wait := limit + naming
	if x.what == RingsNot {
		wait = limit + bellStops + time.Second
	}
	timer := time.NewTimer(time.Until(from.Add(wait)))
	defer timer.Stop()
	for {
		w.room.mu.Lock()
		ok, late := w.seen(&x, from.Add(limit))
		changed := w.room.changed
		w.room.mu.Unlock()
		switch {
		case ok:
			return nil
		case late > 0:
			return &Expected{x.line, fmt.Sprintf("it came %v too late", late.Round(time.Millisecond))}
		}
		select {
		case <-changed:
		case <-timer.C:
			return &Expected{x.line, w.noticed()}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seen looks for what is expected among the events since the last action, then among
// what is so.
func (w *Words) seen(x *expectation, limit time.Time) (ok bool, late time.Duration) {
	events := w.room.since(w.mark)
	for i := range events {
		e := &events[i]
		if !x.is(e) {
			continue
		}
		if !e.At.After(limit) {
			return true, 0
		}
		late = e.At.Sub(limit)
	}
	return late == 0 && w.room.holds(x), late
}

// never fails if a line was noticed at any time, or if that is not known any more.
func (w *Words) never(f []string) error {
	if slices.Contains(f, "within") {
		return errors.New("never is about all that was; leave within out")
	}
	x, err := w.expectation(f)
	if err != nil {
		return err
	}
	if x.what == HearsNot {
		return errors.New("say which tone is never heard")
	}
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	events := w.room.since(0)
	for i := range events {
		if x.is(&events[i]) {
			return &Expected{"never " + x.line, "it was noticed"}
		}
	}
	if w.room.gone > 0 {
		return fmt.Errorf("the first %d things noticed are forgotten: nobody can say never", w.room.gone)
	}
	return nil
}

// noticed lists what was noticed since the last action.
func (w *Words) noticed() string {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	var l []string
	for _, e := range w.room.since(w.mark) {
		if s := e.String(); s != "" {
			l = append(l, s)
		}
	}
	if l == nil {
		return "nothing"
	}
	return strconv.Itoa(len(l)) + ": " + strings.Join(l, ", ")
}

package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sotto/board/sim/exchange"
)

// farHelp is what is said to who does not know what the far end of a line can do.
const farHelp = "%s cannot do that; say help"

// far understands one action at the far end of an exchange line, or on its wires.
func (w *Words) far(m move, f []string) (move, error) {
	l, who, rest := m.line, f[0], f[1:]
	if n := len(rest); n >= 2 && rest[n-2] == "after" {
		d, err := duration(rest[n-1])
		if err != nil {
			return m, err
		}
		m.after, rest = d, rest[:n-2]
	}
	if len(rest) == 0 {
		return m, fmt.Errorf("%s what, after %v? say help", who, m.after)
	}
	m.said = strings.Join(rest, " ")
	state := l.Exchange.State()
	can := m.after > 0 // what can be done by then is not known
	switch m.said {
	case "calls":
		can = can || state == exchange.Idle
	case "abandons":
		can = can || state == exchange.RingingIn
	case "answers":
		can = can || state == exchange.Proceeding || state == exchange.Alerting
	default:
		can = can || state != exchange.Idle || rest[0] != "hangs" || strings.HasSuffix(m.said, "set")
	}
	if !can {
		return m, fmt.Errorf("%s cannot do that now: its call is %v", who, state)
	}
	switch m.said {
	case "calls":
		m.do = func() { l.Call() }
	case "abandons":
		m.do = l.Abandon
	case "answers":
		m.do = l.Answer
	case "never answers":
		m.do = func() { l.Answers(-1) }
	case "is busy":
		m.do = func() { l.Refuses(exchange.EndBusy) }
	case "is congested":
		m.do = func() { l.Refuses(exchange.EndCongestion) }
	case "hangs up":
		m.do = func() { l.HangUp(exchange.EndSilent, 0) }
	case "hangs up with break":
		m.do = func() { l.HangUp(exchange.EndBreak, 0) }
	case "hangs up with reversal":
		m.do = func() { l.HangUp(exchange.EndReversal, 0) }
	case "hangs up with busy":
		m.do = func() { l.HangUp(exchange.EndBusy, 0) }
	case "hangs up with congestion":
		m.do = func() { l.HangUp(exchange.EndCongestion, 0) }
	case "reverses":
		m.do = l.Exchange.Reverse
	case "counts reversal", "counts no reversal":
		m.do = func() { l.Exchange.ReverseOnAnswer(len(rest) == 2) }
	case "has dial tone", "has no dial tone":
		m.do = func() { l.NoDialTone(rest[1] == "no") }
	case "is cut", "is joined":
		m.do = func() { l.Cut(rest[1] == "cut") }
	case "lifts another set", "hangs up another set":
		m.do = func() { l.OtherSet(rest[0] == "lifts") }
	default:
		return w.farWith(m, who, rest)
	}
	return m, nil
}

// farWith understands actions that say how many, how long or which.
func (w *Words) farWith(m move, who string, f []string) (move, error) {
	l, n := m.line, len(f)
	switch verb := f[0]; {
	case verb == "answers":
		if n == 4 && f[1] == "after" && (f[3] == "rings" || f[3] == "ring") {
			if rings, err := strconv.Atoi(f[2]); err == nil && rings >= 0 && rings <= 100 {
				m.do = func() { l.Answers(rings) }
				return m, nil
			}
		}
		return m, fmt.Errorf("say: %s answers, or: %s answers after 2 rings", who, who)
	case verb == "hangs" && n == 5 && f[1] == "up" && f[2] == "with" && f[3] == "break", verb == "breaks" && n == 2:
		d, err := duration(f[n-1])
		if err != nil {
			return m, err
		}
		m.do = func() { l.Exchange.Break(d) }
		if verb == "hangs" {
			m.do = func() { l.HangUp(exchange.EndBreak, max(d, time.Nanosecond)) }
		}
		return m, nil
	case verb == "hangs":
		return m, fmt.Errorf("say: %s hangs up, and with what: with break 250ms, with reversal, with busy, with congestion", who)
	case verb == "breaks":
		return m, fmt.Errorf("say how long: %s breaks 90ms", who)
	case verb == "sends":
		if n != 3 || f[1] != "digit" && f[1] != "digits" || strings.Trim(f[2], keys) != "" || len(f[2]) > 40 {
			return m, fmt.Errorf("say which of %s: %s sends digit 5", keys, who)
		}
		m.offHook = true
		m.do = func() { l.far.Press(f[2], farKey, farKey) }
		return m, nil
	}
	return m, fmt.Errorf(farHelp, who)
}

// farKey is how long the far party presses a key, and waits between two: long enough for
// an ear to tell a digit.
const farKey = 100 * time.Millisecond

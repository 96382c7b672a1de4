package simui

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The words of forms and messages. To is p1, p2 … or l1, l2 …; what to do is one word,
// with one more behind it where the table says so:
//
//	p  lift, down, flash            the hook
//	p  key 5, press 5, let          the keypad: a short press, down, up
//	p  pulse 5                      a rotary dial
//	l  call, abandon, answer        the far party
//	l  answers self|wait|busy
//	l  end silent|break|reversal|busy|congestion
//	l  cut, mend, other, alone      the wire, another set
//	l  quiet, tone                  without dial tone, with it
//	*  listen on|off, speak on|off, voice       sound; of a live page alone

// maxWords bounds the length of what to do.
const maxWords = 32

var (
	errUnknown  = errors.New("there is no such thing to do")
	errTooMuch  = errors.New("too much at a time")
	errNotFree  = errors.New("the line is not free")
	errNotHeard = errors.New("nobody listens there")
)

var endings = map[string]Ending{"silent": EndSilent, "break": EndBreak, "reversal": EndReversal, "busy": EndBusy, "congestion": EndCongestion}

var answerings = map[string]Answering{"self": AnswersSelf, "wait": AnswersWait, "busy": AnswersBusy}

// find gives the channel that to names.
func (s *Server) find(to string) (*channel, bool) {
	if len(to) < 2 || len(to) > 4 {
		return nil, false
	}
	n, err := strconv.Atoi(to[1:])
	if err != nil || n < 1 {
		return nil, false
	}
	switch {
	case to[0] == 'p' && n <= s.phones:
		return s.channels[n-1], true
	case to[0] == 'l' && n <= len(s.channels)-s.phones:
		return s.channels[s.phones+n-1], true
	}
	return nil, false
}

// act does what a form or, with p, a live page asks for.
func (s *Server) act(p *page, to, what string) error {
	c, ok := s.find(to)
	if !ok || len(what) > maxWords {
		return errUnknown
	}
	verb, arg, _ := strings.Cut(what, " ")
	if verb != "let" && !c.may(time.Now()) { // a key that is down must come up
		return errTooMuch
	}
	if done, err := s.sound(c, p, verb, arg); done {
		return err
	}
	if i := int(c.index); i < s.phones {
		return hand(c, p, s.cfg.World.Set(i), verb, arg)
	}
	return far(s.cfg.World.Far(int(c.index)-s.phones), verb, arg)
}

// sound does what is about sound, for a live page.
func (s *Server) sound(c *channel, p *page, verb, arg string) (done bool, err error) {
	on := arg == "on"
	switch {
	case p == nil:
		return false, nil
	case (verb == "listen" || verb == "speak") && !on && arg != "off":
		return true, errUnknown
	case verb == "listen":
		c.listen(p, on)
		return true, nil
	case verb == "speak" && c.speaks(p, on), verb == "voice" && arg == "" && c.say(p):
		return true, nil
	case verb == "speak", verb == "voice" && arg == "":
		return true, errNotHeard
	}
	return false, nil
}

// hand does what a hand does to a telephone.
func hand(c *channel, p *page, set Set, verb, arg string) error {
	sign := byte(0)
	if len(arg) == 1 && strings.Contains("0123456789*#", arg) {
		sign = arg[0]
	}
	switch {
	case verb == "key" && sign != 0:
		set.KeyDown(sign)
		set.KeyUp()
	case verb == "press" && sign != 0 && p != nil:
		c.presses(p, true)
		set.KeyDown(sign)
	case verb == "pulse" && sign >= '0':
		set.Pulse(sign)
	case arg != "":
		return errUnknown
	case verb == "lift":
		set.Lift()
	case verb == "down":
		set.HangUp()
	case verb == "let" && p != nil:
		if c.presses(p, false) {
			set.KeyUp()
		}
	case verb == "flash":
		set.Flash()
	default:
		return errUnknown
	}
	return nil
}

// far does what the far party of a line does, or what happens to its wire.
func far(f Far, verb, arg string) error {
	if e, ok := endings[arg]; ok && verb == "end" {
		f.HangUp(e)
		return nil
	}
	if a, ok := answerings[arg]; ok && verb == "answers" {
		f.Answers(a)
		return nil
	}
	if arg != "" {
		return errUnknown
	}
	switch verb {
	case "call":
		if !f.Call() {
			return errNotFree
		}
	case "abandon":
		f.Abandon()
	case "answer":
		f.Answer()
	case "cut", "mend":
		f.Cut(verb == "cut")
	case "other", "alone":
		f.OtherSet(verb == "other")
	case "quiet", "tone":
		f.NoDialTone(verb == "quiet")
	default:
		return errUnknown
	}
	return nil
}

package pbx

import (
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/progress"
	"sotto/pbx/media/tone"
	"sotto/pbx/plan"
)

// stuckSilence is how long an exchange says nothing at all before its line is taken for
// stuck. Whoever waits on hold on a silent line is not counted: see [watches].
const stuckSilence = 10 * time.Minute

// pulsePause is the pause after a digit by pulses: exchanges of the strowger kind need it.
const pulsePause = 750 * time.Millisecond

// line is a port that plugs into a line of the public exchange: an end of at most one leg.
// What the wires do is for its machine, package loopstart.
type line struct {
	port  board.Port
	label string
	plan  *plan.Line // by the present plan, nil when it has none: then it is for calls for help alone
	hook  *loopstart.Line
	leg   *leg
	watch *watches   // of the leg
	tone  *tone.Tone // digits that are sent
	nth   uint32     // of what the machine sends
	run   uint32     // of what the exchange hears
	warn  bool       // the last use went wrong, so that somebody should look
}

// line gives where l ends if that is an exchange line, else nil.
func (l *leg) line() *line {
	ln, _ := l.at.(*line)
	return ln
}

// fullName names the line in records: as the plan does, else by its port.
func (ln *line) fullName() string {
	if ln.plan != nil {
		return ln.plan.Name
	}
	return ln.label
}

func (ln *line) name() string      { return ln.label }
func (ln *line) media() media.Port { return media.Port(ln.port) }
func (ln *line) quality() *Quality { return nil }

// ring seizes the line for the call of b.
func (ln *line) ring(s *Switch, b *leg, _ Party) {
	ln.hook.Prepare(loopstart.Call{Digits: b.call.dial, Urgent: b.call.emergency})
	s.lineStep(ln, s.now, loopstart.Seize)
}

func (ln *line) quiet(*Switch)                           {}
func (ln *line) rings(*Switch, *leg)                     {} // the exchange lets its caller hear that; after a collision derive does
func (ln *line) answered(s *Switch, _ *leg)              { s.lineStep(ln, s.now, loopstart.Answer) }
func (ln *line) ended(*Switch)                           {}
func (ln *line) over(s *Switch, l *leg, _ Cause, _ bool) { s.remove(l) }

// forget releases the line, if it is still l's.
func (ln *line) forget(s *Switch, l *leg) {
	if ln.leg == l {
		ln.leg = nil
		s.lineStep(ln, s.now, loopstart.Release)
	}
}

// join makes b the line's leg.
func (s *Switch) join(ln *line, b *leg) {
	ln.leg, ln.watch = b, s.watchesFor(b.numbers.Country)
}

// lineTiming makes the machine's times of a country's and of what the plan knows of the line.
func (s *Switch) lineTiming(c *country.Country, x *plan.Line) loopstart.Timing {
	t := loopstart.Timing{
		RingLost: c.Timers.RingLost, Break: c.CPC.Detect, On: c.DTMF.On, Off: c.DTMF.Off,
		PulseBreak: c.Pulse.SendBreak, PulseMake: c.Pulse.SendMake, PulsePause: max(pulsePause, c.Pulse.InterDigit), Digits: c.Pulse.Digits,
		Deaf: s.watchesFor(c).dial == nil,
	}
	if x != nil {
		t.Pulse, t.Reversal = x.Pulse, x.Reversal
		if x.Break > 0 {
			t.Break = time.Duration(x.Break) * time.Millisecond
		}
	}
	return t
}

// watches is what to listen for on a country's lines, nil for nothing.
type watches struct {
	dial *progress.Plan // before the number is sent
	call *progress.Plan // in a call
	held *progress.Plan // while its party is on hold, and may well be silent
}

// watchesFor gives what to listen for in a country, made once.
func (s *Switch) watchesFor(c *country.Country) *watches {
	if w := s.watches[c]; w != nil {
		return w
	}
	compile := func(t progress.Tones) *progress.Plan {
		p, err := progress.Compile(t)
		if err != nil {
			s.log.Warn("tones of exchange lines are not recognised", "country", c.Code, "why", err)
			return nil
		}
		return p
	}
	call := progress.Tones{Ringback: c.Tone(country.Ringback), Busy: c.Tone(country.Busy), Congestion: c.Tone(country.Congestion), Unobtainable: c.Tone(country.Unobtainable)}
	w := &watches{dial: compile(progress.Tones{Dial: c.Tone(country.Dial), Stutter: c.Tone(country.Stutter)}), held: compile(call)}
	call.SilenceFrames = int(stuckSilence / board.FrameTime)
	w.call = compile(call)
	s.watches[c] = w
	return w
}

// digitTone makes a tone of DTMF digits as the country's exchanges take them, nil for no
// digits.
func digitTone(digits string, d *country.DTMF) *tone.Tone {
	var steps []tone.Step
	for i := range len(digits) {
		low, high, ok := dtmf.Frequencies(digits[i])
		if !ok {
			continue
		}
		steps = append(steps, tone.Step{Sines: []tone.Sine{{Hz: low, Level: d.Low}, {Hz: high, Level: d.High}}, On: d.On, Off: d.Off})
	}
	if len(steps) == 0 {
		return nil
	}
	return tone.Must(steps, nil)
}

// ear says what the exchange hears and what is listened for in what it says. False: the
// line is not off hook for a call.
func (ln *line) ear() (media.Ear, bool) {
	l := ln.leg
	ear := media.Ear{Port: ln.media(), Run: ln.run}
	if l == nil || !ln.hook.Heard() {
		return ear, false
	}
	if !l.call.emergency { // nothing that is heard ends a call for help
		ear.Watch = ln.watch.call
	}
	switch ln.hook.State() { // until the number is dialled the exchange hears nothing of the caller: a key may still be down
	case loopstart.Listening:
		if ear.Watch != nil {
			ear.Watch = ln.watch.dial
		}
	case loopstart.Seizing:
		ear.Watch = nil
	case loopstart.Sending:
		ear.Watch, ear.Tone = nil, ln.tone
	case loopstart.Keying:
		ear.Tone = ln.tone
	case loopstart.Talking:
		land := l.numbers.Country
		switch o := l.call.other(l); {
		case l.state == Held:
			ear.Watch, ear.Tone, ear.Run = ln.watch.held, land.Tone(country.Hold), l.run
		case l.state == Waiting && l.call.alerts: // taken by collision
			ear.Tone, ear.Run = land.Tone(country.Ringback), l.run
		case l.state == Talking && o != nil && o.state == Talking:
			ear.Hear(o.at.media())
		}
	}
	return ear, true
}

// lineInputs are the events of the board as inputs of the machine.
var lineInputs = map[board.EventKind]loopstart.Input{
	board.RingOn: loopstart.RingOn, board.RingOff: loopstart.RingOff, board.PolarityReversed: loopstart.Reversed,
	board.CurrentLost: loopstart.Lost, board.CurrentBack: loopstart.Back, board.LineMissing: loopstart.Missing, board.LinePresent: loopstart.Present,
	board.LineInUse: loopstart.Taken, board.LineFree: loopstart.Left, board.PortFailed: loopstart.Failed, board.PortRestored: loopstart.Restored,
}

// lineEvent is an event of the board on an exchange-line port.
func (s *Switch) lineEvent(ln *line, e board.Event) {
	in := lineInputs[e.Kind]
	switch e.Kind {
	case board.PortFailed:
		s.log.Warn("port out of service", "port", ln.label, "why", e.Err)
	case board.PortRestored:
		s.log.Info("port back in service", "port", ln.label)
		ln.warn = false
	case board.LineFree:
		ln.warn = false
	}
	if in == 0 {
		s.refuse("line", ln.label, ln.hook.State().String(), e.Kind.String())
		return
	}
	s.lineStep(ln, e.At, in)
}

// toneInputs are what an exchange says as inputs of the machine.
var toneInputs = [progress.NumKinds]loopstart.Input{
	progress.Dial: loopstart.HeardDial, progress.Ringback: loopstart.HeardRing, progress.Busy: loopstart.HeardBusy,
	progress.Congestion: loopstart.HeardCongestion, progress.Unobtainable: loopstart.HeardUnobtainable, progress.Silence: loopstart.HeardSilence,
}

// heard is a tone that an exchange began or ceased to send.
func (s *Switch) heard(h media.Heard) {
	if int(h.Port) >= len(s.byPort) || h.Kind >= progress.NumKinds || !h.On {
		return
	}
	ln, ok := s.byPort[h.Port].(*line)
	if !ok || toneInputs[h.Kind] == 0 {
		return
	}
	in := toneInputs[h.Kind]
	s.trace.add(s.now, in.String(), ln.label, ln.hook.State().String())
	if ln.leg == nil {
		s.count.LateTones++ // the call was gone before the tone came out of the media loop
		return
	}
	if in == loopstart.HeardSilence && ln.leg.state == Held {
		return // of the moment before it was put on hold
	}
	s.lineStep(ln, s.now, in)
}

// lineStep gives the line's machine an input and does what comes of it.
func (s *Switch) lineStep(ln *line, at time.Time, in loopstart.Input) {
	out, ok := ln.hook.Step(s.now, at, in)
	if !ok {
		s.refuse("line", ln.label, ln.hook.State().String(), in.String())
		return
	}
	for _, k := range out.Signals {
		if k.Kind != 0 {
			s.out.signals = append(s.out.signals, portSignal{ln.port, k})
		}
	}
	if digits, n := ln.hook.Sends(); n != ln.nth {
		ln.nth = n
		ln.run++
		ln.tone = digitTone(digits, &ln.leg.numbers.Country.DTMF)
	}
	switch out.Act {
	case loopstart.Rang:
		s.lineRang(ln)
	case loopstart.RangAgain:
		s.ringMore(ln)
	case loopstart.RingLost:
		s.tell(ln.leg, GotHangUp, legArg{at: out.At})
	case loopstart.Collided:
		s.collided(ln)
	case loopstart.NoDialTone:
		s.count.NoDialTone++
		s.nextLine(ln, "no dial tone")
	case loopstart.Dead:
		s.count.DeadLines++
		s.nextLine(ln, "no loop current")
	case loopstart.Dialled:
		s.lineDialled(ln)
	case loopstart.Answered:
		s.lineAnswered(ln)
	case loopstart.Cleared:
		s.lineCleared(ln, out.Why, out.At)
	case loopstart.HeldLongBy:
		ln.warn = true
		s.count.Stuck++
		s.log.Warn("another set holds an exchange line for hours", "line", ln.label)
	}
}

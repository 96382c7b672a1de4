package display

import "sotto/board"

const (
	// bit is the length of a bit in samples.
	bit = board.SampleRate / 1200.0
	// minSeizure and minMark are the least that a message is believed after: less than
	// any standard sends (96 bits and 55 by SIN 227), as a receiver needs time to begin.
	minSeizure = 80
	minMark    = 45
	// maxMark and maxPause are the longest mark before the message and between bytes.
	maxMark  = 400
	maxPause = 20
	// markLow, markHigh and between bound the mark and part the modems: 1200 Hz is Bell
	// 202, 1300 Hz V.23.
	markLow, between, markHigh = 1150.0, 1250.0, 1350.0
)

// receiver makes bytes and messages of demodulated samples. It waits for bits that
// alternate, then for a long mark, then takes bytes until the message is whole.
type receiver struct {
	last    float64 // sample before
	crossed float64 // time of the last change of bit, in samples
	count   int     // changes in a row that were one bit apart
	first   int64   // sample at which they began
	marks   float64 // sum of the frequencies since crossed
	heard   int     // and how many they are

	inMessage bool
	modem     string
	mark      int // mark bits before the message
	start     float64
	next      int // bit of the byte to be sampled next, 0 the start bit, 10 none
	b         byte
	msg       [2 + 255 + 1]byte
	n         int
}

// sample takes the frequency above centre at sample at.
func (r *receiver) sample(at int64, hz float64) (m Message, ok bool) {
	if r.inMessage {
		m, ok = r.sampleByte(at, hz)
	} else if r.count >= minSeizure && hz < 0 && float64(at)-r.crossed > bit {
		r.marks += hz
		r.heard++
	}
	if (hz > 0) != (r.last > 0) {
		t := float64(at) - hz/(hz-r.last)
		r.change(t, hz > 0)
		r.crossed, r.marks, r.heard = t, 0, 0
	}
	r.last = hz
	return m, ok
}

// change takes a change of bit at time t.
func (r *receiver) change(t float64, toSpace bool) {
	bits := (t - r.crossed) / bit
	switch {
	case r.inMessage:
		if toSpace && r.next == 10 {
			r.start, r.next, r.b = t, 0, 0
		}
	case bits > 0.75 && bits < 1.25:
		if r.count == 0 {
			r.first = int64(r.crossed - bit)
		}
		r.count++
	case r.count >= minSeizure && toSpace && bits >= minMark && bits <= maxMark:
		switch hz := centre + r.marks/float64(max(r.heard, 1)); {
		case hz < markLow, hz > markHigh:
			r.count = 0
			return
		case hz < between:
			r.modem = "Bell 202"
		default:
			r.modem = "V.23"
		}
		r.mark = int(bits - 0.5) // the first is the last of the seizure
		r.inMessage, r.n = true, 0
		r.start, r.next, r.b = t, 0, 0
	default:
		r.count = 0
	}
}

// sampleByte samples the bits of a byte in their middles.
func (r *receiver) sampleByte(at int64, hz float64) (Message, bool) {
	if r.next == 10 {
		if float64(at)-r.start > (10+maxPause)*bit {
			return r.give(Message{Bad: "cut short"})
		}
		return Message{}, false
	}
	t := r.start + (float64(r.next)+0.5)*bit
	if float64(at) < t {
		return Message{}, false
	}
	one := hz+(r.last-hz)*(float64(at)-t) < 0
	switch {
	case r.next == 0 && one, r.next == 9 && !one:
		return r.give(Message{Bad: "framing"})
	case r.next > 0 && r.next < 9 && one:
		r.b |= 1 << (r.next - 1)
	}
	if r.next++; r.next < 10 {
		return Message{}, false
	}
	r.msg[r.n] = r.b
	if r.n++; r.n < 2 || r.n < 3+int(r.msg[1]) {
		return Message{}, false
	}
	return r.give(parse(r.msg[:r.n]))
}

// give ends the message.
func (r *receiver) give(m Message) (Message, bool) {
	m.Modem, m.Mark = r.modem, r.mark
	m.Seizure = r.count + 2 // changes lie between bits, and the last bit is like the mark
	r.inMessage, r.count = false, 0
	return m, true
}

// lost tells whether a message was under way when the carrier went.
func (r *receiver) lost() (Message, bool) {
	if !r.inMessage {
		return Message{}, false
	}
	return r.give(Message{Bad: "cut short"})
}

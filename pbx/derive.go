package pbx

import (
	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media"
)

// derive says who hears whom in the present state. The patch is the switch's own, to be
// copied before anybody else sees it: most events change nothing.
func (s *Switch) derive() *media.Patch {
	p := &s.scratch
	p.Ears = p.Ears[:0]
	for _, st := range s.stations {
		l := st.active
		switch {
		case l == nil:
		case l.state == Alerting:
			if st.hook.State() == analog.Sending {
				p.Ears = append(p.Ears, media.Ear{Port: st.media(), Clip: l.clip, Run: l.run})
			}
		default:
			s.hears(p, l)
		}
	}
	for _, l := range s.legs {
		if _, ok := l.at.(*phone); ok && (l.state == Talking || l.state == Held) {
			s.hears(p, l)
		}
	}
	for _, ln := range s.lines {
		if ear, ok := ln.ear(); ok {
			p.Ears = append(p.Ears, ear)
		}
	}
	return p
}

// hears adds to p what the party of l hears. The ear is made where it stays: with many
// calls its copies would be half the work of a step.
func (s *Switch) hears(p *media.Patch, l *leg) {
	p.Ears = append(p.Ears, media.Ear{})
	ear := &p.Ears[len(p.Ears)-1]
	ear.Port, ear.Run = l.at.media(), l.run
	land := l.numbers.Country
	switch l.state {
	case Dialling:
		ear.Digits = true
		if len(l.digits) == 0 || l.again {
			ear.Tone = land.Tone(country.Dial)
			if l.recall && !l.again {
				ear.Tone = land.Tone(country.Stutter)
			}
		}
	case Waiting:
		if l.call.alerts {
			ear.Tone = land.Tone(country.Ringback)
		}
	case Talking:
		o := l.call.other(l)
		if o == nil || o.state != Talking {
			break
		}
		if ln := o.line(); ln != nil && !ln.hook.Heard() {
			break // still rids itself of a caller, or rests
		}
		ear.Hear(o.at.media())
		_, here := l.at.(*phone)
		_, there := o.at.(*phone)
		ear.Relay = here && there
	case Held:
		ear.Tone = land.Tone(country.Hold)
	case Listening, Warned:
		ear.Tone = l.tone
	}
}

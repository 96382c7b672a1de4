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
			p.Ears = append(p.Ears, s.hears(l))
		}
	}
	for _, l := range s.legs {
		if _, ok := l.at.(*phone); ok && (l.state == Talking || l.state == Held) {
			p.Ears = append(p.Ears, s.hears(l))
		}
	}
	for _, ln := range s.lines {
		if ln.call == nil {
			continue
		}
		ear := media.Ear{Port: ln.media(), Run: ln.run}
		switch ln.state { // until the number is dialled the exchange hears nothing of the caller: a key may still be down
		case lineSends:
			ear.Tone = ln.digits
		case lineTalks:
			ear.Hear(ln.call.caller.at.media())
		}
		p.Ears = append(p.Ears, ear)
	}
	return p
}

// hears says what the party of l hears.
func (s *Switch) hears(l *leg) media.Ear {
	ear := media.Ear{Port: l.at.media(), Run: l.run}
	land := l.numbers.Country
	switch l.state {
	case Dialling:
		ear.Digits = true
		if len(l.digits) == 0 {
			ear.Tone = land.Tone(country.Dial)
			if l.recall {
				ear.Tone = land.Tone(country.Stutter)
			}
		}
	case Waiting:
		if l.call.alerts {
			ear.Tone = land.Tone(country.Ringback)
		}
	case Talking:
		if ln := l.call.line; ln != nil {
			if ln.state >= lineSeized {
				ear.Hear(ln.media())
			}
		} else if o := l.call.other(l); o != nil && o.state == Talking {
			ear.Hear(o.at.media())
			_, here := l.at.(*phone)
			_, there := o.at.(*phone)
			ear.Relay = here && there
		}
	case Held:
		ear.Tone = land.Tone(country.Hold)
	case Listening, Warned:
		ear.Tone = l.tone
	}
	return ear
}

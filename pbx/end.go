package pbx

import (
	"time"

	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media"
)

// end is what a leg ends at: a station of the board, a telephone on the network or a line
// of the public exchange. Calls under way are the same for all; what differs is how their
// party is rung, and how it is told why there is no call.
type end interface {
	name() string // for log and trace; says nothing of a person
	media() media.Port
	quality() *Quality
	ring(s *Switch, b *leg, from Party)               // b is to alert
	quiet(s *Switch)                                  // nobody need be alerted any more; its leg is gone
	rings(s *Switch, l *leg)                          // somebody whom l calls is being rung
	answered(s *Switch, l *leg)                       // who was called by l hears and is heard
	ended(s *Switch)                                  // a call that a leg here made is recorded
	over(s *Switch, l *leg, why Cause, answered bool) // l has no call any more
	forget(s *Switch, l *leg)                         // l is gone
}

// station gives where l ends if that is a station, else nil.
func (l *leg) station() *station {
	st, _ := l.at.(*station)
	return st
}

func (st *station) name() string      { return st.label }
func (st *station) media() media.Port { return media.Port(st.port) }
func (st *station) quality() *Quality { return nil }

func (st *station) ring(s *Switch, b *leg, from Party) {
	s.announce(b, from)
	s.hook(st, s.now, analog.Ring)
	if b.state == Alerting {
		s.alerts(b, legArg{})
	}
}

func (st *station) quiet(s *Switch)            { s.hook(st, s.now, analog.Quiet) }
func (st *station) rings(*Switch, *leg)        {}
func (st *station) answered(s *Switch, _ *leg) { s.polarity(st) }
func (st *station) ended(s *Switch)            { s.polarity(st) }

// over lets the party hear why.
func (st *station) over(s *Switch, l *leg, why Cause, answered bool) {
	land := l.numbers.Country
	t := country.Congestion
	switch why {
	case UserBusy, Rejected:
		t = country.Busy
	case NormalClearing:
		t = country.Busy
	case Unallocated, InvalidFormat:
		t = country.Unobtainable
	}
	s.listen(l, land.Tone(t))
	if answered {
		s.hook(st, s.now, analog.Clear)
	}
}

func (st *station) forget(_ *Switch, l *leg) {
	if st.active == l {
		st.active = nil
	}
	if st.held == l {
		st.held = nil
	}
}

// phone is a telephone on the network, or all of a user's that ring as one, for the life
// of one leg.
type phone struct {
	remote Remote // nil until it was asked to ring
	leg    *leg
	why    Cause // of its end; 0 stands for normal clearing
}

// phoneAct is what the switch wants of a telephone on the network.
type phoneAct struct {
	p      *phone
	what   phoneVerb
	invite Invite
	peer   media.Port
	why    Cause
}

type phoneVerb uint8

const (
	verbInvite phoneVerb = iota + 1
	verbRing
	verbAnswer
	verbRelease
)

// doPhone does it, after the step that led to it.
func (s *Switch) doPhone(a phoneAct) {
	if a.what == verbInvite {
		a.p.remote = s.cfg.Phones.Ring(a.invite)
		s.phones[a.p.remote] = a.p
		return
	}
	if a.p.remote == nil { // another telephone answered before this one was asked to ring
		return
	}
	switch a.what {
	case verbRing:
		a.p.remote.Ring()
	case verbAnswer:
		a.p.remote.Answer(a.peer)
	case verbRelease:
		delete(s.phones, a.p.remote)
		a.p.remote.Release(a.why)
	}
}

func (p *phone) name() string { return "network" }

func (p *phone) media() media.Port {
	if p.remote == nil {
		return NoPort
	}
	return p.remote.Port()
}

func (p *phone) quality() *Quality {
	if p.remote == nil {
		return nil
	}
	return p.remote.Quality()
}

func (p *phone) ring(s *Switch, b *leg, from Party) {
	name := ""
	if u := b.numbers.User(from.User); u != nil {
		name = u.Name
	}
	s.out.phones = append(s.out.phones, phoneAct{p: p, what: verbInvite,
		invite: Invite{User: b.user.ID, From: from, Name: name, Peer: b.call.caller.at.media()}})
}

func (p *phone) quiet(*Switch) {}

func (p *phone) rings(s *Switch, _ *leg) {
	s.out.phones = append(s.out.phones, phoneAct{p: p, what: verbRing})
}

func (p *phone) answered(s *Switch, l *leg) {
	peer := NoPort
	if o := l.call.other(l); o != nil {
		peer = o.at.media()
	}
	s.out.phones = append(s.out.phones, phoneAct{p: p, what: verbAnswer, peer: peer})
}

func (p *phone) ended(*Switch) {}

// over ends the leg: the telephone itself tells its party why.
func (p *phone) over(s *Switch, l *leg, why Cause, _ bool) {
	p.why = why
	s.remove(l)
}

// forget releases the telephone once the patch without it is published.
func (p *phone) forget(s *Switch, _ *leg) {
	if p.remote != nil {
		delete(s.phones, p.remote)
	}
	if p.why == 0 {
		p.why = NormalClearing
	}
	s.out.phones = append(s.out.phones, phoneAct{p: p, what: verbRelease, why: p.why})
}

// phoneEvent is what a telephone on the network did.
func (s *Switch) phoneEvent(e PhoneEvent) {
	p := s.phones[e.Leg]
	if e.Kind == PhoneCalls {
		s.phoneCalls(e)
		return
	}
	if p == nil {
		s.count.LatePhones++
		return
	}
	a := legArg{at: s.now, cause: e.Cause, all: e.All}
	switch e.Kind {
	case PhoneRings:
		s.tell(p.leg, GotRings, a)
	case PhoneAnswers:
		s.tell(p.leg, GotAnswer, a)
	case PhoneRefuses:
		s.tell(p.leg, GotRefuse, a)
	case PhoneHangsUp:
		s.tell(p.leg, GotHangUp, a)
	case PhoneHolds:
		s.tell(p.leg, GotHold, a)
	case PhoneRetrieves:
		s.tell(p.leg, GotRetrieve, a)
	default:
		s.refuse("phone", p.name(), p.leg.state.String(), e.Kind.String())
	}
}

// phoneCalls begins the leg of a user who dialled at a telephone on the network.
func (s *Switch) phoneCalls(e PhoneEvent) {
	p := &phone{remote: e.Leg}
	u := s.numbers.User(e.User)
	if u == nil || !u.SIP || s.phones[e.Leg] != nil {
		s.out.phones = append(s.out.phones, phoneAct{p: p, what: verbRelease, why: NotPermitted})
		return
	}
	p.leg = s.newLeg(p, s.numbers, u)
	s.phones[e.Leg] = p
	s.move(p.leg, Dialling, time.Minute)
	p.leg.digits = []byte(e.Dialled)
	s.tell(p.leg, GotNumber, legArg{at: s.now})
}

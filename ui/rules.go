package ui

import (
	"strings"

	"sotto/pbx/plan"
)

// fact is a name and a value.
type fact struct {
	Name, Value string
	Lamp        lampView // in place of the value
}

// viewPorts gives the ports, and the plan, as the viewer may see them.
func (s *Server) viewPorts(q *request) ([]portView, plan.Plan, error) {
	ctx := q.r.Context()
	w, err := s.as(q).Watch(ctx)
	if err != nil {
		return nil, plan.Plan{}, err
	}
	p, _, err := s.as(q).Plan(ctx)
	if err != nil {
		return nil, plan.Plan{}, err
	}
	v := &viewing{s: s, role: q.viewer().Role, now: q.now, live: w.View(s.cfg.Snapshot())}
	ports, _ := v.ports()
	return ports, p, nil
}

// port shows one port.
func (s *Server) port(q *request) error {
	ports, p, err := s.viewPorts(q)
	if err != nil {
		return err
	}
	for _, pv := range ports {
		if pv.Path != "/ports/"+q.r.PathValue("port") {
			continue
		}
		facts := s.portFacts(pv)
		if pv.Station {
			if pv.live.Ext != "" {
				facts = append(facts, fact{Name: T("fact.ext"), Value: string(pv.live.Ext)})
			}
		} else {
			facts = append(facts, s.lineFacts(&p, pv)...)
		}
		s.showLive(q, 200, "port", pv.Heading, "/events?port="+pv.ID, struct {
			Port   portView
			Facts  []fact
			Meters *metersView
		}{pv, facts, s.measure(q, pv)})
		return nil
	}
	return errNotFound
}

// lines shows the exchange lines.
func (s *Server) lines(q *request) error {
	ports, p, err := s.viewPorts(q)
	if err != nil {
		return err
	}
	type lineView struct {
		Port  portView
		Facts []fact
	}
	var l []lineView
	for _, pv := range ports {
		if !pv.Station {
			l = append(l, lineView{pv, append(s.portFacts(pv), s.lineFacts(&p, pv)...)})
		}
	}
	s.show(q, 200, "lines", "lines.title", l)
	return nil
}

// portFacts tells what is known of a port as hardware.
func (s *Server) portFacts(pv portView) []fact {
	facts := []fact{{Name: T("fact.socket"), Value: pv.live.Label}}
	for _, p := range s.cfg.Ports {
		if p.Port != pv.live.Port {
			continue
		}
		chip := p.Chip
		if chip == "" {
			chip = T("fact.nochip")
		}
		facts = append(facts, fact{Name: T("fact.chip"), Value: chip})
		if p.Err != nil {
			facts = append(facts, fact{Name: T("fact.start"), Lamp: lamp("fault", T("fact.dead"))})
		}
	}
	return facts
}

// lineFacts tells what the plan says of an exchange line.
func (s *Server) lineFacts(p *plan.Plan, pv portView) []fact {
	for _, l := range p.Lines {
		if l.Port != pv.live.Label {
			continue
		}
		return []fact{
			{Name: T("fact.rings"), Value: rings(p, l)},
			{Name: T("fact.dials"), Value: T(pick(l.Pulse, "fact.pulse", "fact.dtmf"))},
			{Name: T("fact.answer"), Value: T(pick(l.Reversal, "fact.reversal", "fact.noreversal"))},
			{Name: T("fact.hangup"), Value: hangUp(l)},
		}
	}
	return []fact{{Name: T("fact.plan"), Value: T("fact.unused")}}
}

func hangUp(l plan.Line) string {
	if l.Break > 0 {
		return T("fact.break", l.Break)
	}
	return T("fact.country")
}

// rings names who is rung by a call on a line, with what the plan holds for this viewer.
func rings(p *plan.Plan, l plan.Line) string {
	if len(l.Rings) == 0 {
		return T("fact.everybody")
	}
	var names []string
	for _, ext := range l.Rings {
		names = append(names, person(p, ext))
	}
	return strings.Join(names, ", ")
}

func person(p *plan.Plan, ext plan.Ext) string {
	for _, u := range p.Users {
		if u.Ext == ext && u.Name != "" {
			return u.Name + " " + string(ext)
		}
	}
	return string(ext)
}

func pick(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

type ruleView struct {
	Name, Begins, Complete, Sent, Lines string
	Forbid                              lampView
}

// rules shows what becomes of outside numbers.
func (s *Server) rules(q *request) error {
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	v := struct {
		Prefix, Emergency string
		Rules             []ruleView
		In                []fact
	}{Prefix: T("rules.noprefix"), Emergency: T("rules.emergency.text")}
	if p.OutsidePrefix != "" {
		v.Prefix = T("rules.prefix", p.OutsidePrefix)
	}
	for _, r := range p.Rules {
		rv := ruleView{Name: r.Name, Begins: r.Prefix, Complete: T("rule.pause"), Sent: T("rule.whole"), Lines: T("rule.all")}
		if r.Prefix == "" {
			rv.Begins = T("rule.any")
		}
		if r.Digits > 0 {
			rv.Complete = T("rule.digits", r.Digits)
		}
		switch {
		case r.Strip > 0 && r.Prepend != "":
			rv.Sent = T("rule.both", r.Strip, r.Prepend)
		case r.Strip > 0:
			rv.Sent = T("rule.strip", r.Strip)
		case r.Prepend != "":
			rv.Sent = T("rule.prepend", r.Prepend)
		}
		if len(r.Lines) > 0 {
			rv.Lines = strings.Join(r.Lines, ", ")
		}
		if r.Forbid {
			rv.Sent, rv.Forbid = "–", lamp("warn", T("rule.forbid"))
		}
		v.Rules = append(v.Rules, rv)
	}
	for _, l := range p.Lines {
		v.In = append(v.In, fact{Name: l.Name, Value: rings(&p, l)})
	}
	if len(v.In) == 0 {
		v.In = []fact{{Name: T("fact.plan"), Value: T("lines.none")}}
	}
	s.show(q, 200, "rules", "rules.title", v)
	return nil
}

type tryView struct {
	Users         []choice
	From, Dialled string
	Result        *triedView
}

type triedView struct {
	Lamp         lampView
	Steps, Hints []string
	Facts        []fact
}

// rulesTry tells what happens if somebody dials a number. The number comes in the body of
// a form: it belongs in no address. The plan is the one that the switch goes by.
func (s *Server) rulesTry(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	n, err := plan.Compile(p)
	if err != nil {
		return err
	}
	v := tryView{From: q.r.PostForm.Get("from")}
	var from *plan.User
	for i := range n.Plan.Users {
		u := &n.Plan.Users[i]
		v.Users = append(v.Users, choice{string(u.Ext), person(&n.Plan, u.Ext)})
		if string(u.Ext) == v.From {
			from = u
		}
	}
	v.Users = append(v.Users, choice{"", T("try.anybody")})
	if q.r.Method != "POST" {
		v.From = v.Users[0].Value
	} else {
		v.Dialled = q.r.PostForm.Get("dialled")
		x := n.Explain(from, v.Dialled)
		r := &triedView{Lamp: verdict(&n.Plan, x)}
		for _, step := range x.Steps {
			if step.Hint {
				r.Hints = append(r.Hints, step.Text)
			} else {
				r.Steps = append(r.Steps, step.Text)
			}
		}
		if x.Kind == plan.ToOutside || x.Kind == plan.ToEmergency {
			r.Facts = append(r.Facts, fact{Name: T("try.sent"), Value: x.Dial})
		}
		v.Result = r
	}
	s.show(q, 200, "try", "try.title", v)
	return nil
}

func verdict(p *plan.Plan, x plan.Explanation) lampView {
	switch x.Kind {
	case plan.ToUser:
		return lamp("ready", T("try.user", person(p, x.User.Ext)))
	case plan.ToEmergency:
		return lamp("ready", T("try.emergency"))
	case plan.ToOutside:
		return lamp("ready", T("try.outside"))
	case plan.Forbidden:
		return lamp("warn", T("try.forbidden"))
	case plan.Incomplete:
		return lamp("none", T("try.incomplete"))
	}
	return lamp("warn", T("try.unobtainable"))
}

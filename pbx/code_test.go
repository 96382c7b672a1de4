package pbx

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/plan"
)

// codes is a plan with accounting codes behind *71, private calls behind *67 and a place for
// everybody's telephone.
func codes(p *plan.Plan) {
	p.CodePrefix, p.PrivatePrefix = "*71", "*67"
	p.Codes = []plan.Code{{Name: "Client", Digits: "987"}, {Name: "Matter", Digits: "5"}, {Name: "Other", Digits: "51"}}
	p.Fields = []plan.Field{plan.Place}
	for i := range p.Users {
		p.Users[i].Place = "Room " + string(p.Users[i].Ext)
	}
}

// TestCodes: a code is in the record by its name, and its digits are nowhere: not in the
// record, not at the exchange, not in log and trace. Behind it a number means what it does
// without.
func TestCodes(t *testing.T) {
	for _, x := range []struct {
		dialled   string
		want      []string // of the called party and after, as sides gives them
		code      string
		outcome   Outcome
		cause     Cause
		private   bool
		emergency bool
	}{
		{"*71987*103", []string{"c", "103", "", ""}, "Client", Abandoned, NormalClearing, false, false},
		{"*71987103", []string{"c", "103", "", ""}, "Client", Abandoned, NormalClearing, false, false},
		{"*715*103", []string{"c", "103", "", ""}, "Matter", Abandoned, NormalClearing, false, false},
		{"*71987**7151*103", []string{"c", "103", "", ""}, "Other", Abandoned, NormalClearing, false, false},
		{"*71987*0301234#", []string{"", "", "301234", "Front"}, "Client", AnswerUnknown, NormalClearing, false, false},
		{"*71987*00900", []string{"", "", "0900", ""}, "Client", Failed, NotPermitted, false, false},
		{"*71987*035#", []string{"", "", "35", "Front", "sent", "0103335"}, "Client", AnswerUnknown, NormalClearing, false, false},
		{"*71987*7", []string{"", "", "7", ""}, "Client", Unobtainable, Unallocated, false, false},
		{"*71987**67103", []string{"", "", "", ""}, "Client", Abandoned, NormalClearing, true, false},
		{"*67*71987*0301234#", []string{"", "", "", "Front"}, "Client", AnswerUnknown, NormalClearing, true, false},
		{"*71988", []string{"", "", "", ""}, "", Unobtainable, Unallocated, false, false},
		{"*7198*103", []string{"", "", "", ""}, "", Unobtainable, Unallocated, false, false},
		{"*67*71988", []string{"", "", "", ""}, "", Unobtainable, Unallocated, true, false},
		{"*71", []string{"", "", "", ""}, "", Unobtainable, Unallocated, false, false},   // and nothing more
		{"*7198", []string{"", "", "", ""}, "", Unobtainable, Unallocated, false, false}, // a code that is not over
		{"*71987", []string{"", "", "", ""}, "Client", Unobtainable, Unallocated, false, false},
		{"*71987*112", []string{"", "", "112", "Front"}, "Client", AnswerUnknown, NormalClearing, false, true},
		{"*71987**670112", []string{"", "", "112", "Front"}, "Client", AnswerUnknown, NormalClearing, false, true},
		{"*71112", []string{"", "", "112", "Front"}, "", AnswerUnknown, NormalClearing, false, true},
	} {
		for _, net := range []bool{false, true} {
			name, from := x.dialled, []string{"b", "102", "", ""}
			if net {
				name, from = name+" from the network", []string{"d", "104", "", ""}
			}
			t.Run(name, func(t *testing.T) {
				b := lineBench(t, func(p *plan.Plan) {
					codes(p)
					p.Rules = []plan.Rule{{Name: "Dear", Prefix: "0900", Forbid: true}, {Name: "Carrier", Prefix: "35", Prepend: "01033"}}
				})
				cause := x.cause
				if net {
					b.dials(x.dialled)
					if slices.Contains([]string{"*71", "*7198", "*71987"}, x.dialled) {
						cause = InvalidFormat // the number is not whole
					}
				} else {
					b.lifts(1)
					b.digits(1, x.dialled)
				}
				if len(b.calls) == 1 && lineOf(b.calls[0]) != nil && !x.emergency {
					b.dialTone(t, 0)
				}
				b.pass(20 * time.Second)
				if !net && x.outcome == Unobtainable && b.hearsTone(1) != country.Unobtainable {
					t.Errorf("hears %v", b.hearsTone(1))
				}
				b.ok(t)
				b.net.allLeave(b)
				if !net {
					b.hangsUp(1)
				}
				b.pass(time.Minute)
				r := b.oneRecord(t)
				if got := r.sides(); !slices.Equal(got, append(from, x.want...)) || r.Code != x.code || r.Private != x.private || r.Outcome != x.outcome || r.Cause != cause || r.Emergency != x.emergency {
					t.Errorf("%q, code %q, private %v, %v, %v", got, r.Code, r.Private, r.Outcome, r.Cause)
				}
				if r.From.Place != "Room "+from[1] || (r.To.Place == "Room 103") != (r.To.Ext == "103") {
					t.Errorf("from %q to %q", r.From.Place, r.To.Place)
				}
				for _, s := range append(b.numberSent(), b.log.String(), b.trace.String(), r.To.Number.Reveal(), r.Sent.Reveal()) {
					if strings.Contains(s, "987") || strings.Contains(s, "*") || strings.Contains(s, "Client") {
						t.Errorf("the code stands in %q", s)
					}
				}
			})
		}
	}
}

// numberSent gives what the lines were given to send.
func (b *bench) numberSent() (l []string) {
	for _, ln := range b.lines {
		digits, _ := ln.hook.Sends()
		l = append(l, digits)
	}
	return l
}

// TestUnknownCodeAtOnce: the tone for wrong numbers sounds with the first digit that no
// code has, and a known code brings dial tone again.
func TestUnknownCodeAtOnce(t *testing.T) {
	b := lineBench(t, codes)
	b.lifts(1)
	for i, want := range []country.ToneKind{country.Dial, 0, 0, 0} {
		if i > 0 {
			b.digits(1, "*71"[i-1:i])
		}
		if got := b.ear(1).Tone; (got != nil) != (want == country.Dial && i == 0) {
			t.Errorf("after %q a tone is heard: %v", "*71"[:i], got != nil)
		}
	}
	b.digits(1, "987")
	if b.ear(1).Tone == nil || b.hearsTone(1) != country.Dial {
		t.Error("no dial tone behind a code")
	}
	b.digits(1, "*")
	if b.ear(1).Tone == nil || b.hearsTone(1) != country.Dial {
		t.Error("no dial tone behind the star of a code")
	}
	b.digits(1, "1")
	if b.ear(1).Tone != nil {
		t.Error("dial tone goes on behind a digit")
	}
	b.hangsUp(1)
	b.lifts(1)
	b.digits(1, "*712")
	if b.hearsTone(1) != country.Unobtainable {
		t.Errorf("hears %v behind a code that nobody has", b.hearsTone(1))
	}
	b.ok(t)
}

// TestPlaceOfTheCall: the place is that of the plan that the call began with, and goes where
// its user does.
func TestPlaceOfTheCall(t *testing.T) {
	b := lineBench(t, codes)
	b.lifts(1)
	b.digits(1, "103")
	b.lifts(2)
	b.replan(t, func(p *plan.Plan) { p.Users[1].Place, p.Users[2].Place = "Elsewhere", "" })
	if s := b.Snapshot(); s.Calls[0].From.Place != "Room 102" || s.Calls[0].To.Place != "Room 103" {
		t.Errorf("shown as from %q to %q", s.Calls[0].From.Place, s.Calls[0].To.Place)
	}
	b.hangsUp(1)
	if r := b.oneRecord(t); r.From.Place != "Room 102" || r.To.Place != "Room 103" {
		t.Errorf("from %q to %q", r.From.Place, r.To.Place)
	}
	for _, protect := range []int{1, 2} {
		b = lineBench(t, func(p *plan.Plan) { codes(p); p.Users[protect].Protected = true })
		b.lifts(1)
		b.digits(1, "103")
		b.lifts(2)
		b.hangsUp(1)
		if r := b.oneRecord(t); (r.From.Place == "") != (protect == 2) || (r.To.Place == "") != (protect == 1) {
			t.Errorf("who is not kept has a place: from %q to %q", r.From.Place, r.To.Place)
		}
	}
	b = lineBench(t, func(p *plan.Plan) { codes(p); p.Lines[0].Rings = []plan.Ext{"103", "102"} })
	b.event(fxo1, board.RingOn)
	b.lifts(2)
	b.pass(3 * time.Second)
	b.hangsUp(2)
	b.pass(time.Minute)
	if r := b.oneRecord(t); r.To.Place != "Room 103" || r.From.Place != "" {
		t.Errorf("who answered a line is at %q, the caller at %q", r.To.Place, r.From.Place)
	}
}

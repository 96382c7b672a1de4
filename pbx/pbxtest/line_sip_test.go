package pbxtest

import (
	"slices"
	"testing"
	"time"

	"sotto/board/sim/exchange"
	"sotto/pbx"
	"sotto/pbx/country"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// five are the countries in which calls on exchange lines are tried; one is enough for the
// race detector.
var five = func() []string {
	if underRace {
		return []string{"GB"}
	}
	return []string{"US", "GB", "DE", "SE", "JP"}
}()

// inFive plays f in an office of each of the five countries, with two lines, 101 and 102 on
// the board, and 201 and 202 on the network.
func inFive(t *testing.T, change func(*Scene), f func(t *testing.T, o *Office, a *siptest.Phone)) {
	for _, code := range five {
		t.Run(code, func(t *testing.T) {
			s := Scene{Country: code, Stations: 2, Lines: 2, SIP: []plan.Ext{"201", "202"}, Wires: map[int]plan.Line{}}
			if change != nil {
				change(&s)
			}
			sipOfficeOf(t, s, func(t *testing.T, o *Office) { f(t, o, registered(t, o, "201")) })
		})
	}
}

// goesOut lets a call number on the exchange, by line; both hear each other at the end.
func goesOut(t *testing.T, o *Office, a *siptest.Phone, number, line string) *siptest.Call {
	t.Helper()
	c := a.Call("0" + number)
	o.Do(t, line+" is seized", line+" hears "+number)
	if !c.Answered(time.Second) {
		t.Fatalf("the exchange is not heard: %v\n%s", c.Statuses(), o.Text())
	}
	if tone := o.numbers.Country.Same(country.Ringback).String(); !c.HearsTone(tone, 8*second) {
		t.Errorf("hears %q, not ringback", c.Sound.Tone())
	}
	o.Do(t, line+" and sip"+a.User+" talk")
	return c
}

// comesIn lets a call on line ring a, which answers.
func comesIn(t *testing.T, o *Office, a *siptest.Phone, line string) *siptest.Call {
	t.Helper()
	n := len(a.Calls())
	o.Do(t, line+" calls")
	in := a.Incoming(n, 3*second)
	if in == nil {
		t.Fatalf("no call came\n%s\n%s", a.Traffic(), o.Text())
	}
	in.Answer()
	o.Do(t, line+" is seized", line+" and sip"+a.User+" talk")
	return in
}

// ended: the far end is gone, c is told within d, and the line is free.
func ended(t *testing.T, o *Office, c *siptest.Call, line string, d time.Duration) {
	t.Helper()
	if !c.Ended(d) {
		t.Fatalf("the telephone is not told\n%s", o.Text())
	}
	o.Do(t, line+" is idle", "wait 4s")
}

// TestNetworkCallsOut: telephones on the network and the exchange, every way to end.
func TestNetworkCallsOut(t *testing.T) {
	inFive(t, nil, func(t *testing.T, o *Office, a *siptest.Phone) {
		c := goesOut(t, o, a, "5550123", "line 1")
		time.Sleep(5 * second)
		c.Hang()
		o.Do(t, "line 1 is idle", "record 201 -> 5550123 answer not known", "wait 4s")
		for how, d := range map[string]time.Duration{"break": 2 * second, "busy": 8 * second, "congestion": 8 * second} {
			c = goesOut(t, o, a, "5550124", "line 1")
			time.Sleep(2 * second)
			o.Do(t, "line 1 hangs up with "+how)
			ended(t, o, c, "line 1", d)
			o.Do(t, "record 201 -> 5550124 answer not known")
		}
		// Held, and taken back.
		c = goesOut(t, o, a, "5550125", "line 1")
		if s := c.Reinvite("sendonly"); s != 200 {
			t.Errorf("hold: %d", s)
		}
		o.Do(t, "line 1 hears "+o.numbers.Country.Same(country.Hold).String())
		if s := c.Reinvite("sendrecv"); s != 200 {
			t.Errorf("back: %d", s)
		}
		o.Do(t, "line 1 and sip201 talk")
		// Digits, both ways.
		c.Sound.Press('7')
		o.Do(t, "line 1 hears digit 7", "line 1 sends digit 5", "wait 1s")
		if d := c.Sound.Digits(); d != "5" {
			t.Errorf("digits %q came from the exchange", d)
		}
		c.Hang()
		o.Do(t, "line 1 is idle", "wait 4s")
		// Given up while it is dialled.
		c = a.Call("05550126")
		o.Do(t, "line 1 is seized", "wait 700ms")
		c.Cancel()
		o.Do(t, "line 1 is idle", "record 201 -> 5550126 abandoned")
	})
}

// TestNetworkCallsOutInVain: refused by the exchange, by a rule, by lines that do not work.
func TestNetworkCallsOutInVain(t *testing.T) {
	forbid := func(s *Scene) { s.Rules = []plan.Rule{{Name: "Dear", Prefix: "0190", Forbid: true}} }
	inFive(t, forbid, func(t *testing.T, o *Office, a *siptest.Phone) {
		refused := func(number string, want int) {
			t.Helper()
			c := a.Call(number)
			if s := c.Statuses(); !c.Ended(15*second) || c.Statuses()[len(c.Statuses())-1] != want {
				t.Errorf("%s: %v, then %v, want %d", number, s, c.Statuses(), want)
			}
		}
		refused("00190555", 403)
		o.Do(t, "never line 1 is seized", "line 1 is busy")
		c := a.Call("05550123")
		if !c.Answered(8*second) || !c.Ended(10*second) {
			t.Errorf("the exchange is busy: %v", c.Statuses())
		}
		o.Do(t, "record 201 -> 5550123 busy", "line 1 is idle", "wait 4s", "line 1 answers after 1 rings")

		o.Do(t, "line 1 has no dial tone")
		c = a.Call("05550124")
		o.Do(t, "line 1 is seized", "line 2 hears 5550124", "line 2 and sip201 talk")
		c.Hang()
		o.Do(t, "line 2 is idle", "wait 4s", "line 2 is cut", "wait 3s")
		refused("05550125", 503)
		o.Do(t, "record 201 -> 5550125 failed", "line 1 is idle", "line 1 has dial tone", "line 2 is joined", "wait 5s")

		// The first two take both lines.
		c = goesOut(t, o, a, "5550126", "line 1")
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550127#", "101 and line 2 talk")
		b := registered(t, o, "202").Call("05550128")
		if !b.Ended(2*second) || b.Statuses()[len(b.Statuses())-1] != 503 {
			t.Errorf("no line is free: %v", b.Statuses())
		}
		o.Do(t, "line 1 and sip201 talk", "port FXO 1 fails")
		if !c.Ended(2 * second) {
			t.Error("the chip is dead, and the telephone is not told")
		}
		o.Do(t, "101 and line 2 talk", "101 hangs up", "line 2 is idle")
	})
}

// TestExchangeCallsNetwork: a call from the exchange to telephones on the network, every
// way to end.
func TestExchangeCallsNetwork(t *testing.T) {
	rings := func(s *Scene) {
		s.Wires[1] = plan.Line{Rings: []plan.Ext{"201"}}
		s.Wires[2] = plan.Line{Rings: []plan.Ext{"101", "201"}, Reversal: true}
	}
	inFive(t, rings, func(t *testing.T, o *Office, a *siptest.Phone) {
		in := comesIn(t, o, a, "line 1")
		if name, user := in.From(); user == "201" || slices.Contains([]string{"101", "102", "202"}, user) {
			t.Errorf("shown as %q %q", name, user)
		}
		time.Sleep(5 * second)
		in.Hang()
		o.Do(t, "line 1 is idle", "record line 1 -> 201 answered", "wait 4s")
		for how, d := range map[string]time.Duration{"break": 2 * second, "busy": 8 * second, "congestion": 8 * second} {
			in = comesIn(t, o, a, "line 1")
			time.Sleep(3 * second)
			o.Do(t, "line 1 hangs up with "+how)
			ended(t, o, in, "line 1", d)
			o.Do(t, "record line 1 -> 201 answered")
		}
		in = comesIn(t, o, a, "line 2")
		o.Do(t, "wait 3s", "line 2 hangs up with reversal")
		ended(t, o, in, "line 2", second)
		// Nobody answers, and the caller gives up.
		n := len(a.Calls())
		o.Do(t, "line 1 calls")
		in = a.Incoming(n, 3*second)
		o.Do(t, "wait 8s", "line 1 abandons")
		if in == nil || !in.Ended(12*second) {
			t.Errorf("the telephone rings on\n%s", a.Traffic())
		}
		o.Do(t, "record line 1 -> 201 abandoned")
		// A telephone on the board is quicker.
		n = len(a.Calls())
		o.Do(t, "line 2 calls", "101 rings")
		in = a.Incoming(n, 3*second)
		o.Do(t, "101 lifts", "101 and line 2 talk")
		if in == nil || !in.Ended(second) {
			t.Error("the telephone on the network rings on")
		}
		o.Do(t, "101 hangs up", "line 2 is idle")
		// Refused: the caller goes on hearing it ring.
		n = len(a.Calls())
		a.Refuses = 486
		o.Do(t, "line 1 calls")
		in = a.Incoming(n, 3*second)
		o.Do(t, "wait 10s", "line 1 rings")
		if s := o.Board.Lines[0].State(); s != exchange.RingingIn {
			t.Errorf("refused, and the line is %v", s)
		}
		o.Do(t, "line 1 abandons", "wait 10s")
		if r := lastRecord(t, o); in == nil || r.Outcome != pbx.Abandoned {
			t.Errorf("recorded as %v", r.Outcome)
		}
	})
}

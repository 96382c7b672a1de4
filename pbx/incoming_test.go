package pbx

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/loopstart"
	"sotto/pbx/media/progress"
	"sotto/pbx/plan"
)

// ringsFor lets the exchange ring port p with bursts of 1 s every 5 s, for d.
func (b *bench) ringsFor(p int, d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); b.pass(4 * time.Second) {
		b.event(p, board.RingOn)
		b.pass(time.Second)
		b.event(p, board.RingOff)
	}
}

// alerted gives the stations that ring.
func (b *bench) alerted() (l []int) {
	for i, st := range b.stations {
		if st.active != nil && st.active.state == Alerting {
			l = append(l, i)
		}
	}
	return l
}

// TestWhoIsRung: whom the line names, or everybody; a telephone on the network, too.
func TestWhoIsRung(t *testing.T) {
	for _, c := range []struct {
		rings    []plan.Ext
		stations int
		net      []plan.UserID
		to       plan.Ext // in the record of a call that nobody answers
	}{
		{nil, 4, []plan.UserID{"a", "d"}, ""},
		{[]plan.Ext{"103"}, 1, nil, "103"},
		{[]plan.Ext{"102"}, 2, nil, "102"},
		{[]plan.Ext{"104"}, 0, []plan.UserID{"d"}, "104"},
		{[]plan.Ext{"103", "104"}, 1, []plan.UserID{"d"}, ""},
	} {
		b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = c.rings })
		b.event(fxo1, board.RingOn)
		if got := b.alerted(); len(got) != c.stations || len(b.net.all) != len(c.net) {
			t.Errorf("%v: stations %v and %d on the network", c.rings, got, len(b.net.all))
		}
		for i, u := range c.net {
			if v := b.net.all[i].invite; v.User != u || v.Peer != fxo1 || v.From.Line != "Front" || v.From.Ext != "" || v.Name != "" {
				t.Errorf("invite %+v", v)
			}
		}
		if got := b.sent(fxo1); len(got) != 0 {
			t.Errorf("the line was signalled %v before anybody answered", got)
		}
		if s := b.Snapshot(); s.Ports[fxo1].Lamp != LampRing || s.Ports[fxo1].Call == 0 || s.Calls[0].From.Line != "Front" {
			t.Errorf("%+v", s.Ports[fxo1])
		}
		b.ok(t)
		b.pass(time.Second)
		b.event(fxo1, board.RingOff)
		b.pass(9 * time.Second) // the caller gives up
		r := b.oneRecord(t)
		if r.Outcome != Abandoned || !r.From.Number.IsZero() || r.From.Line != "Front" || r.To.Ext != c.to || r.Rang < 8*time.Second {
			t.Errorf("%v: %+v", c.rings, r)
		}
		for _, x := range b.net.all {
			if x.released != 1 {
				t.Error("a telephone on the network goes on ringing")
			}
		}
		if len(b.alerted()) > 0 || len(b.sent(fxo1)) > 0 || b.state(0) != loopstart.Free {
			t.Errorf("afterwards %v ring, line %v", b.alerted(), b.state(0))
		}
	}
}

// TestAnswerFromTheOffice: an answer takes the call, by a station or on the network; it ends
// from either side.
func TestAnswerFromTheOffice(t *testing.T) {
	for _, net := range []bool{false, true} {
		for _, exchange := range []bool{false, true} {
			b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"103", "104"} })
			b.ringsFor(fxo1, 6*time.Second)
			r := b.net.last()
			port, ext := 2, plan.Ext("103")
			if net {
				b.phone(r, PhoneRings, 0)
				b.phone(r, PhoneAnswers, 0)
				port, ext = int(r.port), "104"
			} else {
				b.lifts(2)
				if r.why != NonSelectedUser {
					t.Errorf("the other telephone is told %v", r.why)
				}
			}
			if got := b.sent(fxo1); len(got) != 1 || got[0] != board.Seize {
				t.Fatalf("signals %v", got)
			}
			if e, l := b.ear(port), b.ear(fxo1); e.N != 1 || e.From[0] != fxo1 || l.N != 1 || int(l.From[0]) != port || l.Watch == nil {
				t.Errorf("%+v, %+v", e, l)
			}
			b.ok(t)
			b.pass(time.Minute)
			switch {
			case exchange:
				b.heard(fxo1, progress.Busy)
			case net:
				b.phone(r, PhoneHangsUp, NormalClearing)
			default:
				b.hangsUp(2)
			}
			x := b.oneRecord(t)
			if x.Outcome != Answered || x.To.Ext != ext || x.From.Line != "Front" || x.Talked < time.Minute || x.Talked > 61*time.Second {
				t.Errorf("%+v", x)
			}
			if got := b.sent(fxo1); len(got) != 2 || got[1] != board.Release {
				t.Errorf("signals %v", got)
			}
			if exchange && !net && b.hearsTone(2) != country.Busy {
				t.Errorf("the party hears %v", b.hearsTone(2))
			}
		}
	}
}

// TestNobodyAnswers: after the office's time the telephones fall silent, and the exchange
// rings on without being answered or making another call.
func TestNobodyAnswers(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.RingSeconds = 20 })
	b.ringsFor(fxo1, 40*time.Second)
	if r := b.oneRecord(t); r.Outcome != NoAnswer || r.Rang != 20*time.Second {
		t.Errorf("%+v", r)
	}
	if len(b.alerted()) > 0 || len(b.sent(fxo1)) > 0 || b.state(0) != loopstart.Ringing || b.Snapshot().Ports[fxo1].Lamp != LampRing {
		t.Errorf("%v ring, line %v", b.alerted(), b.state(0))
	}
	b.pass(10 * time.Second)
	b.event(fxo1, board.RingOn)
	if len(b.calls) != 1 {
		t.Error("the next call does not ring")
	}
	b.ok(t)
}

// TestNobodyIsFree: the caller goes on hearing ringback, and a telephone that gets free is
// rung at the next burst.
func TestNobodyIsFree(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"103"} })
	b.lifts(2)
	b.ringsFor(fxo1, 10*time.Second)
	b.hangsUp(2)
	if len(b.alerted()) != 0 || len(b.calls) != 1 {
		t.Fatalf("%v ring, %d calls", b.alerted(), len(b.calls))
	}
	b.ringsFor(fxo1, 5*time.Second)
	if len(b.alerted()) != 1 {
		t.Error("103 is free and does not ring")
	}
	b.lifts(2)
	if b.ear(2).From[0] != fxo1 {
		t.Errorf("%+v", b.ear(2))
	}
	b.ok(t)
}

// TestRefusedFromTheNetwork: a telephone that refuses leaves the call to the others.
func TestRefusedFromTheNetwork(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"103", "104"} })
	b.event(fxo1, board.RingOn)
	b.do(Event{Phone: &PhoneEvent{Leg: b.net.last(), Kind: PhoneRefuses, Cause: Rejected, All: true}})
	if len(b.alerted()) != 1 {
		t.Error("103 no longer rings")
	}
	b.event(2, board.PortFailed)
	b.ok(t)
	if len(b.calls) != 1 || len(b.sent(fxo1)) != 0 {
		t.Errorf("%d calls, %v", len(b.calls), b.sent(fxo1))
	}
	b.pass(20 * time.Second)
	if r := b.oneRecord(t); r.Outcome != Abandoned {
		t.Errorf("%+v", r)
	}
}

// TestTakenByAnotherSet, and other ways in which a ring ends without us.
func TestTakenByAnotherSet(t *testing.T) {
	for _, k := range []board.EventKind{board.LineInUse, board.LineMissing, board.PortFailed} {
		b := lineBench(t, nil)
		b.event(fxo1, board.RingOn)
		b.pass(500 * time.Millisecond)
		b.event(fxo1, board.RingOff)
		b.pass(100 * time.Millisecond)
		b.event(fxo1, k)
		if len(b.alerted()) != 0 {
			t.Errorf("%v: goes on ringing", k)
		}
		if r := b.oneRecord(t); r.Outcome != Abandoned || r.Rang > time.Second {
			t.Errorf("%v: %+v", k, r)
		}
		want := map[board.EventKind]Lamp{board.LineInUse: LampBusy, board.LineMissing: LampNone, board.PortFailed: LampFault}[k]
		if got := b.Snapshot().Ports[fxo1].Lamp; got != want {
			t.Errorf("%v: lamp %v", k, got)
		}
		b.ok(t)
	}
}

// TestUnplannedLineIsNobodys: a line that is not in the plan rings nobody.
func TestUnplannedLineIsNobodys(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.Lines = p.Lines[:1] })
	b.ringsFor(fxo2, 10*time.Second)
	if len(b.calls) != 0 || len(b.alerted()) != 0 || b.count.Unused != 1 {
		t.Errorf("%d calls, unused %d", len(b.calls), b.count.Unused)
	}
}

// TestLinesAreNotJoined: two lines that ring at once are two calls, each with telephones of
// its own, and never with each other.
func TestLinesAreNotJoined(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings, p.Lines[1].Rings = []plan.Ext{"103"}, []plan.Ext{"101"} })
	b.event(fxo1, board.RingOn)
	b.event(fxo2, board.RingOn)
	b.lifts(2)
	b.lifts(0)
	if b.ear(fxo1).From[0] != 2 || b.ear(fxo2).From[0] != 0 {
		t.Errorf("%+v, %+v", b.ear(fxo1), b.ear(fxo2))
	}
	b.ok(t)
}

// TestGlare: a call comes in at the instant of a seizure. Whoever called out gets the other
// line; who called in hears ringback, for the exchange took us for answering, and is
// connected.
func TestGlare(t *testing.T) {
	for _, resting := range []bool{false, true} {
		b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"103"} })
		if resting { // the line waits for its rest: it is still on hook
			b.event(fxo2, board.PortFailed)
			b.goesOut(t, 0, "0301234#", 0)
			b.hangsUp(0)
			b.event(fxo2, board.PortRestored)
			b.records = nil
			b.event(fxo2, board.LineInUse) // so that the first is taken
		}
		b.lifts(0)
		b.digits(0, "0301234#")
		if resting {
			b.event(fxo2, board.LineFree)
			b.pass(2 * time.Second)
		}
		before := b.now
		b.event(fxo1, board.RingOn)
		b.event(fxo1, board.RingOff)
		if b.count.Glare != 1 || len(b.calls) != 2 || len(b.alerted()) != 1 {
			t.Fatalf("%+v, %d calls, %v ring, line %v", b.count, len(b.calls), b.alerted(), b.state(0))
		}
		if !resting && b.hearsTone(fxo1) != country.Ringback {
			t.Errorf("the caller hears %+v", b.ear(fxo1))
		}
		b.ok(t)
		b.dialTone(t, 1)
		b.lifts(2)
		if b.ear(2).From[0] != fxo1 || b.ear(fxo1).From[0] != 2 || b.ear(0).From[0] != fxo2 {
			t.Errorf("%+v, %+v, %+v", b.ear(2), b.ear(fxo1), b.ear(0))
		}
		b.ok(t)
		b.pass(time.Second)
		b.hangsUp(2)
		b.hangsUp(0)
		if len(b.records) != 2 || b.records[0].Outcome != Answered || b.records[1].To.Line != "Back" || b.records[0].Began.Before(before) {
			t.Errorf("%+v", b.records)
		}
		b.ok(t)
	}
}

// TestGlareUnanswered: whoever was taken by collision is let go when nobody answers, and
// when he leaves first.
func TestGlareUnanswered(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings, p.RingSeconds = []plan.Ext{"103"}, 20 })
		b.event(fxo2, board.PortFailed)
		b.lifts(0)
		b.digits(0, "0301234#")
		b.event(fxo1, board.RingOn)
		if b.hearsTone(0) != country.Congestion {
			t.Errorf("who called out hears %v", b.hearsTone(0))
		}
		b.pass(10 * time.Second)
		want := NoAnswer
		if leaves {
			want = Abandoned
			b.heard(fxo1, progress.Busy)
		}
		b.pass(15 * time.Second)
		if got := b.sent(fxo1); len(got) != 2 || got[1] != board.Release || len(b.alerted()) != 0 {
			t.Errorf("signals %v, %v ring", got, b.alerted())
		}
		if len(b.records) != 2 || b.records[1].Outcome != want {
			t.Errorf("%+v", b.records)
		}
		b.ok(t)
	}
}

// TestGlareOfAnEmergencyCall: it goes to the other line, or, with none, rids the line of its
// caller first; it is never dialled into somebody's ear.
func TestGlareOfAnEmergencyCall(t *testing.T) {
	b := lineBench(t, nil)
	b.lifts(0)
	b.digits(0, "112")
	b.event(fxo1, board.RingOn)
	if ln := lineOf(b.calls[0]); ln != b.lines[1] || b.count.Glare != 1 {
		t.Fatalf("on %s, %+v", ln.label, b.count)
	}
	b.ok(t)
	b.pass(10 * time.Second)
	if b.ear(0).From[0] != fxo2 {
		t.Errorf("%+v", b.ear(0))
	}
	b = lineBench(t, nil)
	b.event(fxo2, board.PortFailed)
	b.lifts(0)
	b.digits(0, "112")
	b.event(fxo1, board.RingOn)
	if b.state(0) != loopstart.Clearing || b.ear(0).N != 0 {
		t.Errorf("%v, %+v", b.state(0), b.ear(0))
	}
	b.ok(t)
	b.pass(10 * time.Second)
	if b.state(0) != loopstart.Talking || b.ear(0).From[0] != fxo1 {
		t.Errorf("%v, %+v", b.state(0), b.ear(0))
	}
	b.ok(t)
}

// TestLineHeldForHours: somebody should look at a line that another set has held for so
// long.
func TestLineHeldForHours(t *testing.T) {
	b := lineBench(t, nil)
	b.event(fxo1, board.LineInUse)
	b.pass(3 * time.Hour)
	if b.Snapshot().Ports[fxo1].Lamp != LampBusy || b.count.Stuck != 0 {
		t.Errorf("after three hours: %+v", b.Snapshot().Ports[fxo1])
	}
	b.pass(2 * time.Hour)
	b.do(Event{})
	if b.Snapshot().Ports[fxo1].Lamp != LampWarn || b.count.Stuck != 1 {
		t.Errorf("after five: %+v", b.Snapshot().Ports[fxo1])
	}
	b.event(fxo1, board.LineFree)
	if b.Snapshot().Ports[fxo1].Lamp != LampReady {
		t.Error("free again")
	}
	b.ok(t)
}

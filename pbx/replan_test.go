package pbx

import (
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/media"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// without takes the user with an extension out of the plan.
func (b *bench) without(t testing.TB, x plan.Ext) {
	t.Helper()
	b.replan(t, func(p *plan.Plan) {
		p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.Ext == x })
	})
}

// unknown checks that nobody has the extension any more, and that port p is one without a
// user: it has dial tone and calls as nobody.
func (b *bench) unknown(t *testing.T, x plan.Ext, p int) {
	t.Helper()
	b.pass(5 * time.Second)
	b.records = nil
	r := b.dials(string(x))
	if r.why != Unallocated {
		t.Errorf("%s is called, and the caller is told %v", x, r.why)
	}
	if got := b.records[0]; got.Outcome != Unobtainable || got.To.User != "" || got.To.Number != number.Must(string(x)) {
		t.Errorf("%+v", got)
	}
	b.lifts(p)
	if b.hearsTone(p) != country.Dial {
		t.Errorf("port %d hears %v", p, b.hearsTone(p))
	}
	b.digits(p, "101")
	b.lifts(0)
	b.hangsUp(p)
	b.hangsUp(0)
	if got := b.records[1]; got.Outcome != Answered || got.From != (Party{}) || got.To.Ext != "101" || got.Private {
		t.Errorf("%+v", got)
	}
	b.ok(t)
}

// TestUserLeaves: a user is taken out of the plan. Calls under way go on to their end, and
// their records do not name the user; then the extension is unknown.
func TestUserLeaves(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after func(b *bench)
		from, to      plan.Ext // in the record, if there is one
		outcome       Outcome
	}{
		{"idle", func(*bench) {}, func(*bench) {}, "", "", 0},
		{"with dial tone", func(b *bench) { b.lifts(2) }, func(b *bench) { b.digits(2, "101"); b.lifts(0); b.hangsUp(0) }, "", "101", Answered},
		{"dialling", func(b *bench) { b.lifts(2); b.digits(2, "10") }, func(b *bench) { b.digits(2, "1"); b.lifts(0); b.hangsUp(2) }, "", "101", Answered},
		{"being dialled", func(b *bench) { b.lifts(0); b.digits(0, "10") }, func(b *bench) { b.digits(0, "3"); b.lifts(2); b.hangsUp(2) }, "101", "", Answered},
		{"ringing", func(b *bench) { b.lifts(0); b.digits(0, "103") }, func(b *bench) { b.lifts(2); b.pass(time.Second); b.hangsUp(0) }, "101", "", Answered},
		{"ringing, not answered", func(b *bench) { b.lifts(0); b.digits(0, "103") }, func(b *bench) { b.pass(2 * time.Minute) }, "101", "", NoAnswer},
		{"waiting", func(b *bench) { b.lifts(2); b.digits(2, "101") }, func(b *bench) { b.lifts(0); b.hangsUp(0) }, "", "101", Answered},
		{"talking", func(b *bench) { b.lifts(0); b.digits(0, "103"); b.lifts(2) }, func(b *bench) { b.pass(time.Hour); b.hangsUp(2) }, "101", "", Answered},
		{"on hold", func(b *bench) { b.lifts(0); b.digits(0, "103"); b.lifts(2); b.flash(0) }, func(b *bench) { b.flash(0); b.hangsUp(0) }, "101", "", Answered},
		{"holding", func(b *bench) { b.lifts(2); b.digits(2, "101"); b.lifts(0); b.flash(2) }, func(b *bench) { b.flash(2); b.hangsUp(0) }, "", "101", Answered},
		{"rung by the held call", func(b *bench) { b.lifts(2); b.digits(2, "101"); b.lifts(0); b.flash(2) }, func(b *bench) { b.hangsUp(2); b.lifts(2); b.hangsUp(0) }, "", "101", Answered},
		{"calling for help", func(b *bench) { b.lifts(2); b.digits(2, "112"); b.pass(10 * time.Second) }, func(b *bench) { b.pass(time.Minute); b.hangsUp(2) }, "", "", AnswerUnknown},
		{"rung from outside", func(b *bench) { b.event(fxo1, board.RingOn) }, func(b *bench) { b.lifts(2); b.pass(time.Second); b.hangsUp(2) }, "", "", Answered},
		{"talking to the exchange", func(b *bench) { b.event(fxo1, board.RingOn); b.lifts(2); b.pass(time.Second) }, func(b *bench) { b.event(fxo1, board.CurrentLost); b.pass(time.Second) }, "", "", Answered},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"103"} })
			c.before(b)
			b.replan(t, func(p *plan.Plan) {
				p.Users, p.Lines[0].Rings = slices.Delete(p.Users, 2, 3), nil
			})
			c.after(b)
			b.ok(t)
			if c.outcome != 0 {
				r := b.oneRecord(t)
				if r.Outcome != c.outcome || r.From.Ext != c.from || r.To.Ext != c.to || r.From.User == "c" || r.To.User == "c" || !r.Private {
					t.Errorf("%+v", r)
				}
				if r.Emergency && r.To.Number != number.Must("112") {
					t.Error("the number of the call for help is not kept")
				}
			}
			for p := range stations {
				if b.stations[p].hook.Up() {
					b.hangsUp(p)
				}
			}
			b.pass(2 * time.Minute)
			b.unknown(t, "103", 2)
		})
	}
}

// TestNetworkUserLeaves: the same of a user with telephones on the network.
func TestNetworkUserLeaves(t *testing.T) {
	b := lineBench(t, nil)
	out := b.dials("103")
	b.lifts(2)
	b.lifts(0)
	b.digits(0, "104")
	in := b.net.last()
	b.phone(in, PhoneRings, 0)
	b.without(t, "104")
	b.phone(in, PhoneAnswers, 0)
	b.pass(time.Minute)
	if out.released+in.released != 0 || len(b.records) != 0 {
		t.Fatalf("calls ended with the user: %+v", b.records)
	}
	b.phone(in, PhoneHangsUp, NormalClearing)
	b.hangsUp(2)
	if len(b.records) != 2 || b.records[0].From.Ext != "101" || b.records[1].To.Ext != "103" {
		t.Fatalf("%+v", b.records)
	}
	for _, r := range b.records {
		if r.From.User == "d" || r.To.User == "d" || !r.Private || r.FromQuality != nil || r.ToQuality != nil {
			t.Errorf("%+v", r)
		}
	}
	if r := b.dials("101"); r.why != NotPermitted || r.released != 1 {
		t.Errorf("a telephone of nobody is told %v", r.why)
	}
	b.hangsUp(0)
	b.records = nil
	b.lifts(2)
	b.digits(2, "104")
	if r := b.oneRecord(t); r.Outcome != Unobtainable {
		t.Errorf("%+v", r)
	}
}

// TestLeaverIsNotRungAnew: a telephone that becomes free while the exchange rings is rung
// only if the plan still has its user.
func TestLeaverIsNotRungAnew(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		b := lineBench(t, nil)
		b.lifts(2)
		b.event(fxo1, board.RingOn)
		if leaves {
			b.without(t, "103")
		}
		b.hangsUp(2)
		b.event(fxo1, board.RingOff)
		b.pass(2 * time.Second)
		b.event(fxo1, board.RingOn)
		if rung := slices.Contains(b.alerted(), 2); rung == leaves {
			t.Errorf("leaves %v, rung %v", leaves, rung)
		}
		b.ok(t)
	}
}

// TestNothingRemains: once the last call that began with a plan is over, the switch holds
// nothing of it: no name, not even as it was sent to a display.
func TestNothingRemains(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.PrivatePrefix = "*67" })
	held := weak.Make(b.numbers)
	b.goesOut(t, 1, "0301234#", 0)
	b.dials("*67101")
	b.lifts(2)
	b.digits(2, "102")
	b.event(fxo2, board.RingOn)
	b.without(t, "103")
	if runtime.GC(); held.Value() == nil {
		t.Fatal("calls under way lost their plan")
	}
	for p := range stations {
		if b.stations[p].hook.Up() {
			b.hangsUp(p)
		}
	}
	b.net.allLeave(b)
	b.pass(2 * time.Minute)
	if len(b.calls)+len(b.legs) != 0 {
		t.Fatalf("%d calls, %d legs", len(b.calls), len(b.legs))
	}
	b.net.all = nil // what the test itself holds
	if runtime.GC(); held.Value() != nil {
		t.Error("the plan is held by something")
	}
	shown := b.showsName(t)
	b.hangsUp(0)
	if runtime.GC(); shown.Value() != nil {
		t.Error("what a display was told is held by something")
	}
	runtime.KeepAlive(b)
}

// showsName lets 101 call 102 and gives the sound that tells a display who it is.
func (b *bench) showsName(t *testing.T) weak.Pointer[media.Clip] {
	b.lifts(0)
	b.digits(0, "102")
	b.pass(2 * time.Second)
	for _, e := range b.patch.Ears {
		if e.Clip != nil {
			return weak.Make(e.Clip)
		}
	}
	t.Fatal("no display is told who calls")
	return weak.Pointer[media.Clip]{}
}

package pbx

import (
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/media"
)

// network is the telephones on the network as the switch sees them.
type network struct {
	all []*remote
}

func (n *network) Ring(i Invite) Remote {
	r := &remote{port: media.Port(stations + lines + len(n.all)), invite: i, called: true}
	n.all = append(n.all, r)
	return r
}

// calls makes a telephone that calls.
func (n *network) calls() *remote {
	r := &remote{port: media.Port(stations + lines + len(n.all))}
	n.all = append(n.all, r)
	return r
}

func (n *network) last() *remote { return n.all[len(n.all)-1] }

// allLeave ends what is not ended.
func (n *network) allLeave(b *bench) {
	for _, r := range n.all {
		if !r.gone {
			r.gone = true
			b.phone(r, PhoneHangsUp, NormalClearing)
		}
	}
}

type remote struct {
	port     media.Port
	invite   Invite
	called   bool
	rings    int
	answers  int
	peer     media.Port
	released int
	why      Cause
	gone     bool
}

func (r *remote) Ring()                  { r.rings++ }
func (r *remote) Answer(peer media.Port) { r.answers++; r.peer = peer }
func (r *remote) Release(c Cause)        { r.released++; r.why = c }
func (r *remote) Port() media.Port       { return r.port }
func (r *remote) Quality() *Quality      { return &Quality{Codec: "PCMA", Packets: uint64(r.port)} }

func (b *bench) phone(r *remote, k PhoneEventKind, c Cause) {
	b.do(Event{Phone: &PhoneEvent{Leg: r, Kind: k, Cause: c}})
}

func (b *bench) dials(number string) *remote {
	r := b.net.calls()
	b.do(Event{Phone: &PhoneEvent{Leg: r, Kind: PhoneCalls, User: "d", Dialled: number}})
	return r
}

// netEvent is one of fifteen things that telephones on the network may do.
func (b *bench) netEvent(k int) {
	if k <= 4 || len(b.net.all) == 0 {
		b.dials([]string{"101", "102", "0555", "112", "104"}[k%5])
		return
	}
	r := b.net.all[len(b.net.all)-1-(k&1)%len(b.net.all)]
	kind := []PhoneEventKind{PhoneRings, PhoneAnswers, PhoneRefuses, PhoneHangsUp, PhoneHolds, PhoneRetrieves}[k%6]
	if r.gone || r.released > 0 {
		return
	}
	if r.called && r.answers == 0 { // what a telephone that is called cannot do before it answers, and after
		switch kind {
		case PhoneAnswers:
			r.answers++
		case PhoneHolds, PhoneRetrieves:
			return
		}
	} else if kind == PhoneRings || kind == PhoneAnswers || kind == PhoneRefuses {
		return
	}
	r.gone = kind == PhoneRefuses || kind == PhoneHangsUp
	b.phone(r, kind, UserBusy)
}

func TestPhoneCallsStation(t *testing.T) {
	b := newBench(t)
	r := b.dials("103")
	if r.rings != 1 || b.Snapshot().Ports[2].State != "alerting" {
		t.Fatalf("rings %d, %v", r.rings, b.Snapshot().Ports[2])
	}
	b.pass(time.Second)
	b.event(2, board.LoopClosed)
	if r.answers != 1 || r.peer != 2 {
		t.Errorf("answered %d times, by port %d", r.answers, r.peer)
	}
	if e := b.patch.Ears; len(e) != 2 || e[0].From[0] != r.port || e[1].Port != r.port || e[1].From[0] != 2 || e[0].Relay || e[1].Relay {
		t.Errorf("patch %+v", e)
	}
	b.pass(time.Minute)
	b.phone(r, PhoneHangsUp, NormalClearing)
	if r.released != 1 || r.why != NormalClearing {
		t.Errorf("released %d times, %v", r.released, r.why)
	}
	if b.Snapshot().Ports[2].State != "listening" || len(b.records) != 1 {
		t.Fatalf("%v, %d records", b.Snapshot().Ports[2], len(b.records))
	}
	rec := b.records[0]
	if rec.From.Ext != "104" || rec.To.Ext != "103" || rec.Outcome != Answered || rec.Talked != time.Minute ||
		rec.FromQuality == nil || rec.FromQuality.Packets != uint64(r.port) || rec.ToQuality != nil {
		t.Errorf("record %+v", rec)
	}
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
}

func TestStationCallsPhone(t *testing.T) {
	b := newBench(t)
	b.event(2, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(2, "104")
	r := b.net.last()
	if r.invite.User != "d" || r.invite.From.Ext != "103" || r.invite.Name != "Person" || r.invite.Peer != 2 {
		t.Errorf("invited with %+v", r.invite)
	}
	if e := b.patch.Ears; len(e) != 1 || e[0].Tone != nil {
		t.Errorf("the caller hears something before anything rings: %+v", e)
	}
	b.phone(r, PhoneRings, 0)
	if e := b.patch.Ears; len(e) != 1 || e[0].Tone != b.numbers.Country.Tone(country.Ringback) {
		t.Error("the caller hears no ringback")
	}
	b.phone(r, PhoneAnswers, 0)
	if e := b.patch.Ears; len(e) != 2 || e[0].From[0] != r.port || e[1].From[0] != 2 {
		t.Errorf("patch %+v", e)
	}
	b.event(2, board.LoopOpen)
	b.pass(2 * time.Second)
	if r.released != 1 || r.why != NormalClearing || len(b.phones) != 0 {
		t.Errorf("released %d times, %v", r.released, r.why)
	}
	if q := b.records[0].ToQuality; q == nil || q.Packets != uint64(r.port) {
		t.Errorf("quality %+v", q)
	}
}

func TestPhoneCallsPhone(t *testing.T) {
	b := newBench(t)
	a := b.dials("101") // a station and the network
	r := b.net.last()
	if r == a || r.invite.User != "a" || r.invite.Peer != a.port || a.rings != 1 {
		t.Fatalf("invite %+v, rings %d", r.invite, a.rings)
	}
	b.phone(r, PhoneRings, 0)
	b.phone(r, PhoneAnswers, 0)
	if b.Snapshot().Ports[0].State != "on hook" || a.answers != 1 || a.peer != r.port || a.rings != 1 {
		t.Errorf("%v; answers %d, rings %d", b.Snapshot().Ports[0], a.answers, a.rings)
	}
	if e := b.patch.Ears; len(e) != 2 || !e[0].Relay || !e[1].Relay {
		t.Errorf("not relayed: %+v", e)
	}
	b.phone(a, PhoneHolds, 0)
	if e := b.patch.Ears; len(e) != 1 || e[0].Port != r.port || e[0].Relay || e[0].Tone != b.numbers.Country.Tone(country.Hold) {
		t.Errorf("held: %+v", e)
	}
	b.phone(r, PhoneHolds, 0) // both
	b.phone(a, PhoneRetrieves, 0)
	if e := b.patch.Ears; len(e) != 1 || e[0].Port != a.port {
		t.Errorf("held by the other: %+v", e)
	}
	b.phone(r, PhoneRetrieves, 0)
	if e := b.patch.Ears; len(e) != 2 || !e[0].Relay {
		t.Errorf("back: %+v", e)
	}
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
	b.phone(r, PhoneHangsUp, NormalClearing)
	if a.released != 1 || len(b.legs) != 0 || !b.records[0].Held {
		t.Errorf("released %d, %d legs", a.released, len(b.legs))
	}
}

// TestPhoneRefuses: what a caller is told is the best that several telephones said.
func TestPhoneRefuses(t *testing.T) {
	for _, c := range []struct {
		cause   Cause
		all     bool
		answers bool // the analog telephone goes on ringing
		told    Cause
		outcome Outcome
	}{
		{OutOfOrder, false, true, 0, 0},
		{UserBusy, false, true, 0, 0},
		{Rejected, true, false, Rejected, Busy},
	} {
		b := newBench(t)
		a := b.dials("101")
		b.phone(b.net.last(), PhoneRefuses, c.cause)
		if c.all {
			b = newBench(t)
			a = b.dials("101")
			b.do(Event{Phone: &PhoneEvent{Leg: b.net.last(), Kind: PhoneRefuses, Cause: c.cause, All: true}})
		}
		if rings := b.Snapshot().Ports[0].State == "alerting"; rings != c.answers {
			t.Errorf("%v: rings %v", c.cause, rings)
		}
		if a.why != c.told || c.told != 0 && b.records[0].Outcome != c.outcome {
			t.Errorf("%v: told %v", c.cause, a.why)
		}
		if err := b.invariants(); err != nil {
			t.Error(err)
		}
	}
	for cause, outcome := range map[Cause]Outcome{UserBusy: Busy, Rejected: Busy, NoAnswerFromUser: NoAnswer, NoUserResponding: NoAnswer, OutOfOrder: Failed, Unallocated: Unobtainable} {
		b := newBench(t)
		a := b.dials("104")
		b.phone(b.net.last(), PhoneRefuses, cause)
		if a.why != cause || b.records[0].Outcome != outcome || len(b.legs) != 0 {
			t.Errorf("%v: told %v, recorded %v", cause, a.why, b.records[0].Outcome)
		}
	}
}

// TestPhoneDials: numbers that nobody has, that are too short, that are none at all.
func TestPhoneDials(t *testing.T) {
	for number, want := range map[string]Cause{"555": Unallocated, "10": InvalidFormat, "": InvalidFormat, "bob": Unallocated,
		"101;x": Unallocated, strings.Repeat("1", 100): Unallocated, "+": Unallocated} {
		b := newBench(t)
		r := b.dials(number)
		if r.released != 1 || r.why != want || len(b.legs)+len(b.calls) != 0 {
			t.Errorf("%q: %v, released %d", number, r.why, r.released)
		}
	}
	b := newBench(t)
	r := b.net.calls()
	b.do(Event{Phone: &PhoneEvent{Leg: r, Kind: PhoneCalls, User: "b", Dialled: "101"}})
	if r.why != NotPermitted {
		t.Errorf("a user without SIP: %v", r.why)
	}
	r = b.dials("1 0-3")
	if b.Snapshot().Ports[2].State != "alerting" {
		t.Error("a number with signs for the eye is not understood")
	}
}

// TestPhoneEmergency: what the exchange says is heard from the start, also with the loop
// at its limit; and nothing holds the call.
func TestPhoneEmergency(t *testing.T) {
	b := newBench(t)
	r := b.dials("112")
	if r.answers != 1 || r.peer != stations {
		t.Fatalf("answered %d, by %d", r.answers, r.peer)
	}
	b.pass(10 * time.Second)
	b.phone(r, PhoneHolds, 0)
	if e := b.patch.Ears; len(e) != 2 || e[0].Port != r.port || e[0].From[0] != stations || e[1].From[0] != r.port {
		t.Errorf("patch %+v", e)
	}
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
	b.phone(r, PhoneHangsUp, NormalClearing)
	if len(b.records) != 1 || !b.records[0].Emergency {
		t.Errorf("records %+v", b.records)
	}
	for range MaxPosted {
		b.Post(Event{Ping: nil})
	}
	if b.Post(Event{Phone: &PhoneEvent{Kind: PhoneCalls}}) {
		t.Error("an ordinary call is taken over the limit")
	}
	if !b.Post(Event{Phone: &PhoneEvent{Kind: PhoneCalls, Urgent: true}}) || !b.Post(Event{Phone: &PhoneEvent{Kind: PhoneHangsUp}}) {
		t.Error("a call for help or a hang-up is refused")
	}
}

// manyUp has 600 calls between telephones on the network up. one makes another and ends it.
func manyUp(t testing.TB) (x *bench, one func()) {
	x = newBench(t)
	up := func() *remote {
		a := x.dials("104")
		r := x.net.last()
		x.phone(r, PhoneRings, 0)
		x.phone(r, PhoneAnswers, 0)
		return a
	}
	for range 600 {
		up()
	}
	return x, func() {
		x.phone(up(), PhoneHangsUp, NormalClearing)
		x.records = x.records[:0]
		x.net.all = x.net.all[:1200]
	}
}

// BenchmarkPhoneCall is the cost in the switch of a call between telephones on the
// network, from its number to its end, with 600 other calls up.
func BenchmarkPhoneCall(b *testing.B) {
	_, one := manyUp(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// TestManyCallsAllocations: what a call allocates does not grow with the calls that are up,
// but for two patches; an event that changes nobody's sound allocates nothing.
func TestManyCallsAllocations(t *testing.T) {
	x, one := manyUp(t)
	one() // room for what it needs
	if n := testing.AllocsPerRun(20, func() { x.do(Event{}) }); n != 0 {
		t.Errorf("an event without effect: %v allocations", n)
	}
	if n := testing.AllocsPerRun(20, one); n > 24 {
		t.Errorf("a call: %v allocations, want 24 at most", n)
	}
}

// TestRecallWhileBothHold: the analog party holds and hangs up, the network telephone holds
// as well, and the analog one comes back to its ringing recall: it is on hold.
func TestRecallWhileBothHold(t *testing.T) {
	b := newBench(t)
	b.event(2, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(2, "104")
	r := b.net.last()
	b.phone(r, PhoneAnswers, 0)
	b.flash(2)
	b.pass(time.Second)
	b.phone(r, PhoneHolds, 0)
	b.event(2, board.LoopOpen)
	b.pass(2 * time.Second)
	b.event(2, board.LoopClosed)
	b.pass(time.Second)
	if s := b.Snapshot().Ports[2].State; s != "held" || b.count.Refused > 0 {
		t.Errorf("%s, refused %d\n%s", s, b.count.Refused, b.log.String())
	}
	b.phone(r, PhoneRetrieves, 0)
	if s := b.Snapshot().Ports[2].State; s != "talking" {
		t.Errorf("taken back: %s", s)
	}
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
}

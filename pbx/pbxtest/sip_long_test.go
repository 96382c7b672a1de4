package pbxtest

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// phases follows the phase of one marker at an ear: a slip in the sound is a leap in it.
type phases struct {
	mu    sync.Mutex
	hz    float64
	n     int
	prev  complex128
	leaps int     // by more than an eighth of a turn between two frames
	worst float64 // of all steps, in turns
	gone  int     // frames without the marker
}

func (p *phases) hear(f *board.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum complex128
	step := cmplx.Rect(1, -2*math.Pi*p.hz/board.SampleRate)
	turn := cmplx.Rect(1, -2*math.Pi*math.Mod(p.hz*float64(p.n)/board.SampleRate, 1))
	for _, v := range f {
		sum += complex(float64(v), 0) * turn
		turn *= step
	}
	p.n += len(f)
	if cmplx.Abs(sum)/float64(len(f)) < board.Amplitude(-35)/2 {
		p.gone++
		p.prev = 0
		return
	}
	if p.prev != 0 {
		d := math.Abs(cmplx.Phase(sum/p.prev)) / (2 * math.Pi)
		if p.worst = max(p.worst, d); d > 1./8 {
			p.leaps++
		}
	}
	p.prev = sum
}

func (p *phases) result() (leaps, gone int, worst float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leaps, p.gone, p.worst
}

// TestDrift: for an hour with telephones whose clocks are 100 ppm off, either way, no
// sound breaks off, slips audibly or is made up.
func TestDrift(t *testing.T) {
	if underRace {
		t.Skip("minutes under the race detector; shorter ones do the same")
	}
	length := time.Hour
	if testing.Short() {
		length = 2 * time.Minute
	}
	sipOffice(t, func(t *testing.T, o *Office) {
		fast := func(p *siptest.Phone) { p.Drift = 100e-6 }
		slow := func(p *siptest.Phone) { p.Drift = -100e-6 }
		a, b := registered(t, o, "201", fast), registered(t, o, "202", slow)
		c, d := registered(t, o, "203", fast), registered(t, o, "204", slow)
		one, two := connectAnalog(t, o, a, "101"), connectAnalog(t, o, b, "102")
		three, four := connect(t, o, c, d)
		time.Sleep(10 * second) // the buffers find their depth
		ears := []*phases{{hz: sim.MarkerHz(a.Marker)}, {hz: sim.MarkerHz(b.Marker)}}
		for i, x := range []string{"101", "102"} {
			o.Board.Room.Set(x).Tap(func(_ time.Time, _, f *board.Frame) { ears[i].hear(f) })
		}
		for began := time.Now(); time.Since(began) < length; time.Sleep(100 * second) {
			for _, p := range []*siptest.Phone{a, b, c, d} {
				if err := p.Register(300); err != nil {
					t.Fatal(err)
				}
			}
		}
		o.Do(t, "101 and sip201 talk", "102 and sip202 talk")
		bothHear(t, o, three, four)
		for i, e := range ears {
			leaps, gone, worst := e.result()
			t.Logf("telephone %d: worst step %.3f turns in %d frames", i, worst, e.n/board.FrameLen)
			if leaps+gone > 0 {
				t.Errorf("telephone %d: %d leaps, %d frames without sound", i, leaps, gone)
			}
		}
		for i, x := range []*siptest.Call{one, two, three, four} {
			if gaps, streams := x.Sound.Gapped(); gaps > 0 || streams != 1 {
				t.Errorf("call %d: %d gaps, %d streams", i, gaps, streams)
			}
			for m, n := range x.Sound.Began() {
				if n > 1 {
					t.Errorf("call %d: marker %d began %d times", i, m, n)
				}
			}
		}
		one.Hang()
		two.Hang()
		three.Hang()
		o.Do(t, "101 hears busy", "102 hears busy", "101 hangs up & 102 hangs up", "wait 1s")
		for _, r := range o.Records.List() {
			for _, q := range []*pbx.Quality{r.FromQuality, r.ToQuality} {
				if q == nil {
					continue
				}
				t.Logf("%s -> %s: %d packets, %d lost, %d late, %v made up, MOS %.2f", r.From.Ext, r.To.Ext, q.Packets, q.Lost, q.Late, q.Concealed, q.MOS)
				if q.Lost+q.Late > 0 || q.Concealed > 0 || q.MOS < 4 {
					t.Errorf("quality %+v", *q)
				}
			}
		}
	})
}

// slot is a place for a call of the busy hour: between a telephone on the network and
// either another or an analog one.
type slot struct {
	a, b  *siptest.Phone // b nil: analog is called or calls
	x     string
	c, in *siptest.Call // while a call is up: of a, and of b
	ops   int
}

// TestBusyHour: twenty calls at a time, ten of them straight through, with holds,
// digits, flashes and hang-ups at random. At the end nothing is left.
func TestBusyHour(t *testing.T) {
	if underRace {
		t.Skip("minutes under the race detector; shorter ones do the same")
	}
	length := 10 * time.Minute
	switch {
	case testing.Short():
		length = 2 * time.Minute
	case *soak:
		length = time.Hour
	}
	const mixed, straight = 10, 10
	var users []plan.Ext
	for i := range mixed + 2*straight {
		users = append(users, plan.Ext(fmt.Sprint(201+i)))
	}
	scene := Scene{Country: "DE", Stations: mixed, SIP: users}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		r := rand.New(rand.NewPCG(7, 11))
		plain := func(p *siptest.Phone) { p.PTime = 60 * time.Millisecond }
		var phones []*siptest.Phone
		for _, x := range users {
			phones = append(phones, registered(t, o, x, plain))
		}
		var slots []*slot
		for i := range mixed {
			slots = append(slots, &slot{a: phones[i], x: Name(i)})
		}
		for i := range straight {
			slots = append(slots, &slot{a: phones[mixed+2*i], b: phones[mixed+2*i+1]})
		}
		began, registeredAt, most := time.Now(), time.Now(), 0
		for time.Since(began) < length {
			s := slots[r.IntN(len(slots))]
			s.step(t, o, r)
			if t.Failed() {
				break
			}
			most = max(most, len(o.Switch.Snapshot().Calls))
			time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
			if time.Since(registeredAt) > 4*time.Minute {
				registeredAt = time.Now()
				for _, p := range phones {
					if err := p.Register(300); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		ops := 0
		for _, s := range slots {
			s.end(t, o, r.IntN(2) == 0)
			ops += s.ops
		}
		time.Sleep(5 * second)
		t.Logf("%d acts, %d calls recorded, %d at a time", ops, len(o.Records.List()), most)
		if most < 12 {
			t.Errorf("only %d calls at a time", most)
		}
		if n := o.Switch.Snapshot().Counters.LatePhones; n > 0 {
			t.Logf("%d events of legs that were over", n)
		}
	})
}

// step does something with the call of a slot, or makes one.
func (s *slot) step(t *testing.T, o *Office, r *rand.Rand) {
	t.Helper()
	s.ops++
	if s.c == nil {
		s.begin(t, o, r)
		return
	}
	dirs := []string{"sendonly", "inactive", "zero", "sendrecv", "sendrecv"}
	pick := func() string { return dirs[r.IntN(len(dirs))] }
	switch r.IntN(10) {
	case 0:
		s.c.Reinvite(pick())
	case 1:
		s.c.Update(pick())
	case 2:
		s.c.Sound.Press("0123456789"[r.IntN(10)])
	case 3:
		s.c.Info('5')
	case 4:
		if s.in != nil {
			s.in.Reinvite(pick())
		} else {
			o.Board.Room.Set(s.x).Flash(100 * time.Millisecond)
			time.Sleep(second)
			o.Board.Room.Set(s.x).Flash(100 * time.Millisecond)
			time.Sleep(second)
		}
	case 5:
		if s.in != nil { // both in the same moment
			var w sync.WaitGroup
			x, y := pick(), pick()
			w.Go(func() { s.c.Reinvite(x) })
			w.Go(func() { s.in.Reinvite(y) })
			w.Wait()
		}
	case 6:
		s.c.Reinvite("sendrecv")
		if s.in != nil {
			s.in.Reinvite("sendrecv")
			bothHear(t, o, s.c, s.in)
		} else if !s.c.Hears(o.Marker(plan.Ext(s.x)), 2*second) {
			t.Errorf("%s is not heard by %s\n%s", s.x, s.a.User, o.Text())
		}
	case 7:
		s.end(t, o, r.IntN(2) == 0)
	}
}

// begin makes a call, or gives up while it rings.
func (s *slot) begin(t *testing.T, o *Office, r *rand.Rand) {
	t.Helper()
	giveUp := r.IntN(6) == 0
	if s.b != nil {
		n := len(s.b.Calls())
		c := s.a.Call(s.b.User)
		in := s.b.Incoming(n, 2*second)
		if in == nil {
			t.Errorf("no call came: %v\n%s", c.Statuses(), o.Text())
			return
		}
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		if giveUp {
			[]*siptest.Call{c, in}[r.IntN(2)].Hang()
			if !c.Ended(5*second) || !in.Ended(5*second) {
				t.Error("a call that was given up goes on")
			}
			return
		}
		in.Answer()
		if !c.Answered(2 * second) {
			t.Errorf("not answered: %v", c.Statuses())
		}
		s.c, s.in = c, in
		bothHear(t, o, c, in)
		return
	}
	set := o.Board.Room.Set(s.x)
	if r.IntN(2) == 0 {
		c := s.a.Call(s.x)
		if !c.Rings(2 * second) {
			t.Errorf("%s does not ring: %v\n%s", s.x, c.Statuses(), o.Text())
			return
		}
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		if giveUp {
			c.Hang()
			c.Ended(5 * second)
			time.Sleep(2 * second)
			return
		}
		set.Lift()
		if !c.Answered(5 * second) {
			t.Errorf("not answered: %v", c.Statuses())
		}
		s.c = c
	} else {
		n := len(s.a.Calls())
		set.Lift()
		time.Sleep(2 * second)
		set.Press(s.a.User, 80*time.Millisecond, 80*time.Millisecond)
		in := s.a.Incoming(n, 5*second)
		if in == nil {
			t.Errorf("no call came from %s\n%s", s.x, o.Text())
			return
		}
		if giveUp {
			set.HangUp()
			in.Ended(5 * second)
			time.Sleep(2 * second)
			return
		}
		in.Answer()
		s.c = in
	}
	if !s.c.Hears(o.Marker(plan.Ext(s.x)), 2*second) {
		t.Errorf("%s is not heard", s.x)
	}
}

// end ends the call, by the caller or the called.
func (s *slot) end(t *testing.T, o *Office, caller bool) {
	t.Helper()
	if s.c == nil {
		return
	}
	switch {
	case caller:
		if status := s.c.Hang(); status != 200 {
			t.Errorf("BYE: %d", status)
		}
	case s.in != nil:
		s.in.Hang()
	}
	if s.in == nil {
		set := o.Board.Room.Set(s.x)
		set.HangUp()
		time.Sleep(2 * second)
		if !s.c.Ended(5 * second) { // it flashed, and the call it held rings back
			set.Lift()
			time.Sleep(second)
			set.HangUp()
			time.Sleep(2 * second)
		}
	}
	if !s.c.Ended(5*second) || s.in != nil && !s.in.Ended(5*second) {
		t.Errorf("a call goes on after its end\n%s", strings.TrimSpace(o.Text()))
	}
	s.c, s.in = nil, nil
}

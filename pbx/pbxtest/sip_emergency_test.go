package pbxtest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board/sim"
	"sotto/board/sim/exchange"
	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// centre is the marker that the emergency centre says.
const centre = 15

// expectCentre makes whoever answers on the exchange lines say it.
func expectCentre(o *Office) {
	for _, l := range o.Board.Lines {
		l.SetFar(exchange.Far{Digits: 3, Delay: 500 * time.Millisecond, Rings: 1, Voice: exchange.Voice{Hz: sim.MarkerHz(centre), Level: -16}})
	}
}

// emergency calls for help from p and checks that line n brings it to the centre, and both
// hear each other.
func emergency(t *testing.T, o *Office, p *siptest.Phone, dial string, n int) *siptest.Call {
	t.Helper()
	c := p.Call(dial)
	line := o.Board.Lines[n]
	for began := time.Now(); line.State() != exchange.Talking; {
		if time.Sleep(50 * time.Millisecond); time.Since(began) > 30*second {
			t.Fatalf("the exchange is %v, received %q; the telephone was told %v\n%s", line.State(), line.Digits(), c.Statuses(), o.Text())
		}
	}
	if line.Digits() != "112" {
		t.Errorf("the exchange received %q", line.Digits())
	}
	time.Sleep(2 * second)
	heardByCentre(t, o, p, n, "at first")
	if !c.Hears(centre, second) {
		t.Error("the caller does not hear the centre")
	}
	return c
}

func heardByCentre(t *testing.T, o *Office, p *siptest.Phone, n int, when string) {
	t.Helper()
	if l := o.Board.Lines[n].Level(sim.MarkerHz(p.Marker)); l < -30 {
		t.Errorf("%s the centre hears the caller at %.0f dBm0", when, l)
	}
}

// TestEmergencyFromTheNetwork: a call for help from a telephone on the network reaches
// the exchange, cannot be put on hold, and ends from either side.
func TestEmergencyFromTheNetwork(t *testing.T) {
	for _, dial := range []string{"112", "0112"} {
		for _, centreEnds := range []bool{false, true} {
			scene := Scene{Country: "DE", Stations: 2, Lines: 2, SIP: []plan.Ext{"201", "202"}}
			sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
				a := registered(t, o, "201")
				expectCentre(o)
				c := emergency(t, o, a, dial, 0)
				for _, d := range []string{"sendonly", "zero", "sendrecv"} {
					if s := c.Reinvite(d); s != 200 {
						t.Errorf("%s: %d", d, s)
					}
					time.Sleep(2 * second)
					heardByCentre(t, o, a, 0, "on "+d)
				}
				if !c.Hears(centre, second) {
					t.Error("the caller does not hear the centre any more")
				}
				if centreEnds {
					o.Board.Lines[0].HangUp(exchange.EndBreak, 800*time.Millisecond)
					if !c.Ended(10 * second) {
						t.Error("the caller is not told")
					}
				} else {
					c.Hang()
				}
				time.Sleep(3 * second)
				if s := o.Board.Lines[0].State(); s != exchange.Idle && s != exchange.Ended {
					t.Errorf("at the end the line is %v", s)
				}
				l := o.Records.List()
				if len(l) != 1 || !l[0].Emergency || l[0].Outcome != pbx.AnswerUnknown || l[0].To.Number.Reveal() != "112" || l[0].From.Ext != "201" || l[0].Held || l[0].FromQuality == nil {
					t.Errorf("records %+v", l)
				}
			})
		}
	}
}

// TestEmergencyWhateverElse: a dead line, calls up, a full queue, a late offer.
func TestEmergencyWhateverElse(t *testing.T) {
	var users []plan.Ext
	for i := range 10 {
		users = append(users, plan.Ext(fmt.Sprint(201+i)))
	}
	t.Run("dead line", func(t *testing.T) {
		scene := Scene{Country: "DE", Stations: 2, Lines: 2, Dead: []string{"FXO 1"}, SIP: users[:2]}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			a := registered(t, o, "201", func(p *siptest.Phone) { p.Late = true })
			expectCentre(o)
			emergency(t, o, a, "112", 1).Hang()
			time.Sleep(3 * second)
		})
	})
	t.Run("eight calls up", func(t *testing.T) {
		scene := Scene{Country: "DE", Stations: 2, Lines: 1, SIP: users}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			var phones []*siptest.Phone
			for _, x := range users {
				phones = append(phones, registered(t, o, x))
			}
			var calls []*siptest.Call
			for i := range 4 {
				c, _ := connect(t, o, phones[2*i], phones[2*i+1])
				d, _ := connect(t, o, phones[2*i+1], phones[2*i]) // each has two
				calls = append(calls, c, d)
			}
			expectCentre(o)
			c := emergency(t, o, phones[8], "112", 0)
			c.Hang()
			for _, c := range calls {
				if _, _, ended := c.State(); ended {
					t.Error("a call was ended")
				}
				c.Hang()
			}
			time.Sleep(3 * second)
		})
	})
	t.Run("queue full", func(t *testing.T) {
		scene := Scene{Country: "DE", Stations: 2, Lines: 1, SIP: users[:3]}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			a, b := registered(t, o, "201"), registered(t, o, "202")
			expectCentre(o)
			stuck := make(stopper)
			taken := 0
			o.Switch.Post(pbx.Event{Phone: &pbx.PhoneEvent{Leg: stuck, Kind: pbx.PhoneCalls, User: "nobody"}})
			synctest.Wait()
			for o.Switch.Post(pbx.Event{Phone: &pbx.PhoneEvent{Leg: stuck, Kind: pbx.PhoneCalls, User: "nobody"}}) {
				taken++
			}
			t.Logf("%d events wait", taken)
			o.MayDrop = true
			if s := outcome(b.Call("101")); s != 503 {
				t.Errorf("another call is told %d", s)
			}
			c := a.Call("112")
			time.Sleep(second)
			close(stuck)
			c.Hang()
			c.Ended(5 * second)
			time.Sleep(3 * second)
			emergency(t, o, a, "112", 0).Hang()
			time.Sleep(3 * second)
			if l := o.Records.List(); len(l) != 2 || !l[0].Emergency || !l[1].Emergency {
				t.Errorf("records %+v", l)
			}
		})
	})
}

// stopper is a telephone that stops the switch until it is closed.
type stopper chan struct{}

func (s stopper) Ring()                 {}
func (s stopper) Answer(media.Port)     {}
func (s stopper) Release(pbx.Cause)     { <-s }
func (s stopper) Port() media.Port      { return pbx.NoPort }
func (s stopper) Quality() *pbx.Quality { return nil }

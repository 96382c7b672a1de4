package media

import (
	"reflect"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/progress"
	"sotto/pbx/media/tone"
)

// hz425 gives tones of 425 Hz.
func hz425(on, off time.Duration) *tone.Tone {
	return tone.Must(nil, []tone.Step{{Sines: []tone.Sine{{Hz: 425, Level: -13}}, On: on, Off: off}})
}

// compiled gives a plan of a dial tone, a busy tone and half a second of silence.
func compiled(t testing.TB) *progress.Plan {
	p, err := progress.Compile(progress.Tones{Dial: steady(-13, 350, 440), Busy: hz425(250*ms, 250*ms), SilenceFrames: 50})
	if err != nil {
		if t == nil {
			panic(err)
		}
		t.Fatal(err)
	}
	return p
}

// says lets a port say a tone for n frames, and gives what was heard.
func says(e *Engine, p Port, w *tone.Tone, n int) (l []Heard) {
	var player tone.Player
	player.Start(w)
	for range n {
		var f board.Frame
		player.Next(&f)
		if int(p) < len(e.in) {
			e.in[p] = f
		} else {
			e.port(p).stream.(*speaker).says = f
		}
		e.Tick()
		for len(e.heard) > 0 {
			l = append(l, <-e.Heard())
		}
	}
	return l
}

// speaker is a stream that says what it is told.
type speaker struct{ says board.Frame }

func (s *speaker) Read(f *board.Frame)  { *f = s.says }
func (s *speaker) Write(f *board.Frame) {}

func TestHeard(t *testing.T) {
	e := still(2)
	stream, ok := e.Attach(&speaker{})
	if !ok {
		t.Fatal("not attached")
	}
	watch := compiled(t)
	busy := hz425(250*ms, 250*ms)
	for _, p := range []Port{1, stream} {
		e.Publish(&Patch{Ears: []Ear{{Port: p, Watch: watch}}})
		got := says(e, p, dialTone, 80)
		got = append(got, says(e, p, nil, 60)...)
		got = append(got, says(e, p, busy, 130)...)
		want := []Heard{{p, progress.Dial, true}, {p, progress.Dial, false}, {p, progress.Silence, true}, {p, progress.Silence, false}, {p, progress.Busy, true}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("port %d: heard %v, want %v", p, got, want)
		}
		e.Publish(&Patch{Ears: []Ear{{Port: p}}})
		if got := says(e, p, dialTone, 80); got != nil {
			t.Errorf("port %d: heard %v where nothing is watched for", p, got)
		}
	}
	if c := e.Counters(); c.Astray != 0 || c.DroppedHeard != 0 {
		t.Errorf("%+v", c)
	}
}

// TestHeardAnew: what was heard before does not count when the plan is another, or the
// port had no ear for a frame; it does when only the rest of the ear changes.
func TestHeardAnew(t *testing.T) {
	busy := hz425(250*ms, 250*ms)
	watch, other := compiled(t), compiled(t)
	for _, c := range []struct {
		name string
		ears []Ear
		anew bool
	}{
		{"another plan", []Ear{{Watch: other}}, true},
		{"no ear", nil, true},
		{"not watched", []Ear{{}}, true},
		{"a tone comes", []Ear{{Watch: watch, Tone: dialTone}}, false},
	} {
		e := still(1)
		e.Publish(&Patch{Ears: []Ear{{Watch: watch}}})
		var player tone.Player
		player.Start(busy)
		at := -1
		for i := range 250 {
			switch i {
			case 80: // in the pause after the second burst
				e.Publish(&Patch{Ears: c.ears})
			case 81:
				if len(c.ears) == 0 || c.ears[0].Watch == nil {
					e.Publish(&Patch{Ears: []Ear{{Watch: watch}}})
				}
			}
			e.in[0] = board.Frame{}
			player.Next(&e.in[0])
			e.Tick()
			for len(e.heard) > 0 {
				if h := <-e.Heard(); h.Kind == progress.Busy && h.On && at < 0 {
					at = i
				}
			}
		}
		if at < 0 || (at > 120) != c.anew {
			t.Errorf("%s: busy after %d frames", c.name, at)
		}
	}
}

func TestHeardIsDroppedAndCounted(t *testing.T) {
	e := still(1)
	e.Publish(&Patch{Ears: []Ear{{Watch: compiled(t)}}})
	var loud board.Frame
	for i := range loud {
		loud[i] = int16(9000 * (i%2*2 - 1))
	}
	for range cap(e.heard)/2 + 3 { // silence, and its end
		for i := range 55 {
			e.in[0] = board.Frame{}
			if i >= 50 {
				e.in[0] = loud
			}
			e.Tick()
		}
	}
	if got, kept := e.Counters().DroppedHeard, len(e.heard); got != 6 || kept != cap(e.heard) {
		t.Errorf("%d dropped and %d kept", got, kept)
	}
	if first := <-e.Heard(); first != (Heard{0, progress.Silence, true}) {
		t.Error("the oldest is not the first")
	}
}

// TestWatchedTooLate: a stream that is attached after the patch that watches it is
// counted, and heard with the next patch.
func TestWatchedTooLate(t *testing.T) {
	e := still(1)
	patch := &Patch{Ears: []Ear{{Port: 1, Watch: compiled(t)}}}
	e.Publish(patch)
	e.Attach(&speaker{})
	e.Tick()
	if got := e.Counters().Astray; got != 1 {
		t.Errorf("%d astray, want 1", got)
	}
	e.Publish(patch)
	if got := says(e, 1, dialTone, 60); len(got) != 1 || got[0].Kind != progress.Dial {
		t.Errorf("heard %v", got)
	}
}

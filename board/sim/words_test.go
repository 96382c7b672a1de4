package sim

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// living gives words of a room whose telephones live, without a board.
func living(t *testing.T, f func(ctx context.Context, w *Words)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var life sync.WaitGroup
		defer life.Wait()
		defer stop()
		w := &Words{room: newScene("101", "102"), fault: func(port string, works bool) error {
			if port != "101" && port != "FXO 1" {
				return errors.New("there is no telephone or port of this name")
			}
			return nil
		}}
		w.Voice = func(name string) ([]int16, error) {
			if name != "a word.wav" {
				return nil, errors.New("no such file")
			}
			return make([]int16, 2*board.SampleRate), nil
		}
		life.Go(func() {
			feed := make([]chipsim.Feed, 2)
			draw := make([]chipsim.Draw, 2)
			for ctx.Err() == nil {
				for i, n := range w.room.order {
					w.room.sets[n].Line(time.Now(), &feed[i], &draw[i])
				}
				time.Sleep(board.FrameTime)
			}
		})
		f(ctx, w)
	})
}

// TestActions does every kind of statement that is done at once.
func TestActions(t *testing.T) {
	living(t, func(ctx context.Context, w *Words) {
		for _, c := range []struct {
			words string
			takes time.Duration // 30 ms more is fine
			did   string
		}{
			{"", 0, ""},
			{"  \t", 0, ""},
			{"help", 0, Help},
			{"wait 3s", 3 * time.Second, ""},
			{"wait 0s", 0, ""},
			{"101 lifts", 0, "101 lifts"},
			{"101 dials 12*#AD", 6 * 140 * time.Millisecond, "101 dials 12*#AD"},
			{"101 pulses 21", (300 + 1400) * time.Millisecond, "101 pulses 21"},
			{"101 flashes", 100 * time.Millisecond, "101 flashes"},
			{"101 flashes 250ms", 250 * time.Millisecond, "101 flashes 250ms"},
			{"101 flashes 250ms after 1s", 1250 * time.Millisecond, "101 flashes 250ms"},
			{"101 hushes", 0, "101 hushes"},
			{"101 speaks", 0, "101 speaks"},
			{"101 hushes after 300ms", 300 * time.Millisecond, "101 hushes"},
			{"101 says a word.wav", 2 * time.Second, "101 says a word.wav"},
			{"101 says a word.wav after 1s", 3 * time.Second, "101 says a word.wav"},
			{"101 dials 5 after 500ms", 640 * time.Millisecond, "101 dials 5"},
			{"102 lifts after 250ms & 101 hangs up after 1s", time.Second, "101 hangs up"},
			{"102 hangs up", 0, "102 hangs up"},
			{"102 lifts", 1300 * time.Millisecond, "102 lifts"}, // a hand takes a moment
			{"port 101 fails", 0, ""},
			{"port 101 works", 0, ""},
			{"port FXO 1 fails", 0, ""},
			{"101 hears nothing", 0, ""},
			{"101 hears nothing within 1s", 0, ""},
			{"never 101 hears dial", 0, ""},
			{"never 101 and 102 talk", 0, ""},
			{"never record 101 -> 102", 0, ""},
			{"never 102 shows 101", 0, ""},
			{"never 101 sees reversal", 0, ""},
		} {
			began := time.Now()
			w.room.log = nil
			if err := w.Do(ctx, c.words); err != nil {
				t.Errorf("%q: %v", c.words, err)
			}
			if took := time.Since(began); took < c.takes-board.FrameTime || took > c.takes+30*time.Millisecond {
				t.Errorf("%q took %v, want %v", c.words, took, c.takes)
			}
			var last string
			for _, e := range w.room.log {
				if e.What == Did || e.What == Said {
					last = e.String()
				}
			}
			if last != c.did {
				t.Errorf("%q: noted %q, want %q", c.words, last, c.did)
			}
		}
	})
}

// TestExpectations: each form comes true, does not, and comes too late.
func TestExpectations(t *testing.T) {
	for _, c := range []struct {
		words string
		event Event
		other Event // nearly
	}{
		{"101 hears dial", Event{What: Hears, Who: "101", Name: "dial"}, Event{What: Hears, Who: "102", Name: "dial"}},
		{"101 hears call waiting", Event{What: Hears, Who: "101", Name: "call waiting"}, Event{What: Hears, Who: "101", Name: "busy"}},
		{"101 hears unknown tone", Event{What: Hears, Who: "101", Name: "unknown tone"}, Event{What: Hears, Who: "101", Name: "busy"}},
		{"101 hears voice 102", Event{What: HearsVoice, Who: "101", Voice: 1}, Event{What: HearsVoice, Who: "101", Voice: 2}},
		{"101 hears digit 5", Event{What: HearsDigit, Who: "101", Name: "5"}, Event{What: HearsDigit, Who: "101", Name: "6"}},
		{"102 rings", Event{What: Rings, Who: "102"}, Event{What: Rings, Who: "101"}},
		{"102 rings", Event{What: RingsAs, Who: "102", Name: "2.0/4.0", Hz: 20}, Event{What: RingsNot, Who: "102"}},
		{"102 rings 1.0/4.0 at 25 Hz", Event{What: RingsAs, Who: "102", Name: "1.0/4.0", Hz: 25}, Event{What: RingsAs, Who: "102", Name: "1.0/4.0", Hz: 20}},
		{"102 stops ringing", Event{What: RingsNot, Who: "102"}, Event{What: RingsNot, Who: "101"}},
		{"101 and 102 talk", Event{What: Talks, Who: "101", Name: "102"}, Event{What: Talks, Who: "101", Name: "103"}},
		{"102 shows 101 Reception", Event{What: Shows, Who: "102", Name: "101 Reception"}, Event{What: Shows, Who: "102", Name: "101 Receptionist"}},
		{"102 shows 101", Event{What: Shows, Who: "102", Name: "101 Reception"}, Event{What: Shows, Who: "102", Name: "1011 Reception"}},
		{"102 shows withheld", Event{What: Shows, Who: "102", Name: "withheld"}, Event{What: Shows, Who: "101", Name: "withheld"}},
		{"101 sees reversal", Event{What: Sees, Who: "101", Name: "reversal"}, Event{What: Sees, Who: "102", Name: "reversal"}},
		{"102 and 101 talk", Event{What: Talks, Who: "101", Name: "102"}, Event{What: HearsVoice, Who: "101", Voice: 1}},
		{"record 101 -> 102 answered", Event{What: Said, Name: "record 101 -> 102 answered 5s held"}, Event{What: Said, Name: "record 101 -> 1022 answered"}},
	} {
		living(t, func(ctx context.Context, w *Words) {
			w.begin()
			c.other.At = time.Now()
			w.room.add(c.other)
			err := w.Do(ctx, c.words+" within 1s")
			var e *Expected
			if !errors.As(err, &e) || e.Line != c.words || c.other.String() != "" && !strings.Contains(e.Got, c.other.String()) {
				t.Errorf("%q with %q: %v", c.words, c.other, err)
			}
			if err := w.Do(ctx, "never "+c.words); err != nil {
				t.Errorf("never %q: %v", c.words, err)
			}
			// It comes in time, and is told two seconds later.
			w.begin()
			c.event.At = time.Now().Add(900 * time.Millisecond)
			go func() { time.Sleep(3 * time.Second); w.room.add(c.event) }()
			began := time.Now()
			if err := w.Do(ctx, c.words+" within 1s"); err != nil || time.Since(began) != 3*time.Second {
				t.Errorf("%q: %v after %v", c.words, err, time.Since(began))
			}
			if err := w.Do(ctx, "never "+c.words); !errors.As(err, &e) {
				t.Errorf("never %q: %v", c.words, err)
			}
		})
		living(t, func(ctx context.Context, w *Words) { // too late
			w.begin()
			c.event.At = time.Now().Add(1100 * time.Millisecond)
			go func() { time.Sleep(1100 * time.Millisecond); w.room.add(c.event) }()
			if err := w.Do(ctx, c.words+" within 1s"); err == nil || !strings.Contains(err.Error(), "100ms too late") {
				t.Errorf("%q too late: %v", c.words, err)
			}
		})
	}
}

// TestHolds: what began before the action and goes on is so.
func TestHolds(t *testing.T) {
	living(t, func(ctx context.Context, w *Words) {
		r := w.room
		r.add(Event{What: Hears, Who: "101", Name: "dial"})
		r.add(Event{What: RingsAs, Who: "102", Name: "1.0/4.0", Hz: 25})
		r.add(Event{What: Shows, Who: "102", Name: "101 Reception"})
		r.add(Event{What: HearsVoice, Who: "101", Voice: 1})
		r.add(Event{What: HearsVoice, Who: "102", Voice: 0})
		w.begin()
		for _, s := range []string{"101 hears dial", "102 rings", "102 rings 1.0/4.0 at 25 Hz", "102 shows 101 Reception", "102 shows 101", "102 and 101 talk", "101 hears voice 102", "102 hears nothing"} {
			err := w.Do(ctx, s+" within 0s")
			if s == "102 hears nothing" { // it hears a voice
				if err == nil {
					t.Errorf("%q holds", s)
				}
			} else if err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		r.add(Event{What: PutDown, Who: "102"})
		if err := w.Do(ctx, "102 hears nothing"); err != nil {
			t.Error(err)
		}
		r.add(Event{What: ShowsNot, Who: "102"})
		w.begin()
		if err := w.Do(ctx, "102 shows 101 within 0s"); err == nil {
			t.Error("a dark display shows something")
		}
	})
}

// wrong holds wrong words, and a part of what the error must say.
var wrong = []struct{ words, help string }{
	{"101", "help"}, {"lifts", "help"}, {"101 jumps", "help"}, {"&", "help"}, {"101 lifts &", "help"},
	{"199 lifts", "there are 101, 102"}, {"101 lifts & 199 lifts", "there are 101, 102"}, {"199 hears dial", "there are 101, 102"}, {"101 and 199 talk", "there are 101, 102"},
	{"101 lifts now", "say just: 101 lifts"}, {"101 hangs", "say just: 101 hangs up"}, {"101 hangs on", "say just: 101 hangs up"}, {"101 hushes 3", "say just: 101 hushes"},
	{"101 dials", "which digits"}, {"101 dials abc", "which digits"}, {"101 dials 1 2", "which digits"}, {"101 pulses 1*", "which digits"}, {"101 dials " + strings.Repeat("1", 41), "up to 40"},
	{"101 dials 102", "say: 101 lifts"}, {"101 pulses 1", "say: 101 lifts"}, {"101 flashes", "say: 101 lifts"},
	{"101 says a word.wav", "say: 101 lifts"}, {"101 says", "hello.wav"}, {"101 says nothing.wav", "no such file; say a WAV file of 8 kHz"},
	{"101 shows", "shows withheld"}, {"101 sees", "sees reversal"}, {"101 sees red", "sees reversal"}, {"never 199 shows 101", "there are 101, 102"},
	{"101 flashes long", "say 300ms or 3s"}, {"101 lifts after", "after 250ms"}, {"101 lifts after lunch", "say 300ms or 3s"}, {"101 lifts after -1s", "say 300ms or 3s"},
	{"wait", "wait 3s"}, {"wait 3", "300ms or 3s"}, {"wait 25h", "300ms or 3s"}, {"wait 1s 2s", "wait 3s"}, {"quit now", "quit alone"}, {"help me", "help alone"},
	{"101 hears", "no tone is called"}, {"101 hears diall", "there are dial, busy, call waiting, unknown tone, nothing"}, {"101 hears dial & 102 lifts", "no tone is called"},
	{"101 hears digit E", "hears digit 5"}, {"101 hears digit 55", "hears digit 5"}, {"101 hears digit", "no tone is called"}, {"101 hears voice", "no tone is called"}, {"101 hears voice 199", "there are 101, 102"},
	{"101 rings loudly", "rings 1.0/4.0 at 25 Hz"}, {"101 rings 1.0/4.0 at x Hz", "rings 1.0/4.0 at 25 Hz"}, {"101 stops", "stops ringing"}, {"101 stops talking", "stops ringing"},
	{"101 and", "102 talk"}, {"101 and 102", "102 talk"}, {"101 and 101 talk", "with whom"}, {"record", "expected"}, {"101 hears dial within", "within 300ms"}, {"101 hears dial within soon", "300ms or 3s"},
	{"never", "what is expected"}, {"never 103 ring", "there are 101, 102"}, {"never 101 ring", "nothing that can be expected"}, {"never 101 lifts", "nothing that can be expected"},
	{"never 101 rings within 3s", "leave within out"}, {"never 101 hears nothing", "which tone"},
	{"port", "port 101 fails"}, {"port 101", "port 101 fails"}, {"port 101 breaks", "port 101 fails"}, {"port 199 fails", "there is no telephone or port"},
}

func TestWrongWords(t *testing.T) {
	for _, c := range wrong {
		living(t, func(ctx context.Context, w *Words) {
			began := time.Now()
			err := w.Do(ctx, c.words)
			if err == nil || !strings.Contains(err.Error(), c.help) || errors.As(err, new(*Expected)) {
				t.Errorf("%q: %v, want %q", c.words, err, c.help)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("%q took %v to be refused", c.words, took)
			}
			for _, n := range w.room.order {
				if w.room.sets[n].OffHook() {
					t.Errorf("%q lifted %s before it was refused", c.words, n)
				}
			}
		})
	}
}

func TestRun(t *testing.T) {
	living(t, func(ctx context.Context, w *Words) {
		text := "# a story\n101 lifts ; 101 dials 1# # the hash key\r\n; 101 dials # ;;\n101 dials *72#;# nothing more\n\n"
		if err := w.Run(ctx, strings.NewReader(text), nil); err != nil {
			t.Error(err)
		}
		var did []string
		for _, e := range w.room.log {
			if e.What == Did {
				did = append(did, e.String())
			}
		}
		if got, want := strings.Join(did, ", "), "101 lifts, 101 dials 1#, 101 dials #, 101 dials *72#"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if err := w.Run(ctx, strings.NewReader("wait 1s\n101 jumps\n"), nil); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Error(err)
		}
		if err := w.Run(ctx, strings.NewReader("\n"+strings.Repeat("x", 5000)), nil); err == nil || !strings.Contains(err.Error(), "line 2: longer than") {
			t.Error(err)
		}
		var told []error
		err := w.Run(ctx, strings.NewReader("101 jumps\n102 jumps ; quit ; 101 lifts"), func(err error) { told = append(told, err) })
		if !errors.Is(err, ErrQuit) || len(told) != 2 {
			t.Errorf("%v, told %v", err, told)
		}
		ended, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		if err := w.Run(ended, strings.NewReader("wait 1h"), func(error) { t.Error("the end was told as an error") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, c := range wrong {
		f.Add(c.words)
	}
	for _, s := range []string{"101 dials 102 after 3s & 102 lifts", "101 and 102 talk within 300ms", "102 rings 0.4/0.2/0.4/2.0 at 25 Hz", "never record 1 -> 2", "101 flashes 23h59m", "101 says hello.wav", "102 shows 101 R within 1s",
		"line 1 after 0s", "line 1 calls", "line 1 abandons", "FXO 1 answers after 2 rings", "line 1 never answers & line 1 is busy", "line 1 is congested", "line 1 hangs up with break 90ms", "line 1 hangs up with reversal after 1s",
		"line 1 breaks 90ms", "line 1 counts no reversal", "line 1 has no dial tone", "line 1 is cut", "line 1 lifts another set", "line 1 sends digits 12", "line 1 is seized", "never line 1 hears pulses 123", "line 1 and 101 talk", "101 hears voice line 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := &Words{room: newScene("101", "102"), fault: func(string, bool) error { return errors.New("no such port") }}
		ctx, stop := context.WithCancel(context.Background())
		stop()
		if err := w.Do(ctx, text); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		w.Run(ctx, strings.NewReader(text), func(error) {})
	})
}

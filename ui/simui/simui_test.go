package simui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

// TestTapAllocatesNothing: neither with pages that take the sound nor with one that does not.
func TestTapAllocatesNothing(t *testing.T) {
	f := newFake()
	s := New(Config{World: f})
	c := s.channels[0]
	slow := &page{s: s, sound: make(chan block, maxHeard)}
	c.listen(slow, true)
	if !c.speaks(slow, true) || !c.say(slow) {
		t.Fatal("one who listens may not speak")
	}
	var mouth, ear board.Frame
	var pcm [blockLen]int16
	if n := testing.AllocsPerRun(500, func() {
		c.hear(slow, &pcm)
		c.Exchange(&mouth, &ear)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if len(slow.sound) != maxHeard || s.Counters().DroppedHeard == 0 {
		t.Errorf("%d blocks wait, %+v", len(slow.sound), s.Counters())
	}
	first, last := <-slow.sound, block{}
	for len(slow.sound) > 0 {
		last = <-slow.sound
	}
	if last.seq-first.seq != maxHeard-1 || uint64(first.seq) != s.Counters().DroppedHeard+1 {
		t.Errorf("blocks %d to %d are kept, not the newest: %+v", first.seq, last.seq, s.Counters())
	}
	c.listen(slow, false)
	if f.tap("p1") != nil {
		t.Error("the tap is still attached")
	}
}

// TestMouth: what is spoken is held for 60 ms against jitter, said in order and bounded.
func TestMouth(t *testing.T) {
	s := New(Config{World: newFake()})
	c, p := s.channels[0], &page{s: s, sound: make(chan block, maxHeard)}
	c.listen(p, true)
	c.speaks(p, true)
	say := func(v int16) {
		var pcm [blockLen]int16
		for i := range pcm {
			pcm[i] = v
		}
		c.hear(p, &pcm)
	}
	said := func() int16 {
		var mouth, ear board.Frame
		c.Exchange(&mouth, &ear)
		return mouth[0]
	}
	say(1)
	say(2)
	if v := said(); v != 0 {
		t.Errorf("after 40 ms it says %d", v)
	}
	say(3)
	var got []int16
	for range 7 {
		got = append(got, said())
	}
	if want := []int16{1, 1, 2, 2, 3, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("it says %v, want %v", got, want)
	}
	if s.Counters().Starved != 1 {
		t.Errorf("running dry is not counted: %+v", s.Counters())
	}
	for v := range int16(15) {
		say(v)
	}
	if v := said(); v != 5 || s.Counters().DroppedSpoken != 10 {
		t.Errorf("of 300 ms it says %d first, %+v", v, s.Counters())
	}
	other := &page{s: s, sound: make(chan block, 1)}
	if c.speaks(other, true) || c.say(other) {
		t.Error("a page that does not listen may speak")
	}
	c.listen(other, true)
	c.speaks(other, true)
	say(7) // of the page that no longer has the mouth
	if v := said(); v != 0 {
		t.Errorf("two speak: %d", v)
	}
	full := board.Frame{0: 32000}
	more := board.Frame{0: 32000}
	for i := range full {
		full[i] = add(full[i], more[i])
	}
	if full[0] != 32767 {
		t.Errorf("%d", full[0])
	}
}

// TestForms goes over what a page without script can do.
func TestForms(t *testing.T) {
	for _, x := range []struct {
		to, do string
		status int
		did    string
	}{
		{"p1", "lift", 303, "p1 lift"},
		{"p2", "down", 303, "p2 hang up"},
		{"p1", "flash", 303, "p1 flash"},
		{"p1", "key 5", 303, "p1 down 5,p1 up"},
		{"p1", "key #", 303, "p1 down #,p1 up"},
		{"p1", "pulse 0", 303, "p1 pulse 0"},
		{"l1", "answer", 303, "l1 answer"},
		{"l1", "abandon", 303, "l1 abandon"},
		{"l1", "answers wait", 303, "l1 answers"},
		{"l1", "end break", 303, "l1 end 1"},
		{"l1", "end congestion", 303, "l1 end 4"},
		{"l1", "cut", 303, "l1 cut"},
		{"l1", "mend", 303, "l1 not cut"},
		{"l1", "other", 303, "l1 other"},
		{"l1", "alone", 303, "l1 not other"},
		{"l1", "quiet", 303, "l1 no dial tone"},
		{"l1", "tone", 303, "l1 not no dial tone"},
		{"l1", "call", 409, "l1 call"},
		{"p1", "pulse *", 400, ""},
		{"p1", "key 55", 400, ""},
		{"p1", "key A", 400, ""},
		{"p1", "press 5", 400, ""}, // would never be let go
		{"p1", "listen on", 400, ""},
		{"p1", "call", 400, ""},
		{"p3", "lift", 400, ""},
		{"p0", "lift", 400, ""},
		{"l2", "cut", 400, ""},
		{"l1", "end", 400, ""},
		{"l1", "end " + strings.Repeat("x", 100), 400, ""},
		{"l1", "", 400, ""},
	} {
		f := newFake()
		s := New(Config{World: f})
		w := post(s, x.to, url.Values{"do": {x.do}}, "")
		if did := strings.Join(f.done(), ","); w.Code != x.status || did != x.did {
			t.Errorf("%s %.20s: %d, did %q; want %d, %q", x.to, x.do, w.Code, did, x.status, x.did)
		}
		if w.Code == 400 && s.Counters().Refused != 1 {
			t.Errorf("%s %.20s: %+v", x.to, x.do, s.Counters())
		}
	}
}

func post(s *Server, to string, form url.Values, origin string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", Path+to, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestFormLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := New(Config{World: f})
		if w := post(s, "p1", url.Values{"do": {"lift"}}, "https://elsewhere.example"); w.Code != 403 || len(f.done()) > 0 {
			t.Errorf("from another page: %d", w.Code)
		}
		if w := post(s, "p1", url.Values{"do": {"lift"}}, "null"); w.Code != 403 || len(f.done()) > 0 {
			t.Errorf("from nowhere: %d", w.Code)
		}
		own := httptest.NewRequest("POST", Path+"p1", strings.NewReader("do=lift"))
		own.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, own); w.Code != 303 || strings.Join(f.done(), ",") != "p1 lift" {
			t.Errorf("from this page, which sends no referrer: %d", w.Code)
		}
		if w := post(s, "p1", url.Values{"do": {"lift"}, "x": {strings.Repeat("x", maxForm)}}, ""); w.Code != 400 || len(f.done()) > 0 {
			t.Errorf("too long: %d", w.Code)
		}
		if post(s, "p1", url.Values{"do": {"key 7"}, "rotary": {"1"}}, ""); strings.Join(f.done(), ",") != "p1 pulse 7" {
			t.Error("the rotary dial does not dial")
		}
		for range 2 * actsBurst {
			post(s, "p1", url.Values{"do": {"flash"}}, "")
		}
		if n := len(f.done()); n != actsBurst-2 {
			t.Errorf("%d acts at once", n)
		}
		if post(s, "p2", url.Values{"do": {"flash"}}, ""); len(f.done()) != 1 {
			t.Error("one telephone takes the allowance of another")
		}
		time.Sleep(time.Second)
		for range actsBurst {
			post(s, "p1", url.Values{"do": {"flash"}}, "")
		}
		if n := len(f.done()); n != actsRate {
			t.Errorf("%d acts a second later", n)
		}
	})
}

// TestPersonalDataStays: displays and dialled digits are for those alone who may see them.
func TestPersonalDataStays(t *testing.T) {
	f := newFake()
	f.phones[0] = Telephone{Name: "101", Label: "FXS 1", Ringing: true, Display: "0301234567 Jane <Doe>"}
	f.lines[0] = Line{Label: "FXO 1", State: LineSeized, Digits: "0309876543"}
	may := false
	s := New(Config{World: f, Personal: func(*http.Request) bool { return may }})
	get := func() string {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
		b, _ := io.ReadAll(w.Result().Body)
		return string(b)
	}
	page := get()
	for _, secret := range []string{"0301234567", "Jane", "0309876543"} {
		if strings.Contains(page, secret) {
			t.Errorf("%s is shown to one who may not see it", secret)
		}
	}
	for _, want := range []string{"Phone 1 · 101", "Ringing", "display: on, hidden from you", "Line 1, far end", "Lift to answer"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	may = true
	if page = get(); !strings.Contains(page, "0301234567 Jane &lt;Doe&gt;") || !strings.Contains(page, "dialled 0309876543") {
		t.Error("one who may does not see, or sees mark-up")
	}
	for _, never := range []string{"<style", "onclick", "style=", "javascript:", "data:"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %s inline", never)
		}
	}
}

func TestFiles(t *testing.T) {
	s := New(Config{World: newFake()})
	for name, kind := range map[string]string{"simui.js": "text/javascript", "audio.js": "text/javascript", "worklet.js": "text/javascript", "simui.css": "text/css"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", Path+name, nil)
		s.ServeHTTP(w, r)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() < 100 {
			t.Errorf("%s: %d %s, %d bytes", name, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		again := httptest.NewRecorder()
		if s.ServeHTTP(again, r); again.Code != 304 {
			t.Errorf("%s again: %d", name, again.Code)
		}
	}
}

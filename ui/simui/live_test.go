package simui

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sotto/board"
	"sotto/pbx/pbxtest"
)

// client is a live page of a test.
type client struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func dial(t *testing.T, srv *httptest.Server, h http.Header) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, resp, err := websocket.Dial(ctx, srv.URL+Path+"live", &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return nil, err
	}
	conn.SetReadLimit(1 << 16)
	t.Cleanup(func() { conn.CloseNow() })
	return &client{t, conn, ctx}, nil
}

func (c *client) do(to, what string) {
	c.t.Helper()
	b, _ := json.Marshal(map[string]string{"to": to, "do": what})
	if err := c.conn.Write(c.ctx, websocket.MessageText, b); err != nil {
		c.t.Fatal(err)
	}
}

// text reads until a text message has what is wanted.
func (c *client) text(want string) {
	c.t.Helper()
	for {
		kind, b, err := c.conn.Read(c.ctx)
		if err != nil {
			c.t.Fatalf("no %q: %v", want, err)
		}
		if kind == websocket.MessageText && strings.Contains(string(b), want) {
			return
		}
	}
}

// hears reads sound of a channel until each of the frequencies stands out of a tenth of
// a second of it.
func (c *client) hears(channel int, hz ...float64) {
	c.t.Helper()
	var pcm []int16
	for {
		kind, b, err := c.conn.Read(c.ctx)
		if err != nil {
			c.t.Fatalf("%v Hz never heard: %v", hz, err)
		}
		if kind != websocket.MessageBinary || len(b) != soundLen || int(b[0]) != channel {
			continue
		}
		for i := soundHeader; i < len(b); i += 2 {
			pcm = append(pcm, int16(binary.LittleEndian.Uint16(b[i:])))
		}
		if len(pcm) > 800 {
			pcm = pcm[len(pcm)-800:]
		}
		if len(pcm) == 800 && !slices.ContainsFunc(hz, func(f float64) bool { return share(pcm, f) < 0.6/float64(len(hz)) }) {
			return
		}
	}
}

// share gives how much of the power of x is at hz.
func share(x []int16, hz float64) float64 {
	var re, im, sum float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / board.SampleRate)
		re, im, sum = re+float64(v)*c, im+float64(v)*s, sum+float64(v)*float64(v)
	}
	if sum < 1e6 {
		return 0
	}
	return 2 * (re*re + im*im) / (sum * float64(len(x)))
}

// TestCallThroughThePage: two telephones and an outside caller of a real office are
// lifted, dialled, heard and spoken into through a WebSocket.
func TestCallThroughThePage(t *testing.T) {
	o := pbxtest.Start(t, pbxtest.Scene{Country: "DE", Stations: 2, Lines: 1})
	defer o.Stop(t)
	s := New(Config{World: Of(o.Board)})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer s.Close()
	c, err := dial(t, srv, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.text(`"On the hook"`)
	c.do("p1", "listen on")
	c.do("p1", "lift")
	c.hears(0, 425)
	c.text(`"Dial tone"`)
	for _, key := range []string{"1", "0", "2"} {
		c.do("p1", "press "+key)
		time.Sleep(100 * time.Millisecond) // a finger on a key
		c.do("p1", "let")
		time.Sleep(100 * time.Millisecond)
	}
	c.text(`"Ringing"`)
	c.do("p2", "listen on")
	c.do("p2", "lift")
	c.text(`"Off the hook"`)
	c.do("p1", "voice")
	c.hears(1, s.channels[0].hz)
	c.do("p2", "speak on")
	speak(c, 1, 1000)
	c.hears(0, 1000)
	c.do("p1", "press 5") // DTMF, heard at the other telephone
	c.hears(1, 770, 1336)
	c.do("p1", "let")
	c.do("p1", "down")
	c.do("p2", "down")
	if n := s.Counters(); n.Refused+n.Lost > 0 {
		t.Errorf("%+v", n)
	}
}

// speak says a second of a sine.
func speak(c *client, channel byte, hz float64) {
	c.t.Helper()
	done := make(chan error, 1)
	go func() {
		for n := range 50 {
			b := block{channel: channel, seq: uint16(n)}
			for i := range b.pcm {
				b.pcm[i] = int16(board.Amplitude(-12) * math.Sin(2*math.Pi*hz*float64(n*blockLen+i)/board.SampleRate))
			}
			var m [soundLen]byte
			if err := c.conn.Write(c.ctx, websocket.MessageBinary, b.put(&m)); err != nil {
				done <- err
				return
			}
			time.Sleep(20 * time.Millisecond) // as a microphone brings it
		}
		done <- nil
	}()
	c.t.Cleanup(func() { <-done })
}

// TestPagesEnd: a page lets go of all that it held when it goes, and Close ends those
// that are left, without a goroutine more than before.
func TestPagesEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFake()
	s := New(Config{World: f})
	srv := httptest.NewServer(s)
	var pages []*client
	for range MaxPages {
		c, err := dial(t, srv, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.text("state")
		pages = append(pages, c)
	}
	if _, err := dial(t, srv, nil); err == nil {
		t.Error("one page too many is served")
	}
	if _, err := dial(t, srv, http.Header{"Origin": {"https://elsewhere.example"}}); err == nil {
		t.Error("a page from elsewhere is served")
	}
	c := pages[0]
	c.do("p1", "listen on")
	c.do("p1", "press 5")
	c.do("p9", "lift")
	c.text("refused")
	f.change(func() { f.phones[1].Ringing, f.phones[1].Bell = true, true })
	c.text(`"bell":true`)
	if f.tap("p1") == nil {
		t.Error("nothing is attached")
	}
	c.conn.Close(websocket.StatusNormalClosure, "")
	s.Close()
	if did := f.done(); !slices.Equal(did, []string{"p1 down 5", "p1 up"}) {
		t.Errorf("done: %q", did)
	}
	if f.tap("p1") != nil {
		t.Error("the tap is attached for ever")
	}
	if _, err := dial(t, srv, nil); err == nil {
		t.Error("a page is served after Close")
	}
	for _, c := range pages {
		c.conn.CloseNow()
	}
	srv.Close()
	http.DefaultClient.CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= before+1 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	var b [1 << 16]byte
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b[:], true)])
}

// TestOneLivePageALogin: the newest one; the older is told why.
func TestOneLivePageALogin(t *testing.T) {
	s := New(Config{World: newFake(), Session: func(r *http.Request) string { return r.Header.Get("X-Login") }})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer s.Close()
	one, err := dial(t, srv, http.Header{"X-Login": {"a"}})
	if err != nil {
		t.Fatal(err)
	}
	one.text("state")
	other, err := dial(t, srv, http.Header{"X-Login": {"b"}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := dial(t, srv, http.Header{"X-Login": {"a"}})
	if err != nil {
		t.Fatal(err)
	}
	one.text("another window")
	if _, _, err := one.conn.Read(one.ctx); err == nil {
		t.Error("the older page lives on")
	}
	again.text("state")
	other.text("state")
}

// TestLogInOver: a page whose log-in is over is told so, and one whose box ends tries again.
func TestLogInOver(t *testing.T) {
	for over, want := range map[error]string{errors.New("logged out"): "You were logged out", context.Canceled: ""} {
		ends := make(chan context.CancelCauseFunc, 1)
		s := New(Config{World: newFake()})
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, end := context.WithCancelCause(r.Context())
			ends <- end
			s.ServeHTTP(w, r.WithContext(ctx))
		}))
		c, err := dial(t, srv, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.text("state")
		(<-ends)(over)
		var said []byte
		for err == nil {
			var b []byte
			if _, b, err = c.conn.Read(c.ctx); err == nil {
				said = b
			}
		}
		if ended := bytes.HasPrefix(said, []byte(`{"ended":"`+want)); ended != (want != "") {
			t.Errorf("%v: the page is told %s", over, said)
		}
		s.Close()
		srv.Close()
	}
}

// TestHostilePage: what no page of ours sends ends the page or is refused, never more.
func TestHostilePage(t *testing.T) {
	f := newFake()
	s := New(Config{World: f})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer s.Close()
	c, err := dial(t, srv, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"", "{", `{"to":3}`, `[]`, `{"to":"p1","do":"speak"}`, `{"to":"p1","do":"speak on"}`, `{"to":"p-1","do":"lift"}`, "\xff"} {
		if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		c.text("refused")
	}
	for _, m := range [][]byte{{}, {0}, {255, 0, 0, 0}, make([]byte, soundLen-1)} {
		if err := c.conn.Write(c.ctx, websocket.MessageBinary, m); err != nil {
			t.Fatal(err)
		}
		c.text("refused")
	}
	for range 4 * soundBurst { // at once
		if c.conn.Write(c.ctx, websocket.MessageBinary, make([]byte, soundLen)) != nil {
			break
		}
	}
	c.text("more than there is time for")
	if c, err = dial(t, srv, nil); err != nil {
		t.Fatal(err)
	}
	for range 4 * textBurst {
		if c.conn.Write(c.ctx, websocket.MessageText, []byte("{}")) != nil {
			break
		}
	}
	c.text("more than there is time for")
	if did := f.done(); len(did) > 0 {
		t.Errorf("done: %q", did)
	}
	if c, err = dial(t, srv, nil); err != nil {
		t.Fatal(err)
	}
	c.conn.Write(c.ctx, websocket.MessageText, make([]byte, maxMessage+1))
	for err == nil {
		_, _, err = c.conn.Read(c.ctx)
	}
	if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("after a message that is too long: %v", err)
	}
}

package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/storage"
)

// listener is a browser that listens to live parts.
type listener struct {
	mu     sync.Mutex
	b      bytes.Buffer
	header http.Header
	code   int
	stop   context.CancelFunc
	done   chan struct{}
}

func (l *listener) Header() http.Header  { return l.header }
func (l *listener) WriteHeader(code int) { l.code = code }
func (l *listener) FlushError() error    { return nil }
func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives what came since the last take: the parts by id, and the names of events.
func (l *listener) take(t *testing.T) (parts map[string]string, events []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	parts = map[string]string{}
	for _, block := range strings.Split(l.b.String(), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(block, "event: "), "\ndata: ")
		if !ok {
			continue
		}
		events = append(events, name)
		if name == "swap" {
			if err := json.Unmarshal([]byte(data), &parts); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.b.Reset()
	return parts, events
}

// listen opens a stream within a bubble.
func (r *rig) listen(a storage.Account, path string) (*listener, *client) {
	c := r.as(a)
	ctx, stop := context.WithCancel(context.Background())
	l := &listener{header: http.Header{}, stop: stop, done: make(chan struct{})}
	req := httptest.NewRequest("GET", "https://sotto.local"+path, nil).WithContext(ctx)
	req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
	go func() {
		defer close(l.done)
		r.s.Handler().ServeHTTP(l, req)
	}()
	return l, c
}

// TestEvents: what changes on the switch changes on the page, that and nothing else, and
// for each role what it may see.
func TestEvents(t *testing.T) {
	r := owned(t)
	owner, installer := r.account(storage.Owner), r.account(storage.Installer)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		r.snap.Store(idle())
		l, _ := r.listen(owner, "/events")
		blind, _ := r.listen(installer, "/events")
		one, _ := r.listen(owner, "/events?port=p2")
		time.Sleep(time.Second)
		parts, events := l.take(t)
		if len(events) != 2 || events[0] != "hello" || events[1] != "swap" || len(parts) != 6+6+6 || l.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
			t.Fatalf("%v, %d parts, %v", events, len(parts), l.header)
		}
		blind.take(t)
		if parts, _ := one.take(t); len(parts) != 2 || !strings.Contains(parts["state"], "Ready") {
			t.Errorf("one port: %v", parts)
		}
		time.Sleep(10 * time.Second)
		if _, events := l.take(t); len(events) != 0 {
			t.Errorf("news without any: %v", events)
		}
		next := idle() // a new snapshot in which nothing is new
		r.snap.Store(next)
		time.Sleep(time.Second)
		if _, events := l.take(t); len(events) != 0 {
			t.Errorf("news without any: %v", events)
		}
		next = idle()
		next.Ports[1].Lamp, next.Ports[1].State = pbx.LampCall, "dialling"
		r.snap.Store(next)
		time.Sleep(pollEvery)
		synctest.Wait()
		parts, _ = l.take(t)
		if len(parts) != 2 || !strings.Contains(parts["box-p2"], `class="port call"`) || !strings.Contains(parts["tile-p2"], "Dialling") {
			t.Errorf("a handset is lifted: %v", parts)
		}
		if parts, _ := one.take(t); len(parts) != 1 || !strings.Contains(parts["state"], "Dialling") {
			t.Errorf("one port: %v", parts)
		}
		blind.take(t)
		r.snap.Store(busy())
		time.Sleep(pollEvery)
		synctest.Wait()
		parts, _ = l.take(t)
		contains(t, "calls", parts["calls"], esc(maria), "493012345678", "<time data-since=", "></time>")
		contains(t, "wrong", parts["wrongs"], "Line 2 has no voltage.")
		contains(t, "headline", parts["headline"], "One call is up. 3 things need attention.")
		contains(t, "status", parts["box-status"], `class="fault"`)
		parts, _ = blind.take(t)
		all := ""
		for _, p := range parts {
			all += p
		}
		contains(t, "installer", all, "In a call", "Phone 1")
		lacks(t, "installer", all, "Maria", "Josef", "12345678", "data-since", "call is up")
		r.snap.Store(busy()) // the same, later
		l.take(t)
		time.Sleep(time.Second)
		if parts, events := l.take(t); len(events) > 1 || len(parts) > 2 { // its calls began at other times
			t.Errorf("%v %v", events, parts)
		}
		time.Sleep(2 * beatEvery)
		if _, events := l.take(t); len(events) != 2 || events[0] != "beat" {
			t.Errorf("beats: %v", events)
		}
		for _, x := range []*listener{l, blind, one} {
			x.stop()
			<-x.done
		}
		time.Sleep(time.Second) // the hub's goroutine has ended, or the bubble finds it
		r.s.hub.mu.Lock()
		defer r.s.hub.mu.Unlock()
		if r.s.hub.running {
			t.Error("it looks without listeners")
		}
	})
}

// TestLiveWithheld: who calls a protected user is not on the page, and the page says so. The
// line and the time are.
func TestLiveWithheld(t *testing.T) {
	r := owned(t)
	snap := busy()
	snap.Calls[0].FromUnkept = true
	r.snap.Store(snap)
	for _, role := range []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer} {
		who := storage.Viewer{Role: role}
		w, err := r.store.As(who).Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		parts, err := r.s.parts(t.Context(), w, who, "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		contains(t, role.String(), string(parts["calls"]), T("party.notkept"), esc(maria), "Main line", "data-since")
		for id, p := range parts {
			lacks(t, id, string(p), "12345678", "1234567…", "12345…")
		}
	}
}

// TestEventsEnd: a stream ends with its session, by log-out, by idleness and with the role.
func TestEventsEnd(t *testing.T) {
	r := owned(t)
	owner := r.account(storage.Owner)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		l, c := r.listen(owner, "/events")
		time.Sleep(time.Second)
		c.addr = "192.0.2.7:1"
		wants(t, "log out", c.post("/logout"), 303, "/login")
		<-l.done
		if _, events := l.take(t); events[len(events)-1] != "gone" {
			t.Errorf("%v", events)
		}
		ctx, stop := context.WithCancel(context.Background())
		go r.s.sessions.sweepUntil(ctx)
		began := time.Now()
		l, _ = r.listen(owner, "/events")
		<-l.done
		if d := time.Since(began); d < sessionIdle || d > sessionIdle+sweepEvery {
			t.Errorf("idle for %v", d)
		}
		stop()
		a := owner
		a.Role = storage.Admin // the account is an owner's: the session's role is out of date
		l, c = r.listen(a, "/events")
		time.Sleep(time.Second)
		if _, events := l.take(t); len(events) < 2 {
			t.Errorf("%v", events)
		}
		c.r.s.sessions.stopAccount(owner.ID)
		<-l.done
		time.Sleep(time.Second)
	})
}

// TestListeners: there are sixteen at most, and a place is free again when one leaves.
func TestListeners(t *testing.T) {
	r := owned(t)
	owner, admin, other := r.account(storage.Owner), r.account(storage.Admin), r.account(storage.Staff)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		var all []*listener
		for i := range maxListeners / 2 {
			l, c := r.listen(owner, "/events")
			if i == maxListening-1 {
				synctest.Wait()
				wants(t, "too many of one account", c.get("/events"), 503, "")
			}
			m, _ := r.listen(admin, "/events")
			all = append(all, l, m)
		}
		synctest.Wait()
		l, _ := r.listen(other, "/events")
		<-l.done
		if l.code != 503 {
			t.Errorf("one too many: %d", l.code)
		}
		all[0].stop()
		<-all[0].done
		l, _ = r.listen(other, "/events")
		synctest.Wait()
		if _, events := l.take(t); len(events) == 0 {
			t.Error("the place is not free again")
		}
		for _, x := range append(all, l) {
			x.stop()
			<-x.done
		}
		time.Sleep(time.Second)
	})
}

// stuck is a browser that takes nothing more.
type stuck struct{ listener }

func (s *stuck) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

// TestStuck: one that takes nothing is let go.
func TestStuck(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	req := httptest.NewRequest("GET", "https://sotto.local/events", nil).WithContext(t.Context())
	req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
	r.s.Handler().ServeHTTP(&stuck{listener{header: http.Header{}}}, req)
	if r.s.hub.len() != 0 {
		t.Error("still listens")
	}
}

// BenchmarkParts draws the front panel of a full box once more: 64 calls at once.
func BenchmarkParts(b *testing.B) {
	r := owned(b)
	snap := busy()
	for i := range 63 {
		c := snap.Calls[0]
		c.ID += pbx.CallID(i + 1)
		snap.Calls = append(snap.Calls, c)
	}
	r.snap.Store(snap)
	who := storage.Viewer{Role: storage.Owner}
	w, err := r.store.As(who).Watch(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.s.parts(b.Context(), w, who, "", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

package ui

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage"
)

func TestSetUp(t *testing.T) {
	r := free(t)
	path := r.s.SetupPath()
	if !strings.HasPrefix(path, "/setup/") || len(path) < len("/setup/")+26 {
		t.Fatal(path)
	}
	if other := New(r.s.cfg).SetupPath(); other == path {
		t.Error("the link is the same at the next start")
	}
	c := r.browser()
	w := c.get(path)
	wants(t, "form", w, 200, "")
	contains(t, "form", w.Body.String(), `name="again"`, `action="`+path+`"`, `autocomplete="new-password"`)
	for _, bad := range []struct{ name, password, again, want string }{
		{"Anna", goodWord, goodWord + "x", T("password.differs")},
		{"Anna", "short", "short", T("password.length")},
		{"Anna", strings.Repeat("x", 257), strings.Repeat("x", 257), T("password.length")},
		{"", goodWord, goodWord, T("account.name")},
		{"correct horse", "correct horse", "correct horse", T("password.name")},
	} {
		w := c.post(path, "name", bad.name, "password", bad.password, "again", bad.again)
		wants(t, bad.want, w, 422, "")
		contains(t, bad.want, w.Body.String(), bad.want, `value="`+bad.name+`"`)
		if bad.password != bad.name {
			lacks(t, bad.want, w.Body.String(), bad.password)
		}
	}
	if r.store.Claimed() || c.cookie != "" {
		t.Fatal("claimed by a form that was refused")
	}
	for _, wrong := range []string{"/setup/x", path + "A", path[:len(path)-1], "/setup/" + strings.ToLower(path[7:])} {
		w := r.browser().post(wrong, "name", "Anna", "password", goodWord, "again", goodWord)
		if w.Code != 404 && w.Code != 429 || r.store.Claimed() {
			t.Errorf("%s: %d", wrong, w.Code)
		}
	}
	// Whoever guesses waits; whoever has the link does not, from the same address.
	wants(t, "guess", r.browser().get("/setup/guess"), 429, "")
	w = c.post(path, "name", ownerName, "password", goodWord, "again", goodWord)
	wants(t, "set-up", w, 303, "/")
	wants(t, "in", c.get("/"), 200, "")
	if r.s.SetupPath() != "" {
		t.Error("the link still works")
	}
	wants(t, "used link", r.browser().get(path), 303, "/")
	wants(t, "used link", r.browser().post(path, "name", "Eve", "password", goodWord, "again", goodWord), 303, "/")
	if _, err := r.store.LogIn(t.Context(), "Eve", goodWord); err == nil {
		t.Error("the link was used twice")
	}
	lacks(t, "log", r.log.String(), path[7:], ownerName, goodWord)
}

func TestLogIn(t *testing.T) {
	r := owned(t)
	c := r.browser()
	contains(t, "form", c.get("/login").Body.String(), `autocomplete="current-password"`)
	w := c.post("/login", "name", ownerName, "password", goodWord)
	wants(t, "log in", w, 303, "/")
	set := w.Header().Get("Set-Cookie")
	for _, a := range []string{"__Host-sotto=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Strict"} {
		contains(t, "cookie", set, a)
	}
	lacks(t, "cookie", set, "Domain", "Expires", "Max-Age")
	if len(c.cookie) < 43 {
		t.Errorf("a session's id of %d characters", len(c.cookie))
	}
	for key := range r.s.sessions.byKey {
		if strings.Contains(string(key[:]), c.cookie) {
			t.Error("the id is kept")
		}
	}
	old := c.cookie
	wants(t, "log-in page", c.get("/login"), 303, "/")
	w = c.post("/logout")
	wants(t, "log out", w, 303, "/login")
	contains(t, "cookie", w.Header().Get("Set-Cookie"), "Max-Age=0")
	c.cookie = old
	wants(t, "after it", c.get("/"), 303, "/login?over")

	// The same answer whether there is such a name or not.
	a, b := r.browser(), r.browser()
	a.addr, b.addr = "192.0.2.8:1", "192.0.2.9:1"
	x, y := a.post("/login", "name", ownerName, "password", "wrong wrong"), b.post("/login", "name", "Nobody Here", "password", "wrong wrong")
	if x.Code != 422 || y.Code != 422 || strings.ReplaceAll(x.Body.String(), ownerName, "*") != strings.ReplaceAll(y.Body.String(), "Nobody Here", "*") {
		t.Errorf("%d %d\n%s\n%s", x.Code, y.Code, x.Body, y.Body)
	}
	lacks(t, "log", r.log.String(), ownerName, goodWord, "Nobody", "wrong wrong")
}

// TestWaits: after three failures the wait grows to five minutes, by name and by address.
func TestWaits(t *testing.T) {
	r := owned(t)
	synctest.Test(t, func(t *testing.T) {
		c := r.browser()
		try := func(c *client, name, word string) (int, string) {
			w := c.do("POST", "/login", map[string][]string{"name": {name}, "password": {word}})
			return w.Code, w.Body.String()
		}
		r.t = t
		for _, want := range []string{"2 more tries, then there is a wait of 30 seconds.", "One more try, then there is a wait of 30 seconds.", "The next try can be made in 30 seconds."} {
			code, text := try(c, ownerName, "wrong")
			if code != 422 {
				t.Error(code)
			}
			contains(t, "try", text, T("login.wrong")+" "+want)
		}
		for _, wait := range []time.Duration{30, 60, 120, 240, 300, 300, 300} {
			if code, text := try(c, ownerName, goodWord); code != 429 {
				t.Fatalf("the right password in the wait: %d\n%s", code, text)
			}
			time.Sleep(wait*time.Second - time.Millisecond)
			if code, _ := try(c, ownerName, goodWord); code != 429 {
				t.Fatalf("too early after %d s", wait)
			}
			time.Sleep(time.Millisecond)
			if code, _ := try(c, ownerName, "wrong"); code != 422 {
				t.Fatalf("too late after %d s: %d", wait, code)
			}
		}
		other := r.browser()
		other.addr = "192.0.2.99:1"
		if code, _ := try(other, ownerName, goodWord); code != 429 {
			t.Error("the name waits for its own address alone")
		}
		if code, _ := try(other, strings.ToUpper(ownerName), goodWord); code != 429 {
			t.Error("capitals get round the wait")
		}
		if code, _ := try(c, "somebody else", "wrong"); code != 429 {
			t.Error("the address waits for one name alone")
		}
		time.Sleep(longestWait)
		if code, _ := try(other, ownerName, goodWord); code != 303 {
			t.Error("locked out for good")
		}
		// Who has logged in from here before is not kept out by others.
		for range 3 {
			try(c, ownerName, "wrong")
			time.Sleep(longestWait)
		}
		try(c, ownerName, "wrong")
		if code, _ := try(other, ownerName, goodWord); code != 303 {
			t.Error("a guesser keeps the owner out")
		}
		if w := c.post("/login", "name", ownerName, "password", goodWord); w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

// TestGuard: the tables are bounded, and many tries at once are no better than one after
// the other.
func TestGuard(t *testing.T) {
	var g guard
	g.init()
	now := time.Now()
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxGuarded {
		g.begin(strings.Repeat("n", i%50)+addr(i).String(), addr(i), now.Add(time.Duration(i)))
	}
	if len(g.fails) > maxGuarded {
		t.Errorf("%d entries", len(g.fails))
	}
	for i := range 3 * maxKnown {
		x, _ := g.begin("owner", addr(1<<20+i), now)
		g.succeeded(x, now.Add(time.Duration(i)))
	}
	if len(g.known) > maxKnown {
		t.Errorf("%d pairs", len(g.known))
	}
	through := 0
	for range 50 {
		if _, wait := g.begin("", netip.MustParseAddr("192.0.2.1"), now); wait == 0 {
			through++
		}
	}
	if through != freeFailures {
		t.Errorf("%d tries at once", through)
	}
	if source("[2001:db8::1]:1") != source("[2001:db8::ffff]:2") || source("[2001:db8::1]:1") == source("[2001:db8:0:1::1]:1") || source("[::ffff:192.0.2.1]:1") != source("192.0.2.1:5") {
		t.Error("addresses of one host are told apart")
	}
}

func TestSessions(t *testing.T) {
	var s sessions
	s.init()
	a := storage.Account{ID: "a", Role: storage.Owner}
	now := time.Now()
	alive := func(id string, at time.Duration) bool { _, ok := s.find(id, now.Add(at), true); return ok }
	idle, used := s.start(a, now), s.start(a, now)
	if idle == used || len(idle) != 43 {
		t.Fatal(idle, used)
	}
	for at := time.Duration(0); at < sessionLimit; at += sessionIdle - time.Second {
		if !alive(used, at) {
			t.Fatalf("ended after %v of use", at)
		}
	}
	if alive(used, sessionLimit) {
		t.Error("there is no end")
	}
	if x := s.start(a, now); !alive(x, sessionIdle-1) || alive(x, 2*sessionIdle-1) {
		t.Error("idle for too long, or not long enough")
	}
	if alive(idle, sessionIdle) || alive("", 0) || alive(strings.Repeat("x", 5000), 0) {
		t.Error("found what is none")
	}
	var ids []string
	for i := range maxSessions + 3 {
		x := storage.Account{ID: storage.AccountID(rune('a' + i/maxOwn))} // each with its share
		ids = append(ids, s.start(x, now.Add(time.Duration(i))))
	}
	if s.len() != maxSessions || alive(ids[2], time.Second) || !alive(ids[3], time.Second) {
		t.Errorf("%d sessions", s.len())
	}
	x, _ := s.find(ids[maxSessions+2], now, false)
	for range 2 * maxSessions {
		s.start(storage.Account{ID: "z"}, now.Add(time.Second))
	}
	if n := s.len(); n != maxSessions || x.ctx.Err() != nil {
		t.Errorf("one account logs all others out: %d sessions", n)
	}
	s.stopAccount(x.account.ID)
	if s.len() != maxSessions-3 || x.ctx.Err() == nil {
		t.Error("sessions of an account do not end")
	}
	s.endAll()
	if s.len() != 0 {
		t.Error("all do not end")
	}
}

// TestSessionsSwept: what is idle ends by itself, and with it its streams.
func TestSessionsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sessions
		s.init()
		id := s.start(storage.Account{ID: "a"}, time.Now())
		x, _ := s.find(id, time.Now(), true)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.sweepUntil(ctx)
		<-x.ctx.Done()
		if s.len() != 0 {
			t.Error("still there")
		}
	})
}

func TestChangePassword(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	here, there := r.as(a), r.as(a)
	const next = "a new good password"
	for _, bad := range [][]string{
		{"current", "wrong wrong", "password", next, "again", next},
		{"current", goodWord, "password", next, "again", next + "x"},
		{"current", goodWord, "password", "short", "again", "short"},
	} {
		wants(t, "refused", here.post("/me/password", bad...), 422, "")
	}
	old := here.cookie
	wants(t, "changed", here.post("/me/password", "current", goodWord, "password", next, "again", next), 303, "/me?changed")
	if here.cookie == old {
		t.Error("the session keeps its id")
	}
	wants(t, "here", here.get("/me"), 200, "")
	wants(t, "elsewhere", there.get("/"), 303, "/login?over")
	here.cookie = old
	wants(t, "old id", here.get("/"), 303, "/login?over")
	if _, err := r.store.LogIn(t.Context(), ownerName, next); err != nil {
		t.Error(err)
	}
}

// TestAccountGone: a session is worth no more than its account is now.
func TestAccountGone(t *testing.T) {
	r := owned(t)
	c := r.as(storage.Account{ID: "gone", Role: storage.Owner})
	wants(t, "gone", c.get("/"), 303, "/login?over")
	a := r.account(storage.Installer)
	a.Role = storage.Owner // what the session was told once does not count
	wants(t, "role", r.as(a).get("/calls"), 403, "")
}

func TestTooLarge(t *testing.T) {
	r := owned(t)
	w := r.browser().post("/login", "name", strings.Repeat("x", maxBody), "password", "x")
	wants(t, "body", w, http.StatusRequestEntityTooLarge, "")
	c := r.browser()
	c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	wants(t, "long name", c.post("/login", "name", strings.Repeat("<", 5000), "password", "x"), 422, "")
}

// TestPasswordMadeAnew: who logs in with a password that an owner has made gets nowhere but to
// where it is changed, and so does a session that was there before.
func TestPasswordMadeAnew(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Admin)
	before := r.as(a)
	once, err := r.store.ResetPassword(t.Context(), storage.Viewer{Role: storage.Owner}, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := r.browser()
	wants(t, "log-in", c.post("/login", "name", a.Name, "password", once), 303, "/")
	for _, b := range []*client{before, c} {
		for _, path := range []string{"/", "/calls", "/lines", "/health", "/privacy", "/events", "/nope"} {
			w := b.get(path)
			wants(t, path, w, 303, "/me")
			lacks(t, path, w.Body.String(), esc(maria))
		}
		w := b.get("/me")
		wants(t, "/me", w, 200, "")
		contains(t, "/me", w.Body.String(), T("me.must"))
		lacks(t, "/me", w.Body.String(), once, esc(maria))
	}
	wants(t, "not the present one", c.post("/me/password", "current", goodWord, "password", "a word of my own", "again", "a word of my own"), 422, "")
	wants(t, "change", c.post("/me/password", "current", once, "password", "a word of my own", "again", "a word of my own"), 303, "/me?changed")
	wants(t, "after it", c.get("/calls"), 200, "")
	wants(t, "the session of before", before.get("/calls"), 303, "/login?over")
	lacks(t, "log", r.log.String(), once)
}

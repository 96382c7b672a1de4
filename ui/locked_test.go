package ui

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage/root"
)

const rightWord = "horse + 50% & brown bête"

// lockedBox is a page before a box that opens with rightWord, and after that not if it is
// broken.
type lockedBox struct {
	rig
	broken bool
	tries  int
	given  [][]byte
	log    strings.Builder
}

func newLockedBox(t *testing.T) *lockedBox {
	b := &lockedBox{}
	b.t = t
	b.s = NewLocked(Lock{Log: slog.New(slog.NewTextHandler(&b.log, nil)), Unlock: func(word []byte) error {
		b.tries++
		b.given = append(b.given, word)
		switch {
		case string(word) != rightWord:
			return root.ErrPassphrase
		case b.broken:
			return errors.New("sotto.db is in pieces")
		}
		return nil
	}})
	return b
}

func TestLockedPage(t *testing.T) {
	b := newLockedBox(t)
	c := b.browser()
	page := c.get("/")
	wants(t, "form", page, 200, "")
	contains(t, "form", page.Body.String(), T("locked.title"), T("locked.works"), T("locked.not"), `name="passphrase" type="password"`)
	for _, path := range []string{"/login", "/calls", "/setup/x", "/unlock"} {
		wants(t, path, c.get(path), 303, "/")
	}
	if h := page.Header(); h.Get("Content-Security-Policy") != pagePolicy || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("%v", h)
	}

	wrong := c.post("/unlock", "passphrase", "horse battery")
	wants(t, "wrong", wrong, 422, "")
	contains(t, "wrong", wrong.Body.String(), T("locked.wrong"), "2 more tries")

	b.broken = true
	fault := c.post("/unlock", "passphrase", rightWord)
	wants(t, "damaged", fault, 503, "")
	contains(t, "damaged", fault.Body.String(), T("locked.fault"))
	lacks(t, "damaged", fault.Body.String(), "sotto.db", "pieces")

	b.broken = false
	right := c.post("/unlock", "passphrase", rightWord)
	wants(t, "right", right, 200, "")
	contains(t, "right", right.Body.String(), T("unlocked.title"))
	for _, w := range []string{page.Body.String(), wrong.Body.String(), fault.Body.String(), right.Body.String()} {
		checkMarkup(t, "locked", w)
		lacks(t, "locked", w, "horse")
	}
	for _, word := range b.given {
		if strings.Trim(string(word), "\x00") != "" {
			t.Errorf("not wiped: %q", word)
		}
	}
	if strings.Contains(b.log.String(), "horse") {
		t.Error(b.log.String())
	}
}

// TestLockedPageWaits: tries are counted for the box, from wherever they come.
func TestLockedPageWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLockedBox(t)
		from := func(addr, word string) int {
			c := b.browser()
			c.addr = addr
			w := c.post("/unlock", "passphrase", word)
			if (w.Code == 429) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("%d, retry after %q", w.Code, w.Header().Get("Retry-After"))
			}
			return w.Code
		}
		for i, addr := range []string{"192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"} {
			if code := from(addr, "wrong"); code != 422 {
				t.Errorf("try %d: %d", i+1, code)
			}
		}
		if code := from("192.0.2.4:1", rightWord); code != 429 || b.tries != 3 {
			t.Errorf("a fourth: %d, %d tries", code, b.tries)
		}
		time.Sleep(firstWait)
		if code := from("192.0.2.4:1", "wrong"); code != 422 {
			t.Errorf("after the wait: %d", code)
		}
		time.Sleep(firstWait)
		if code := from("192.0.2.4:1", rightWord); code != 429 {
			t.Errorf("the wait does not grow: %d", code)
		}
		time.Sleep(firstWait)
		if code := from("192.0.2.4:1", rightWord); code != 200 {
			t.Errorf("the right one: %d", code)
		}
	})
}

// TestLockedPageHostile: what is no form costs no try.
func TestLockedPageHostile(t *testing.T) {
	b := newLockedBox(t)
	raw := func(kind, body string) int {
		req := httptest.NewRequest("POST", "https://sotto.local/unlock", strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		b.s.Handler().ServeHTTP(w, req)
		return w.Code
	}
	const form = "application/x-www-form-urlencoded"
	for body, want := range map[string]int{
		"":                 400,
		"pass=x":           400,
		"passphrase=a&b=c": 400,
		"passphrase=%":     400,
		"passphrase=%2":    400,
		"passphrase=%zz":   400,
		"passphrase=%2g":   400,
		"passphrase=" + strings.Repeat("%20", 4*root.MaxLen):       422,
		"passphrase=" + strings.Repeat("%20", 4*root.MaxLen) + "x": 413,
		"passphrase=" + strings.Repeat("x", maxBody):               413,
	} {
		b.s.guard.init()
		if code := raw(form, body); code != want {
			t.Errorf("%.30q (%d): %d, want %d", body, len(body), code, want)
		}
	}
	b.s.guard.init()
	for _, kind := range []string{"", "text/plain", "multipart/form-data; boundary=x"} {
		if code := raw(kind, "passphrase=x"); code != 400 {
			t.Errorf("%q: %d", kind, code)
		}
	}
	c := b.browser()
	c.header.Set("Sec-Fetch-Site", "cross-site")
	wants(t, "from another page", c.post("/unlock", "passphrase", rightWord), 403, "")
	c = b.browser()
	c.header.Set("Host", "evil.example")
	wants(t, "another name", c.get("/"), 421, "")
	wants(t, "delete", b.browser().do("DELETE", "/", nil), 405, "")
	if b.tries != 1 {
		t.Errorf("%d tries", b.tries)
	}
}

package ui

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage"
	"sotto/storage/policy"
)

const goodReason = "a complaint about a bill"

// secondPerson has a second person agree to a request, or not.
func (r *rig) secondPerson(on bool) {
	r.t.Helper()
	owner := storage.Viewer{Role: storage.Owner}
	p, rev, err := r.store.As(owner).Settings(r.t.Context())
	if err == nil {
		p.Unmask = policy.Unmask{Minutes: 10, Second: on}
		_, _, err = r.store.SetSettings(r.t.Context(), owner, rev, p)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestUnmaskAlone: without a second person the number is shown at once, to who asked alone, on
// every page that has it and in exports, for its minutes.
func TestUnmaskAlone(t *testing.T) {
	r := owned(t)
	r.secondPerson(false)
	admin, officer := r.account(storage.Admin), r.account(storage.PrivacyOfficer)
	full := strings.TrimPrefix(outside, "+")
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		c, other := r.as(admin), r.as(officer)
		list := c.get("/calls")
		contains(t, "list", list.Body.String(), `href="/calls/1/unmask/from">`+T("unmask.key"), `<span class="vh"> the number of the `)
		lacks(t, "list", list.Body.String(), full, "/calls/4/unmask")
		if list.Header().Get("Refresh") != "" {
			t.Error("a page that shows no number loads itself again")
		}
		w := c.get("/calls/1/unmask/from")
		wants(t, "form", w, 200, "")
		text := html.UnescapeString(w.Body.String())
		contains(t, "form", text, T("unmask.promise", "10 minutes"), `minlength="10" maxlength="500"`)
		lacks(t, "form", text, full, T("unmask.promise.second", "10 minutes"))
		checkMarkup(t, "form", w.Body.String())

		for _, reason := range []string{"", "short", strings.Repeat("x", 501), "two lines\nare not one"} {
			w := c.post("/calls/1/unmask/from", "why", reason)
			wants(t, reason[:min(len(reason), 9)], w, 422, "")
			contains(t, reason, w.Body.String(), T("unmask.reason"))
			checkMarkup(t, "refused", w.Body.String())
			lacks(t, reason, w.Body.String(), full)
		}
		contains(t, "typed", c.post("/calls/1/unmask/from", "why", "<b>hot").Body.String(), `value="&lt;b&gt;hot"`)

		wants(t, "ask", c.post("/calls/1/unmask/from", "why", goodReason), 303, "/calls/1/unmask/from")
		w = c.get("/calls/1/unmask/from")
		text = w.Body.String()
		contains(t, "shown", text, full, T("unmask.lasts"), "for 10 minutes more")
		lacks(t, "shown", text, `id="why"`)
		checkMarkup(t, "shown", text)
		if n := w.Header().Get("Refresh"); n != "601" {
			t.Errorf("loads itself again in %q", n)
		}
		list = c.get("/calls")
		if n := strings.Count(list.Body.String(), full); n != 1 {
			t.Errorf("%d numbers shown in the list", n)
		}
		if list.Header().Get("Refresh") != "601" {
			t.Errorf("the list loads itself again in %q", list.Header().Get("Refresh"))
		}
		panel := c.get("/")
		contains(t, "front panel", panel.Body.String(), full)
		if panel.Header().Get("Refresh") != "601" {
			t.Errorf("the front panel loads itself again in %q", panel.Header().Get("Refresh"))
		}
		contains(t, "export", c.get("/calls.csv").Body.String(), full)
		for _, path := range []string{"/calls", "/calls/1/unmask/from", "/calls.csv", "/calls.json", "/"} {
			lacks(t, "the other: "+path, other.get(path).Body.String(), full, "1234567")
		}
		if m := regexp.MustCompile(`<title>[^<]*\d{5}`).FindString(text); m != "" {
			t.Error("a number in the title")
		}
		time.Sleep(10*time.Minute + time.Second)
		for _, path := range []string{"/", "/calls", "/calls/1/unmask/from", "/calls.csv"} {
			lacks(t, "after: "+path, c.get(path).Body.String(), full, "1234567")
		}
		contains(t, "after", c.get("/calls/1/unmask/from").Body.String(), T("unmask.over"), `id="why"`)
		lacks(t, "log", r.log.String(), full, goodReason, "1234567")
	})
}

// TestUnmaskSecond: what waits for a second person is shown once that one has agreed, with the
// own password; never by who asked, and never after a refusal.
func TestUnmaskSecond(t *testing.T) {
	r := owned(t)
	r.secondPerson(true)
	c, officer, owner := r.as(r.account(storage.Admin)), r.as(r.account(storage.PrivacyOfficer)), r.as(r.account(storage.Owner))
	full := strings.TrimPrefix(outside, "+")
	contains(t, "none", owner.get("/privacy/requests").Body.String(), T("requests.none"))
	ask := func(by *client, path string) {
		t.Helper()
		wants(t, "ask", by.post(path, "why", goodReason+" <i>"), 303, path)
	}
	mark := func(by *client) string {
		t.Helper()
		_, rest, _ := strings.Cut(by.get("/").Body.String(), `<a href="/privacy"`)
		rest, _, _ = strings.Cut(rest, "</a>")
		_, rest, _ = strings.Cut(rest, `<span class="vh">`)
		text, _, _ := strings.Cut(rest, "<")
		return text
	}
	marks := func(when, ofOfficer, ofOwner string) {
		t.Helper()
		if o, w, a := mark(officer), mark(owner), mark(c); o != ofOfficer || w != ofOwner || a != "" {
			t.Errorf("%s: Privacy is marked %q to the officer, %q to the owner and %q to the admin", when, o, w, a)
		}
	}
	marks("nothing asked", "", "")
	ask(c, "/calls/1/unmask/from")
	marks("asked", "1 request waits", "1 request waits")
	w := c.get("/calls/1/unmask/from")
	contains(t, "waits", w.Body.String(), T("unmask.waits"), `value="back"`)
	lacks(t, "waits", w.Body.String(), full, `id="why"`)
	checkMarkup(t, "waits", w.Body.String())
	contains(t, "list", c.get("/calls").Body.String(), T("unmask.waits"))

	text := officer.get("/privacy/requests").Body.String()
	contains(t, "request", text, "admin, Admin", goodReason+" &lt;i&gt;", `action="/privacy/requests/1"`, outsideFront)
	lacks(t, "request", text, full, "1234567", "<i>")
	checkMarkup(t, "request", text)
	for _, password := range []string{"", "wrong horse battery"} {
		w := officer.post("/privacy/requests/1", "do", "agree", "password", password)
		wants(t, "no password", w, 422, "")
		contains(t, "no password", w.Body.String(), T("password.notyours"), `href="#p1"`)
		checkMarkup(t, "no password", w.Body.String())
	}
	lacks(t, "not yet", c.get("/calls").Body.String(), full)
	wants(t, "agree", officer.post("/privacy/requests/1", "do", "agree", "password", goodWord), 303, "/privacy/requests?agreed")
	contains(t, "agreed", c.get("/calls").Body.String(), full)
	marks("agreed", "", "")
	lacks(t, "who agreed", officer.get("/calls").Body.String(), full)
	w = owner.post("/privacy/requests/1", "do", "refuse")
	wants(t, "late", w, 409, "")
	contains(t, "late", w.Body.String(), T("request.gone"))

	ask(c, "/calls/2/unmask/from")
	wants(t, "refuse", owner.post("/privacy/requests/2", "do", "refuse"), 303, "/privacy/requests?refused")
	contains(t, "refused", c.get("/calls/2/unmask/from").Body.String(), T("unmask.refused"), `id="why"`)
	ask(c, "/calls/2/unmask/from")
	wants(t, "back", c.post("/calls/2/unmask/from", "do", "back"), 303, "/calls/2/unmask/from")
	contains(t, "nobody waits", owner.get("/privacy/requests").Body.String(), T("requests.none"))
	wants(t, "back again", c.post("/calls/2/unmask/from", "do", "back"), 303, "/calls/2/unmask/from")

	// Who asked does not agree, though the role could.
	ask(officer, "/calls/3/unmask/from")
	marks("the officer's own", "", "1 request waits")
	ask(c, "/calls/2/unmask/from")
	marks("two", "1 request waits", "2 requests wait")
	wants(t, "back", c.post("/calls/2/unmask/from", "do", "back"), 303, "/calls/2/unmask/from")
	w = officer.post("/privacy/requests/4", "do", "agree", "password", goodWord)
	wants(t, "own", w, 403, "")
	contains(t, "own", w.Body.String(), T("request.same"))
	lacks(t, "own", officer.get("/calls").Body.String(), full)
	lacks(t, "own in the list", officer.get("/privacy/requests").Body.String(), goodReason)
}

// TestUnmaskHostile: addresses that lead nowhere, and numbers that are not masked.
func TestUnmaskHostile(t *testing.T) {
	r := owned(t)
	r.secondPerson(false)
	c, owner := r.as(r.account(storage.Admin)), r.as(r.account(storage.Owner))
	r.append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Outcome: pbx.Abandoned})
	wants(t, "the newest", c.get("/calls/5/unmask/from"), 200, "")
	for _, path := range []string{"/calls/0/unmask/from", "/calls/x/unmask/from", "/calls/-1/unmask/from", "/calls/1/unmask/both", "/calls/99/unmask/from", "/calls/18446744073709551615/unmask/to",
		"/calls/4/unmask/from", "/calls/1/unmask/to", "/calls/1/unmask/%2e%2e"} {
		wants(t, path, c.get(path), 404, "")
	}
	for path, status := range map[string]int{"/calls/0/unmask/from": 404, "/calls/x/unmask/from": 404, "/calls/99/unmask/from": 410, "/calls/4/unmask/from": 410, "/calls/1/unmask/to": 410, "/calls/1/unmask/up": 404} {
		w := c.post(path, "why", goodReason)
		wants(t, path, w, status, "")
	}
	wants(t, "owner", owner.get("/calls/1/unmask/from"), 404, "") // sees it anyway
	lacks(t, "owner", owner.get("/calls").Body.String(), "/unmask/")
	wants(t, "owner asks", owner.post("/calls/1/unmask/from", "why", goodReason), 410, "")
	for _, path := range []string{"/privacy/requests/x", "/privacy/requests/-1"} {
		wants(t, path, owner.post(path, "do", "refuse"), 404, "")
	}
	wants(t, "no answer", owner.post("/privacy/requests/1", "do", "both"), 404, "")
	lacks(t, "hostile", c.post("/calls/1/unmask/from", "why", strings.Repeat("<b>", 3000)).Body.String(), "<b>", "&lt;b&gt;&lt;b&gt;")
	var status []int
	for range 3 {
		status = append(status, c.post("/calls/1/unmask/from", "why", goodReason).Code)
	}
	if status[0] != 303 || status[2] != 303 {
		t.Errorf("asked again: %v", status)
	}
	if n := strings.Count(c.get("/calls").Body.String(), strings.TrimPrefix(outside, "+")); n != 1 {
		t.Errorf("%d shown", n)
	}
}

// TestExport: what the page of calls shows as a file, with its filter, masked by role, and one
// at a time.
func TestExport(t *testing.T) {
	r := owned(t)
	full := strings.TrimPrefix(outside, "+")
	for role, a := range r.accounts() {
		c := r.as(a)
		for _, path := range []string{"/calls.csv", "/calls.json", "/calls.csv?kind=in&from=2001-01-01"} {
			w := c.get(path)
			what, text := roleNames[role]+" "+path, w.Body.String()
			lacks(t, what, text, goodWord)
			if role == 0 || role == storage.Installer {
				lacks(t, what, text, full, outsideFront, "Maria")
				continue
			}
			if d := w.Header().Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="sotto-calls-\d{4}-\d\d-\d\d\.(csv|json)"$`).MatchString(d) {
				t.Errorf("%s: %q", what, d)
			}
			switch role {
			case storage.Admin, storage.PrivacyOfficer:
				lacks(t, what, text, full, "1234567", outsideTail)
				contains(t, what, text, outsideFront)
			case storage.Staff:
				lacks(t, what, text, "Josef", "Third")
				contains(t, what, text, full)
			case storage.Owner:
				contains(t, what, text, full)
			}
		}
	}
	c := r.as(r.account(storage.Owner))
	lines := func(path string) int { return strings.Count(c.get(path).Body.String(), "\r\n") }
	for path, n := range map[string]int{"/calls.csv": 5, "/calls.csv?kind=inside": 2, "/calls.csv?kind=in": 4, "/calls.csv?to=2001-01-01": 1, "/calls.csv?kind=%22&from=x": 5} {
		if got := lines(path); got != n {
			t.Errorf("%s: %d lines, want %d", path, got, n)
		}
	}
	contains(t, "links", c.get("/calls?kind=inside&from=2026-01-02").Body.String(), `href="/calls.csv?from=2026-01-02&amp;kind=inside"`, `href="/calls.json?`)
	if h := c.get("/calls.json").Header(); h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Error(h)
	}
	r.store.Close()
	w := c.get("/calls.csv")
	wants(t, "down", w, http.StatusServiceUnavailable, "")
	if w.Header().Get("Content-Disposition") != "" {
		t.Error("an error as a file")
	}
}

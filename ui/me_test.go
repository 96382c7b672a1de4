package ui

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage"
)

// append records calls and waits until they are there.
func (r *rig) append(list ...pbx.Record) {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { r.store.Run(ctx) })
	for _, x := range list {
		r.store.Append(x)
	}
	if err := r.store.Sync(ctx); err != nil {
		r.t.Error(err)
	}
	stop()
	done.Wait()
}

// TestOwnJournal: staff see their own calls whole, turn the journal off and on, and erase it;
// the records of the office stay.
func TestOwnJournal(t *testing.T) {
	r := owned(t)
	c, admin := r.as(r.account(storage.Staff)), r.as(r.account(storage.Admin))
	full := strings.TrimPrefix(outside, "+")
	entries := func() int {
		text := c.get("/me").Body.String()
		checkMarkup(t, "me", text)
		return strings.Count(text, full)
	}
	ring := pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Outcome: pbx.Answered, Talked: time.Second, Cause: pbx.NormalClearing}
	if n := entries(); n != 3 {
		t.Fatalf("%d entries", n)
	}
	contains(t, "on", c.get("/me").Body.String(), `value="on" aria-pressed="true"`, T("journal.hint.on"), esc(maria)+" 101")
	wants(t, "off", c.post("/me/journal", "journal", "off"), 303, "/me?journal")
	contains(t, "off", c.get("/me?journal").Body.String(), `value="off" aria-pressed="true"`, T("journal.hint.off"), T("me.journal"))
	r.append(ring)
	if n := entries(); n != 3 {
		t.Errorf("%d entries with the journal off", n)
	}
	wants(t, "form", c.get("/me/journal/erase"), 200, "")
	checkMarkup(t, "form", c.get("/me/journal/erase").Body.String())
	for _, password := range []string{"", "wrong horse battery"} {
		w := c.post("/me/journal/erase", "password", password)
		wants(t, "password", w, 422, "")
		contains(t, "password", w.Body.String(), T("password.notyours"))
		checkMarkup(t, "password", w.Body.String())
	}
	if n := entries(); n != 3 {
		t.Errorf("%d entries after no password", n)
	}
	wants(t, "erase", c.post("/me/journal/erase", "password", goodWord), 303, "/me?erased")
	text := c.get("/me?erased").Body.String()
	contains(t, "erased", text, T("me.erased"), T("journal.isoff"))
	lacks(t, "erased", text, full, "/me/journal/erase")
	contains(t, "calls", c.get("/calls").Body.String(), T("journal.isoff"))
	wants(t, "on", c.post("/me/journal", "journal", "on"), 303, "/me?journal")
	contains(t, "empty", c.get("/me").Body.String(), T("journal.none"))
	r.append(ring)
	if n := entries(); n != 1 {
		t.Errorf("%d entries with the journal on again", n)
	}
	if n := strings.Count(admin.get("/calls").Body.String(), outsideFront); n != 5 {
		t.Errorf("%d records of the office", n)
	}
	for _, x := range []string{"", "maybe", "<script>"} {
		wants(t, "journal "+x, c.post("/me/journal", "journal", x), 400, "")
	}
	lacks(t, "log", r.log.String(), full, "Maria")
}

// TestJournalTooOften: who turns the journal on and off all day is told to stop, on the page.
func TestJournalTooOften(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Staff))
	for i := range 100 {
		w := c.post("/me/journal", "journal", []string{"off", "on"}[i%2])
		if w.Code == 303 {
			continue
		}
		wants(t, "too often", w, 429, "")
		text := w.Body.String()
		contains(t, "too often", text, esc(T("journal.often")), `value="on" aria-pressed="true"`)
		checkMarkup(t, "too often", text)
		lacks(t, "after", c.get("/me").Body.String(), T("journal.often"))
		return
	}
	t.Error("it can be done 100 times")
}

// TestNotices: a user learns who was shown a number of an own call, and why, until it is read.
func TestNotices(t *testing.T) {
	r := owned(t)
	r.secondPerson(false)
	c, admin := r.as(r.account(storage.Staff)), r.as(r.account(storage.Admin))
	lacks(t, "before", c.get("/").Body.String(), "new notice")
	lacks(t, "before", c.get("/me").Body.String(), T("notice.title"))
	for _, path := range []string{"/calls/1/unmask/from", "/calls/2/unmask/from"} {
		wants(t, "ask", admin.post(path, "why", goodReason+" <i>"), 303, path)
	}
	contains(t, "rail", c.get("/").Body.String(), `<span class="vh">2 new notices</span>`)
	text := c.get("/me").Body.String()
	contains(t, "notice", text, T("notice.title"), "Admin was shown the whole number of your call of", "for 10 minutes.", goodReason+" &lt;i&gt;", `name="upto" value="2"`, T("notice.unread"))
	lacks(t, "notice", text, "<i>", ownerName)
	checkMarkup(t, "notice", text)
	for _, x := range []string{"", "x", "-1", "99999999999999999999999"} {
		wants(t, "up to "+x, c.post("/me/notices", "upto", x), 400, "")
	}
	wants(t, "read one", c.post("/me/notices", "upto", "1"), 303, "/me")
	contains(t, "rail", c.get("/").Body.String(), `<span class="vh">1 new notice</span>`)
	wants(t, "read", c.post("/me/notices", "upto", "2"), 303, "/me")
	text = c.get("/me").Body.String()
	contains(t, "read", text, goodReason)
	lacks(t, "read", text, T("notice.unread")+"<", "/me/notices", "new notice")
	other, err := r.store.AddAccount(t.Context(), storage.Viewer{Role: storage.Owner}, "josef", goodWord, storage.Staff, "u2")
	if err != nil {
		t.Fatal(err)
	}
	lacks(t, "another user", r.as(other).get("/me").Body.String(), goodReason, T("notice.title"))
}

// TestMeDown: with a store that is down everybody still has the page with the password.
func TestMeDown(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Staff))
	r.store.Close()
	w := c.get("/me")
	wants(t, "me", w, 200, "")
	contains(t, "me", w.Body.String(), T("calls.down"), T("me.password"))
	w = c.post("/me/copy", "password", goodWord)
	if w.Code != 503 || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

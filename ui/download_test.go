package ui

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage"
)

// archived reads an archive, and gives its page and its data.
func archived(t *testing.T, w *httptest.ResponseRecorder) (page, data string) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/zip" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), `attachment; filename="sotto-archive-2`) {
		t.Fatalf("%d %v\n%.500s", w.Code, w.Header(), w.Body.String())
	}
	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]*string{"index.html": &page, "data.json": &data} {
		f, err := z.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		*to = string(b)
	}
	if !json.Valid([]byte(data)) {
		t.Errorf("data.json: %s", data)
	}
	return page, data
}

// copyOf asks for a copy and gives the token that confirms it.
func (c *client) copyOf(pairs ...string) (token string, w *httptest.ResponseRecorder) {
	c.r.t.Helper()
	w = c.post("/privacy/desk/copy", pairs...)
	if m := tokenRE.FindStringSubmatch(w.Body.String()); m != nil {
		token = m[1]
	}
	return token, w
}

func (c *client) handOver(token string) *httptest.ResponseRecorder {
	return c.post("/privacy/desk/copy/now", "token", token, "password", goodWord)
}

// TestCopy: every kind of person, by those who may, with the own password; what was typed comes
// back nowhere but in the archive.
func TestCopy(t *testing.T) {
	r := owned(t)
	accounts := r.accounts()
	owner := r.as(accounts[storage.Owner])
	contains(t, "desk", owner.get("/privacy/desk").Body.String(), `formaction="/privacy/desk/copy"`)

	for _, role := range []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer} {
		c := r.as(accounts[role])
		token, w := c.copyOf("number", "030 1234 56-78")
		wants(t, "number", w, 200, "")
		text := w.Body.String()
		contains(t, "number", text, `<span class="vh">first digits masked</span> 78`, "<dt>"+T("proof.records")+"</dt><dd>3</dd>")
		lacks(t, "number", text, digitsOf...)
		checkMarkup(t, "number", text)
		for _, password := range []string{"", "wrong horse battery"} {
			w := c.post("/privacy/desk/copy/now", "token", token, "password", password)
			wants(t, "password", w, 422, "")
			contains(t, "password", w.Body.String(), T("password.notyours"))
			lacks(t, "password", w.Body.String(), digitsOf...)
			checkMarkup(t, "password", w.Body.String())
		}
		r.s.guard.init()
		page, data := archived(t, c.handOver(token))
		contains(t, "archive", data, outside)
		lacks(t, "archive", page+data, "Maria", "Josef")
		archived(t, c.handOver(token)) // once more: the first may have come to nothing
		wants(t, "erased by it", c.confirm(token), 409, "")
	}

	token, w := owner.copyOf("user", "101")
	contains(t, "user", w.Body.String(), esc(maria)+" 101")
	page, data := archived(t, owner.handOver(token))
	contains(t, "user", page, "Maria &lt;script&gt;")
	lacks(t, "user", page, maria)
	lacks(t, "user", data, "Josef")

	token, w = owner.copyOf("account", string(accounts[storage.Installer].ID))
	contains(t, "account", w.Body.String(), "installer", T("person.account"))
	_, data = archived(t, owner.handOver(token))
	contains(t, "account", data, `"installer"`)

	token, w = owner.copyOf("number", "0309990001")
	wants(t, "nobody", w, 200, "")
	contains(t, "nobody", w.Body.String(), T("unknown.number"), T("copy.says"))
	_, data = archived(t, owner.handOver(token))
	lacks(t, "nobody", data, "Maria", outside)

	// Others do not get it, by whatever form.
	admin, officer := r.as(accounts[storage.Admin]), r.as(accounts[storage.PrivacyOfficer])
	for what, w := range map[string]*httptest.ResponseRecorder{"officer, user": officer.post("/privacy/desk/copy", "user", "101"), "admin, account": admin.post("/privacy/desk/copy", "account", string(accounts[storage.Owner].ID)),
		"officer, account": officer.post("/privacy/desk/copy", "account", string(accounts[storage.Staff].ID))} {
		wants(t, what, w, 403, "")
		lacks(t, what, w.Body.String(), `name="token"`)
	}
	for _, pairs := range [][]string{{}, {"user", "101", "number", "030123"}, {"user", "999"}, {"account", "x"}, {"number", "<script>alert(7)</script>"}, {"number", "110"}} {
		token, w := owner.copyOf(pairs...)
		wants(t, strings.Join(pairs, " "), w, 422, "")
		if token != "" {
			t.Errorf("%v can be confirmed", pairs)
		}
		lacks(t, "hostile", w.Body.String(), "alert(7)")
		checkMarkup(t, "hostile", w.Body.String())
	}
	for _, token := range []string{"", "x", strings.Repeat("A", 26)} {
		wants(t, "token", owner.handOver(token), 409, "")
	}
	preview, _ := owner.preview("number", outside)
	wants(t, "token of an erasure", owner.handOver(preview), 409, "")
	lacks(t, "log", r.log.String(), digitsOf...)
	lacks(t, "log", r.log.String(), "Maria", ownerName)
}

// TestOwnCopy: everybody has the own data, with the own password, and nobody else's.
func TestOwnCopy(t *testing.T) {
	r := owned(t)
	for role, a := range r.accounts() {
		if role == 0 {
			continue
		}
		c := r.as(a)
		w := c.post("/me/copy", "password", "wrong horse battery", "user", "102", "account", "x")
		r.s.guard.init()
		wants(t, roleNames[role], w, 422, "")
		contains(t, roleNames[role], w.Body.String(), T("password.notyours"))
		checkMarkup(t, roleNames[role], w.Body.String())
		page, data := archived(t, c.post("/me/copy", "password", goodWord, "user", "102", "account", "x"))
		lacks(t, roleNames[role], page+data, "Josef", "Third")
		switch role {
		case storage.Staff:
			contains(t, "staff", data, "Maria", strings.TrimPrefix(outside, "+"), `"staff"`)
		case storage.Owner:
			contains(t, "owner", data, ownerName)
		default:
			contains(t, roleNames[role], data, roleNames[role])
			lacks(t, roleNames[role], page+data, "Maria", ownerName, outsideFront)
		}
	}
}

// TestOneDownload: an account has one file at a time, and is told so in words; others have
// theirs, and pages go on.
func TestOneDownload(t *testing.T) {
	r := owned(t)
	admin, owner := r.account(storage.Admin), r.account(storage.Owner)
	c := r.as(admin)
	if !r.s.downloads.begin(admin.ID) {
		t.Fatal("taken")
	}
	w := c.post("/me/copy", "password", goodWord)
	wants(t, "second", w, 429, "")
	contains(t, "second", w.Body.String(), T("copy.second"))
	token, _ := c.copyOf("number", outside)
	w = c.handOver(token)
	wants(t, "second at the desk", w, 429, "")
	contains(t, "second at the desk", w.Body.String(), T("copy.second"))
	w = c.get("/calls.csv")
	wants(t, "second export", w, 429, "")
	contains(t, "second export", w.Body.String(), T("wrong.downloading"))
	wants(t, "page", c.get("/calls"), 200, "")
	archived(t, r.as(owner).post("/me/copy", "password", goodWord))
	r.s.downloads.end(admin.ID)
	archived(t, c.post("/me/copy", "password", goodWord))
	archived(t, c.post("/me/copy", "password", goodWord))
}

// TestBrokenDownload: what fails before the first byte is a page; after it, the connection ends
// in the middle. The place is free again each time.
func TestBrokenDownload(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	id := r.s.sessions.start(a, time.Now())
	who, _ := r.s.sessions.find(id, time.Now(), true)
	run := func(write func(context.Context, io.Writer) error) (w *httptest.ResponseRecorder, err error, aborted bool) {
		w = httptest.NewRecorder()
		q := &request{w: w, r: httptest.NewRequest("GET", "/calls.csv", nil), now: time.Now(), who: &who}
		defer func() { aborted = recover() == http.ErrAbortHandler }()
		err = r.s.download(q, "sotto-x.csv", "text/csv", write)
		return w, err, false
	}
	boom := errors.New("boom")
	if w, err, aborted := run(func(context.Context, io.Writer) error { return boom }); err != boom || aborted || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("before the first byte: %v %v %v", err, aborted, w.Header())
	}
	if _, _, aborted := run(func(_ context.Context, w io.Writer) error { w.Write([]byte("half")); return boom }); !aborted {
		t.Error("half a file ended well")
	}
	contains(t, "log", r.log.String(), "a file was broken off")
	if w, err, aborted := run(func(_ context.Context, w io.Writer) error { _, err := w.Write([]byte("all")); return err }); err != nil || aborted || w.Body.String() != "all" {
		t.Errorf("a whole one: %v %v", err, aborted)
	}
	faults := len(r.s.faults.all())
	over, _ := r.s.sessions.find(r.s.sessions.start(a, time.Now()), time.Now(), true)
	q := &request{w: httptest.NewRecorder(), r: httptest.NewRequest("GET", "/calls.csv", nil), now: time.Now(), who: &over}
	if err := r.s.download(q, "x", "y", func(ctx context.Context, _ io.Writer) error {
		r.s.sessions.stop(over.key)
		<-ctx.Done()
		return ctx.Err()
	}); err != errSessionOver {
		t.Errorf("logged out before the first byte: %v", err)
	}
	if _, _, aborted := run(func(ctx context.Context, w io.Writer) error {
		w.Write([]byte("half"))
		r.s.sessions.stop(who.key)
		<-ctx.Done()
		return context.Cause(ctx)
	}); !aborted {
		t.Error("it goes on after the log-out")
	}
	if len(r.s.faults.all()) != faults {
		t.Error("a log-out is a fault")
	}
	if _, err, _ := run(func(ctx context.Context, w io.Writer) error {
		if _, err := w.Write([]byte("x")); err != nil {
			return err
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestHead: who asks what a file would be like gets none, and nothing is noted as having left.
func TestHead(t *testing.T) {
	r := owned(t)
	owner := r.account(storage.Owner)
	w := r.as(owner).do("HEAD", "/calls.csv", nil)
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
	}
	if l, err := r.store.As(owner.Viewer()).Ledger(t.Context(), storage.LedgerQuery{}); err != nil || len(l) != 0 {
		t.Errorf("%d lines, %v", len(l), err)
	}
}

// TestRoleDuringDownload: who has another role since gets no more of it.
func TestRoleDuringDownload(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Admin)
	who, _ := r.s.sessions.find(r.s.sessions.start(a, time.Now()), time.Now(), true)
	q := &request{w: httptest.NewRecorder(), r: httptest.NewRequest("GET", "/calls.csv", nil), now: time.Now(), who: &who}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("it ended well")
		}
	}()
	r.s.download(q, "x", "y", func(_ context.Context, w io.Writer) error {
		w.Write([]byte("half"))
		if _, err := r.store.SetRole(t.Context(), storage.Viewer{Role: storage.Owner}, a.ID, storage.Installer, ""); err != nil {
			t.Fatal(err)
		}
		_, err := w.Write([]byte("more"))
		return err
	})
}

// TestSlowDownload: over a real connection a file takes its time, longer than other answers
// have, ends when the browser goes or takes nothing, and no other request waits for it.
func TestSlowDownload(t *testing.T) {
	r := owned(t)
	owner := r.account(storage.Owner)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ended []error
		steps, gap := 40, 2*time.Second
		for i := range routeTable {
			if routeTable[i].pattern == "GET /calls.csv" {
				old := routeTable[i].serve
				defer func() { routeTable[i].serve = old }()
				routeTable[i].serve = func(s *Server, q *request) error {
					return s.download(q, "x.csv", "text/csv", func(ctx context.Context, w io.Writer) (err error) {
						defer func() { mu.Lock(); ended = append(ended, err); mu.Unlock() }()
						for range steps {
							select {
							case <-time.After(gap):
							case <-ctx.Done():
								return ctx.Err()
							}
							if _, err := w.Write(bytes.Repeat([]byte("x"), 64<<10)); err != nil {
								return err
							}
						}
						return nil
					})
				}
			}
		}
		r.s = New(r.s.cfg)
		p, stop := r.serving(t)
		id := r.s.sessions.start(owner, time.Now())
		ask := func(path string) (io.Closer, *http.Response) {
			c, err := hello(p.dial("192.0.2.1"), 0)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nCookie: "+cookieName+"="+id+"\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			return c, res
		}
		c, res := ask("/calls.csv")
		began := time.Now()
		o, other := ask("/calls")
		if other.StatusCode != 200 || time.Since(began) > time.Second {
			t.Errorf("a page meanwhile: %d after %v", other.StatusCode, time.Since(began))
		}
		o.Close()
		o, other = ask("/calls.csv")
		if other.StatusCode != 429 {
			t.Errorf("a second: %d", other.StatusCode)
		}
		o.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || len(b) != steps*64<<10 || time.Since(began) < writeLimit {
			t.Errorf("%d bytes after %v, %v", len(b), time.Since(began), err)
		}
		c.Close()

		c, res = ask("/calls.csv")
		io.CopyN(io.Discard, res.Body, 1000)
		c.Close() // the browser goes
		time.Sleep(2 * gap)
		c, res = ask("/calls.csv")
		if res.StatusCode != 200 {
			t.Errorf("after a browser that went: %d", res.StatusCode)
		}
		time.Sleep(time.Duration(steps)*gap + stallLimit) // takes nothing
		o, other = ask("/calls.csv")
		if other.StatusCode != 200 {
			t.Errorf("after one that took nothing: %d", other.StatusCode)
		}
		r.s.sessions.stop(sessionKey{})
		r.s.sessions.endAll()
		if _, err := io.ReadAll(other.Body); err == nil {
			t.Error("it ended well after the log-out")
		}
		c.Close()
		o.Close()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(ended) != 4 || ended[0] != nil || ended[1] == nil || ended[2] == nil || ended[3] == nil {
			t.Errorf("ended with %v", ended)
		}
		stop()
	})
}

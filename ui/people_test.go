package ui

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx/plan"
	"sotto/pbx/plan/usercsv"
	"sotto/storage"
)

// upload sends a table as a browser does; others as the box was ticked.
func (c *client) upload(table string, others bool) *httptest.ResponseRecorder {
	c.r.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, _ := m.CreateFormFile("table", "../../users.csv")
	io.WriteString(f, table)
	if others {
		m.WriteField("others", "on")
	}
	m.Close()
	return c.send(&b, m.FormDataContentType())
}

func (c *client) send(body io.Reader, kind string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", "https://sotto.local"+importPath, body).WithContext(c.r.t.Context())
	req.Header.Set("Content-Type", kind)
	for k, v := range c.header {
		req.Header[k] = v
	}
	req.RemoteAddr = c.addr
	req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
	w := httptest.NewRecorder()
	c.r.s.Handler().ServeHTTP(w, req)
	return w
}

func tokenIn(w *httptest.ResponseRecorder) string {
	if m := tokenRE.FindStringSubmatch(w.Body.String()); m != nil {
		return m[1]
	}
	return ""
}

// TestPeople: who there is, with what the plan keeps of them and no more.
func TestPeople(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	text := c.get("/people").Body.String()
	contains(t, "people", text, esc(maria), esc(josef), "3 people.", ">Phone 1<", T("people.sip"), T("people.fields"))
	lacks(t, "people", text, ">"+T("field.place")+"<", T("people.marks"))
	p, rev := r.store.CurrentPlan()
	p.Fields = []plan.Field{plan.Place, plan.Email}
	p.Users[0].Place, p.Users[0].Email, p.Users[1].Protected = "Room <7>", "maria@example.org", true
	if _, err := r.store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, rev, p); err != nil {
		t.Fatal(err)
	}
	text = c.get("/people").Body.String()
	contains(t, "people", text, T("field.place"), T("field.email"), "Room &lt;7&gt;", "maria@example.org", T("people.protected"))
	lacks(t, "people", text, T("field.mobile"), T("field.department"), T("people.fields"))
	checkMarkup(t, "people", text)
}

// TestImport: a table is looked at, and what was looked at becomes the plan.
func TestImport(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	checkMarkup(t, "form", c.get(importPath).Body.String())
	w := c.upload("name,extension\nJosef & Sons,102\nMaria New,101\n<i>Nora,104\n", false)
	wants(t, "look", w, 200, "")
	text := w.Body.String()
	contains(t, "look", text, T("import.headline", "1", "1", "1", "0", "0"), "&lt;i&gt;Nora 104", esc(maria)+" 101: name", T("import.key.many", "2"))
	lacks(t, "look", text, "<i>Nora", `type="password"`)
	checkMarkup(t, "look", text)
	if p, _ := r.store.CurrentPlan(); len(p.Users) != 3 {
		t.Errorf("%d users after a look", len(p.Users))
	}
	wants(t, "wrong token", c.post(importPath+"/now", "token", "x"), 409, "")
	token := tokenIn(w)
	wants(t, "another session", r.as(r.account(storage.Owner)).post(importPath+"/now", "token", token), 409, "")
	wants(t, "now", c.post(importPath+"/now", "token", token), 303, "/people?imported")
	contains(t, "people", c.get("/people?imported").Body.String(), "Maria New", "&lt;i&gt;Nora", T("import.done"))
	p, _ := r.store.CurrentPlan()
	if len(p.Users) != 4 || p.Users[0].Name != "Maria New" || p.Users[0].ID != "u1" || p.Users[3].ID == "" {
		t.Errorf("%d users", len(p.Users))
	}
	w = c.post(importPath+"/now", "token", token)
	wants(t, "again", w, 409, "")
	contains(t, "again", w.Body.String(), T("import.stale"))
	w = c.upload("name,extension\nJosef & Sons,102\n", false)
	wants(t, "nothing new", w, 200, "")
	if tokenIn(w) != "" {
		t.Error("nothing can be confirmed")
	}
	lacks(t, "log", r.log.String(), "Maria", "Nora", "Josef")
}

// TestImportRemoves: users who are not in the table leave when that is asked for, with the own
// password, and with them their log-ins.
func TestImportRemoves(t *testing.T) {
	r := owned(t)
	third, err := r.store.AddAccount(t.Context(), storage.Viewer{Role: storage.Owner}, "third", goodWord, storage.Staff, "u3")
	if err != nil {
		t.Fatal(err)
	}
	c, staff := r.as(r.account(storage.Owner)), r.as(third)
	w := c.upload("name;extension\nJosef & Sons;102\n", true)
	wants(t, "a line that rings nobody", w, 422, "")
	contains(t, "a line that rings nobody", w.Body.String(), T("import.wrong"))
	w = c.upload("name;extension\nJosef & Sons;102\nMaria;101\n", true)
	text := w.Body.String()
	contains(t, "look", text, "Third 103", T("import.key.remove.one"), `type="password"`)
	checkMarkup(t, "look", text)
	token := tokenIn(w)
	for _, password := range []string{"", "wrong horse battery"} {
		w := c.post(importPath+"/now", "token", token, "password", password)
		wants(t, "password", w, 422, "")
		contains(t, "password", w.Body.String(), T("password.notyours"), token)
		checkMarkup(t, "password", w.Body.String())
	}
	wants(t, "staff still", staff.get("/"), 200, "")
	wants(t, "now", c.post(importPath+"/now", "token", token, "password", goodWord), 303, "/people?imported")
	wants(t, "staff", staff.get("/"), 303, "/login?over")
	lacks(t, "people", c.get("/people").Body.String(), "Third")
	contains(t, "desk", c.get("/privacy/desk").Body.String(), `<option value="left u3">`)
}

// TestImportConflict: what somebody else has saved in the meantime is not overwritten.
func TestImportConflict(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	token := tokenIn(c.upload("name,extension\nNora,104\n", false))
	p, rev := r.store.CurrentPlan()
	p.Users[1].Name = "Josef alone"
	if _, err := r.store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, rev, p); err != nil {
		t.Fatal(err)
	}
	w := c.post(importPath+"/now", "token", token)
	wants(t, "conflict", w, 409, "")
	contains(t, "conflict", w.Body.String(), T("import.conflict"))
	text := c.get("/people").Body.String()
	contains(t, "people", text, "Josef alone")
	lacks(t, "people", text, "Nora")
	wants(t, "not twice", c.post(importPath+"/now", "token", token), 409, "")
}

// TestImportOver: what was looked at can be confirmed for ten minutes, and is not kept longer.
func TestImportOver(t *testing.T) {
	r := owned(t)
	admin := r.account(storage.Admin)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		c := r.as(admin)
		token := tokenIn(c.upload("name,extension\nNora,104\n", false))
		time.Sleep(askedFor + time.Second)
		wants(t, "late", c.post(importPath+"/now", "token", token), 409, "")
		token = tokenIn(c.upload("name,extension\nNora,104\n", false))
		time.Sleep(askedFor + time.Second)
		r.s.sessions.mu.Lock()
		r.s.sessions.sweep(time.Now())
		for _, x := range r.s.sessions.byKey {
			if x.imported != nil {
				t.Error("it is kept")
			}
		}
		r.s.sessions.mu.Unlock()
		wants(t, "swept", c.post(importPath+"/now", "token", token), 409, "")
	})
}

// TestImportHostile: what is no table, and what is too much, becomes a sentence; nothing of it
// is taken, nor shown again.
func TestImportHostile(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	many := "name,extension\n" + strings.Repeat("Secretname,101\n", usercsv.MaxRows+1)
	for what, x := range map[string]struct {
		table  string
		status int
		says   string
	}{
		"nothing":     {"", 422, T("import.none")},
		"blanks":      {" \n\n", 422, T("import.none")},
		"bytes":       {"\x00\xff\xfe\x89PNG", 422, T("import.notable")},
		"no columns":  {"Secretname,Othername\n1,2\n", 422, T("import.notable")},
		"too many":    {many, 422, T("import.notable")},
		"wrong row":   {"name,extension\nSecretname,10<script>1\nNora,104\n", 422, T("import.wrong")},
		"twice":       {"name,extension\nSecretname,104\nSecretname,104\n", 422, T("import.wrong")},
		"not kept":    {"name,extension,mobile\nSecretname,104,0170\n", 422, T("import.wrong")},
		"too large":   {"name,extension\n" + strings.Repeat("x", usercsv.MaxSize), 413, T("import.large")},
		"much larger": {strings.Repeat("Secretname,", 1<<20), 413, T("import.large")},
	} {
		w := c.upload(x.table, false)
		wants(t, what, w, x.status, "")
		contains(t, what, w.Body.String(), x.says)
		lacks(t, what, w.Body.String(), "Secretname", "<script>", "PNG", `name="token"`)
		checkMarkup(t, what, w.Body.String())
	}
	wants(t, "no form", c.post(importPath, "table", "name,extension\nx,1"), 400, "")
	wants(t, "no boundary", c.send(strings.NewReader("x"), "multipart/form-data"), 400, "")
	wants(t, "cut off", c.send(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"table\"\r\n\r\nname,ext"), "multipart/form-data; boundary=x"), 400, "")
	var parts bytes.Buffer
	m := multipart.NewWriter(&parts)
	for i := range 1000 {
		m.WriteField(fmt.Sprint(i), "x")
	}
	m.Close()
	wants(t, "many parts", c.send(&parts, m.FormDataContentType()), 400, "")
	foreign := r.as(r.account(storage.Owner))
	foreign.header.Set("Sec-Fetch-Site", "cross-site")
	wants(t, "another page", foreign.upload("name,extension\nNora,104\n", false), 403, "")
	for _, path := range []string{"/login", importPath + "/now", "/accounts"} { // no other form may be as large
		if w := r.as(r.account(storage.Owner)).post(path, "token", strings.Repeat("x", maxBody)); w.Code != 413 && w.Code != 303 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if p, _ := r.store.CurrentPlan(); len(p.Users) != 3 {
		t.Errorf("%d users", len(p.Users))
	}
	lacks(t, "log", r.log.String(), "Secretname", "Nora")
}

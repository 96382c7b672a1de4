package ui

import (
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// second makes another owner.
func (r *rig) second() storage.Account { return r.named("Bernd Second", storage.Owner) }

// named makes an account.
func (r *rig) named(name string, role storage.Role) storage.Account {
	r.t.Helper()
	user := plan.UserID("")
	if role == storage.Staff {
		user = "u1"
	}
	a, err := r.store.AddAccount(r.t.Context(), storage.Viewer{Role: storage.Owner}, name, goodWord, role, user)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// TestEraseAccount: an owner erases a log-in of each role, from the list to the proof; it
// ends there and then, and the user of one of staff stays.
func TestEraseAccount(t *testing.T) {
	r := owned(t)
	owner := r.as(r.account(storage.Owner))
	list := owner.get("/privacy/desk").Body.String()
	contains(t, "list", list, `<select id="l"`, ">"+ownerName+" (Owner)<")
	for role := storage.Owner; role <= storage.Staff; role++ {
		name := "Zoë & " + roleNames[role]
		a := r.named(name, role)
		is := r.as(a)
		wants(t, name, is.get("/"), 200, "")
		contains(t, "list", owner.get("/privacy/desk").Body.String(), `<option value="`+string(a.ID)+`">`+esc(name)+" ("+roleWord(role)+")</option>")
		token, w := owner.preview("account", string(a.ID))
		wants(t, "preview", w, 200, "")
		text := w.Body.String()
		contains(t, "preview", text, T("erase.account")+" "+esc(name)+` <span class="quiet">`+roleWord(role)+"</span>", T("fate.login"), T("fate.sessions"), `id="w"`, T("erase.word.login"), T("fate.pseudonym"))
		lacks(t, "preview", text, "0 call records", T("fate.own"), T("fate.plan"), T("fate.later.call"), string(a.ID))
		if strings.Contains(text, T("fate.user")) != (role == storage.Staff) {
			t.Errorf("%s: what stays:\n%s", name, text)
		}
		checkMarkup(t, "preview", text)
		w = owner.confirm(token)
		wants(t, "no word", w, 422, "")
		wants(t, name+" still", is.get("/"), 200, "")
		w = owner.confirm(token, "word", "erase")
		wants(t, "erased", w, 200, "")
		proof := w.Body.String()
		contains(t, "proof", proof, T("proof.erased"), "<dd>log-in</dd>", T("proof.isverified"), T("proof.later.account"))
		lacks(t, "proof", proof, "Zoë", "erased caller", T("proof.own"), string(a.ID))
		checkMarkup(t, "proof", proof)
		if n := r.s.sessions.len(); n != 1 {
			t.Errorf("%d sessions", n)
		}
		wants(t, name, is.get("/"), 303, "/login?over")
		if _, err := r.store.LogIn(t.Context(), name, goodWord); !errors.Is(err, storage.ErrWrongLogIn) {
			t.Errorf("%s logs in: %v", name, err)
		}
		text = owner.get("/privacy/desk").Body.String()
		lacks(t, "list", text, "Zoë", string(a.ID))
		contains(t, "list", text, "<td>log-in</td>")
		w = owner.post("/privacy/erase", "account", string(a.ID))
		wants(t, "again", w, 422, "")
		contains(t, "again", w.Body.String(), T("erase.noaccount"), `href="#l"`)
		checkMarkup(t, "again", w.Body.String())
		lacks(t, "log", r.log.String(), "Zoë")
	}
	contains(t, "the user stays", owner.get("/calls").Body.String(), esc(maria))
}

// TestEraseOwnAccount: the last owner is refused, at the first step and, if the other went in
// between, at the second; the own log-in goes with the session, on a page that stands alone.
func TestEraseOwnAccount(t *testing.T) {
	r := owned(t)
	own := r.account(storage.Owner)
	c := r.as(own)
	alone := func(what, text string) {
		t.Helper()
		contains(t, what, text, T("erase.lastowner"))
		checkMarkup(t, what, text)
		wants(t, what, c.get("/"), 200, "")
	}
	token, w := c.preview("account", string(own.ID))
	wants(t, "the last", w, 422, "")
	if token != "" {
		t.Error("the last owner can be confirmed")
	}
	alone("the last", w.Body.String())

	other := r.second()
	token, w = c.preview("account", string(own.ID))
	wants(t, "preview", w, 200, "")
	contains(t, "preview", w.Body.String(), T("fate.own"))
	lacks(t, "preview", w.Body.String(), T("fate.sessions"))
	if _, err := r.store.Erase(t.Context(), own.Viewer(), storage.Person{Account: other.ID}); err != nil {
		t.Fatal(err)
	}
	w = c.confirm(token, "word", "erase")
	wants(t, "the last now", w, 409, "")
	alone("the last now", w.Body.String())

	other = r.named("Carla Third", storage.Owner)
	elsewhere := r.as(own)
	token, _ = c.preview("account", string(own.ID))
	w = c.confirm(token, "word", "erase")
	wants(t, "own", w, 200, "")
	text := w.Body.String()
	contains(t, "own", text, T("proof.erased"), T("proof.own"), T("proof.isverified"), `class="frame solo"`, `href="/login"`)
	lacks(t, "own", text, ownerName, "Carla", `href="/privacy"`, `action="/logout"`, "Harbour")
	checkMarkup(t, "own", text)
	if c.cookie != "" {
		t.Error("the browser still has a session")
	}
	wants(t, "own, elsewhere", elsewhere.get("/"), 303, "/login?over")
	if r.s.sessions.len() != 0 {
		t.Error("a session is left")
	}
	text = r.as(other).get("/privacy/desk").Body.String()
	contains(t, "the other", text, ">Carla Third (Owner)<", "<td>log-in</td>")
	lacks(t, "the other", text, ownerName)
}

// TestEraseAccountRoles: nobody but an owner sees who logs in, or erases a log-in.
func TestEraseAccountRoles(t *testing.T) {
	r := owned(t)
	all := r.accounts()
	for _, role := range []storage.Role{storage.Admin, storage.PrivacyOfficer} {
		c := r.as(all[role])
		lacks(t, "list", c.get("/privacy/desk").Body.String(), `name="account"`, ownerName, "installer")
		for _, id := range []string{string(all[storage.Installer].ID), string(all[storage.Owner].ID), string(all[role].ID), "nobody"} {
			token, w := c.preview("account", id)
			wants(t, roleNames[role], w, 403, "")
			contains(t, roleNames[role], w.Body.String(), T("erase.role"))
			lacks(t, roleNames[role], w.Body.String(), ownerName, "installer")
			checkMarkup(t, roleNames[role], w.Body.String())
			if token != "" {
				t.Error("it can be confirmed")
			}
		}
	}
	c := r.as(all[storage.Owner])
	id := string(all[storage.Installer].ID)
	for _, pairs := range [][]string{{"account", id, "user", "101"}, {"account", id, "number", outside}, {"account", id, "user", "101", "number", outside}, {}} {
		w := c.post("/privacy/erase", pairs...)
		wants(t, "more than one", w, 422, "")
		contains(t, "more than one", w.Body.String(), T("erase.one.owner"))
		lacks(t, "more than one", w.Body.String(), digitsOf[:5]...)
		if len(pairs) > 0 {
			contains(t, "chosen", w.Body.String(), `<option value="`+id+`" selected>`)
		}
	}
	for _, id := range []string{`"><script>alert(7)</script>`, strings.Repeat("A", 10000), "\x00", ownerName} {
		w := c.post("/privacy/erase", "account", id)
		wants(t, "hostile", w, 422, "")
		contains(t, "hostile", w.Body.String(), T("erase.noaccount"))
		lacks(t, "hostile", w.Body.String(), "<script>", "alert(7)", "AAAA")
		checkMarkup(t, "hostile", w.Body.String())
	}
}

// TestEraseAccountUnfinished: a log-in whose erasure is not finished has ended all the same;
// another's is finished with the same key, the own one by the box.
func TestEraseAccountUnfinished(t *testing.T) {
	log := &logBuffer{}
	dir := filepath.Join(t.TempDir(), "data")
	root := &stuckRoot{Root: keyring.NewFileRoot(dir + ".key")}
	logger := slog.New(slog.NewTextHandler(log, nil))
	store, err := storage.Open(dir, root, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(t.Context(), ownerName, goodWord); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, log: log}
	r.snap.Store(idle())
	r.s = New(Config{Store: store, Snapshot: r.snap.Load, Ports: testPorts, Log: logger})
	own, other, admin := r.account(storage.Owner), r.second(), r.account(storage.Admin)
	c, is := r.as(own), r.as(admin)
	token, _ := c.preview("account", string(admin.ID))
	root.stuck = true
	w := c.confirm(token, "word", "erase")
	wants(t, "stuck", w, 500, "")
	contains(t, "stuck", w.Body.String(), "The erasure has begun and is not finished.")
	wants(t, "admin", is.get("/"), 303, "/login?over")
	root.stuck = false
	w = c.confirm(token, "word", "erase")
	wants(t, "again", w, 200, "")
	contains(t, "again", w.Body.String(), T("proof.isverified"))

	token, _ = c.preview("account", string(own.ID))
	root.stuck = true
	w = c.confirm(token, "word", "erase")
	wants(t, "own", w, 500, "")
	text := w.Body.String()
	contains(t, "own", text, "Your log-in has ended, and its erasure is not finished.", `class="frame solo"`)
	lacks(t, "own", text, T("proof.erased"), ownerName, "does not answer")
	code := regexp.MustCompile(`health page as ([0-9A-F]{4})\.`).FindStringSubmatch(text)
	if code == nil || c.cookie != "" || r.s.sessions.len() != 0 {
		t.Fatal(code, c.cookie, text)
	}
	contains(t, "log", log.String(), "code="+code[1])
	lacks(t, "log", log.String(), ownerName)
	root.stuck = false
	contains(t, "the other", r.as(other).get("/privacy/desk").Body.String(), T("erased.unfinished"))
}

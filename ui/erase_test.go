package ui

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// digitsOf are what no page may show of the number outside once it was typed.
var digitsOf = []string{"12345678", "1234567", "1234 5678", "234567", "+4930", "03012"}

var tokenRE = regexp.MustCompile(`name="token" value="([^"]*)"`)

// preview asks for an erasure and gives the token that confirms it.
func (c *client) preview(pairs ...string) (token string, w *httptest.ResponseRecorder) {
	c.r.t.Helper()
	w = c.post("/privacy/erase", pairs...)
	if m := tokenRE.FindStringSubmatch(w.Body.String()); m != nil {
		token = m[1]
	}
	return token, w
}

func (c *client) confirm(token string, more ...string) *httptest.ResponseRecorder {
	return c.post("/privacy/erase/now", append([]string{"token", token, "password", goodWord}, more...)...)
}

// TestEraseNumber: an outside number, in another form than it was kept, from the form to
// the proof; what was typed is in no answer, no address and no log.
func TestEraseNumber(t *testing.T) {
	r := owned(t, func(c *Config) { c.Root = Root{"key file", "Protects <something>."} })
	c := r.as(r.account(storage.Owner))
	contains(t, "before", c.get("/calls").Body.String(), outside[1:])
	token, w := c.preview("number", "(030) 1234 56-78")
	wants(t, "preview", w, 200, "")
	preview := w.Body.String()
	contains(t, "preview", preview, "Who it was, in 3 call records", T("fate.later.call"), `<span class="vh">first digits masked</span> 78`, T("erase.leave"))
	lacks(t, "preview", preview, `id="w"`)
	wants(t, "no password", c.post("/privacy/erase/now", "token", token), 422, "")
	w = c.confirm(token)
	wants(t, "erased", w, 200, "")
	proof := w.Body.String()
	contains(t, "proof", proof, T("proof.erased"), "3, which show “erased caller” now", "number outside", T("proof.isverified"), "key file", "Protects &lt;something&gt;.")
	id := regexp.MustCompile(`<div>([0-9a-f]{32})</div>`).FindStringSubmatch(proof)
	if id == nil {
		t.Fatalf("no pseudonym in\n%s", proof)
	}
	calls := c.get("/calls").Body.String()
	if n := strings.Count(calls, T("party.erased")); n != 3 {
		t.Errorf("%d erased callers", n)
	}
	again, w := c.preview("number", "+49 30 12345678")
	wants(t, "again", w, 422, "")
	contains(t, "again", w.Body.String(), T("unknown.number"), id[1])
	if again != "" {
		t.Error("somebody unknown can be confirmed")
	}
	wants(t, "token again", c.confirm(token), 409, "")
	paper := c.post("/privacy/erase/proof", "id", id[1])
	contains(t, "paper", paper.Body.String(), id[1], "number outside")
	lacks(t, "paper", paper.Body.String(), T("proof.erased"))
	for what, text := range map[string]string{"preview": preview, "proof": proof, "calls": calls, "again": w.Body.String(), "list": c.get("/privacy/desk").Body.String(),
		"paper": paper.Body.String(), "front panel": c.get("/").Body.String(), "log": r.log.String()} {
		lacks(t, what, text, digitsOf...)
		if strings.HasPrefix(text, "<!doctype") {
			checkMarkup(t, what, text)
		}
	}
	lacks(t, "log", r.log.String(), id[1])
}

// TestEraseUser: a user, whom the word confirms, leaves plan, pages and the log-in at once.
func TestEraseUser(t *testing.T) {
	r := owned(t)
	c, own := r.as(r.account(storage.Owner)), r.as(r.account(storage.Staff))
	wants(t, "staff", own.get("/"), 200, "")
	token, w := c.preview("user", "101", "number", " ")
	text := w.Body.String()
	contains(t, "preview", text, esc(maria)+" 101", "Who it was, in 3 call records", "1 revision of the plan", T("fate.account"), T("fate.plan"), "Type the word erase")
	lacks(t, "preview", text, maria)
	checkMarkup(t, "preview", text)
	for _, word := range []string{"", "erased", "101"} {
		w := c.confirm(token, "word", word)
		wants(t, "word "+word, w, 422, "")
		contains(t, "word", w.Body.String(), "Type the word erase in the first field. Nothing was erased.")
	}
	wants(t, "staff still", own.get("/"), 200, "")
	w = c.confirm(token, "word", " Erase ")
	wants(t, "erased", w, 200, "")
	contains(t, "proof", w.Body.String(), "<dd>user</dd>", T("proof.isverified"))
	lacks(t, "proof", w.Body.String(), "Maria")
	if n := r.s.sessions.len(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	wants(t, "staff", own.get("/"), 303, "/login?over")
	for _, path := range pagesOfAll {
		lacks(t, path, c.get(path).Body.String(), "Maria", ">101<", "ext. 101")
	}
	lacks(t, "log", r.log.String(), "Maria")
	w = c.post("/privacy/erase", "user", "101")
	wants(t, "again", w, 422, "")
	contains(t, "again", w.Body.String(), T("erase.nouser"))
}

// TestEraseFormer: a user who has left the plan is in the list under a heading of its own, is
// not taken for who has the extension now, and is in no list and no plan once erased.
func TestEraseFormer(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	heading := `<optgroup label="` + T("erase.former") + `">`
	lacks(t, "before", c.get("/privacy/desk").Body.String(), "<optgroup", formerMark)
	p, rev := r.store.CurrentPlan()
	p.Users[0] = plan.User{ID: "u9", Name: "Nadia New", Ext: "101", Ports: p.Users[0].Ports}
	if _, err := r.store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, rev, p); err != nil {
		t.Fatal(err)
	}
	list := c.get("/privacy/desk").Body.String()
	contains(t, "list", list, heading+`<option value="left u1">`+esc(maria)+" 101</option></optgroup>", `<option value="101">Nadia New 101</option>`)
	checkMarkup(t, "list", list)
	contains(t, "chosen still", c.post("/privacy/erase", "user", "left u1", "number", "x").Body.String(), `<option value="left u1" selected>`)

	staff, err := r.store.AddAccount(t.Context(), storage.Viewer{Role: storage.Owner}, "Josef", goodWord, storage.Staff, "u2")
	if err != nil {
		t.Fatal(err)
	}
	for role, a := range map[storage.Role]storage.Account{storage.PrivacyOfficer: r.account(storage.PrivacyOfficer), storage.Installer: r.account(storage.Installer), storage.Staff: staff} {
		other := r.as(a)
		lacks(t, roleNames[role], other.get("/privacy/desk").Body.String(), "<optgroup", esc(maria))
		w := other.post("/privacy/erase", "user", "left u1")
		wants(t, roleNames[role], w, 403, "")
		lacks(t, roleNames[role], w.Body.String(), esc(maria), `name="token"`)
	}
	for _, chosen := range []string{"left ", "left 101", "left u2", "left u9", "u1", `left "><script>alert(7)</script>`} {
		w := c.post("/privacy/erase", "user", chosen)
		wants(t, chosen, w, 422, "")
		contains(t, chosen, w.Body.String(), T("erase.nouser"))
		lacks(t, chosen, w.Body.String(), "alert(7)", `name="token"`)
	}

	token, w := c.preview("user", "left u1")
	text := w.Body.String()
	contains(t, "preview", text, esc(maria)+" 101", T("erase.left"), "Who it was, in 3 call records", "1 revision of the plan", "Type the word erase")
	lacks(t, "preview", text, "Nadia", T("fate.plan"), T("fate.phones"), T("erase.word.hint"))
	checkMarkup(t, "preview", text)
	wants(t, "no word", c.confirm(token), 422, "")
	w = c.confirm(token, "word", "erase")
	wants(t, "erased", w, 200, "")
	contains(t, "proof", w.Body.String(), "<dd>user</dd>", T("proof.isverified"))
	lacks(t, "proof", w.Body.String(), "Maria")
	list = c.get("/privacy/desk").Body.String()
	contains(t, "after", list, `<option value="101">Nadia New 101</option>`)
	lacks(t, "after", list, "<optgroup", "Maria")
	lacks(t, "log", r.log.String(), "Maria", "Nadia")
}

// TestEraseHostile: what no person types, and what is too much, becomes a sentence and is
// not shown again.
func TestEraseHostile(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	for _, x := range []struct {
		user, number string
		status       int
		says         string
	}{
		{"", "", 422, T("erase.one")},
		{"", " -() ", 422, T("erase.one")},
		{"101", outside, 422, T("erase.one")},
		{"", "<script>alert(7)</script>", 422, T("erase.badnumber")},
		{"", strings.Repeat("9", 33), 422, T("erase.badnumber")},
		{"", strings.Repeat("9", 10000), 422, T("erase.badnumber")},
		{"", "+", 422, T("erase.badnumber")},
		{"", "12\x0034", 422, T("erase.badnumber")},
		{"", "٣٤٥٦٧٨", 422, T("erase.badnumber")},
		{"", "0309990001", 422, T("unknown.number")},
		{"", "0309990001" + strings.Repeat(" ", 50), 422, T("unknown.number")},
		{"999", "", 422, T("erase.nouser")},
		{`"><script>alert(7)</script>`, "", 422, T("erase.nouser")},
		{strings.Repeat("1", 10000), "", 422, T("erase.nouser")},
		{"", strings.Repeat("1", maxBody), 413, T("wrong.size")},
	} {
		w := c.post("/privacy/erase", "user", x.user, "number", x.number)
		what := x.user[:min(20, len(x.user))] + x.number[:min(20, len(x.number))]
		wants(t, what, w, x.status, "")
		contains(t, what, w.Body.String(), x.says)
		lacks(t, what, w.Body.String(), "<script>", "alert(7)", "99999", "9990001", "111111111", `name="token"`)
		checkMarkup(t, what, w.Body.String())
	}
	for _, id := range []string{"", "x", strings.Repeat("0", 32), strings.Repeat("f", 9000)} {
		wants(t, "proof", c.post("/privacy/erase/proof", "id", id), 404, "")
	}
	for _, typed := range []string{"\u202a+49\u00a030\u202f1234\u20115678\u202c", "\t0049 30/12345678 "} { // as pages and letters have them
		if token, w := c.preview("number", typed); token == "" {
			t.Errorf("%q: %d", typed, w.Code)
		}
	}
}

// TestEraseToken: only the newest preview of the own session can be confirmed, for ten
// minutes and once.
func TestEraseToken(t *testing.T) {
	r := owned(t)
	owner, admin := r.account(storage.Owner), r.account(storage.Admin)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		r.s.guard.init()
		c, other := r.as(owner), r.as(admin)
		stale := func(what string, w *httptest.ResponseRecorder) {
			t.Helper()
			wants(t, what, w, 409, "")
			contains(t, what, w.Body.String(), esc(T("erase.stale")))
		}
		first, _ := c.preview("number", outside)
		second, _ := c.preview("user", "102")
		stale("the first of two", c.confirm(first))
		stale("none", c.confirm(""))
		stale("of another session", other.confirm(second, "word", "erase"))
		third, _ := c.preview("number", outside)
		time.Sleep(askedFor + time.Second)
		stale("too late", c.confirm(third))
		r.s.sessions.mu.Lock()
		r.s.sessions.sweep(time.Now())
		for _, x := range r.s.sessions.byKey {
			if x.asked != nil {
				t.Error("the session still knows who was meant")
			}
		}
		r.s.sessions.mu.Unlock()
		if p, err := r.store.As(owner.Viewer()).Erasures(t.Context()); err != nil || len(p) != 0 {
			t.Errorf("%d erased, %v", len(p), err)
		}
	})
}

// TestEraseGuesses: the password cannot be guessed here, and the waits are those of the
// change of the password.
func TestEraseGuesses(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	token, _ := c.preview("number", outside)
	for range freeFailures {
		w := c.confirm(token, "password", "wrong horse battery")
		wants(t, "wrong", w, 422, "")
		contains(t, "wrong", w.Body.String(), T("erase.notme"))
		lacks(t, "wrong", w.Body.String(), digitsOf...)
		checkMarkup(t, "wrong", w.Body.String())
	}
	w := c.confirm(token)
	wants(t, "guessed", w, 429, "")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wants(t, "the other form", c.post("/me/password", "current", goodWord, "password", "x", "again", "x"), 429, "")
	if p, err := r.store.As(storage.Viewer{Role: storage.Owner}).Find(t.Context(), storage.Person{Number: number.Must(outside)}); err != nil || !p.Known {
		t.Error("erased", err)
	}
}

// TestEraseRoles: a privacy officer sees no users to erase and erases none.
func TestEraseRoles(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.PrivacyOfficer))
	text := c.get("/privacy/desk").Body.String()
	contains(t, "privacy officer", text, T("erase.onlynumbers"), T("erased.none"))
	lacks(t, "privacy officer", text, "<select", "Josef")
	w := c.post("/privacy/erase", "user", "102")
	wants(t, "a user", w, 403, "")
	contains(t, "a user", w.Body.String(), T("erase.role"))
	lacks(t, "a user", w.Body.String(), "Josef", `name="token"`)
	token, _ := c.preview("number", outside)
	wants(t, "a number", c.confirm(token), 200, "")
	// A role that was taken away between the two steps.
	a := r.as(r.account(storage.Admin))
	token, _ = a.preview("user", "102")
	x, _ := r.s.sessions.find(a.cookie, time.Now(), true)
	q := &request{who: &x, now: time.Now()}
	q.who.account.Role = storage.Installer
	if _, err := r.store.Erase(t.Context(), q.viewer(), x.asked.who); !errors.Is(err, storage.ErrNotAllowed) {
		t.Error(err)
	}
	contains(t, "admin", a.get("/privacy/desk").Body.String(), esc(josef))
}

// stuckRoot is a root that cannot destroy keys for a time.
type stuckRoot struct {
	keyring.Root
	stuck bool
}

func (r *stuckRoot) Destroy(slot int) error {
	if r.stuck {
		return errors.New("the chip does not answer")
	}
	return r.Root.Destroy(slot)
}

// TestEraseUnfinished: an erasure that cannot be finished is not told as one that is, and
// the same key finishes it.
func TestEraseUnfinished(t *testing.T) {
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
	r := &rig{t: t, store: store, log: log}
	r.snap.Store(idle())
	r.s = New(Config{Store: store, Snapshot: r.snap.Load, Ports: testPorts, Log: logger})
	if err := store.Claim(t.Context(), ownerName, goodWord); err != nil {
		t.Fatal(err)
	}
	store.Append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Outcome: pbx.Answered})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Run(ctx) }()
	if err := store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	<-done
	c := r.as(r.account(storage.Owner))
	token, _ := c.preview("number", outside)
	root.stuck = true
	w := c.confirm(token)
	wants(t, "stuck", w, 500, "")
	text := w.Body.String()
	contains(t, "stuck", text, "The erasure has begun and is not finished.")
	lacks(t, "stuck", text, append([]string{T("proof.erased"), "does not answer"}, digitsOf...)...)
	contains(t, "list", c.get("/privacy/desk").Body.String(), T("erased.unfinished"))
	code := regexp.MustCompile(`health page as ([0-9A-F]{4})\.`).FindStringSubmatch(text)
	if code == nil {
		t.Fatal(text)
	}
	contains(t, "log", log.String(), "code="+code[1])
	root.stuck = false
	w = c.confirm(token)
	wants(t, "again", w, 200, "")
	contains(t, "again", w.Body.String(), T("proof.isverified"))
	lacks(t, "log", log.String(), digitsOf...)
}

// TestEraseErrors: errors of the store become sentences; their own text stays inside.
func TestEraseErrors(t *testing.T) {
	for _, err := range []error{storage.ErrNotAllowed, storage.ErrUnknownPerson, storage.ErrLastOwner, storage.ErrPlanNeeds, storage.ErrDown} {
		text, status := eraseError(errors.Join(errors.New("inner"), err))
		if status < 400 || text == "" || strings.Contains(text, "inner") || strings.HasPrefix(text, "erase.") {
			t.Errorf("%v: %d %q", err, status, text)
		}
	}
	if text, _ := eraseError(errors.New("inner")); text != "" {
		t.Error(text)
	}
	if text, _ := eraseError(nil); text != "" {
		t.Error(text)
	}
	long := make(plan.Problems, 50)
	for i := range long {
		long[i] = plan.Problem{Path: "users", Text: strings.Repeat("x", i+1)}
	}
	if l := problems(errors.Join(storage.ErrPlanNeeds, long)); len(l) != maxProblem {
		t.Errorf("%d told", len(l))
	}
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	token, _ := c.preview("number", outside)
	r.store.Close()
	w := c.confirm(token)
	if w.Code < 500 {
		t.Errorf("closed: %d", w.Code)
	}
	lacks(t, "closed", w.Body.String(), append([]string{T("proof.erased")}, digitsOf...)...)
	contains(t, "closed", c.get("/privacy/desk").Body.String(), T("erased.down"))
	wants(t, "preview", c.post("/privacy/erase", "number", outside), 503, "")
}

// TestPartyStates: each state in its own words, and no digit that storage did not give.
func TestPartyStates(t *testing.T) {
	p := loadPages()
	seen := []string{}
	for state, want := range map[storage.State]string{
		storage.Nobody: "not known", storage.Hidden: "hidden", storage.Erased: "erased caller", storage.Unsealed: "cannot be read", storage.Aged: "no longer kept", storage.NotKept: "not kept",
		storage.Cut: "masked, and last digits cut for good", storage.Masked: "not known", storage.Shown: "not known",
	} {
		number := ""
		if state == storage.Cut {
			number = "…"
		}
		html, err := p.part("party", party(storage.PartyView{State: state, Number: number, Line: "Line"}))
		if err != nil || !strings.Contains(string(html), ">"+want+"<") {
			t.Errorf("%v: %s %v", state, html, err)
		}
		seen = append(seen, want)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 7 {
		t.Error(seen)
	}
	html, err := p.part("party", party(storage.PartyView{State: storage.Cut, Number: "+493012…"}))
	if err != nil || !strings.Contains(string(html), `<span class="num">+493012 <span class="mask" aria-hidden="true">····</span><span class="vh">last digits cut for good</span></span>`) && !strings.Contains(string(html), "&#43;493012") {
		t.Errorf("%s %v", html, err)
	}
}

// TestHealthRoot: the health page says what opens the data and what that is good for.
func TestHealthRoot(t *testing.T) {
	r := owned(t, func(c *Config) { c.Root = Root{"TPM 2.0", "Protects a medium that was taken out."} })
	for _, role := range []storage.Role{storage.Owner, storage.Installer} {
		text := r.as(r.account(role)).get("/health").Body.String()
		contains(t, "health", text, T("root.title"), "TPM 2.0", "Protects a medium that was taken out.", T("store.pruned"), T("store.setback"))
		checkMarkup(t, "health", text)
	}
	r.s.cfg.Root = Root{}
	lacks(t, "unknown", r.as(r.account(storage.Owner)).get("/health").Body.String(), T("root.title"))
}

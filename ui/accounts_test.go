package ui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"sotto/storage"
)

var onceRE = regexp.MustCompile(`<dd class="mono">([A-Z0-9]+)</dd>`)

// TestAccounts: from the first log-in that is added, over the password that is shown once, to
// the last that stays.
func TestAccounts(t *testing.T) {
	r := owned(t)
	owner := r.as(r.account(storage.Owner))
	list := owner.get("/accounts").Body.String()
	contains(t, "list", list, ownerName, T("accounts.you"), `<option value="101">`+esc(maria)+" 101")
	checkMarkup(t, "list", list)

	add := func(pairs ...string) (password string, text string, status int) {
		t.Helper()
		w := owner.post("/accounts", append([]string{"password", goodWord}, pairs...)...)
		if m := onceRE.FindStringSubmatch(w.Body.String()); m != nil {
			password = m[1]
		}
		checkMarkup(t, "add", w.Body.String())
		return password, w.Body.String(), w.Code
	}
	name := "Carla <b>"
	password, text, status := add("name", name, "role", "staff", "user", "101")
	if status != 200 || len(password) < 20 {
		t.Fatalf("%d %q\n%s", status, password, text)
	}
	contains(t, "once", text, esc(name), T("once.warn"), T("once.added"))
	list = owner.get("/accounts").Body.String()
	contains(t, "list", list, esc(name), T("accounts.once"), T("role.staff"))
	lacks(t, "list", list, password, name)

	// Who logs in with it can do nothing but choose another.
	carla := r.browser()
	wants(t, "log in", carla.post("/login", "name", name, "password", password), 303, "/")
	for _, path := range []string{"/", "/calls", "/calls.csv", "/me/journal/erase"} {
		wants(t, path, carla.get(path), 303, "/me")
	}
	for _, path := range []string{"/me/copy", "/me/journal", "/me/notices"} {
		wants(t, path, carla.post(path, "password", password), 303, "/me")
	}
	text = carla.get("/me").Body.String()
	contains(t, "must", text, T("me.must"))
	lacks(t, "must", text, T("mine.title"), T("journal.title"), outside[1:], "Maria")
	checkMarkup(t, "must", text)
	wants(t, "choose", carla.post("/me/password", "current", password, "password", goodWord, "again", goodWord), 303, "/me?changed")
	wants(t, "then", carla.get("/calls"), 200, "")
	lacks(t, "list", owner.get("/accounts").Body.String(), T("accounts.once"))

	path := regexp.MustCompile(`<a href="(/accounts/[^"]+)">Carla`).FindStringSubmatch(list)[1]
	text = owner.get(path).Body.String()
	contains(t, "one", text, `<option value="staff" selected>`, `<option value="101" selected>`)
	checkMarkup(t, "one", text)
	for _, do := range []string{"role", "reset", "remove"} {
		for _, own := range []string{"", "wrong horse battery"} {
			r.s.guard.init()
			w := owner.post(path, "do", do, "role", "admin", "password", own)
			wants(t, do, w, 422, "")
			contains(t, do, w.Body.String(), T("password.notyours"))
			checkMarkup(t, do, w.Body.String())
		}
	}
	r.s.guard.init()
	wants(t, "still staff", carla.get("/me/journal/erase"), 200, "")
	wants(t, "role", owner.post(path, "do", "role", "role", "installer", "user", "101", "password", goodWord), 303, path+"?changed")
	wants(t, "installer", carla.get("/calls"), 403, "")
	wants(t, "installer", carla.get("/lines"), 200, "")

	w := owner.post(path, "do", "reset", "password", goodWord)
	wants(t, "reset", w, 200, "")
	again := onceRE.FindStringSubmatch(w.Body.String())
	if again == nil || again[1] == password {
		t.Errorf("%v", again)
	}
	wants(t, "logged out", carla.get("/"), 303, "/login?over")
	wants(t, "old password", carla.post("/login", "name", name, "password", goodWord), 422, "")

	wants(t, "remove", owner.post(path, "do", "remove", "password", goodWord), 303, "/accounts?removed")
	lacks(t, "removed", owner.get("/accounts").Body.String(), "Carla")
	wants(t, "removed", owner.get(path), 404, "")
	wants(t, "removed", owner.post(path, "do", "remove", "password", goodWord), 404, "")
	lacks(t, "log", r.log.String(), "Carla", password, goodWord, again[1])
}

// TestLastOwner: the last owner stays, whatever is asked; with a second one each can go, and is
// logged out.
func TestLastOwner(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	owner, path := r.as(a), "/accounts/"+string(a.ID)
	text := owner.get(path).Body.String()
	contains(t, "last", text, T("accounts.lastowner"))
	lacks(t, "last", text, `value="remove"`, `value="role"`, `value="reset"`)
	checkMarkup(t, "last", text)
	for do, says := range map[string]string{"role": T("accounts.lastowner"), "remove": T("accounts.lastowner"), "reset": T("accounts.ownpassword")} {
		w := owner.post(path, "do", do, "role", "admin", "password", goodWord)
		wants(t, do, w, 409, "")
		contains(t, do, w.Body.String(), says)
	}
	wants(t, "owner still", owner.get("/accounts"), 200, "")
	w := owner.post("/accounts", "name", "second", "role", "owner", "password", goodWord)
	wants(t, "second", w, 200, "")
	password := onceRE.FindStringSubmatch(w.Body.String())[1]
	second := r.browser()
	second.post("/login", "name", "second", "password", password)
	second.post("/me/password", "current", password, "password", goodWord, "again", goodWord)
	wants(t, "role", owner.post(path, "do", "role", "role", "privacy", "password", goodWord), 303, "/")
	wants(t, "no owner", owner.get("/accounts"), 403, "")
	wants(t, "privacy officer", owner.get("/privacy"), 200, "")
	wants(t, "owner again", second.post(path, "do", "role", "role", "owner", "password", goodWord), 303, path+"?changed")
	w = owner.post(path, "do", "remove", "password", goodWord)
	wants(t, "removes itself", w, 303, "/login?over")
	wants(t, "gone", owner.get("/"), 303, "/login")
}

// TestAccountsHostile: what cannot be becomes a sentence, and makes nothing.
func TestAccountsHostile(t *testing.T) {
	r := owned(t)
	owner := r.as(r.account(storage.Owner))
	for i, x := range []struct {
		name, role, user string
		status           int
		says             string
	}{
		{"", "admin", "", 422, T("account.name")},
		{strings.Repeat("x", 65), "admin", "", 422, T("account.name")},
		{strings.Repeat("x", 5000), "admin", "", 422, T("account.name")},
		{"a\x00b", "admin", "", 422, T("account.name")},
		{strings.ToUpper(ownerName), "admin", "", 422, T("accounts.taken")},
		{"x", "", "", 422, T("accounts.norole")},
		{"x", "king", "", 422, T("accounts.norole")},
		{`x"><script>alert(7)</script>`, "5", "", 422, T("accounts.norole")},
		{"x", "staff", "", 422, T("accounts.nouser")},
		{"x", "staff", "999", 422, T("accounts.nouser")},
		{"x", "staff", "u1", 422, T("accounts.nouser")},
		{strings.Repeat("x", maxBody), "admin", "", 413, T("wrong.size")},
	} {
		w := owner.post("/accounts", "name", x.name, "role", x.role, "user", x.user, "password", goodWord)
		what := fmt.Sprint(i, " ", x.name[:min(len(x.name), 9)], " ", x.role)
		wants(t, what, w, x.status, "")
		contains(t, what, w.Body.String(), x.says)
		lacks(t, what, w.Body.String(), "<script>", "xxxxxxxxxx<", strings.Repeat("x", 500), onceRE.String())
		checkMarkup(t, what, w.Body.String())
	}
	own := "/accounts/" + string(r.account(storage.Owner).ID)
	for path, status := range map[string]int{"/accounts/x": 404, "/accounts/%2e%2e%2f": 404, own: 400} {
		wants(t, path, owner.post(path, "do", "everything", "password", goodWord), status, "")
	}
	list, err := r.store.As(storage.Viewer{Role: storage.Owner}).Accounts(t.Context())
	if err != nil || len(list) != 1 {
		t.Errorf("%d accounts, %v", len(list), err)
	}
}

package ui

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/storage"
)

// matrix says for every address who gets what, apart from the table of the program: o
// owner, a admin, p privacy officer, i installer, s staff. All others are refused.
var matrix = []struct {
	pattern, path, roles string
	status               int // for those who may
	form                 []string
}{
	{pattern: "GET /{$}", path: "/", roles: "oapis", status: 200},
	{pattern: "GET /events", path: "/events", roles: "oapis", status: 200},
	{pattern: "GET /ports/{port}", path: "/ports/phone-1", roles: "oapis", status: 200},
	{pattern: "GET /calls", path: "/calls", roles: "oaps", status: 200},
	{pattern: "GET /calls.csv", path: "/calls.csv", roles: "oaps", status: 200},
	{pattern: "GET /calls.json", path: "/calls.json", roles: "oaps", status: 200},
	{pattern: "GET /calls/{id}/unmask/{end}", path: "/calls/4/unmask/from", roles: "oap", status: 404}, // a call inside: nothing is masked
	{pattern: "POST /calls/{id}/unmask/{end}", path: "/calls/4/unmask/from", roles: "oap", status: 410, form: []string{"why", "a complaint about a bill"}},
	{pattern: "GET /people", path: "/people", roles: "oa", status: 200},
	{pattern: "GET /people/import", path: "/people/import", roles: "oa", status: 200},
	{pattern: "POST /people/import", path: "/people/import", roles: "oa", status: 400, form: []string{"table", "x"}},
	{pattern: "POST /people/import/now", path: "/people/import/now", roles: "oa", status: 409, form: []string{"token", "x"}},
	{pattern: "GET /accounts", path: "/accounts", roles: "o", status: 200},
	{pattern: "POST /accounts", path: "/accounts", roles: "o", status: 422, form: []string{"name", "x", "role", "king"}},
	{pattern: "GET /accounts/{id}", path: "/accounts/x", roles: "o", status: 404},
	{pattern: "POST /accounts/{id}", path: "/accounts/x", roles: "o", status: 404, form: []string{"do", "remove"}},
	{pattern: "GET /lines", path: "/lines", roles: "oai", status: 200},
	{pattern: "GET /rules", path: "/rules", roles: "oa", status: 200},
	{pattern: "GET /rules/try", path: "/rules/try", roles: "oa", status: 200},
	{pattern: "POST /rules/try", path: "/rules/try", roles: "oa", status: 200, form: []string{"from", "101", "dialled", "102"}},
	{pattern: "GET /privacy", path: "/privacy", roles: "oap", status: 200},
	{pattern: "GET /privacy/desk", path: "/privacy/desk", roles: "oap", status: 200},
	{pattern: "POST /privacy/retention", path: "/privacy/retention", roles: "oa", status: 200, form: []string{"part", "terms", "keep.records", "21"}},
	{pattern: "POST /privacy/retention/save", path: "/privacy/retention/save", roles: "oa", status: 400, form: []string{"password", goodWord}},
	{pattern: "GET /privacy/masking", path: "/privacy/masking", roles: "oap", status: 200},
	{pattern: "GET /privacy/audit", path: "/privacy/audit", roles: "op", status: 200},
	{pattern: "POST /privacy/audit/check", path: "/privacy/audit/check", roles: "op", status: 200},
	{pattern: "GET /privacy/proofs", path: "/privacy/proofs", roles: "oap", status: 200},
	{pattern: "GET /privacy/record", path: "/privacy/record", roles: "oap", status: 200},
	{pattern: "GET /privacy/record/text", path: "/privacy/record/text", roles: "oap", status: 200},
	{pattern: "GET /privacy/notice", path: "/privacy/notice", roles: "oap", status: 200},
	{pattern: "GET /privacy/notice/text", path: "/privacy/notice/text", roles: "oap", status: 200},
	{pattern: "GET /privacy/ledger", path: "/privacy/ledger", roles: "oap", status: 200},
	{pattern: "POST /privacy/desk/copy", path: "/privacy/desk/copy", roles: "oap", status: 200, form: []string{"number", "030 12345678"}},
	{pattern: "POST /privacy/desk/copy/now", path: "/privacy/desk/copy/now", roles: "oap", status: 409, form: []string{"password", goodWord}},
	{pattern: "GET /privacy/requests", path: "/privacy/requests", roles: "op", status: 200},
	{pattern: "POST /privacy/requests/{id}", path: "/privacy/requests/7", roles: "op", status: 409, form: []string{"do", "refuse"}},
	{pattern: "POST /privacy/erase", path: "/privacy/erase", roles: "oap", status: 200, form: []string{"number", "030 12345678"}},
	{pattern: "POST /privacy/erase/now", path: "/privacy/erase/now", roles: "oap", status: 409, form: []string{"password", goodWord}},
	{pattern: "POST /privacy/erase/proof", path: "/privacy/erase/proof", roles: "oap", status: 404, form: []string{"id", "00"}},
	{pattern: "GET /health", path: "/health", roles: "oapi", status: 200},
	{pattern: "POST /health/unban", path: "/health/unban", roles: "oa", status: 303},
	{pattern: "GET /about", path: "/about", roles: "oapis", status: 200},
	{pattern: "GET /me", path: "/me", roles: "oapis", status: 200},
	{pattern: "POST /me/look", path: "/me/look", roles: "oapis", status: 303, form: []string{"theme", "dark"}},
	{pattern: "POST /me/password", path: "/me/password", roles: "oapis", status: 422, form: []string{"current", "x", "password", "a", "again", "b"}},
	{pattern: "POST /me/copy", path: "/me/copy", roles: "oapis", status: 200, form: []string{"password", goodWord}},
	{pattern: "POST /me/notices", path: "/me/notices", roles: "s", status: 303, form: []string{"upto", "1"}},
	{pattern: "POST /me/journal", path: "/me/journal", roles: "s", status: 303, form: []string{"journal", "on"}},
	{pattern: "GET /me/journal/erase", path: "/me/journal/erase", roles: "s", status: 200, form: []string{"password", goodWord}},
	{pattern: "POST /me/journal/erase", path: "/me/journal/erase", roles: "s", status: 303, form: []string{"password", goodWord}},
	{pattern: "GET /sim/", path: "/sim/", roles: "oai", status: 200},
	{pattern: "POST /sim/", path: "/sim/x", roles: "oai", status: 200},
	{pattern: "POST /logout", path: "/logout", roles: "oapis", status: 303},
}

// outside of the log-in, by pattern, with what a browser gets that is not logged in.
var unguarded = map[string]int{"GET /static/{name}": 200, "GET /setup": 303, "GET /setup/{token}": 303, "POST /setup/{token}": 303, "GET /login": 200, "POST /login": 422}

var roleOf = map[rune]storage.Role{'o': storage.Owner, 'a': storage.Admin, 'p': storage.PrivacyOfficer, 'i': storage.Installer, 's': storage.Staff}

func simPages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteFrame(w, r, Page{Title: "Handsets", Body: "<h1>Handsets</h1>", Scripts: []string{"/sim/x.js"}})
	})
}

// TestMatrix goes over route, role and method, and fails when there is a route that no
// row speaks of.
func TestMatrix(t *testing.T) {
	r := owned(t, func(c *Config) { c.Sim, c.Network = simPages(), fakeNetwork{} })
	accounts := r.accounts()
	rows := map[string]bool{}
	for _, row := range matrix {
		rows[row.pattern] = true
		may := map[storage.Role]bool{}
		for _, c := range row.roles {
			may[roleOf[c]] = true
		}
		method, _, _ := strings.Cut(row.pattern, " ")
		for role, a := range accounts {
			r.s.guard.init() // nobody waits for what another typed
			for _, m := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
				c := r.as(a)
				if row.path == "/events" && m == "GET" && role != 0 {
					continue // it does not end by itself: TestEvents
				}
				w := c.do(m, row.path, nil)
				if m == "POST" {
					w = r.as(a).post(row.path, row.form...)
				}
				what := m + " " + row.path + " as " + roleNames[role]
				served := m == method || slices.ContainsFunc(matrix, func(x struct {
					pattern, path, roles string
					status               int
					form                 []string
				}) bool {
					return x.path == row.path && strings.HasPrefix(x.pattern, m+" ") || strings.HasPrefix(x.path, "/sim/") && strings.HasPrefix(row.path, "/sim/") && strings.HasPrefix(x.pattern, m+" ")
				})
				switch {
				case role == 0:
					wants(t, what, w, 303, "/login")
				case !served:
					if w.Code != 405 || w.Header().Get("Allow") == "" {
						t.Errorf("%s: %d, Allow %q", what, w.Code, w.Header().Get("Allow"))
					}
				case m != method: // has a row of its own
				case !may[role]:
					wants(t, what, w, 403, "")
					contains(t, what, w.Body.String(), T("wrong.role"))
				case w.Code != row.status:
					t.Errorf("%s: %d, want %d", what, w.Code, row.status)
				}
			}
		}
	}
	r.s.guard.init()
	for pattern, status := range unguarded {
		rows[pattern] = true
		m, path, _ := strings.Cut(pattern, " ")
		path = strings.ReplaceAll(path, "{token}", r.s.setup.token)
		path = strings.ReplaceAll(path, "/static/{name}", Asset("sotto.css"))
		c := r.browser()
		w := c.do(m, path, nil)
		if m == "POST" {
			w = c.post(path)
		}
		if w.Code != status {
			t.Errorf("%s: %d, want %d", pattern, w.Code, status)
		}
	}
	for _, rt := range routeTable {
		if !rows[rt.pattern] {
			t.Errorf("%s is in no row of the test", rt.pattern)
		}
		delete(rows, rt.pattern)
	}
	for p := range rows {
		t.Errorf("%s is not served", p)
	}
}

// TestRailLeadsSomewhere: nobody is shown a way that is closed to him.
func TestRailLeadsSomewhere(t *testing.T) {
	r := owned(t, func(c *Config) { c.Sim = simPages() })
	for role, a := range r.accounts() {
		for _, x := range railTable {
			if !slices.Contains(x.roles, role) {
				continue
			}
			w := r.as(a).get(x.path)
			if w.Code != 200 {
				t.Errorf("%s as %s: %d", x.path, roleNames[role], w.Code)
			}
			contains(t, x.path, w.Body.String(), `<a href="`+x.path+`" aria-current="page"`)
		}
	}
}

// TestUnknownAddresses: those who are not logged in do not learn which there are.
func TestUnknownAddresses(t *testing.T) {
	r := owned(t)
	for _, path := range []string{"/nope", "/static", "/static/", "/debug/pprof/", "/../etc/passwd", "/calls/", "/ports/", "/ports/%2e%2e", "/ports/phone-9", "/sim/", "//login"} {
		if w := r.browser().get(path); w.Code != 303 && w.Code != 301 && w.Code != 307 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	c := r.as(r.account(storage.Owner))
	for _, path := range []string{"/nope", "/static/", "/ports/phone-9", "/sim/", "/ports/phone-01"} {
		wants(t, path, c.get(path), 404, "")
	}
	for _, path := range []string{"/static/sotto.css", "/static/..%2fdoc.go", "/static/nope"} {
		wants(t, path, r.browser().get(path), 404, "")
	}
}

// TestBeforeOwner: without an owner there is the set-up and nothing else.
func TestBeforeOwner(t *testing.T) {
	r := free(t)
	for _, rt := range routeTable {
		if rt.access == forAll || rt.access == forSetUp {
			continue
		}
		m, path, _ := strings.Cut(rt.pattern, " ")
		path = strings.NewReplacer("{$}", "", "{port}", "phone-1").Replace(path)
		c := r.browser()
		c.cookie = "anything"
		wants(t, rt.pattern, c.do(m, path, nil), 303, "/setup")
	}
	w := r.browser().get("/setup")
	contains(t, "set-up", w.Body.String(), T("setup.where"))
	lacks(t, "set-up", w.Body.String(), "<form", r.s.setup.token, "Harbour")
}

// TestHeaders: every answer has them, whatever it is.
func TestHeaders(t *testing.T) {
	r := owned(t, func(c *Config) { c.Sim = simPages() })
	c := r.as(r.account(storage.Owner))
	foreign := r.browser()
	foreign.header.Set("Host", "evil.example")
	answers := map[string]http.Header{"not logged in": r.browser().get("/").Header(), "wrong host": foreign.get("/").Header(), "405": c.do("PUT", "/", nil).Header()}
	for _, path := range []string{"/", "/calls", "/calls.csv", "/people", "/people/import", "/accounts", "/rules", "/rules/try", "/lines", "/privacy", "/privacy/desk", "/privacy/requests", "/privacy/masking", "/privacy/audit", "/privacy/proofs", "/privacy/ledger", "/privacy/record", "/privacy/notice/text", "/health", "/about", "/me", "/ports/line-1", "/nope", "/sim/", "/login", Asset("sotto.css"), Asset("sotto.js"), Asset("icon.svg"), Asset("paper.css")} {
		answers[path] = c.get(path).Header()
	}
	for path, h := range answers {
		csp, mic := pagePolicy, "microphone=()"
		if path == "/sim/" {
			csp, mic = simPolicy, "microphone=(self)"
		}
		for k, v := range map[string]string{"Content-Security-Policy": csp, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if h.Get(k) != v {
				t.Errorf("%s: %s: %q", path, k, h.Get(k))
			}
		}
		if !strings.HasSuffix(h.Get("Permissions-Policy"), mic) {
			t.Errorf("%s: %s", path, h.Get("Permissions-Policy"))
		}
		if strings.HasPrefix(path, "/static/") {
			if h.Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("%s: %s", path, h.Get("Cache-Control"))
			}
		} else if h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", path, h.Get("Cache-Control"))
		}
		lacks(t, path, strings.Join(h.Values("Server"), ""), "o")
		if h.Get("X-Powered-By") != "" || strings.Contains(csp, "unsafe") {
			t.Error(path)
		}
	}
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self'", "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		contains(t, "policy", pagePolicy, want)
	}
}

// TestOrigins: forms of other pages change nothing.
func TestOrigins(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	forms := 0
	for _, h := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}}, {"Origin": {"http://sotto.local"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		c := r.as(a)
		c.header = h
		paths := []string{"/login"}
		for _, row := range matrix {
			if strings.HasPrefix(row.pattern, "POST ") {
				paths = append(paths, row.path)
			}
		}
		for _, path := range paths {
			forms++
			if w := c.post(path, "theme", "dark"); w.Code != 403 {
				t.Errorf("%s with %v: %d", path, h, w.Code)
			}
		}
		if x, ok := r.s.sessions.find(c.cookie, time.Now(), true); !ok || x.look.Theme != "" {
			t.Errorf("%v: something was changed", h)
		}
	}
	if n := r.s.count.crossOrigin.Load(); n != uint64(forms) || n < 45 {
		t.Errorf("%d counted", n)
	}
	c := r.as(a)
	c.header.Set("Sec-Fetch-Site", "same-origin")
	wants(t, "own form", c.post("/me/look", "theme", "dark"), 303, "/me")
	contains(t, "dark", c.get("/").Body.String(), `data-theme="dark"`)
}

// TestHosts: a name of a stranger that leads to the box is not answered.
func TestHosts(t *testing.T) {
	r := owned(t, func(c *Config) { c.Hosts = []string{"box.example"} })
	for host, status := range map[string]int{
		"sotto.local": 200, "SOTTO.local:8443": 200, "localhost:8443": 200, "127.0.0.1:8443": 200, "[::1]:8443": 200, "[fe80::1]": 200, "192.0.2.1": 200, "box.example:1": 200, "sotto.local.": 200,
		"evil.example": 421, "evil.example:8443": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "1.2.3.4.5": 421, "sotto.localx": 421,
	} {
		c := r.browser()
		c.header.Set("Host", host)
		if w := c.get("/login"); w.Code != status {
			t.Errorf("%s: %d", host, w.Code)
		}
	}
}

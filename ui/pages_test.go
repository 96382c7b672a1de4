package ui

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/registrar"
	"sotto/storage"
)

type fakeNetwork struct{}

func (fakeNetwork) Phones() []registrar.Phone {
	return []registrar.Phone{{User: "u3", Agent: "<img src=x onerror=alert(1)>\x00\xff" + strings.Repeat("y", 500), Addr: netip.MustParseAddr("192.0.2.44"), Since: time.Now()}}
}
func (fakeNetwork) Bans() []auth.Ban {
	return []auth.Ban{{Source: netip.MustParsePrefix("198.51.100.1/32"), Wrong: 9, Until: time.Now().Add(time.Hour)}}
}
func (fakeNetwork) Unban()                     {}
func (fakeNetwork) Counters() sipline.Counters { return sipline.Counters{In: 1234567} }

var pagesOfAll = []string{"/", "/calls", "/calls?kind=in", "/people", "/people/import", "/accounts", "/privacy/requests", "/me/journal/erase", "/lines", "/rules", "/rules/try", "/privacy", "/privacy/desk", "/privacy/masking", "/privacy/audit", "/privacy/proofs", "/privacy/record", "/privacy/notice?lang=de", "/privacy/ledger", "/health", "/about", "/me", "/sim/",
	"/ports/phone-1", "/ports/phone-2", "/ports/phone-3", "/ports/phone-4", "/ports/line-1", "/ports/line-2"}

func esc(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// TestWhoSeesWhom searches every page, as each role, for names and digits that must not
// be there.
func TestWhoSeesWhom(t *testing.T) {
	r := owned(t, func(c *Config) { c.Sim, c.Network = simPages(), fakeNetwork{} })
	r.snap.Store(busy())
	full, middle := strings.TrimPrefix(outside, "+"), "1234567"
	for role, a := range r.accounts() {
		c := r.as(a)
		seen := ""
		for _, path := range pagesOfAll {
			w := c.get(path)
			text := w.Body.String()
			what := roleNames[role] + " " + path
			seen += text
			lacks(t, what, text, maria, "<script>alert", "<img src=x", "<b>office", "<i>", "u1", "u2", goodWord, r.s.setup.token)
			lacks(t, what, w.Header().Get("Location"), "1234567")
			switch role {
			case 0:
				lacks(t, what, text, esc(maria), "Josef", "Third", outsideEnd+"<", middle, "Main line", "Harbour", ">103<")
			case storage.Admin, storage.PrivacyOfficer:
				lacks(t, what, text, full, middle, outsideTail)
			case storage.Installer:
				lacks(t, what, text, esc(maria), "Josef", "Maria", "Third", full, middle, outsideFront, outsideTail, ownerName)
			case storage.Staff:
				lacks(t, what, text, "Josef", ">102<", "ext. 102", "Third")
			}
			if role != storage.Owner {
				lacks(t, what, text, ownerName)
			}
			if m := regexp.MustCompile(`<title>[^<]*\d{5}`).FindString(text); m != "" {
				t.Errorf("%s: a number in the title", what)
			}
		}
		switch role {
		case storage.Owner:
			contains(t, "owner", seen, full, esc(maria), esc(josef))
		case storage.Admin, storage.PrivacyOfficer:
			contains(t, "admin", seen, esc(maria), esc(josef), outsideFront, `<span class="mask" aria-hidden="true">····</span><span class="vh">last digits masked</span>`)
		case storage.Staff:
			contains(t, "staff", seen, full, esc(maria))
		case storage.Installer:
			contains(t, "installer", seen, "Phone 1", "Main line", "Si3215 rev D", "192.0.2.44")
		}
	}
	for _, no := range []string{full, middle, "Maria", "Josef", ownerName} {
		lacks(t, "log", r.log.String(), no)
	}
}

// TestMarkup checks what a browser would forgive.
func TestMarkup(t *testing.T) {
	r := owned(t, func(c *Config) { c.Sim, c.Network = simPages(), fakeNetwork{} })
	r.snap.Store(busy())
	c := r.as(r.account(storage.Owner))
	texts := map[string]string{"/login": r.browser().get("/login").Body.String(), "/setup": free(t).browser().get("/setup").Body.String(),
		"refused": r.browser().post("/login", "name", "x", "password", "y").Body.String(),
		"try":     c.post("/rules/try", "from", "101", "dialled", "0017").Body.String()}
	f := free(t)
	texts["set-up"] = f.browser().post(f.s.SetupPath(), "name", "", "password", "y").Body.String()
	for _, p := range append(pagesOfAll, "/nope") {
		texts[p] = c.get(p).Body.String()
	}
	for path, text := range texts {
		if !strings.HasPrefix(text, "<!doctype html>") {
			t.Errorf("%s: no page: %.80s", path, text)
		}
		checkMarkup(t, path, text)
	}
}

var (
	tagRE   = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^>"]|"[^"]*")*)>`)
	attrRE  = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
	voidTag = map[string]bool{"meta": true, "link": true, "input": true, "hr": true, "br": true, "img": true}
)

// checkMarkup: tags close in order, ids are unique and there, labels have their fields,
// drawings their symbols; nothing is inline and nothing comes from elsewhere.
func checkMarkup(t *testing.T, path, text string) {
	t.Helper()
	var open []string
	ids, refs := map[string]int{}, map[string]string{}
	for _, m := range tagRE.FindAllStringSubmatch(text, -1) {
		end, tag, attrs := m[1] != "", m[2], m[3]
		if end {
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("%s: </%s> closes %v", path, tag, open)
			}
			open = open[:len(open)-1]
			continue
		}
		if !voidTag[tag] && !strings.HasSuffix(attrs, "/") {
			open = append(open, tag)
		}
		for _, a := range attrRE.FindAllStringSubmatch(attrs, -1) {
			switch name, value := a[1], a[2]; {
			case name == "id":
				ids[value]++
			case name == "for", name == "aria-describedby", name == "aria-labelledby", name == "popovertarget":
				for _, x := range strings.Fields(value) {
					refs[x] = name
				}
			case name == "href" && strings.HasPrefix(value, "#"):
				refs[value[1:]] = name
			case name == "style", strings.HasPrefix(name, "on"):
				t.Errorf("%s: %s is inline", path, a[0])
			case name == "href", name == "src", name == "action":
				if !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//") {
					t.Errorf("%s: %s leads elsewhere", path, a[0])
				}
			case name == "placeholder":
				t.Errorf("%s: a placeholder", path)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: not closed: %v", path, open)
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: id %s %d times", path, id, n)
		}
	}
	for id, why := range refs {
		if ids[id] == 0 {
			t.Errorf("%s: %s names #%s, which there is not", path, why, id)
		}
	}
	if n := strings.Count(text, "<h1"); n != 1 {
		t.Errorf("%s: %d headings of the first order", path, n)
	}
	if strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "<no value>") || strings.Contains(text, "%!") {
		t.Errorf("%s: a value that does not fit", path)
	}
}

func TestFrontPanel(t *testing.T) {
	r := owned(t)
	r.snap.Store(busy())
	text := r.as(r.account(storage.Owner)).get("/").Body.String()
	contains(t, "panel", text, "One call is up. 3 things need attention.", `class="port call" id="box-p1"`, `class="port warn" id="box-p2"`, `class="port ready" id="box-p3"`,
		`class="port fault" id="box-p4"`, `class="port call" id="box-l1"`, `class="port none" id="box-l2"`, "Off the hook too long", "Out of service", "No voltage",
		"Line 2 has no voltage.", "Phone 2 has been off the hook for long.", "Phone 4 is out of service.", `data-country="de"`, "As of ", `>0:30</time>`, `viewBox="0 0 1080 276"`, `viewBox="508 0 572 240"`,
		`data-live="/events"`, "Recent calls", `aria-label="Main line 1: line, in a call"`)
	if n := strings.Count(text, `href="#plug11" x=`); n != 5 {
		t.Errorf("%d cables", n)
	}
}

// TestDrawing: the box of the picture, and others.
func TestDrawing(t *testing.T) {
	b, centers := drawBox(4, 2)
	if want := []int{92, 208, 324, 440, 586, 702}; !slices.Equal(centers, want) || b.W != 1080 || b.Network != 836 || b.USB != 934 || b.Status != 1022 || b.HalfA != 518 || b.HalfB != 508 || b.HalfC != 572 || !b.Under {
		t.Errorf("%v %+v", centers, b)
	}
	for stations := range 20 {
		for lines := range 20 {
			b, centers := drawBox(stations, lines)
			if len(centers) != stations+lines || b.HalfC <= 0 || b.W < 300 || !slices.IsSorted(centers) || len(centers) > 0 && (centers[0] != firstPort || centers[len(centers)-1] >= b.Network) {
				t.Errorf("%d and %d: %v %+v", stations, lines, centers, b)
			}
		}
	}
}

func TestLifeline(t *testing.T) {
	r := owned(t)
	r.snap.Store(busy())
	cfg := r.s.cfg
	cfg.Store, cfg.Sim = nil, simPages()
	r.s = New(cfg)
	if r.s.SetupPath() != "" {
		t.Error("a set-up without a store")
	}
	w := r.browser().get("/")
	text := w.Body.String()
	wants(t, "lifeline", w, 503, "")
	contains(t, "lifeline", text, T("lifeline.what"), "Phone 1", "Line 2", `id="box-p4"`)
	lacks(t, "lifeline", text, "Maria", "Josef", "Main line", ">101<", "ext. 101", outsideEnd+"<", "<form", "Harbour", "0:30", "Calls now")
	checkMarkup(t, "lifeline", text)
	for _, path := range []string{"/login", "/calls", "/setup/x", "/sim/", "/nope", "/events"} {
		wants(t, path, r.browser().get(path), 303, "/")
	}
	wants(t, "style", r.browser().get(Asset("sotto.css")), 200, "")
}

func TestCallsFilter(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	rows := func(query string) int {
		return strings.Count(c.get("/calls"+query).Body.String(), `<td class="w" data-l="from">`)
	}
	today, tomorrow := time.Now().Add(-100*time.Minute).Format(time.DateOnly), time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	for query, n := range map[string]int{"": 4, "?kind=in": 3, "?kind=inside": 1, "?kind=out": 0, "?kind=missed": 0, "?from=" + today: 4, "?from=" + tomorrow: 0, "?to=2001-01-01": 0,
		"?from=%3Cscript%3E&to=x&kind=%22&before=-1": 4, "?before=2": 1, "?before=99999999999999999999": 4} {
		if got := rows(query); got != n {
			t.Errorf("%q: %d rows, want %d", query, got, n)
		}
	}
	lacks(t, "filter", c.get("/calls?from=%3Cscript%3E&kind=%22").Body.String(), `value="&lt;`, `"%22`)
	for i := range 60 {
		r.store.Append(pbx.Record{From: pbx.Party{User: "u1", Ext: "101"}, To: pbx.Party{User: "u2", Ext: "102"}, Began: time.Now().Add(time.Duration(i-70) * time.Second), Outcome: pbx.Answered})
	}
	r.store.Close()
	if w := c.get("/calls"); w.Code != 200 || !strings.Contains(w.Body.String(), T("calls.down")) {
		t.Errorf("a store that is down: %d", w.Code)
	}
}

func TestCallsPages(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	for i := range 60 {
		r.store.Append(pbx.Record{From: pbx.Party{User: "u1", Ext: "101"}, To: pbx.Party{User: "u2", Ext: "102"}, Began: time.Now().Add(time.Duration(i-70) * time.Second), Outcome: pbx.Answered})
	}
	done := make(chan error)
	ctx := t.Context()
	go func() { done <- r.store.Run(ctx) }()
	if err := r.store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	c := r.as(a)
	total, path := 0, "/calls"
	for range 5 {
		text := c.get(path).Body.String()
		total += strings.Count(text, `<td class="w" data-l="from">`)
		m := regexp.MustCompile(`href="(/calls\?before=\d+)">Earlier`).FindStringSubmatch(text)
		if m == nil {
			break
		}
		path = m[1]
	}
	if total != 64 {
		t.Errorf("%d records on all pages", total)
	}
}

func TestTry(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	for dialled, want := range map[string]string{"102": esc(josef) + " 102 rings.", "0 00 44 20": T("try.forbidden"), "112": T("try.emergency"), "0301234567": T("try.outside"), "0": T("try.incomplete"),
		"<script>": "cannot be dialled", strings.Repeat("1", 5000): "longer than 64"} {
		w := c.post("/rules/try", "from", "101", "dialled", dialled)
		wants(t, want, w, 200, "")
		contains(t, want, w.Body.String(), want)
		lacks(t, want, w.Body.String(), "<script>")
	}
	contains(t, "anybody", c.post("/rules/try", "from", "nobody", "dialled", "102").Body.String(), "102 rings")
}

// TestFault: what breaks is told by a code, and by the same code in log and health page.
func TestFault(t *testing.T) {
	r := owned(t, func(c *Config) {
		c.Sim = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret inside") })
	})
	c := r.as(r.account(storage.Owner))
	w := c.get("/sim/")
	wants(t, "broken", w, 500, "")
	code := regexp.MustCompile(`health page as ([0-9A-F]{4})\.`).FindStringSubmatch(w.Body.String())
	if code == nil {
		t.Fatal(w.Body.String())
	}
	lacks(t, "page", w.Body.String(), "secret inside", "goroutine")
	contains(t, "log", r.log.String(), "code="+code[1], "secret inside")
	contains(t, "health", c.get("/health").Body.String(), code[1])
	for range 3 * maxFaults {
		r.s.faults.note(time.Now())
	}
	if n := len(r.s.faults.all()); n != maxFaults {
		t.Errorf("%d kept", n)
	}
}

// TestErrors: an error becomes a sentence, and its own text stays inside.
func TestErrors(t *testing.T) {
	r := owned(t)
	for _, x := range []struct {
		err    error
		status int
	}{{fmt.Errorf("x: %w", storage.ErrNotAllowed), 403}, {errNotFound, 404}, {errForm, 400}, {fmt.Errorf("inner: %w", storage.ErrBusy), 503}, {errors.New("inner text"), 500}, {&http.MaxBytesError{}, 413}} {
		w := httptest.NewRecorder()
		r.s.fail(&request{w: w, r: httptest.NewRequest("GET", "/", nil), now: time.Now()}, x.err)
		if w.Code != x.status {
			t.Errorf("%v: %d", x.err, w.Code)
		}
		lacks(t, "page", w.Body.String(), "inner")
	}
	contains(t, "log", r.log.String(), "inner text")
}

func TestSimEndsWithSession(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	var session string
	r := owned(t, func(c *Config) {
		c.Sim = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			session = SessionOf(q)
			if !MaySeePersons(q) {
				panic("the owner may")
			}
			close(started)
			<-q.Context().Done()
			close(ended)
		})
	})
	c := r.as(r.account(storage.Owner))
	go c.get("/sim/ws")
	<-started
	other := &client{r: r, cookie: c.cookie, addr: c.addr, header: http.Header{}}
	wants(t, "log out", other.post("/logout"), 303, "/login")
	<-ended
	if session == "" || strings.Contains(c.cookie, session) {
		t.Error("session named", session)
	}
}

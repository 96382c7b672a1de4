package ui

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// What must be seen by some and not by others.
const (
	maria      = "Maria <script>alert(1)</script>" // a name that is hostile, too
	josef      = "Josef & Sons"
	outside    = "+493012345678"
	outsideEnd = "78"

	outsideFront = "49301234" // shown to who sees it masked
	outsideTail  = "678"      // not shown then, whether three or four digits are cut
	ownerName    = "Anna Owner"
	goodWord     = "correct horse battery"
)

// rig is a server over a real store, with a switch whose snapshot the test sets.
type rig struct {
	t     testing.TB
	store *storage.Store
	s     *Server
	snap  atomic.Pointer[pbx.Snapshot]
	log   *logBuffer
	dir   string // of the store
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var testPorts = []board.PortInfo{
	{Port: 0, Kind: board.Station, Label: "FXS 1", Chip: "Si3215 rev D"},
	{Port: 1, Kind: board.Station, Label: "FXS 2", Chip: "Si3215 rev D"},
	{Port: 2, Kind: board.Station, Label: "FXS 3", Chip: "Si3215 rev D"},
	{Port: 3, Kind: board.Station, Label: "FXS 4"},
	{Port: 4, Kind: board.ExchangeLine, Label: "FXO 1", Chip: "Si3050 rev E"},
	{Port: 5, Kind: board.ExchangeLine, Label: "FXO 2", Chip: "Si3050 rev E"},
}

func testPlan() plan.Plan {
	return plan.Plan{Office: "Harbour <b>office", Country: "DE", OutsidePrefix: "0",
		Users: []plan.User{
			{ID: "u1", Name: maria, Ext: "101", Ports: []string{"FXS 1"}},
			{ID: "u2", Name: josef, Ext: "102", Ports: []string{"FXS 2"}},
			{ID: "u3", Name: "Third", Ext: "103", SIP: true},
		},
		Lines: []plan.Line{{Name: "Main line", Port: "FXO 1", Rings: []plan.Ext{"101"}}, {Name: "Second line", Port: "FXO 2"}},
		Rules: []plan.Rule{{Name: "Abroad <i>", Prefix: "00", Forbid: true}},
	}
}

// idle is a snapshot in which nothing goes on.
func idle() *pbx.Snapshot {
	v := &pbx.Snapshot{At: time.Now()}
	for _, p := range testPorts {
		state := "on hook"
		if p.Kind == board.ExchangeLine {
			state = "free"
		}
		v.Ports = append(v.Ports, pbx.PortView{Port: p.Port, Kind: p.Kind, Label: p.Label, State: state})
	}
	return v
}

// busy is a snapshot with a call from outside to Maria.
func busy() *pbx.Snapshot {
	v := idle()
	v.Ports[0].Lamp, v.Ports[0].State, v.Ports[0].Call = pbx.LampCall, "talking", 7
	v.Ports[4].Lamp, v.Ports[4].State, v.Ports[4].Call = pbx.LampCall, "talking", 7
	v.Ports[1].Lamp, v.Ports[1].State = pbx.LampWarn, "silent"
	v.Ports[3].Lamp, v.Ports[3].State = pbx.LampFault, "out of service"
	v.Ports[5].Lamp, v.Ports[5].State = pbx.LampNone, "no line"
	v.Calls = []pbx.CallView{{ID: 7, From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"},
		Began: time.Now().Add(-time.Minute), Answered: time.Now().Add(-30 * time.Second)}}
	return v
}

// free gives a server of a box that nobody owns yet.
func free(t testing.TB, more ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, log: &logBuffer{}, dir: filepath.Join(t.TempDir(), "data")}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	if r.store, err = storage.Open(r.dir, keyring.NewFileRoot(r.dir+".key"), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	if _, err := r.store.SetPlan(t.Context(), storage.Viewer{Role: storage.Owner}, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	r.snap.Store(idle())
	cfg := Config{Store: r.store, Snapshot: r.snap.Load, Ports: testPorts, Version: "sotto test", Log: log}
	for _, f := range more {
		f(&cfg)
	}
	r.s = New(cfg)
	return r
}

// owned gives a server of a box with an owner, and with calls in its records.
func owned(t testing.TB, more ...func(*Config)) *rig {
	t.Helper()
	r := free(t, more...)
	if err := r.store.Claim(t.Context(), ownerName, goodWord); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { r.store.Run(ctx) })
	for i := range 3 {
		r.store.Append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"},
			Began: time.Now().Add(time.Duration(i-100) * time.Minute), Rang: 5 * time.Second, Talked: 65 * time.Second, Outcome: pbx.Answered, Cause: pbx.NormalClearing})
	}
	r.store.Append(pbx.Record{From: pbx.Party{User: "u2", Ext: "102"}, To: pbx.Party{User: "u3", Ext: "103"}, Began: time.Now().Add(-5 * time.Minute), Outcome: pbx.NoAnswer, Cause: pbx.NoAnswerFromUser})
	if err := r.store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	done.Wait()
	return r
}

var (
	roleNames = map[storage.Role]string{storage.Owner: "owner", storage.Admin: "admin", storage.PrivacyOfficer: "privacy", storage.Installer: "installer", storage.Staff: "staff"}
)

// account gives an account of a role, made at its first use.
func (r *rig) account(role storage.Role) storage.Account {
	r.t.Helper()
	if role == storage.Owner {
		a, err := r.store.LogIn(r.t.Context(), ownerName, goodWord)
		if err != nil {
			r.t.Fatal(err)
		}
		return a
	}
	user := plan.UserID("")
	if role == storage.Staff {
		user = "u1"
	}
	a, err := r.store.AddAccount(r.t.Context(), storage.Viewer{Role: storage.Owner}, roleNames[role], goodWord, role, user)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// accounts gives one account of each role; the zero role stands for nobody.
func (r *rig) accounts() map[storage.Role]storage.Account {
	r.t.Helper()
	m := map[storage.Role]storage.Account{0: {}}
	for role := range roleNames {
		m[role] = r.account(role)
	}
	return m
}

// client is a browser.
type client struct {
	r      *rig
	cookie string
	addr   string
	header http.Header
}

func (r *rig) browser() *client { return &client{r: r, addr: "192.0.2.7:4711", header: http.Header{}} }

// as gives a browser that is logged in.
func (r *rig) as(a storage.Account) *client {
	c := r.browser()
	if a.Role != 0 {
		c.cookie = r.s.sessions.start(a, time.Now())
	}
	return c
}

// do sends a request; form is nil for one without body.
func (c *client) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	c.r.t.Helper()
	req := httptest.NewRequest(method, "https://sotto.local"+path, strings.NewReader(form.Encode())).WithContext(c.r.t.Context())
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range c.header {
		req.Header[k] = v
	}
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	req.RemoteAddr = c.addr
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
	}
	w := httptest.NewRecorder()
	c.r.s.Handler().ServeHTTP(w, req)
	for _, k := range w.Result().Cookies() {
		if k.Name == cookieName {
			c.cookie = k.Value
		}
	}
	return w
}

func (c *client) get(path string) *httptest.ResponseRecorder { return c.do("GET", path, nil) }

func (c *client) post(path string, pairs ...string) *httptest.ResponseRecorder {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return c.do("POST", path, v)
}

// wants checks status and, for a redirect, where it leads.
func wants(t *testing.T, what string, w *httptest.ResponseRecorder, status int, to string) {
	t.Helper()
	if w.Code != status || w.Header().Get("Location") != to {
		t.Errorf("%s: %d %q, want %d %q", what, w.Code, w.Header().Get("Location"), status, to)
	}
}

func contains(t *testing.T, what, text string, yes ...string) {
	t.Helper()
	for _, s := range yes {
		if !strings.Contains(text, s) {
			t.Errorf("%s: no %q in\n%s", what, s, text)
		}
	}
}

func lacks(t *testing.T, what, text string, no ...string) {
	t.Helper()
	for _, s := range no {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%s: %q in …%s…", what, s, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

package ui

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage"
	"sotto/storage/keyring"
)

// TestAudit: what people do is in the trail in words, with neither a name of a user nor a
// digit of a number, and it is shown to those alone who may see it.
func TestAudit(t *testing.T) {
	r := owned(t)
	accounts := r.accounts()
	for role, a := range accounts {
		if role != 0 {
			r.as(a).get("/calls")
		}
	}
	r.browser().post("/login", "name", "Maria", "password", "wrong")
	owner := r.as(accounts[storage.Owner])
	owner.saved(t, "part", "terms", "keep.records", "60", "keep.journal", "20")
	owner.post("/privacy/erase", "number", "030 12345678")
	for role, want := range map[storage.Role]string{storage.Owner: "Owner " + ownerName, storage.PrivacyOfficer: "Privacy officer "} {
		w := r.as(accounts[role]).get("/privacy/audit")
		text := w.Body.String()
		wants(t, want, w, 200, "")
		checkMarkup(t, want, text)
		contains(t, want, text, want, "looked at call records", "changed what is kept or who sees it", "Call records: 30 before, 60 now", "Journals: 30 before, 20 now", "looked up what is kept of a person",
			"Somebody not logged in</strong> failed to log in", "made the box collect, keep or show more", "Somebody at the terminal</strong> changed the plan", " ← ")
		lacks(t, want, text, "Maria", "Josef", "Third", "12345678", outsideFront, outsideTail, "did.", "noted: ", "keep.records")
		if role != storage.Owner {
			lacks(t, want, text, ownerName)
		}
	}
	text := owner.get("/privacy").Body.String()
	if n := strings.Count(text, "<samp>"); n != shownTrail {
		t.Errorf("%d lines on the index", n)
	}
	lacks(t, "admin", r.as(accounts[storage.Admin]).get("/privacy").Body.String(), "<samp>", T("audit.title"), "/privacy/audit")
}

// TestAuditFilter: by day, page by page, and whatever the address says.
func TestAuditFilter(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	for i := range 70 {
		if i%2 == 0 {
			r.as(a).get("/calls?kind=in")
		}
		r.as(a).get("/calls?kind=missed")
	}
	lines := func(path string) (n int) { return strings.Count(r.as(a).get(path).Body.String(), "<samp>") }
	total, path, seen := 0, "/privacy/audit", map[string]bool{}
	for path != "" && !seen[path] {
		seen[path] = true
		text := r.as(a).get(path).Body.String()
		total += strings.Count(text, "<samp>")
		path = ""
		if m := regexp.MustCompile(`href="(/privacy/audit\?before=\d+)">Earlier`).FindStringSubmatch(text); m != nil {
			path = m[1]
		}
	}
	if total < 100 || len(seen) < 3 {
		t.Errorf("%d lines on %d pages", total, len(seen))
	}
	today := time.Now().Format(time.DateOnly)
	for path, want := range map[string]int{"?day=" + today: 50, "?day=2001-01-01": 0, "?day=%3Cscript%3E": 50, "?before=2": 1, "?before=-1": 50, "?before=99999999999999999999": 50, "?day=" + today + "&before=3": 2} {
		if n := lines("/privacy/audit" + path); n != want {
			t.Errorf("%s: %d lines, want %d", path, n, want)
		}
	}
	lacks(t, "filter", r.as(a).get("/privacy/audit?day=%3Cscript%3E").Body.String(), "script&gt;", "<script>")
}

// TestAuditCheck: a whole trail is said to be one, and one that somebody changed is not.
func TestAuditCheck(t *testing.T) {
	dir := t.TempDir()
	r := owned(t)
	a := r.account(storage.Owner)
	w := r.as(a).post("/privacy/audit/check")
	text := w.Body.String()
	wants(t, "check", w, 200, "")
	checkMarkup(t, "check", text)
	contains(t, "check", text, T("check.well"), T("check.notfound"), "whole data folder was put back")
	if !regexp.MustCompile(`<span class="mono">[0-9a-f]{64}</span>`).MatchString(text) {
		t.Error("no link of the newest line")
	}

	// The same box with a line taken out.
	c := cutTrail(t, r, dir)
	b := c.as(c.account(storage.Owner))
	text = b.post("/privacy/audit/check").Body.String()
	checkMarkup(t, "cut", text)
	contains(t, "cut", text, "1 line is changed, missing or not the box’s own.", "Line 2: missing between others.", T("check.do"))
	lacks(t, "cut", text, T("check.well"))
}

// cutTrail gives a server of a copy of r's box without the second line of its trail.
func cutTrail(t *testing.T, r *rig, dir string) *rig {
	t.Helper()
	from := r.dir
	r.store.Close()
	for _, name := range []string{from, from + ".key"} {
		to := filepath.Join(dir, filepath.Base(name))
		if info, err := os.Stat(name); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(name))
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, filepath.Base(from))
	db, err := bbolt.Open(filepath.Join(data, "sotto.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte("audit")).Cursor()
		c.First()
		c.Next()
		return c.Delete()
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c := &rig{t: t, log: &logBuffer{}, dir: data}
	log := slog.New(slog.NewTextHandler(c.log, nil))
	if c.store, err = storage.Open(data, keyring.NewFileRoot(data+".key"), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.store.Close() })
	c.snap.Store(idle())
	c.s = New(Config{Store: c.store, Snapshot: c.snap.Load, Ports: testPorts, Version: "sotto test", Log: log})
	return c
}

// TestLineWords: what cannot be read is said, and what a newer box has written stands as it
// is, without its mark-up.
func TestLineWords(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 1, 0, 0, time.Local)
	many := make([]string, 64)
	for i := range many {
		many[i] = strings.Repeat("ab", 16)
	}
	views := []storage.AuditView{
		{Number: 9, Link: "9f3a…c210", Damaged: true},
		{Number: 8, Link: "9f3a…c210", At: at, By: storage.ByAccount, Role: storage.Admin, Pseudonym: many[0], What: "<i>dance</i>", About: many, AboutMore: 10},
		{Number: 7, Aged: true},
		{Number: 6, At: at.AddDate(0, 0, -1), By: storage.ByAccount, Role: storage.PrivacyOfficer, What: "call records", Rows: 1234, More: 2},
		{Number: 5, At: at.AddDate(0, 0, -1), By: storage.ByBox, What: "change plan", Rows: 3, Before: "users added: 1", After: "x"},
		{Number: 4, At: at.AddDate(0, 0, -2), By: storage.ByAccount, Role: storage.Owner, Account: "Anna", What: "change privacy settings", Before: "unmask.second yes, numbers.privacy officer masked", After: "unmask.second no, numbers.privacy officer none"},
		{Number: 3, At: at.AddDate(0, 0, -2), By: storage.ByAccount, Role: storage.Owner, What: "change privacy settings", Before: "keep.records 30, keep.jou", After: "keep.records 60, keep.journal"},
		{Number: 2, At: at.AddDate(0, 0, -2), By: storage.ByAccount, Role: storage.Owner, What: "change privacy settings", Before: "keep.records 30", After: "keep.journal 60"},
	}
	days := auditDays(views)
	var got []string
	for _, d := range days {
		for _, l := range d.Lines {
			got = append(got, strings.TrimSpace(strings.Join([]string{d.Date, l.Clock, l.Who, l.Did, strings.Join(l.About, " "), l.AboutMore, strings.Join(l.Changes, "; "), l.Before, l.After}, "|")))
		}
	}
	want := []string{
		"21 November 2026|||" + T("audit.damaged") + "|||||",
		"21 November 2026|14:01|Admin abababab|noted: <i>dance</i>|abababab abababab abababab abababab|and 70 more|||",
		"21 November 2026|||" + T("audit.aged") + "|||||",
		"20 November 2026|14:01|Privacy officer|looked at call records, 1,234 of them, and 2 times more|||||",
		"20 November 2026|14:01|The box|changed the plan||||users added: 1|x",
		"19 November 2026|14:01|Owner Anna|changed what is kept or who sees it|||A second person has to agree: yes before, no now; What a privacy officer sees: masked before, none now||",
		"19 November 2026|14:01|Owner|changed what is kept or who sees it||||keep.records 30, keep.jou|keep.records 60, keep.journal",
		"19 November 2026|14:01|Owner|changed what is kept or who sees it||||keep.records 30|keep.journal 60",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, views := range [][]storage.AuditView{nil, views[:1], views[2:3]} {
		for _, d := range auditDays(views) {
			if d.Date != T("audit.undated") {
				t.Errorf("%+v", d)
			}
		}
	}
}

// TestCheckWords: each fault there is has its words.
func TestCheckWords(t *testing.T) {
	a := storage.AuditReport{Lines: 5, First: 3, Newest: 9, Dropped: 2, DroppedBad: 1, DroppedEarly: 1, Bad: 9, Faults: []storage.AuditFault{
		{Line: 3, Lines: 1, Fault: storage.CutBeginning}, {Line: 4, Lines: 2, Fault: storage.CutMiddle}, {Line: 6, Lines: 1, Fault: storage.Changed}, {Line: 7, Lines: 1, Fault: storage.Moved, Of: 5},
		{Line: 8, Lines: 1, Fault: storage.Added}, {Line: 9, Lines: 1, Fault: storage.BadCheckpoint}, {Line: 9, Lines: 1, Fault: storage.BadEnd}, {Line: 9, Lines: 1, Fault: storage.CutEnd}, {Line: 9, Lines: 1, Fault: storage.Moved},
	}}
	v := checkOf(&a)
	want := []string{"Line 3: missing at the beginning.", "Lines 4 to 5: missing between others.", "Line 6: changed.", "Line 7: line 5 stands here.", "Line 8: not written by the box.",
		"Line 9: where the trail begins was changed or removed.", "Line 9: where the trail ends was changed or removed.", "Line 9: missing at the end.", "Line 9: another line stands here."}
	if !slices.Equal(v.Faults, want) || v.Lamp.Class != "fault" || len(v.Lines) != 4 {
		t.Errorf("%+v", v)
	}
}

// TestEveryLineHasWords looks for what package storage notes, and for words of lines that it
// does not note any more.
func TestEveryLineHasWords(t *testing.T) {
	files, err := filepath.Glob("../storage/*.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	noted := map[string]bool{"export call records": true, "export own journal": true}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`look\{[^}]*what: "([^"]+)"|owe\("([^"]+)"\)|const (?:what\w+|claiming) += "([^"]+)"`).FindAllStringSubmatch(string(b), -1) {
			noted[m[1]+m[2]+m[3]] = true
		}
	}
	if len(noted) < 30 {
		t.Errorf("only %d are found", len(noted))
	}
	for what := range noted {
		if _, ok := words["did."+what]; !ok {
			t.Errorf("no words for %q", what)
		}
	}
	for k := range words {
		if what, ok := strings.CutPrefix(k, "did."); ok && !noted[what] {
			t.Errorf("nobody notes %q", what)
		}
	}
}

// TestLedger: what left the box is listed, with who took it, and whether it came through.
func TestLedger(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	c := r.as(a)
	contains(t, "none", c.get("/privacy/ledger").Body.String(), T("ledger.none"))
	as := r.store.As(a.Viewer())
	for i := range 60 {
		var out strings.Builder
		if _, err := as.Export(t.Context(), storage.Query{}, storage.CSV, &out); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := as.Export(t.Context(), storage.Query{}, storage.JSON, full{}); err == nil {
		t.Fatal("nothing can be written there")
	}
	for role, want := range map[storage.Role]string{storage.Owner: "Owner " + ownerName + ", in person", storage.PrivacyOfficer: ", in person", storage.Admin: ", in person"} {
		x := c
		if role != storage.Owner {
			x = r.as(r.account(role))
		}
		text := x.get("/privacy/ledger").Body.String()
		checkMarkup(t, want, text)
		contains(t, want, text, want, "61 times", "Export: call records as CSV", T("ledger.whole"), T("ledger.broken"), T("ledger.recipients"))
		lacks(t, want, text, "Maria", "Josef", "12345678", outsideFront, outsideTail)
		if role != storage.Owner {
			lacks(t, want, text, ownerName)
		}
		if n := strings.Count(text, T("ledger.whole")); n != 49 {
			t.Errorf("%d whole ones on the page", n)
		}
		m := regexp.MustCompile(`href="(/privacy/ledger\?before=\d+)"`).FindStringSubmatch(text)
		if m == nil {
			t.Fatal("no earlier lines")
		}
		text = x.get(m[1]).Body.String()
		if n := strings.Count(text, T("ledger.whole")); n != 11 || strings.Contains(text, T("ledger.recipients")) || !strings.Contains(text, T("ledger.newest")) {
			t.Errorf("%d whole ones on the second page", n)
		}
	}
	contains(t, "index", c.get("/privacy").Body.String(), "Export: call records as JSON", T("ledger.all"))
	for _, q := range []string{"?before=x", "?before=-1", "?before=0", "?before=99999999999999999999", "?before=1"} {
		wants(t, q, c.get("/privacy/ledger"+q), 200, "")
	}
	rows := ledgerRows([]storage.LedgerView{{Kind: "<b>", To: "<i>", What: "x", At: time.Unix(0, 0)}, {Kind: storage.LeftFeed, To: "accounts.example", Ended: true, Whole: true, Rows: 1, Bytes: 1500}}, time.Now())
	if r := rows[0]; r.Kind != "<b>" || r.To != "<i>, asked for by The box" || r.Size != "" || r.Lamp.Word != T("ledger.notended") {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Kind != "Call feed" || r.Size != "1 row, 2 kB" {
		t.Errorf("%+v", r)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestPapers: both papers in both languages, in the page and as text, with the settings as
// they are, and nobody's name in them.
func TestPapers(t *testing.T) {
	r := owned(t, func(c *Config) { c.Root = Root{Name: "key file", Protects: "x"} })
	r.store.Append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now()})
	c := r.as(r.account(storage.PrivacyOfficer))
	r.as(r.account(storage.Owner)).saved(t, "part", "terms", "keep.records", "77")
	for _, x := range []struct{ path, lang, article, days string }{
		{"/privacy/record", "en", "Article 30", "77 days"}, {"/privacy/record?lang=de", "de", "Artikel 30", "77 Tage"},
		{"/privacy/notice?lang=en", "en", "Articles 13 and 14", "77 days"}, {"/privacy/notice?lang=de", "de", "Artikel 13 und 14", "77 Tage"},
		{"/privacy/notice?lang=%3Cscript%3E", "en", "Articles 13 and 14", "77 days"}, {"/privacy/notice?lang=de%0d%0aX-Evil:1", "en", "Articles 13 and 14", "77 days"},
	} {
		w := c.get(x.path)
		text := w.Body.String()
		wants(t, x.path, w, 200, "")
		checkMarkup(t, x.path, text)
		contains(t, x.path, text, x.article, x.days, `<article class="paper text printed" lang="`+x.lang+`"`, "Harbour &lt;b&gt;office", "<mark>[", Asset("paper.css"))
		lacks(t, x.path, text, "Maria", "Josef", "Third", "12345678", outsideFront, outsideTail, "<style", "<b>office", "</header>\n<main", ownerName)
		u, _ := url.Parse(x.path)
		w = c.get(u.Path + "/text?" + u.RawQuery)
		text = w.Body.String()
		contains(t, x.path, text, x.article, x.days, "Harbour <b>office")
		lacks(t, x.path, text, "Maria", "Josef", "12345678", outsideFront, ownerName)
		if k, d := w.Header().Get("Content-Type"), w.Header().Get("Content-Disposition"); k != "text/plain; charset=utf-8" || d != `attachment; filename="`+strings.TrimPrefix(u.Path, "/privacy/")+"-"+x.lang+`.txt"` {
			t.Errorf("%s: %q, %q", x.path, k, d)
		}
	}
	for _, page := range []string{"", "<body>", "</body><body>"} {
		if _, err := paperBody(page); err == nil {
			t.Errorf("%q is taken", page)
		}
	}
}

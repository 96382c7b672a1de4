package ui

import (
	"context"
	"encoding/json"
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/country"
	"sotto/pbx/number"
	"sotto/storage"
	"sotto/storage/policy"
)

// settings gives those of now.
func (r *rig) settings() (policy.Settings, storage.Rev) {
	r.t.Helper()
	s, rev, err := r.store.As(storage.Viewer{Role: storage.Owner}).Settings(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s, rev
}

// hidden gives the hidden fields of the form that confirms a change.
func hidden(t *testing.T, page string) []string {
	t.Helper()
	_, page, _ = strings.Cut(page, `action="/privacy/retention/save"`)
	var l []string
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		l = append(l, m[1], html.UnescapeString(m[2]))
	}
	if len(l) != 6 {
		t.Fatalf("no form that confirms, %q in\n%s", l, page)
	}
	return l
}

// saved goes through preview and password, and gives the preview.
func (c *client) saved(t *testing.T, pairs ...string) string {
	t.Helper()
	w := c.post("/privacy/retention", pairs...)
	wants(t, "preview", w, 200, "")
	checkMarkup(t, "preview", w.Body.String())
	back := "/privacy?saved"
	if slices.Contains(pairs, "masking") {
		back = "/privacy/masking?saved"
	}
	done := c.post("/privacy/retention/save", append(hidden(t, w.Body.String()), "password", goodWord)...)
	wants(t, "save", done, 303, back)
	contains(t, "after", c.get(back).Body.String(), T("terms.saved"))
	return w.Body.String()
}

// TestTerms: what is typed is shown, then saved, and everything else stays as it was.
func TestTerms(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	was, rev := r.settings()
	page := c.saved(t, "part", "terms", "keep.records", " 60 ", "keep.digits", "3", "keep.messages", "9999")
	contains(t, "preview", page, T("change.more"), "Call records are kept 60 days instead of 30.", T("change.less"), "The last digits of outside numbers are kept 3 days instead of 7.",
		T("change.nothing"), `<button class="key go">Save</button>`)
	now, next := r.settings()
	was.Keep[policy.Records], was.Keep[policy.Digits] = 60, 3
	if next != rev+1 || len(policy.Compare(was, now)) > 0 {
		t.Errorf("revision %d after %d: %v", next, rev, policy.Compare(was, now))
	}
	text := c.get("/privacy").Body.String()
	contains(t, "privacy", text, `name="keep.records" value="60"`, "First 3 days", "From day 4", "From day 61", "From day 366", "30 days, may be 1 to 9999")
	if w := c.post("/privacy/retention", "part", "terms", "keep.records", "60"); w.Code != 200 || !strings.Contains(w.Body.String(), T("terms.same")) {
		t.Errorf("nothing changed: %d", w.Code)
	}
}

// TestTermsRefused: what cannot be is said at its field, and what was typed stays.
func TestTermsRefused(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	for typed, want := range map[[2]string]string{
		{"keep.records", "0"}:                                 "Call records must be 1 to 9999 days.",
		{"keep.records", "10000"}:                             "Call records must be 1 to 9999 days.",
		{"keep.journal", "-3"}:                                "Journals must be 1 to 9999 days.",
		{"keep.audit", "89"}:                                  "The audit trail must be 90 to 9999 days.",
		{"keep.removed", "2"}:                                 "Removed people must be 3 to 9999 days.",
		{"keep.digits", "31"}:                                 "Last digits must not be longer than call records are kept",
		{"keep.counts", ""}:                                   "Counts of calls must be 1 to 9999 days.",
		{"keep.counts", "١٢"}:                                 "Counts of calls must be 1 to 9999 days.",
		{"keep.digits", `"><script>` + longText(5000)}:        "Last digits must be 1 to 9999 days.",
		{"keep.digits", "99999999999999999999999999"}:         "Last digits must be 1 to 9999 days.",
		{"keep.digits", "\xff\xfe" + strings.Repeat("é", 20)}: "Last digits must be 1 to 9999 days.",
	} {
		w := c.post("/privacy/retention", "part", "terms", typed[0], typed[1])
		text := w.Body.String()
		wants(t, want, w, 422, "")
		contains(t, want, text, html.EscapeString(want), `aria-invalid="true"`, `<a href="#`+settingID(typed[0])+`">`)
		lacks(t, want, text, "<script>", longText(100), T("change.title"))
		checkMarkup(t, want, text)
	}
	contains(t, "typed", c.post("/privacy/retention", "part", "terms", "keep.records", "many", "keep.journal", "40").Body.String(), `value="many"`, `value="40"`)
	if s, rev := r.settings(); rev != 0 || len(policy.Compare(s, policy.Preset("DE"))) > 0 {
		t.Error("something was saved")
	}
}

func longText(n int) string { return strings.Repeat("y", n) }

// TestTermsConfirm: nothing is saved without the own password, and none is tried without
// end.
func TestTermsConfirm(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Admin)
	c := r.as(a)
	fields := hidden(t, c.post("/privacy/retention", "part", "terms", "keep.records", "21").Body.String())
	for i, want := range []int{422, 422, 422, 429} {
		w := c.post("/privacy/retention/save", append(fields, "password", "wrong horse battery")...)
		if w.Code != want {
			t.Errorf("try %d: %d", i, w.Code)
		}
		contains(t, "refused", w.Body.String(), `aria-invalid="true"`, "Call records are kept 21 days instead of 30.")
		checkMarkup(t, "refused", w.Body.String())
		hidden(t, w.Body.String())
	}
	if w := c.post("/privacy/retention/save", append(fields, "password", goodWord)...); w.Code != 429 {
		t.Errorf("the right one while it waits: %d", w.Code)
	}
	if _, rev := r.settings(); rev != 0 {
		t.Error("something was saved")
	}
}

// TestTermsForged: the form that confirms carries the settings, and is believed as far as
// they are settings.
func TestTermsForged(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	good, _ := json.Marshal(policy.Preset("GB"))
	for _, x := range []struct{ settings, rev string }{
		{"", "0"}, {"null", "0"}, {"{}x", "0"}, {"[]", "0"}, {`{"keep":{"records":0}}`, "0"}, {`{"numbers":{"admin":"whole"}}`, "0"}, {`{"numbers":{"installer":"masked"}}`, "0"}, {`{"evil":1}`, "0"},
		{strings.Repeat("[", 3000), "0"}, {string(good), ""}, {string(good), "-1"}, {string(good), "99999999999999999999"},
	} {
		w := c.post("/privacy/retention/save", "settings", x.settings, "rev", x.rev, "password", goodWord)
		wants(t, x.settings, w, 400, "")
	}
	wants(t, "too long", c.post("/privacy/retention/save", "settings", strings.Repeat(" ", maxBody+1)), 413, "")
	for _, back := range []string{"https://evil.example", "//evil.example", "/logout"} {
		w := c.post("/privacy/retention/save", "settings", string(good), "rev", "0", "back", back, "password", "wrong horse")
		lacks(t, "back", w.Body.String(), "evil", `href="/logout`)
	}
	if _, rev := r.settings(); rev != 0 {
		t.Error("something was saved")
	}
}

// TestTermsConflict: who saves second is told, sees what that changes now, and can save.
func TestTermsConflict(t *testing.T) {
	r := owned(t)
	a, b := r.as(r.account(storage.Owner)), r.as(r.account(storage.Admin))
	mine := hidden(t, a.post("/privacy/retention", "part", "terms", "keep.records", "21").Body.String())
	b.saved(t, "part", "terms", "keep.journal", "90")
	w := a.post("/privacy/retention/save", append(mine, "password", goodWord)...)
	wants(t, "conflict", w, 409, "")
	text := w.Body.String()
	contains(t, "conflict", text, T("change.conflict"), "Call records are kept 21 days instead of 30.", "Entries of journals are kept 30 days instead of 90.")
	checkMarkup(t, "conflict", text)
	if s, _ := r.settings(); s.Keep[policy.Records] != 30 || s.Keep[policy.Journal] != 90 {
		t.Errorf("%v", s.Keep)
	}
	wants(t, "again", a.post("/privacy/retention/save", append(hidden(t, text), "password", goodWord)...), 303, "/privacy?saved")
	if s, rev := r.settings(); s.Keep[policy.Records] != 21 || rev != 2 {
		t.Errorf("%v, revision %d", s.Keep, rev)
	}
	// Somebody has saved the same: there is nothing left to save.
	wants(t, "the same", b.post("/privacy/retention/save", append(hidden(t, text), "password", goodWord)...), 303, "/privacy?saved")
}

// TestMasking: which calls, which digits, who sees them.
func TestMasking(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	text := c.get("/privacy/masking").Body.String()
	contains(t, "masking", text, `id="s-cut-3" name="cut" value="3" checked`, `name="record.failed" value="yes" checked`, `name="unmask.minutes" value="10"`, `name="numbers.admin"`)
	lacks(t, "masking", text, `name="numbers.installer"`, `name="numbers.staff"`)
	if n := strings.Count(text, `value="whole"`); n != 1 {
		t.Errorf("%d roles can see whole numbers", n)
	}
	base := []string{"part", "masking", "cut", "3", "unmask.minutes", "10", "unmask.second", "yes", "record.internal", "yes", "record.incoming", "yes", "record.outgoing", "yes", "record.failed", "yes"}
	with := func(pairs ...string) []string { return append(slices.Clone(base), pairs...) }
	page := c.saved(t, with("numbers.admin", "none", "numbers.owner", "whole", "cut", "4", "unmask.minutes", "5")...)
	contains(t, "change", page, "The role admin sees outside numbers of others not at all instead of masked.", "An unmasked number is shown 5 minutes instead of 10.", "Masked numbers are without their last 4 digits instead of 3.")
	s, _ := r.settings()
	if s.Sees(policy.Admin) != policy.None || len(s.Numbers) != 1 || s.Cut != 4 || s.Unmask.Minutes != 5 {
		t.Errorf("%+v", s)
	}
	text = c.get("/privacy").Body.String()
	contains(t, "fades", text, "030 2312<", "no number outside at any age")
	page = c.saved(t, "part", "masking", "cut", "4", "unmask.minutes", "5", "record.incoming", "yes", "numbers.admin", "masked", "numbers.owner", "masked")
	contains(t, "change", page, "Calls between users no longer make a call record.", "To unmask a number nobody else needs to agree.", "The role admin sees outside numbers of others masked instead of not at all.", T("change.more"))
	if s, _ = r.settings(); s.Record != (policy.Record{Incoming: true}) || s.Unmask.Second || s.Sees(policy.Admin) != policy.Masked || s.Sees(policy.Owner) != policy.Masked {
		t.Errorf("%+v", s)
	}
	for _, bad := range [][]string{{"cut", "5"}, {"cut", ""}, {"unmask.minutes", "61"}, {"unmask.minutes", "x"}, {"numbers.admin", "whole"}, {"numbers.owner", "all"}, {"numbers.installer", "masked"}, {"numbers.staff", "whole"}} {
		w := c.post("/privacy/retention", with(bad...)...)
		wants(t, bad[0]+" "+bad[1], w, 422, "")
		contains(t, bad[0], w.Body.String(), T("terms.refused"), `<a href="#`+settingID(bad[0]))
		if !strings.HasPrefix(bad[0], "numbers.installer") && !strings.HasPrefix(bad[0], "numbers.staff") { // for which there is no field
			checkMarkup(t, bad[0], w.Body.String())
		}
	}
}

// TestTermsPreset: the preset of the plan's country can be taken, if it is not in use; what
// roles see stays narrow.
func TestTermsPreset(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Owner))
	lacks(t, "own preset", c.get("/privacy").Body.String(), `value="preset"`)
	s := policy.Preset("GB")
	s.Numbers = policy.Sights{policy.Admin: policy.None}
	if _, _, err := r.store.SetSettings(t.Context(), storage.Viewer{Role: storage.Owner}, 0, s); err != nil {
		t.Fatal(err)
	}
	contains(t, "other preset", c.get("/privacy").Body.String(), `value="preset"`, "See the preset of Germany", "United Kingdom")
	page := c.saved(t, "part", "preset")
	contains(t, "preset", page, "Masked numbers are without their last 3 digits instead of 4.", "The settings go by the preset of DE instead of GB.")
	if now, _ := r.settings(); now.Country != "DE" || now.Cut != 3 || now.Sees(policy.Admin) != policy.None {
		t.Errorf("%+v", now)
	}
}

// TestTermsReadOnly: who may look and not change is shown no field to change.
func TestTermsReadOnly(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.PrivacyOfficer))
	for _, path := range []string{"/privacy", "/privacy/masking"} {
		text := c.get(path).Body.String()
		contains(t, path, text, T("terms.maynot"))
		lacks(t, path, text, "/privacy/retention", `name="keep.`, `name="cut"`)
	}
	contains(t, "masking", c.get("/privacy/masking").Body.String(), "the last 3 digits", "Calls between users; Calls that come in; Calls that go out; Calls that nobody answered or that failed", "for a reason, when a second person agrees, 10 minutes")
}

// TestLinksLead: of the pages about personal data, no role is shown a way that is closed to
// it.
func TestLinksLead(t *testing.T) {
	r := owned(t)
	for role, a := range r.accounts() {
		if !slices.Contains(guards, role) {
			continue
		}
		todo, seen := []string{"/privacy"}, map[string]bool{}
		for len(todo) > 0 {
			path := todo[0]
			todo = todo[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			w := r.as(a).get(path)
			if w.Code != 200 {
				t.Errorf("%s as %s: %d", path, roleNames[role], w.Code)
			}
			for _, m := range regexp.MustCompile(`(?:href|action)="(/privacy[^"#]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
				to := html.UnescapeString(m[1])
				if strings.HasPrefix(m[0], "href") {
					todo = append(todo, to)
				} else if x := r.as(a).post(to); x.Code == 403 || x.Code == 404 && !strings.HasSuffix(to, "/proof") {
					t.Errorf("form %s on %s as %s: %d", to, path, roleNames[role], x.Code)
				}
			}
		}
		if has := seen["/privacy/audit"]; has != slices.Contains(overseers, role) {
			t.Errorf("%s is shown the trail: %v", roleNames[role], has)
		}
		if len(seen) < 8 {
			t.Errorf("%s comes to %v alone", roleNames[role], seen)
		}
	}
}

// TestTermsOverDays: an office over some days, its proofs, and a shorter term that deletes
// as many as was said.
func TestTermsOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)))
		r := owned(t)
		stop := r.run()
		defer stop()
		next, rev := r.settings()
		next.Keep[policy.Digits] = 2
		if _, _, err := r.store.SetSettings(t.Context(), storage.Viewer{Role: storage.Owner}, rev, next); err != nil {
			t.Fatal(err)
		}
		for range 9 {
			for range 3 {
				r.store.Append(pbx.Record{From: pbx.Party{Number: number.Must(outside), Line: "Main line"}, To: pbx.Party{User: "u1", Ext: "101"}, Began: time.Now(), Talked: time.Minute, Outcome: pbx.Answered})
			}
			time.Sleep(24 * time.Hour)
		}
		owner := r.account(storage.Owner)
		c := r.as(owner)
		text := c.get("/privacy").Body.String()
		contains(t, "privacy", text, "1 Oct", "From day 3", `>31</td>`)
		lacks(t, "privacy", text, "–</td><td class=\"e\" data-l=\"oldest\">–</td><td class=\"w quiet\" id=\"d-records\"")
		text = c.get("/privacy/proofs").Body.String()
		contains(t, "proofs", text, "9 Oct", "8 Oct", T("proofs.pass"), "10 Oct, kind by kind")
		lacks(t, "proofs", text, T("proofs.fail"), T("proofs.whatfailed"))
		if n := strings.Count(text, "/privacy/proofs?day="); n < 9 {
			t.Errorf("%d days", n)
		}
		contains(t, "one day", c.get("/privacy/proofs?day=2026-10-05").Body.String(), "5 Oct, kind by kind")
		wants(t, "no day", c.get("/privacy/proofs?day=2026-09-01"), 404, "")
		wants(t, "hostile", c.get("/privacy/proofs?day=%3Cscript%3E&until=%22"), 200, "")

		page := c.saved(t, "part", "terms", "keep.records", "5")
		m := regexp.MustCompile(`This will delete (\d+) call records`).FindStringSubmatch(page)
		if m == nil {
			t.Fatal(page)
		}
		contains(t, "preview", page, "Save and delete "+m[1]+" call records", m[1]+" call records from before ", T("stays.records"), T("change.undone"), "key no now")
		goes, _ := strconv.Atoi(m[1])
		count := func() int {
			p, err := r.store.As(storage.Viewer{Role: storage.Owner}).PreviewSettings(t.Context(), policy.Preset("DE"))
			if err != nil {
				t.Fatal(err)
			}
			return p[slices.Index(policy.Kinds(), policy.Records)].Here
		}
		time.Sleep(2 * time.Hour)
		if n := count(); goes == 0 || n != 31-goes {
			t.Errorf("%d were to go of 31, and %d are here", goes, n)
		}

		// What is past a term already and is still here is no doing of another change.
		stop()
		now, rev := r.settings()
		now.Keep[policy.Records] = 3
		if _, _, err := r.store.SetSettings(t.Context(), storage.Viewer{Role: storage.Owner}, rev, now); err != nil {
			t.Fatal(err)
		}
		text = r.as(owner).post("/privacy/retention", "part", "terms", "keep.counts", "300").Body.String()
		contains(t, "another change", text, T("change.nothing"), "Counts of calls are kept 300 days instead of 365.")
		lacks(t, "another change", text, "call records from before", T("change.undone"))
	})
}

// run lets the store do its daily work.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { r.store.Run(ctx) })
	return func() { cancel(); done.Wait() }
}

// TestFade: the steps follow the terms, and one that takes no time is left out.
func TestFade(t *testing.T) {
	steps := func(digits, records, counts int) string {
		s := policy.Preset("GB")
		s.Keep[policy.Digits], s.Keep[policy.Records], s.Keep[policy.Counts] = digits, records, counts
		var l []string
		for _, x := range fade(&s, "GB").Steps {
			l = append(l, x.When+": "+x.Number.Front+x.Number.Dots+x.Text)
		}
		return strings.Join(l, "; ")
	}
	for _, c := range []struct {
		digits, records, counts int
		want                    string
	}{
		{7, 30, 365, "First 7 days: 020 7946 0123; From day 8: 020 7946 ····; From day 31: 1 call, 3 min 20 s; From day 366: "},
		{1, 1, 1, "First day: 020 7946 0123; From day 2: "},
		{3, 3, 9999, "First 3 days: 020 7946 0123; From day 4: 1 call, 3 min 20 s; From day 10,000: "},
		{3, 9, 9, "First 3 days: 020 7946 0123; From day 4: 020 7946 ····; From day 10: "},
	} {
		if got := steps(c.digits, c.records, c.counts); got != c.want {
			t.Errorf("%d, %d, %d: %s", c.digits, c.records, c.counts, got)
		}
	}
	for _, code := range append(country.Codes(), "", "XX") {
		for _, n := range []int{3, 4} {
			s := sampleOf(code, n, "sample.cut")
			if len([]rune(s.Dots)) != n || !strings.HasPrefix(sampleOf(code, 0, "").Front, s.Front) {
				t.Errorf("%s: %+v", code, s)
			}
		}
	}
}

// TestProofWords: what failed is said in words, with its kind and its day.
func TestProofWords(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	all := []storage.DayProof{
		{Date: day(20), Kind: policy.Digits, State: storage.ProofPass, Due: 4, Deleted: 4, Canary: true},
		{Date: day(20), Kind: policy.Records, State: storage.ProofFail, Due: 1204, Deleted: 1203, Left: 1, Canary: true},
		{Date: day(21), Kind: policy.Digits, State: storage.ProofWait, Canary: true},
		{Date: day(21), Kind: policy.Records, State: storage.ProofPass, Canary: true},
		{Date: day(22), Kind: policy.Journal, State: storage.ProofFail},
		{Date: day(22), Kind: policy.Kind("<new>"), State: storage.ProofState("odd")},
	}
	days, wrong := proofDays(all, day(22))
	var got []string
	for _, d := range days {
		got = append(got, strings.Join([]string{d.Date, d.Path, d.Due, d.Deleted, d.Left, d.Lamp.Class}, " "))
	}
	want := []string{"22 Nov 2026-11-22 0 0 0 fault", "21 Nov 2026-11-21 0 0 0 busy", "20 Nov 2026-11-20 1,208 1,207 1 fault"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if want := []string{"22 Nov: " + T("proofs.canary", "Journals"), "20 Nov: " + T("proofs.left", "Call records")}; !slices.Equal(wrong, want) {
		t.Errorf("%q", wrong)
	}
	if v := proofsOf(all, day(20), day(22)); v == nil || len(v.Kinds) != 2 || v.Kinds[1].Lamp.Class != "fault" || proofsOf(all, day(19), day(22)) != nil {
		t.Errorf("%+v", v)
	}
}

// TestTermsSlow: a page does not wait for counts without end.
func TestTermsSlow(t *testing.T) {
	r := owned(t)
	defer func(d time.Duration) { countLimit = d }(countLimit)
	countLimit = 0
	w := r.as(r.account(storage.Owner)).get("/privacy")
	wants(t, "slow", w, 200, "")
	contains(t, "slow", w.Body.String(), T("terms.slow"), `name="keep.records" value="30"`)
}

// TestPrivacyDown: with a storage that is down the pages say so and draw what they know.
func TestPrivacyDown(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Owner)
	c := r.as(a)
	r.store.Close()
	for path, want := range map[string]string{"/privacy": T("terms.down"), "/privacy/audit": T("audit.down"), "/privacy/proofs": T("proofs.down"), "/privacy/ledger": T("ledger.down"), "/privacy/masking": T("masking.title")} {
		w := c.get(path)
		wants(t, path, w, 200, "")
		contains(t, path, w.Body.String(), want)
		checkMarkup(t, path, w.Body.String())
	}
	for _, w := range []*httptest.ResponseRecorder{c.get("/privacy/record"), c.get("/privacy/notice/text"), c.post("/privacy/audit/check"), c.post("/privacy/retention", "part", "terms", "keep.records", "21")} {
		if w.Code != 503 {
			t.Errorf("%d %s", w.Code, w.Body.String())
		}
	}
}

// TestSettingWords: each setting, kind and role that there can be has its words.
func TestSettingWords(t *testing.T) {
	var want []string
	for _, k := range policy.Kinds() {
		want = append(want, "term."+string(k), "setting.keep."+string(k), "goes."+string(k), "goes.one."+string(k))
	}
	for _, r := range policy.Roles() {
		want = append(want, "sees."+r.String(), "setting.numbers."+r.String())
	}
	for s := policy.None; s <= policy.Whole; s++ {
		want = append(want, "sight."+s.String())
	}
	for _, change := range policy.Compare(policy.Preset("GB"), odd()) {
		want = append(want, "setting."+change.Field)
	}
	for _, k := range want {
		if words[k] == "" {
			t.Errorf("no words for %q", k)
		}
	}
}

// odd gives settings in which every one differs from a preset.
func odd() policy.Settings {
	s := policy.Settings{Country: "XX", Keep: map[policy.Kind]int{}, Cut: 9, Numbers: policy.Sights{policy.Owner: policy.None, policy.Admin: policy.None, policy.PrivacyOfficer: policy.None}}
	return s
}

// FuzzSettings: whatever a form says, what comes of it is settings or is refused, and shows
// no more than roles are made for.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"part=terms&keep.records=21", "part=masking&cut=3&unmask.minutes=5&numbers.admin=none", "part=preset", "part=masking&numbers.staff=whole&numbers.nobody=whole", "keep.records=%FF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		now := policy.Preset("DE")
		next := settingsOf(form, now, "GB")
		if len(policy.Compare(now, policy.Preset("DE"))) > 0 {
			t.Fatal("the settings of now were changed")
		}
		if err := next.Validate(); err != nil {
			if problemsOf(err) == nil {
				t.Fatalf("%v and no problem", err)
			}
			return
		}
		for _, r := range policy.Roles() {
			if next.Sees(r) > (&policy.Settings{}).Sees(r) {
				t.Fatalf("%v sees %v", r, next.Sees(r))
			}
		}
		if b, err := json.Marshal(next); err != nil {
			t.Fatal(err)
		} else if again, err := policy.Decode(b); err != nil || len(policy.Compare(next, again)) > 0 {
			t.Fatalf("%s: %v", b, err)
		}
	})
}

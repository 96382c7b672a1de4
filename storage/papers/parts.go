package papers

import (
	"slices"
	"strconv"
	"strings"

	"sotto/storage/policy"
)

// writer puts sentences of one language together. What both papers have is here.
type writer struct {
	words   map[string]string
	in      *Input
	missing string // a sentence that the language lacks
}

// records tells whether some calls beside those to emergency numbers make a call record.
func (w *writer) records() bool {
	r := w.in.Settings.Record
	return r.Internal || r.Incoming || r.Outgoing
}

// journals tells whether there is a journal.
func (w *writer) journals() bool { return w.in.Facts.Users > w.in.Facts.NoJournal }

// office gives its name.
func (w *writer) office() string { return w.orBlank(w.in.Office, "name") }

// law gives the sentence that says which law the paper is for.
func (w *writer) law(article string) string {
	article = w.say(article)
	country := w.in.Country
	if country == "" {
		country = w.in.Settings.Country
	}
	switch country {
	case "AT", "DE", "ES", "FR", "IT", "NL", "SE":
		return w.say("law.eu", "article", article)
	case "GB":
		return w.say("law.uk", "article", article)
	}
	return w.say("law.other", "article", article, "blank", w.blank("law"))
}

// controller is the table of who is responsible: Articles 30(1)(a), 13(1)(a) and (b).
func (w *writer) controller() block {
	c := w.in.Controller
	if clean(c.Name) == "" {
		c.Name = w.in.Office
	}
	return block{Table: &table{Rows: [][]string{
		{w.say("controller"), w.orBlank(c.Name, "name")},
		{w.say("address"), w.orBlank(c.Address, "address")},
		{w.say("email"), w.orBlank(c.Email, "email")},
		{w.say("phone"), w.orBlank(c.Phone, "phone")},
		{w.say("representative"), w.contact(w.in.Representative, "representative")},
		{w.say("officer"), w.contact(w.in.Officer, "officer")},
	}}}
}

// contact gives what is known of a contact on one line, or the blank.
func (w *writer) contact(c Contact, blank string) string {
	var l []string
	for _, s := range []string{c.Name, c.Address, c.Email, c.Phone} {
		if s = clean(s); s != "" {
			l = append(l, s)
		}
	}
	if l == nil {
		return w.blank(blank)
	}
	return strings.Join(l, ", ")
}

// purposes gives what the box is for: Articles 30(1)(b) and 13(1)(c).
func (w *writer) purposes() (l []string) {
	f := w.in.Facts
	add := func(on bool, key string, places ...string) {
		if on {
			l = append(l, w.say(key, places...))
		}
	}
	add(f.Lines == 0, "purpose.calls")
	add(f.Lines > 0, "purpose.lines")
	add(w.records(), "purpose.records")
	add(!w.records(), "purpose.emergency")
	add(f.Codes > 0, "purpose.codes")
	add(w.journals(), "purpose.journal")
	add(true, "purpose.counts")
	add(f.Voicemail, "purpose.messages")
	add(f.Recording, "purpose.recordings", "blank", w.blank("recordings"))
	add(f.Traces, "purpose.traces")
	add(true, "purpose.audit")
	return l
}

// kept says which calls make a record and what is left out.
func (w *writer) kept() (l []string) {
	f, r := w.in.Facts, w.in.Settings.Record
	add := func(on bool, key string, places ...string) {
		if on {
			l = append(l, w.say(key, places...))
		}
	}
	var calls []string
	for _, c := range []struct {
		on  bool
		key string
	}{{r.Internal, "calls.internal"}, {r.Incoming, "calls.incoming"}, {r.Outgoing, "calls.outgoing"}} {
		if c.on {
			calls = append(calls, w.say(c.key))
		}
	}
	all := len(calls) == 3 && r.Failed
	add(all, "kept.all")
	add(!all && calls != nil, "kept.some", "calls", w.list(calls))
	add(calls != nil && !r.Failed, "kept.answered")
	add(calls == nil, "kept.none")
	add(f.Protected > 0, "kept.protected")
	add(f.ShowOnlyUsers > 0, "kept.showuser")
	add(f.ShowOnlyLines > 0, "kept.showline")
	add(f.PrivatePrefix, "kept.private")
	add(true, "kept.emergency")
	add(w.journals() && f.NoJournal > 0, "kept.nojournal")
	add(!w.journals(), "kept.nojournals")
	add(f.Lines > 0, "kept.withheld")
	add(!f.Recording && !f.Voicemail, "kept.novoice")
	return l
}

// holds says what each kind of data is about and holds; a kind that the box does not keep is
// not in it.
func (w *writer) holds() *table {
	f := w.in.Facts
	t := &table{Caption: w.say("c.caption"), Head: []string{w.say("kind"), w.say("about"), w.say("holds")}}
	add := func(on bool, kind, about string, more ...string) {
		if on {
			t.Rows = append(t.Rows, []string{w.say("kind." + kind), w.say(about), strings.Join(append([]string{w.say("holds." + kind)}, more...), ", ")})
		}
	}
	both := "both"
	if f.Lines == 0 {
		both = "users"
	}
	var fields []string
	for _, name := range f.Fields {
		if !slices.Contains([]string{"place", "department", "email", "mobile"}, name) {
			name = "other"
		}
		if s := w.say("field." + name); !slices.Contains(fields, s) {
			fields = append(fields, s)
		}
	}
	var extra []string
	if f.Codes > 0 {
		extra = append(extra, w.say("holds.code"))
	}
	if slices.Contains(f.Fields, "place") {
		extra = append(extra, w.say("holds.place"))
	}
	var quality []string
	if f.SIP > 0 {
		quality = append(quality, w.say("holds.quality"))
	}
	if f.NoJournal > 0 {
		fields = append(fields, w.say("holds.nojournal"))
	}
	add(true, "master", "users", fields...)
	add(f.SIP > 0, "registrations", "users")
	add(true, "records", both, append(slices.Clone(extra), quality...)...)
	add(w.journals(), "journal", both, extra...)
	add(true, "counts", "nobody")
	add(f.Voicemail, "messages", both)
	add(f.Recording, "recordings", both)
	add(f.Traces, "traces", both)
	add(true, "accounts", "accounts")
	add(true, "audit", "looked")
	add(true, "erasures", "erased")
	return t
}

// terms says how long each kind is kept and what becomes of it: Articles 30(1)(f), 13(2)(a).
func (w *writer) terms() *table {
	s, f := w.in.Settings, w.in.Facts
	t := &table{Caption: w.say("f.caption"), Head: []string{w.say("kind"), w.say("term"), w.say("then")}}
	add := func(on bool, kind, term, then string) {
		if on {
			t.Rows = append(t.Rows, []string{w.say("kind." + kind), term, w.say("then."+then,
				"cut", strconv.Itoa(s.Cut), "removed", w.say("kind.removed"))})
		}
	}
	keep := func(k policy.Kind) string { return w.days(s.Keep[k]) }
	add(true, "master", w.say("term.plan"), "plan")
	add(f.SIP > 0, "registrations", w.say("term.registration"), "gone")
	add(true, "digits", keep(policy.Digits), "digits")
	add(true, "records", keep(policy.Records), "records")
	add(w.journals(), "journal", keep(policy.Journal), "gone")
	add(true, "counts", keep(policy.Counts), "gone")
	add(f.Voicemail, "messages", keep(policy.Messages), "gone")
	add(f.Recording, "recordings", keep(policy.Recordings), "gone")
	add(f.Traces, "traces", keep(policy.Traces), "gone")
	add(true, "accounts", w.say("term.account"), "gone")
	add(true, "audit", keep(policy.Audit), "gone")
	add(true, "removed", keep(policy.Removed), "user")
	add(true, "erasures", w.say("term.ever"), "never")
	return t
}

// fades tells whether calls are kept longer than the last digits of their numbers: then nothing
// leads from a number to them, and whose they are is not to be told (Article 11).
func (w *writer) fades() bool {
	keep := w.in.Settings.Keep
	return keep[policy.Digits] < keep[policy.Records] || w.journals() && keep[policy.Digits] < keep[policy.Journal]
}

// maxRecipients is how many recipients a paper lists.
const maxRecipients = 200

// outside says who gets data outside the office: Articles 30(1)(d), 13(1)(e).
func (w *writer) outside() (l []block) {
	audit := w.days(w.in.Settings.Keep[policy.Audit])
	if w.in.Facts.Lines > 0 {
		l = append(l, block{Para: w.say("d.carrier")})
	}
	if len(w.in.Recipients) == 0 {
		return append(l, block{Para: w.say("d.none", "audit", audit)})
	}
	t := &table{Caption: w.say("d.caption", "audit", audit), Head: []string{w.say("recipient"), w.say("holds"), w.say("times"), w.say("last")}}
	known := []string{"export", "access", "backup", "mail", "feed", "syslog"}
	for _, r := range w.in.Recipients[:min(len(w.in.Recipients), maxRecipients)] {
		name, kind := clean(r.Name), r.Kind
		switch {
		case name != "":
		case r.Role >= policy.Owner && r.Role <= policy.Staff:
			name = w.say("role." + r.Role.String())
		default:
			name = w.say("who.asked")
		}
		if !slices.Contains(known, kind) {
			kind = "other"
		}
		t.Rows = append(t.Rows, []string{name, w.say("left." + kind), strconv.Itoa(r.Times), w.date(r.Last)})
	}
	l = append(l, block{Table: t})
	if more := len(w.in.Recipients) - maxRecipients; more > 0 {
		l = append(l, block{Para: w.say("d.more", "n", strconv.Itoa(more))})
	}
	return l
}

// transfers is about third countries: Articles 30(1)(e), 13(1)(f).
func (w *writer) transfers() []block {
	l := paras(w.say("e.box"))
	if len(w.in.Recipients) == 0 {
		l = append(l, block{Para: w.say("e.none")})
	} else {
		l = append(l, block{Para: w.say("e.some", "blank", w.blank("transfers"))})
	}
	if w.in.Facts.Lines > 0 {
		l = append(l, block{Para: w.say("e.carrier")})
	}
	return l
}

// sight says how a role sees outside numbers.
func (w *writer) sight(r policy.Role) string {
	return w.say("sight."+w.in.Settings.Sees(r).String(), "cut", strconv.Itoa(w.in.Settings.Cut))
}

// shown says how a masked number gets to be seen, and who sees a journal.
func (w *writer) shown() (l []block) {
	s := w.in.Settings
	if slices.ContainsFunc(policy.Roles(), func(r policy.Role) bool { return s.May(r, policy.AskUnmask) && s.Sees(r) == policy.Masked }) {
		key := "d.unmask.alone"
		if s.Unmask.Second {
			key = "d.unmask"
		}
		l = paras(w.say(key, "minutes", w.count(s.Unmask.Minutes, "minute", "minutes")))
	}
	if w.journals() {
		l = append(l, block{Para: w.say("d.journal")})
	}
	return l
}

package papers

import (
	"slices"
	"strconv"
	"strings"

	"sotto/storage/policy"
)

// record writes the record of processing activities, in the order of Article 30(1)(a) to (g).
func (w *writer) record() *document {
	f := w.in.Facts
	d := &document{Title: w.say("record.title"), Intro: []string{
		w.say("record.sub", "office", w.office(), "date", w.date(w.in.Date)), w.law("record.article"), w.say("intro"),
	}}
	d.add(w.say("a.controller"), w.controller())
	d.add(w.say("b.purposes"), block{List: w.purposes()})
	d.add(w.say("c.categories"),
		block{Para: w.say("c.figures", "users", strconv.Itoa(f.Users), "lines", strconv.Itoa(f.Lines))}, block{Table: w.holds()})
	d.add(w.say("kept.title"), block{List: w.kept()})
	d.add(w.say("d.recipients"), append(append([]block{{Table: w.roles()}}, w.shown()...), w.outside()...)...)
	d.add(w.say("e.transfers"), w.transfers()...)
	d.add(w.say("f.terms"), block{Table: w.terms()}, block{Para: w.say("f.rule")})
	d.add(w.say("g.security"), block{List: w.security()})
	return d
}

// roles says what each role sees and may do.
func (w *writer) roles() *table {
	t := &table{Caption: w.say("d.inside"), Head: []string{w.say("role"), w.say("sees"), w.say("may")}}
	for _, r := range policy.Roles() {
		var may []string
		for _, right := range policy.Rights() {
			if w.in.Settings.May(r, right) {
				may = append(may, w.say("right."+string(right)))
			}
		}
		if r == policy.Staff {
			may = append(may, w.say("right.own"))
		}
		if may == nil {
			may = []string{w.say("right.nothing")}
		}
		t.Rows = append(t.Rows, []string{w.say("role." + r.String()), w.sight(r), strings.Join(may, "; ")})
	}
	return t
}

// security gives the measures of Article 32(1), those of the box.
func (w *writer) security() []string {
	l := []string{w.say("g.seal"), w.say("g.plain")}
	if slices.Contains([]Root{KeyFile, Passphrase, TPM}, w.in.Root) {
		l = append(l, w.say("g.root."+string(w.in.Root)))
	} else {
		l = append(l, w.say("g.root.unknown", "blank", w.blank("root")))
	}
	l = append(l, w.say("g.forget"), w.say("g.erase"))
	if w.fades() {
		l = append(l, w.say("g.faded"))
	}
	l = append(l, w.say("g.roles"), w.say("g.audit"), w.say("g.page"))
	switch {
	case w.in.Facts.SIP == 0:
	case w.in.Secure:
		l = append(l, w.say("g.sip.sealed"))
	default:
		l = append(l, w.say("g.sip.open"))
	}
	switch n := w.in.Backups; {
	case n <= 0:
		l = append(l, w.say("g.backup.none"))
	default:
		l = append(l, w.count(n, "g.backup.one", "g.backup"))
	}
	return append(l, w.say("g.more", "blank", w.blank("measures")))
}

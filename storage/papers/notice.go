package papers

import "sotto/storage/policy"

// notice writes the notice of Article 13 to users and callers, which is that of Article 14, too:
// a number that was dialled did not come from whom it belongs to.
func (w *writer) notice() *document {
	d := &document{Title: w.say("notice.title"), Intro: []string{
		w.say("notice.sub", "office", w.office(), "date", w.date(w.in.Date)), w.law("notice.article"), w.say("intro"),
	}}
	d.add(w.say("n.controller"), w.controller())
	d.add(w.say("n.terms"), block{Table: w.holds()}, block{Table: w.terms()}, block{Para: w.say("f.rule")})
	d.add(w.say("kept.title"), block{List: w.kept()})
	d.add(w.say("n.source"), paras(w.say("n.source.text"), w.say("n.must"), w.say("n.must.users"))...)
	basis := &table{Head: []string{w.say("purpose"), w.say("basis")}}
	for _, p := range w.purposes() {
		basis.Rows = append(basis.Rows, []string{p, w.blank("basis")})
	}
	d.add(w.say("n.purposes"), block{Table: basis})
	d.add(w.say("n.recipients"), append(w.inside(), w.outside()...)...)
	d.add(w.say("n.transfers"), w.transfers()...)
	rights := paras(w.say("n.rights.text"), w.say("n.rights.how"))
	if w.fades() {
		rights = append(rights, block{Para: w.say("g.faded")})
	}
	if w.journals() {
		rights = append(rights, block{Para: w.say("n.rights.users")})
	}
	d.add(w.say("n.rights"), append(rights,
		block{Para: w.say("n.complain", "authority", w.orBlank(w.in.Authority, "authority"))}, block{Para: w.say("n.automated")})...)
	return d
}

// inside says in sentences who in the office sees what.
func (w *writer) inside() []block {
	var roles []string
	for _, r := range policy.Roles() {
		if w.in.Settings.May(r, policy.SeeRecords) {
			roles = append(roles, w.say("n.role", "role", w.say("role."+r.String()), "sees", w.sight(r)))
		}
	}
	return append(append([]block{{Para: w.say("n.inside")}, {List: roles}}, w.shown()...), block{Para: w.say("n.audited")})
}

package ui

import (
	"net/url"
	"strconv"

	"sotto/storage"
	"sotto/storage/policy"
)

// maskingView is the page of what is recorded of a call and who sees how much of it.
type maskingView struct {
	Error       string
	Problems    []settingProblem
	Done, Plain string
	May         bool
	Rev         storage.Rev
	Roles       []sightRow
	Calls       []tickRow
	Cuts        []tickRow
	Minutes     string
	MaxMinutes  int
	Second      tickRow
	Wrong       map[string]bool // by id of the field
	Facts       []fact          // the same for who may change nothing
}

// sightRow is how a role sees outside numbers.
type sightRow struct {
	Field, ID, Role string
	Sights          []tickRow // empty: that cannot be changed
	Sees            string
}

// tickRow is something to tick or to choose.
type tickRow struct {
	Field, ID, Value, Name, Hint string
	On                           bool
}

// masking shows what else the office has set: which calls are recorded, how a number fades,
// and who sees it.
func (s *Server) masking(q *request) error { return s.showMasking(q, 200, nil, nil, "") }

func (s *Server) showMasking(q *request, status int, typed url.Values, problems []settingProblem, plain string) error {
	now, rev, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return err
	}
	v := maskingView{May: s.may(q, policy.ChangePolicy), Rev: rev, Problems: problems, Plain: plain, MaxMinutes: policy.MaxMinutes, Wrong: map[string]bool{}}
	if len(problems) > 0 {
		v.Error = T("terms.refused")
	} else if q.r.URL.Query().Has("saved") {
		v.Done = T("terms.saved")
	}
	for _, p := range problems {
		v.Wrong[p.ID] = true
	}
	minutes := strconv.Itoa(now.Unmask.Minutes)
	if typed != nil {
		now = settingsOf(typed, now, now.Country)
		minutes = cutTyped(typed.Get("unmask.minutes"))
	}
	v.Minutes = minutes
	for _, r := range policy.Roles() {
		row := sightRow{Field: "numbers." + r.String(), Role: roleWord(r), Sees: T("sight.role." + r.String())}
		row.ID = settingID(row.Field)
		if most := (&policy.Settings{}).Sees(r); most > policy.None {
			row.Sees = sightWord(now.Sees(r))
			for sight := most; ; sight-- {
				row.Sights = append(row.Sights, tickRow{Value: sight.String(), Name: sightWord(sight), On: now.Sees(r) == sight})
				if sight == policy.None {
					break
				}
			}
		}
		v.Roles = append(v.Roles, row)
		v.Facts = append(v.Facts, fact{Name: T("sees." + r.String()), Value: row.Sees})
	}
	v.Calls = []tickRow{
		tickOf("record.internal", now.Record.Internal), tickOf("record.incoming", now.Record.Incoming),
		tickOf("record.outgoing", now.Record.Outgoing), tickOf("record.failed", now.Record.Failed),
	}
	for _, n := range []int{3, 4} {
		v.Cuts = append(v.Cuts, tickRow{Field: "cut", ID: "s-cut-" + strconv.Itoa(n), Value: strconv.Itoa(n), Name: T("cut.digits", n), On: now.Cut == n})
	}
	v.Second = tickOf("unmask.second", now.Unmask.Second)
	recorded := fact{Name: T("masking.calls")}
	for _, c := range v.Calls {
		if c.On {
			recorded.Value += pick(recorded.Value == "", "", "; ") + c.Name
		}
	}
	if recorded.Value == "" {
		recorded.Value = T("record.none")
	}
	v.Facts = append([]fact{recorded, {Name: T("masking.cut"), Value: T("cut.digits", now.Cut)},
		{Name: T("masking.unmask"), Value: T(pick(now.Unmask.Second, "unmask.rule.second", "unmask.rule"), now.Unmask.Minutes)}}, v.Facts...)
	s.show(q, status, "masking", "masking.title", v)
	return nil
}

func tickOf(field string, on bool) tickRow {
	return tickRow{Field: field, ID: settingID(field), Name: T("setting." + field), Hint: words["setting.hint."+field], On: on}
}

func sightWord(s policy.Sight) string { return T("sight." + s.String()) }

// fadeView shows what a number becomes with time, and to whom.
type fadeView struct {
	Steps []fadeStep
	Sees  []seesRow
}

type fadeStep struct {
	Class, When string
	Number      sample
	Text, Small string
}

type seesRow struct {
	Role   string
	Number sample // empty: none
	Text   string
}

// sample is a number that nobody has, without its last digits where Dots stand for them.
type sample struct{ Front, Dots, Said string }

// samples are numbers kept free for films and books: Ofcom's and those of the German, French
// and Australian regulators, and 555-01xx of the North American plan.
var samples = map[string]string{
	"GB": "020 7946 0123", "DE": "030 23125 042", "FR": "01 99 00 42 42", "AU": "02 5550 0142", "US": "212 555 0142", "CA": "613 555 0142",
}

// sampleOf gives the sample of a country without its last digits.
func sampleOf(code string, without int, said string) sample {
	text, ok := samples[code]
	if !ok {
		text = "012 555 0142"
	}
	n := sample{Front: text}
	for without > 0 {
		last := len(n.Front) - 1
		if n.Front[last] != ' ' {
			n.Dots, without = n.Dots+"·", without-1
		}
		n.Front = n.Front[:last]
	}
	if n.Dots != "" {
		n.Said = T(said, len([]rune(n.Dots)))
	}
	return n
}

// fade gives the steps of a number by the settings. Those that take no time are left out.
func fade(p *policy.Settings, code string) (v fadeView) {
	whole, cut := sampleOf(code, 0, ""), sampleOf(code, p.Cut, "sample.cut")
	first, records, counts := p.Keep[policy.Digits], p.Keep[policy.Records], p.Keep[policy.Counts]
	add := func(class, when string, number sample, text, small string) {
		v.Steps = append(v.Steps, fadeStep{class, when, number, text, small})
	}
	add("", count("fades.first.one", "fades.first", first), whole, "", T("fades.sample"))
	if records > first {
		add("a2", T("fades.from", itoa(first+1)), cut, "", T("fades.sample"))
	}
	if counts > records {
		add("a3", T("fades.from", itoa(records+1)), sample{}, T("fades.count"), T("fades.counts"))
	}
	add("a4", T("fades.from", itoa(counts+1)), sample{}, "", T("fades.nothing"))
	for _, r := range []policy.Role{policy.Installer, policy.Admin, policy.PrivacyOfficer, policy.Owner, policy.Staff} {
		row := seesRow{Role: T("sees." + r.String())}
		switch most := (&policy.Settings{}).Sees(r); {
		case most == policy.None:
			row.Text = T("sight.role." + r.String())
			if r == policy.Staff {
				row.Text = count("sight.staff.one", "sight.staff", first)
			}
		case p.Sees(r) == policy.Whole:
			row.Number, row.Text = whole, T("sight.whole.long")
		case p.Sees(r) == policy.Masked:
			row.Number = sampleOf(code, p.Cut, "sample.masked")
			row.Text = T(pick(p.Unmask.Second, "sight.until.second", "sight.until"))
		default:
			row.Text = T("sight.none.long")
		}
		v.Sees = append(v.Sees, row)
	}
	return v
}

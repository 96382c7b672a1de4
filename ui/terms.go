package ui

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sotto/pbx/country"
	"sotto/storage"
	"sotto/storage/policy"
)

// What an office sets about personal data, from the page.
//
//	/privacy: terms ───────────┐
//	                           ├─POST─► preview: what changes, what goes ──POST, password──► saved
//	/privacy/masking: the rest ┘                  │      ▲
//	                                              ▼      │ the settings as they would be, whole
//	                                           the form's own field
//
// Settings hold no personal data, so the form may carry them; a session has nothing of it.

// termsView is the table of how long things are kept, with fields for who may change it.
type termsView struct {
	Error    string // a sentence; empty: none
	Problems []settingProblem
	Done     string // what a form before this page has done
	Plain    string // that form has done nothing, and nothing went wrong
	May      bool   // change it
	Rev      storage.Rev
	Country  string
	Rows     []termRow
	Other    string // another country of the plan, whose preset can be taken; empty: none
	Note     string // why there are no counts; empty: there are
}

type termRow struct {
	Kind                 policy.Kind
	Name, Hint, Days     string
	Here, Oldest, Preset string
	Unused               bool   // the box keeps none of it yet
	Wrong                string // what is wrong with it
}

// settingProblem is something wrong with what was typed.
type settingProblem struct{ ID, Text string }

// notKept are the kinds that have a term and that the box keeps nothing of yet.
var notKept = []policy.Kind{policy.Messages, policy.Recordings, policy.Traces}

// countLimit is for a page that counts by the way.
var countLimit = 4 * time.Second

const maxAgain = 16 // bytes of a field that are shown again

// terms fills the table: with what was typed, where that is to be mended.
func (s *Server) terms(q *request, typed url.Values, problems []settingProblem) (termsView, policy.Settings, error) {
	now, rev, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return termsView{}, now, err
	}
	v := termsView{May: s.may(q, policy.ChangePolicy), Rev: rev, Country: land(now.Country), Problems: problems}
	if _, code := s.as(q).Office(); code != now.Country && code != "" {
		v.Other = land(code)
	}
	ctx, done := context.WithTimeout(q.r.Context(), countLimit)
	defer done()
	counts, err := s.as(q).PreviewSettings(ctx, now)
	switch {
	case err == nil:
	case storeDown(err):
		v.Note = T("terms.down")
	case errors.Is(err, context.DeadlineExceeded) && q.r.Context().Err() == nil:
		v.Note = T("terms.slow")
	default:
		return v, now, err
	}
	preset := policy.Preset(now.Country)
	for _, k := range policy.Kinds() {
		least, most := policy.Bounds(k)
		r := termRow{Kind: k, Name: T("term." + string(k)), Hint: words["term.hint."+string(k)], Days: strconv.Itoa(now.Keep[k]),
			Unused: slices.Contains(notKept, k), Preset: T("terms.preset", days(preset.Keep[k]), least, most)}
		field := "keep." + string(k)
		if typed.Has(field) {
			r.Days = cutTyped(typed.Get(field))
		}
		if i := slices.IndexFunc(problems, func(p settingProblem) bool { return p.ID == settingID(field) }); i >= 0 {
			r.Wrong = problems[i].Text
		}
		if !r.Unused {
			r.Here, r.Oldest = "–", "–"
		}
		if i := slices.IndexFunc(counts, func(p storage.Preview) bool { return p.Kind == k }); i >= 0 && !r.Unused {
			r.Here = itoa(counts[i].Here)
			if at := counts[i].Oldest; !at.IsZero() {
				r.Oldest = boxDate(at, q.now)
			}
		}
		v.Rows = append(v.Rows, r)
	}
	return v, now, nil
}

// may tells whether the role of who is logged in has a right.
func (s *Server) may(q *request, right policy.Right) bool {
	return (&policy.Settings{}).May(q.who.account.Role, right)
}

// boxDate gives a day of the box, which are those of UTC; the year where it is another one.
func boxDate(at, now time.Time) string {
	if at.UTC().Year() == now.UTC().Year() {
		return at.UTC().Format(T("time.short"))
	}
	return at.UTC().Format(T("time.dayyear"))
}

func days(n int) string { return count("terms.day", "terms.days", n) }

// land names the country whose preset settings begin with.
func land(code string) string {
	if c, ok := country.Lookup(code); ok {
		return c.Name
	}
	return cmp.Or(code, T("terms.general"))
}

func cutTyped(text string) string {
	if len(text) > maxAgain {
		return strings.ToValidUTF8(text[:maxAgain], "")
	}
	return text
}

// settingID is the id of the field of a setting, by its name in the settings.
func settingID(field string) string {
	return "s-" + strings.NewReplacer(".", "-", " ", "-").Replace(field)
}

// parts of the settings, as a form says which it has.
const (
	partTerms   = "terms"
	partMasking = "masking"
	partPreset  = "preset"
)

// settingsOf gives the settings as they would be with a form, of which it takes the part
// that it says it has. What cannot be read becomes a value that does not validate.
func settingsOf(f url.Values, now policy.Settings, code string) policy.Settings {
	next := now.Clone()
	switch f.Get("part") {
	case partPreset:
		next = policy.Preset(code)
		next.Numbers = now.Clone().Numbers // which no preset has
	case partTerms:
		for _, k := range policy.Kinds() {
			if field := "keep." + string(k); f.Has(field) && !slices.Contains(notKept, k) {
				next.Keep[k] = figure(f.Get(field))
			}
		}
	case partMasking:
		next.Cut, next.Unmask.Minutes, next.Unmask.Second = figure(f.Get("cut")), figure(f.Get("unmask.minutes")), f.Has("unmask.second")
		next.Record = policy.Record{Internal: f.Has("record.internal"), Incoming: f.Has("record.incoming"), Outgoing: f.Has("record.outgoing"), Failed: f.Has("record.failed")}
		for _, r := range policy.Roles() {
			field, sight := "numbers."+r.String(), policy.Sight(0)
			if !f.Has(field) {
				continue
			}
			if sight.UnmarshalText([]byte(f.Get(field))) != nil {
				sight = policy.Whole + 1
			}
			if delete(next.Numbers, r); sight != next.Sees(r) {
				if next.Numbers == nil {
					next.Numbers = policy.Sights{}
				}
				next.Numbers[r] = sight
			}
		}
	}
	return next
}

// figure reads a number as people type it; -1 for what is none.
func figure(text string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// problemsOf gives what is wrong with settings in sentences.
func problemsOf(err error) (l []settingProblem) {
	var p policy.Problems
	if errors.As(err, &p) {
		for _, x := range p {
			name, ok := words["setting."+x.Field]
			if !ok {
				name = x.Field
			}
			l = append(l, settingProblem{settingID(x.Field), T("terms.problem", name, x.Text)})
		}
	}
	return l
}

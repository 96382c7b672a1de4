package papers

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sotto/storage/policy"
)

// TestLanguagesAreInStep: a language is data, so what all have to have is held here.
func TestLanguagesAreInStep(t *testing.T) {
	place := regexp.MustCompile(`\{[a-z]+\}`)
	places := func(s string) []string {
		l := place.FindAllString(s, -1)
		slices.Sort(l)
		return l
	}
	en := languages["en"]
	for _, lang := range Languages() {
		w := languages[lang]
		if !slices.Equal(slices.Sorted(maps.Keys(w)), slices.Sorted(maps.Keys(en))) {
			t.Errorf("%s has other keys than en", lang)
		}
		for key, s := range w {
			if strings.TrimSpace(s) != s || s == "" || !slices.Equal(places(s), places(en[key])) {
				t.Errorf("%s: %s: %q beside %q", lang, key, s, en[key])
			}
		}
		if n := len(strings.Split(w["months"], ",")); n != 12 {
			t.Errorf("%s: %d months", lang, n)
		}
	}
	if !slices.Equal(Languages(), []string{"de", "en"}) {
		t.Error(Languages())
	}
}

// TestNoSentenceIsIdle takes each sentence away and sees that a paper misses it, and says so.
func TestNoSentenceIsIdle(t *testing.T) {
	var inputs []Input
	vary := func(change func(*Input)) {
		in := full()
		change(&in)
		inputs = append(inputs, in)
	}
	vary(func(*Input) {})
	vary(func(in *Input) { *in = plain() })
	vary(func(in *Input) {
		in.Root, in.Backups, in.Secure, in.Facts.Lines, in.Facts.Fields = "", 1, true, 0, []string{"shoe size"}
		in.Recipients = append(in.Recipients, Recipient{Kind: "access"}, Recipient{Kind: "backup"}, Recipient{Kind: "mail"}, Recipient{Kind: "syslog"}, Recipient{})
		in.Settings.Keep[policy.Traces], in.Settings.Unmask = 1, policy.Unmask{Minutes: 1}
	})
	vary(func(in *Input) {
		in.Root, in.Settings.Record, in.Facts.NoJournal = Passphrase, policy.Record{Incoming: true}, 9
		in.Recipients = slices.Repeat(in.Recipients, 200)
		in.Settings.Numbers = policy.Sights{policy.Admin: policy.None}
	})
	vary(func(in *Input) { in.Settings.Record = policy.Record{Internal: true, Outgoing: true} })
	vary(func(in *Input) { in.Settings.Record, in.Country = policy.Record{}, "JP" })
	vary(func(in *Input) { in.Office, in.Controller.Name = "", "" })
	defer delete(languages, "xx")
	for key := range languages["en"] {
		languages["xx"] = maps.Clone(languages["en"])
		delete(languages["xx"], key)
		missed := false
		for _, in := range inputs {
			for _, k := range []Kind{Record, Notice} {
				var b bytes.Buffer
				if err := Text(&b, k, "xx", in); err != nil {
					missed = true
					if b.Len() > 0 || !strings.Contains(err.Error(), key) {
						t.Errorf("%s: %v, after %d bytes", key, err, b.Len())
					}
				}
			}
		}
		if !missed {
			t.Errorf("%s is said by no paper", key)
		}
	}
}

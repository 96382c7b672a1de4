package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
)

// Reason says where a figure of a preset comes from, for a page and for whoever checks it.
type Reason struct {
	Field     string `json:"field"`     // as of a [Problem]: "cut", "keep.records"
	Why       string `json:"why"`       // law, authority or our own choice, in a few words
	Confirmed bool   `json:"confirmed"` // a source was read that says so; else it is our choice, or the source was not to be had
}

// preset is settings as presets.json has them; a country's has only what differs from the
// general one.
type preset struct {
	Keep   map[Kind]int `json:"keep"`
	Cut    int          `json:"cut"`
	Record *Record      `json:"record"`
	Unmask *Unmask      `json:"unmask"`
	Why    []Reason     `json:"why"`
}

//go:embed presets.json
var presetsJSON []byte

var presets = func() (f struct {
	General   preset            `json:"general"`
	Countries map[string]preset `json:"countries"`
}) {
	embedded("presets.json", presetsJSON, &f)
	return f
}()

// embedded decodes a file that was built in. A test opens it, so it never panics in the field.
func embedded(name string, b []byte, v any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		panic(name + ": " + err.Error())
	}
}

// Preset gives the settings of a country, by its code of package country: "DE"; of a country
// that it has none for, the general ones. Country is as it was given. What it gives is the
// caller's own.
func Preset(country string) Settings {
	s := Settings{Country: country, Keep: map[Kind]int{}}
	for _, p := range []preset{presets.General, presets.Countries[country]} {
		maps.Copy(s.Keep, p.Keep)
		if p.Cut != 0 {
			s.Cut = p.Cut
		}
		if p.Record != nil {
			s.Record = *p.Record
		}
		if p.Unmask != nil {
			s.Unmask = *p.Unmask
		}
	}
	return s
}

// Reasons gives where the figures of [Preset] come from: one for each field that has a figure,
// those of the country in place of the general ones.
func Reasons(country string) []Reason {
	own := presets.Countries[country].Why
	var l []Reason
	for _, r := range presets.General.Why {
		if i := slices.IndexFunc(own, func(o Reason) bool { return o.Field == r.Field }); i >= 0 {
			r = own[i]
		}
		l = append(l, r)
	}
	return l
}

// Countries gives the codes of the countries that [Preset] has looked at, in order. A country
// that is among them and differs in nothing from the general preset has no figures of its own.
func Countries() []string { return slices.Sorted(maps.Keys(presets.Countries)) }

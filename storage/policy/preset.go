package policy

// Preset gives the settings of a country, by its code of package country: "DE"; of a country
// that it has none for, the general ones.
func Preset(country string) Settings {
	return Settings{
		Country: country, Cut: 4,
		Keep:   map[Kind]int{Digits: 7, Records: 30, Journal: 30, Counts: 365, Messages: 30, Recordings: 30, Removed: 60, Traces: 2, Audit: 365},
		Record: Record{true, true, true, true}, Unmask: Unmask{Minutes: 10, Second: true},
	}
}

// May tells whether a role has a right.
func (s *Settings) May(r Role, right Right) bool { return false }

// Sees tells how a role sees outside numbers.
func (s *Settings) Sees(r Role) Sight { return None }

package main

import (
	"errors"
	"flag"
	"fmt"
	"time"
)

// date prints a day of the box, which are those of UTC; nothing for none.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// span is a time from -from to -until.
type span struct {
	fromText, untilText string
	from, until         time.Time // from from on and before until; zero: no bound
}

func (s *span) flags(f *flag.FlagSet) {
	f.StringVar(&s.fromText, "from", "", "only from this `date` on (UTC), such as 2026-03-01, or 2026-03-01T08:00:00Z")
	f.StringVar(&s.untilText, "until", "", "only until this `date` (UTC), with all of that day, or before a time")
}

func (s *span) said() bool { return s.fromText != "" || s.untilText != "" }

// check reads the two.
func (s *span) check() (err error) {
	if s.from, _, err = parseTime(s.fromText); err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	day := false
	if s.until, day, err = parseTime(s.untilText); err != nil {
		return fmt.Errorf("-until: %w", err)
	}
	if day {
		s.until = s.until.AddDate(0, 0, 1)
	}
	if !s.until.IsZero() && !s.from.Before(s.until) {
		return errors.New("-from is not before -until")
	}
	return nil
}

func parseTime(text string) (at time.Time, day bool, err error) {
	if text == "" {
		return at, false, nil
	}
	if at, err = time.Parse(time.DateOnly, text); err == nil {
		return at, true, nil
	}
	if at, err = time.Parse(time.RFC3339, text); err == nil {
		return at, false, nil
	}
	return at, false, errors.New("say a date such as 2026-03-01, or a time such as 2026-03-01T08:00:00Z")
}

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sotto/storage"
	"sotto/storage/policy"
)

// changed gives the settings that -preset and -set ask for.
func (t *termsTask) changed(now policy.Settings) (policy.Settings, error) {
	next := now.Clone()
	if t.preset != "" {
		country := strings.ToUpper(t.preset)
		if t.preset == "general" {
			country = ""
		} else if !slices.Contains(policy.Countries(), country) {
			return next, fmt.Errorf("-preset: say general or one of %s", strings.Join(policy.Countries(), ", "))
		}
		next = policy.Preset(country)
	}
	if t.set == "" {
		return next, next.Validate()
	}
	for _, one := range strings.Split(t.set, ",") {
		name, value, is := strings.Cut(strings.TrimSpace(one), "=")
		if !is {
			return next, errors.New("-set: say what and how, as records=21; -h tells more")
		}
		if err := setOne(&next, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return next, fmt.Errorf("-set: %w", err)
		}
	}
	return next, next.Validate()
}

// setOne sets one field by its name in the JSON of settings; those of keep go without that.
func setOne(s *policy.Settings, name, value string) error {
	switches := map[string]*bool{
		"record.internal": &s.Record.Internal, "record.incoming": &s.Record.Incoming, "record.outgoing": &s.Record.Outgoing,
		"record.failed": &s.Record.Failed, "unmask.second": &s.Unmask.Second,
	}
	if b := switches[name]; b != nil {
		if value != "yes" && value != "no" {
			return fmt.Errorf("%s is yes or no", name)
		}
		*b = value == "yes"
		return nil
	}
	if role, is := strings.CutPrefix(name, "numbers."); is {
		r, err := parseRole(role)
		var sight policy.Sight
		if err == nil {
			err = sight.UnmarshalText([]byte(value))
		}
		if err != nil {
			return err
		}
		if s.Numbers == nil {
			s.Numbers = policy.Sights{}
		}
		s.Numbers[r] = sight
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		err = errors.New("a term is a number of days, and the rest is told by -h")
	}
	kind := policy.Kind(strings.TrimPrefix(name, "keep."))
	switch {
	case slices.Contains(policy.Kinds(), kind):
		s.Keep[kind] = n
	case name == "cut":
		s.Cut = n
	case name == "unmask.minutes":
		s.Unmask.Minutes = n
	default:
		return errors.New("there is nothing of this name to set; -h tells what there is")
	}
	return err
}

// tellSettings tells in words what is set beside terms.
func tellSettings(now policy.Settings, rev storage.Rev) string {
	country := now.Country
	if country == "" {
		country = "no country"
	}
	preset := fmt.Sprintf("The preset is that of %s.", country)
	if rev == 0 {
		preset = fmt.Sprintf("Nothing was set yet: the preset of %s counts, and goes with the country of the plan.", country)
	}
	var sees, calls []string
	for _, r := range policy.Roles() {
		if now.May(r, policy.SeeRecords) {
			sees = append(sees, fmt.Sprintf("%v %v", r, now.Sees(r)))
		}
	}
	for _, c := range []struct {
		name string
		is   bool
	}{{"internal", now.Record.Internal}, {"incoming", now.Record.Incoming}, {"outgoing", now.Record.Outgoing}, {"failed", now.Record.Failed}} {
		if c.is {
			calls = append(calls, c.name)
		}
	}
	second := "without anybody else"
	if now.Unmask.Second {
		second = "when somebody else agrees"
	}
	return fmt.Sprintf(`%s
Outside numbers in calls of others: %s.
Masked is without the last %d digits. One that is asked for shows for %d minutes, %s.
Calls that make a record: %s.
`, preset, strings.Join(sees, ", "), now.Cut, now.Unmask.Minutes, second, strings.Join(append(calls, "those to emergency numbers"), ", "))
}

// parseRole reads the name of a role. In place of its blank there may be a hyphen.
func parseRole(s string) (policy.Role, error) {
	if r, ok := policy.RoleNamed(strings.ReplaceAll(strings.ToLower(s), "-", " ")); ok {
		return r, nil
	}
	return 0, errors.New("the roles are owner, admin, privacy-officer, installer and staff")
}

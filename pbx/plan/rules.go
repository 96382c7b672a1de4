package plan

import (
	"fmt"
	"strings"
)

// rules checks the rules for outside numbers. One that could never count is a problem: who
// wrote it believes that it does.
func (c *check) rules() {
	if len(c.Rules) > MaxRules {
		c.add(fmt.Sprintf("has more than %d rules", MaxRules), "rules")
	}
	names, prefixes := map[string]int{}, map[string]int{}
	for i := range c.Rules[:min(len(c.Rules), MaxRules)] {
		r := &c.Rules[i]
		at := fmt.Sprintf("rules[%d]", i)
		if c.text(r.Name, at+".name") {
			if k, twice := names[r.Name]; twice {
				c.add(fmt.Sprintf("is also the name of rules[%d]", k), "%s.name", at)
			} else {
				names[r.Name] = i
			}
		}
		good := len(r.Prefix) <= maxDial && digits(r.Prefix)
		if !good {
			c.add(fmt.Sprintf("must be digits and nothing else, %d at most", maxDial), "%s.prefix", at)
		} else if k, twice := prefixes[r.Prefix]; twice {
			c.add(fmt.Sprintf("is also the prefix of rules[%d], so this rule could never count", k), "%s.prefix", at)
		} else {
			prefixes[r.Prefix] = i
			c.inTheWay(r.Prefix, at)
		}
		if r.Forbid {
			c.forbids(r, at)
			continue
		}
		if len(r.Prepend) > maxDial || !digits(r.Prepend) {
			c.add(fmt.Sprintf("must be digits and nothing else, %d at most", maxDial), "%s.prepend", at)
		}
		if good {
			c.counts(r, at)
		}
		c.ruleLines(r, at)
	}
}

// inTheWay tells of a prefix that nobody could dial, because what it begins with is
// complete before. Extensions are in the way only in an office without a digit for outside
// calls: with one, none may begin with that digit.
func (c *check) inTheWay(prefix, at string) {
	for _, e := range c.emergency {
		weak := strings.HasPrefix(c.OutsidePrefix+c.abroad, e) // as 000 in Australia, before 0 0011
		if strings.HasPrefix(c.OutsidePrefix+prefix, e) && !weak || strings.HasPrefix(prefix, e) {
			c.add("is an emergency number or begins with one, which no rule can change", "%s.prefix", at)
			return
		}
	}
	if c.OutsidePrefix != "" {
		return
	}
	for n := 1; n <= min(len(prefix), MaxExt); n++ {
		if k, is := c.exts[Ext(prefix[:n])]; is {
			c.add(fmt.Sprintf("is the extension of users[%d] or begins with it, so it could never be dialled", k), "%s.prefix", at)
			return
		}
	}
}

// counts checks how many digits a rule speaks of.
func (c *check) counts(r *Rule, at string) {
	switch {
	case r.Digits < 0 || r.Digits > maxDial:
		c.add(fmt.Sprintf("must be from 1 to %d, or left out", maxDial), "%s.digits", at)
	case r.Digits > 0 && r.Digits < len(r.Prefix):
		c.add("is less than the prefix has digits", "%s.digits", at)
	}
	switch {
	case r.Strip < 0:
		c.add("must be the number of digits to take away, or left out", "%s.strip", at)
	case r.Strip > len(r.Prefix):
		c.add("is more than the prefix has digits: a rule takes away nothing else", "%s.strip", at)
	case r.Strip > 0 && r.Strip == r.Digits && r.Prepend == "":
		c.add("takes away all digits, so nothing would be dialled", "%s.strip", at)
	}
}

// forbids refuses what a rule that forbids has no use for.
func (c *check) forbids(r *Rule, at string) {
	const useless = "has no meaning in a rule that forbids: leave it out"
	if r.Digits != 0 {
		c.add(useless, "%s.digits", at)
	}
	if r.Strip != 0 {
		c.add(useless, "%s.strip", at)
	}
	if r.Prepend != "" {
		c.add(useless, "%s.prepend", at)
	}
	if len(r.Lines) > 0 {
		c.add(useless, "%s.lines", at)
	}
}

func (c *check) ruleLines(r *Rule, at string) {
	if len(r.Lines) > MaxLines {
		c.add(fmt.Sprintf("has more than %d lines", MaxLines), "%s.lines", at)
	}
	listed := map[string]bool{}
	for j, name := range r.Lines[:min(len(r.Lines), MaxLines)] {
		if _, known := c.lineNames[name]; !known {
			c.add("is not the name of a line", "%s.lines[%d]", at, j)
		} else if listed[name] {
			c.add("stands in this list already", "%s.lines[%d]", at, j)
		}
		listed[name] = true
	}
}

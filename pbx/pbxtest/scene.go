package pbxtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sotto/board/sim/exchange"
	"sotto/pbx/plan"
)

// Scene is what a scenario plays in.
type Scene struct {
	Country  string
	Abroad   []string // countries to play in, one after the other; empty: just Country
	Long     bool     // too long for the race detector
	Stations int
	Lines    int
	Dead     []string
	Ring     int
	Ports    map[plan.Ext][]string  // in place of one port each
	Names    map[plan.Ext]string    // in place of Person A, Person B …
	Reverse  []plan.Ext             // whose line turns on answer
	Protect  []plan.Ext             // whose far parties are not kept
	ShowOnly []plan.Ext             // who is only shown who calls from outside
	Private  string                 // dialled before a number, so that who is called is not kept
	Codes    []plan.Code            // accounting codes
	Prefix   string                 // dialled before one
	SIP      []plan.Ext             // users with telephones on the network, beside the stations' or new ones
	Saved    *Registrations         // of before the start, nil for none
	Exchange func(*exchange.Config) // changes the country's exchange, nil for none
	Wires    map[int]plan.Line      // what the plan says of lines, from 1; name and port are filled in
	Rules    []plan.Rule            // for outside numbers
}

// ParseScene reads the @ lines of a scenario and gives the rest.
func ParseScene(text string) (Scene, string, error) {
	s := Scene{Country: "DE", Stations: 4, Lines: 2, Ports: map[plan.Ext][]string{}, Names: map[plan.Ext]string{}, Wires: map[int]plan.Line{}}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		f := strings.Fields(l)
		if len(f) == 0 || !strings.HasPrefix(f[0], "@") {
			continue
		}
		lines[i] = ""
		arg := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), f[0]))
		var err error
		switch f[0] {
		case "@country":
			s.Country = arg
		case "@countries":
			s.Abroad = f[1:]
		case "@long":
			s.Long = true
		case "@line":
			err = s.wire(f[1:])
		case "@rule":
			err = s.rule(f[1:])
		case "@stations":
			s.Stations, err = strconv.Atoi(arg)
		case "@lines":
			s.Lines, err = strconv.Atoi(arg)
		case "@ring":
			s.Ring, err = strconv.Atoi(arg)
		case "@dead":
			s.Dead = append(s.Dead, arg)
		case "@name":
			ext, name, _ := strings.Cut(arg, " ")
			s.Names[plan.Ext(ext)] = strings.TrimSpace(name)
		case "@reverse":
			s.Reverse = append(s.Reverse, plan.Ext(arg))
		case "@protected":
			for _, x := range f[1:] {
				s.Protect = append(s.Protect, plan.Ext(x))
			}
		case "@show-only":
			for _, x := range f[1:] {
				s.ShowOnly = append(s.ShowOnly, plan.Ext(x))
			}
		case "@private":
			s.Private = arg
		case "@codes":
			err = s.codes(f[1:])
		case "@sip":
			for _, x := range f[1:] {
				s.SIP = append(s.SIP, plan.Ext(x))
			}
		case "@double":
			e := plan.Ext(f[1])
			for _, n := range strings.Split(strings.Join(f[2:], " "), "FXS") {
				if n = strings.TrimSpace(n); n != "" {
					s.Ports[e] = append(s.Ports[e], "FXS "+n)
				}
			}
		default:
			err = fmt.Errorf("%s is not known", f[0])
		}
		if err != nil {
			return s, "", fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, strings.Join(lines, "\n"), nil
}

// wire reads what the plan says of a line.
func (s *Scene) wire(f []string) error {
	if len(f) < 2 {
		return errors.New("say what of which line")
	}
	n, err := strconv.Atoi(f[0])
	x := s.Wires[n]
	for i := 1; i < len(f) && err == nil; i++ {
		switch f[i] {
		case "pulse":
			x.Pulse = true
		case "reversal":
			x.Reversal = true
		case "show-only":
			x.ShowOnly = true
		case "break":
			if i++; i == len(f) {
				return errors.New("say how long a break")
			}
			x.Break, err = strconv.Atoi(f[i])
		case "rings":
			for i++; i < len(f); i++ {
				x.Rings = append(x.Rings, plan.Ext(f[i]))
			}
		default:
			err = fmt.Errorf("%s is not known of a line", f[i])
		}
	}
	s.Wires[n] = x
	return err
}

// codes reads accounting codes: what is dialled before one, then each one's digits and name.
func (s *Scene) codes(f []string) error {
	if len(f)%2 == 0 {
		return errors.New("say what is dialled before a code, then the digits and the name of each")
	}
	s.Prefix = f[0]
	for i := 1; i < len(f); i += 2 {
		s.Codes = append(s.Codes, plan.Code{Digits: f[i], Name: f[i+1]})
	}
	return nil
}

// rule reads a rule for outside numbers.
func (s *Scene) rule(f []string) error {
	if len(f) < 2 {
		return errors.New("say what becomes of which numbers")
	}
	r := plan.Rule{Name: "Numbers " + f[0], Prefix: f[0]}
	switch f[1] {
	case "forbid":
		r.Forbid = true
	case "lines":
		for _, n := range f[2:] {
			r.Lines = append(r.Lines, "line "+n)
		}
	default:
		return fmt.Errorf("%s is not known of a rule", f[1])
	}
	s.Rules = append(s.Rules, r)
	return nil
}

// Name gives the extension of station i: 101 to 109, then 120 and on, clear of every
// country's emergency numbers.
func Name(i int) string {
	if i < 9 {
		return strconv.Itoa(101 + i)
	}
	return strconv.Itoa(120 + i - 9)
}

// Plan gives the plan of the scene: users by Name on FXS 1, FXS 2 …, lines on FXO 1 …, and
// 0 for outside calls.
func (s *Scene) Plan() plan.Plan {
	p := plan.Plan{Office: "Test", Country: s.Country, RingSeconds: s.Ring, OutsidePrefix: "0", PrivatePrefix: s.Private, CodePrefix: s.Prefix, Codes: s.Codes}
	taken := map[string]bool{}
	for _, l := range s.Ports {
		for _, label := range l[1:] {
			taken[label] = true
		}
	}
	for i := range s.Stations {
		label := fmt.Sprintf("FXS %d", i+1)
		u := plan.User{ID: plan.UserID(fmt.Sprintf("u%d", i+1)), Name: fmt.Sprintf("Person %c", 'A'+i), Ext: plan.Ext(Name(i))}
		if n := s.Names[u.Ext]; n != "" {
			u.Name = n
		}
		u.ReverseOnAnswer = slices.Contains(s.Reverse, u.Ext)
		if l := s.Ports[u.Ext]; l != nil {
			u.Ports = l
		} else if !taken[label] {
			u.Ports = []string{label}
		}
		p.Users = append(p.Users, u)
	}
	for _, x := range s.SIP {
		if i := slices.IndexFunc(p.Users, func(u plan.User) bool { return u.Ext == x }); i >= 0 {
			p.Users[i].SIP = true
			continue
		}
		p.Users = append(p.Users, plan.User{ID: plan.UserID("s" + string(x)), Name: "Person " + string(x), Ext: x, SIP: true})
	}
	for i := range p.Users {
		u := &p.Users[i]
		u.Protected, u.ShowOnly = slices.Contains(s.Protect, u.Ext), slices.Contains(s.ShowOnly, u.Ext)
	}
	for i := range s.Lines {
		x := s.Wires[i+1]
		x.Name, x.Port = fmt.Sprintf("line %d", i+1), fmt.Sprintf("FXO %d", i+1)
		p.Lines = append(p.Lines, x)
	}
	p.Rules = s.Rules
	return p
}

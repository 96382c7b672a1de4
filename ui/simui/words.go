package simui

import (
	"slices"
	"strconv"
	"strings"
)

// state is how everything stands, in the words of the page: the same for the page that
// is written and for the one that changes.
type state struct {
	Phones []phoneState `json:"phones"`
	Lines  []lineState  `json:"lines"`
}

// phoneState is how a telephone stands.
type phoneState struct {
	ID    string `json:"id"`   // "p1"
	Name  string `json:"-"`    // "Phone 1 · 101"
	Lamp  string `json:"lamp"` // a class of the style sheet
	Word  string `json:"word"`
	Said  string `json:"said"` // what a closer look tells
	Up    bool   `json:"up"`
	Bell  bool   `json:"bell"` // the bell sounds now
	Hook  string `json:"hook"` // the hook key: what it says …
	Do    string `json:"do"`   // … and does
	Fault bool   `json:"fault"`
}

// lineState is how an exchange line stands.
type lineState struct {
	ID    string `json:"id"` // "l1"
	Name  string `json:"-"`
	Lamp  string `json:"lamp"`
	Word  string `json:"word"`
	Said  string `json:"said"`
	Up    bool   `json:"up"`   // the far party is off the hook
	Keys  string `json:"keys"` // of the acts that make sense now: "call cut other quiet"
	Cut   bool   `json:"cut"`
	Other bool   `json:"other"`
	Quiet bool   `json:"quiet"`
	Way   string `json:"way"` // of answering: "self", "wait", "busy"
}

// Can tells whether an act makes sense now.
func (l lineState) Can(act string) bool { return slices.Contains(strings.Fields(l.Keys), act) }

// look gives how everything stands for one who may see personal data, or may not.
func (s *Server) look(personal bool) state {
	var st state
	for i, t := range s.cfg.World.Telephones() {
		st.Phones = append(st.Phones, phoneWords(i, &t, personal))
	}
	for i, l := range s.cfg.World.Lines() {
		st.Lines = append(st.Lines, lineWords(i, &l, personal))
	}
	return st
}

func phoneWords(i int, t *Telephone, personal bool) phoneState {
	p := phoneState{ID: id('p', i), Name: plate("Phone", t.Label, t.Name), Up: t.OffHook, Bell: t.Bell, Hook: "Lift", Do: "lift", Fault: t.Fault}
	var more []string
	switch {
	case t.Fault:
		p.Lamp, p.Word = "fault", "Out of service"
	case t.OffHook && len(t.Talks) > 0:
		p.Lamp, p.Word = "call", "Talks with "+list(t.Talks)
	case t.OffHook && len(t.Voices) > 0:
		p.Lamp, p.Word = "call", "Hears "+list(t.Voices)
	case t.OffHook && t.Tone != "":
		p.Lamp, p.Word = "busy", toneWord(t.Tone)
	case t.OffHook:
		p.Lamp, p.Word = "busy", "Off the hook"
	case t.Ringing:
		p.Lamp, p.Word, p.Hook = "ring", "Ringing", "Lift to answer"
		if t.Cadence != "" {
			more = append(more, "cadence "+t.Cadence)
		}
	default:
		p.Lamp, p.Word = "ready", "On the hook"
	}
	if t.OffHook {
		p.Hook, p.Do = "Put down", "down"
	}
	if t.Display != "" && personal {
		more = append(more, "display: "+t.Display)
	} else if t.Display != "" {
		more = append(more, "display: on, hidden from you")
	}
	p.Said = strings.Join(more, ", ")
	return p
}

func lineWords(i int, l *Line, personal bool) lineState {
	s := lineState{ID: id('l', i), Name: plate("Line", l.Label, ""), Cut: l.Cut, Other: l.OtherSet, Quiet: l.NoDialTone, Way: "self"}
	for w, a := range answerings {
		if a == l.Answering {
			s.Way = w
		}
	}
	var keys, more []string
	switch l.State {
	case LineRings:
		s.Lamp, s.Word, s.Up, keys = "ring", "Calls in", true, []string{"abandon"}
	case LineSeized:
		s.Lamp, s.Word, keys = "busy", "Held by the box", []string{"end"}
	case LineWaits:
		s.Lamp, s.Word, keys = "ring", "Is called", []string{"answer", "end"}
	case LineTalks:
		s.Lamp, s.Word, s.Up, keys = "call", "In a call", true, []string{"end"}
	case LineEnded:
		s.Lamp, s.Word = "busy", "Has hung up"
	default:
		s.Lamp, s.Word, keys = "ready", "Nobody calls", []string{"call"}
	}
	switch {
	case l.Cut:
		s.Lamp, s.Word, s.Up, keys = "warn", "The wire is cut", false, nil
	case l.OtherSet && l.State == LineIdle:
		s.Lamp, s.Word, keys = "busy", "Another set is off the hook", nil
	case l.OtherSet:
		more = append(more, "another set is off the hook")
	}
	if l.NoDialTone {
		more = append(more, "no dial tone")
	}
	if l.Digits != "" && personal {
		more = append(more, "dialled "+l.Digits)
	} else if l.Digits != "" {
		more = append(more, "dialled: hidden from you")
	}
	if len(l.Talks) > 0 {
		more = append(more, "talks with "+list(l.Talks))
	} else if len(l.Voices) > 0 {
		more = append(more, "hears "+list(l.Voices))
	}
	s.Keys, s.Said = strings.Join(keys, " "), strings.Join(more, ", ")
	return s
}

// toneWord gives the name of a tone of the ear as the page says it.
func toneWord(name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	if strings.HasSuffix(name, " tone") || name == "Howler" {
		return name
	}
	return name + " tone"
}

// plate gives what stands on a telephone: "Phone 1 · 101" of port "FXS 1".
func plate(word, label, name string) string {
	if _, n, ok := strings.Cut(label, " "); ok {
		word += " " + n
	}
	if name != "" {
		word += " · " + name
	}
	return word
}

func id(kind byte, i int) string { return string(kind) + strconv.Itoa(i+1) }

func list(l []string) string {
	if n := len(l) - 1; n > 0 {
		return strings.Join(l[:n], ", ") + " and " + l[n]
	}
	return l[0]
}

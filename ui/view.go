package ui

import (
	"cmp"
	"strings"
	"time"

	"sotto/storage"
)

// lampView is a shape, a colour and a word.
type lampView struct{ Class, Glyph, Word string }

func lamp(class, word string) lampView { return lampView{class, class, word} }

// timeView is a time that passes. Text is empty in parts that are sent to a script, which
// counts by itself: else each second would be news.
type timeView struct {
	At   time.Time
	Text string
}

func (v *viewing) since(at time.Time) timeView {
	if at.IsZero() || v.stream {
		return timeView{At: at}
	}
	return timeView{at, duration(v.now.Sub(at))}
}

// partyView is one end of a call as storage gave it, in what the templates need.
type partyView struct {
	Kind              string // "user", "masked", "number", "cut", "tail", "word"
	Name, Ext, Number string
	Word              string
}

func party(p storage.PartyView) partyView {
	word := func(key string) partyView { return partyView{Kind: "word", Word: T(key)} }
	switch p.State {
	case storage.Hidden:
		return word("party.hidden")
	case storage.Erased:
		return word("party.erased")
	case storage.Aged:
		return word("party.aged")
	case storage.NotKept:
		return word("party.notkept")
	case storage.Cut:
		return partyView{Kind: "cut", Number: strings.TrimSuffix(p.Number, "…")}
	case storage.Unsealed:
		return word("party.damaged")
	case storage.Nobody:
		return word("party.nobody")
	}
	switch {
	case p.User != "" || p.Ext != "":
		return partyView{Kind: "user", Name: p.Name, Ext: string(p.Ext)}
	case p.Number == "":
		return word("party.nobody")
	case p.State == storage.Masked:
		return partyView{Kind: "masked", Number: strings.TrimSuffix(p.Number, "…")}
	}
	return partyView{Kind: "number", Number: p.Number}
}

// over names the line that a call goes over; empty for one inside.
func over(from, to storage.PartyView) string { return cmp.Or(from.Line, to.Line) }

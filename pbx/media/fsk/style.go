package fsk

import (
	"strings"

	"sotto/pbx/country"
	"sotto/pbx/number"
)

// dialling is how a number of full international form is dialled from a country, which is
// how its displays show it: a telephone calls back what it shows.
type dialling struct {
	abroad string // international prefix; empty is "00" (ITU-T E.164)
	own    string // country calling code; empty if numbers of the own country have no other form
	trunk  string // national prefix that replaces it
}

// dials holds the dialling of countries; one that is missing dials "00" and no number is
// its own. From ITU's list of dialling procedures (a complement to E.164).
var dials = map[string]dialling{
	"AT": {own: "43", trunk: "0"},
	"AU": {abroad: "0011", own: "61", trunk: "0"},
	"BE": {own: "32", trunk: "0"},
	"CA": {abroad: "011", own: "1"},
	"CH": {own: "41", trunk: "0"},
	"DE": {own: "49", trunk: "0"},
	"DK": {own: "45"},
	"ES": {own: "34"},
	"FI": {own: "358", trunk: "0"},
	"FR": {own: "33", trunk: "0"},
	"GB": {own: "44", trunk: "0"},
	"IE": {own: "353", trunk: "0"},
	"IT": {own: "39"},
	"JP": {abroad: "010", own: "81", trunk: "0"},
	"NL": {own: "31", trunk: "0"},
	"NO": {own: "47"},
	"NZ": {own: "64", trunk: "0"},
	"SE": {own: "46", trunk: "0"},
	"US": {abroad: "011", own: "1"},
}

// display gives the digits to be shown, empty if there is no number or it is too long.
func (s Style) display(n number.Number) string {
	d := n.Reveal()
	if international, ok := strings.CutPrefix(d, "+"); ok {
		switch home, ours := strings.CutPrefix(international, s.dial.own); {
		case ours && s.dial.own != "" && home != "":
			d = s.dial.trunk + home
		case s.dial.abroad != "":
			d = s.dial.abroad + international
		default:
			d = "00" + international
		}
	}
	if len(d) > maxNumber {
		return ""
	}
	return d
}

// StyleFor gives the style of a country's caller ID: modem and alert as package country
// has them, and the country's code for what those two leave open. It is false for what is
// no clip: NTT's, and alerting that the telephone has to answer.
func StyleFor(modem country.CallerIDModem, alert country.CallerIDAlert, code string) (Style, bool) {
	code = strings.ToUpper(code)
	s := Style{dial: dials[code]}
	switch alert {
	case country.AfterFirstRing, country.Reversal:
	case country.ReversalAndDTAS:
		s.DTAS = true
	default:
		return Style{}, false
	}
	switch modem {
	case country.Bell202:
		s.Modem, s.Seizure, s.Mark = Bell202, 300, 180 // GR-30
	case country.V23:
		s.Modem, s.Seizure, s.Mark = V23, 300, 180 // EN 300 659-1: 300 and 180±25
		if code == "GB" {
			s.Mark = 80 // SIN 227: 96 to 315, and 55 to 90
		}
	case country.DTMFID:
		s.DTAS = false // digits need no alert but the reversal
		switch code {
		case "DK":
			s.Digits = AHash
		case "NL", "TW", "KW":
			s.Digits = DC
		default:
			s.Digits = AC
		}
	default:
		return Style{}, false
	}
	return s, true
}

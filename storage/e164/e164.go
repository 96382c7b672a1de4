// Package e164 says under which one text an outside number is known, however it was dialled
// or shown. Package storage calls it, to find the subject of a number: so that who is erased
// is erased as 0044…, as +44… and as a number of the office's own town. It is pure: it keeps
// no number, asks nobody, and knows nothing of the plan's extensions and rules. Emergency
// numbers of the country stay as they are.
//
// What the numbers of a country look like it has from the library phonenumbers, which
// carries the data of libphonenumber.
package e164

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// maxDigits bounds what is looked at, a + included: as package number does.
const maxDigits = 32

// maxE164 is how long a text of E.164 section 6.1 can be: 15 digits and the +. The library
// allows some nations more.
const maxE164 = 16

// minLocal is how many digits a number of a place has at least. There are a few shorter ones,
// which are not told from short numbers and the emergency numbers of elsewhere.
const minLocal = 4

// front lists, by country, what may be dialled before a number and is no part of it: the
// codes of carriers (an x is any digit) and those that withhold or show the caller's number.
var front = map[string][]string{
	"AU": {"1831", "1832"},
	"CA": {"101xxxx"},
	"DE": {"0100xx", "010xx"},
	"ES": {"067"},
	"FR": {"3651"},
	"GB": {"1470", "141"},
	"JP": {"184", "186"},
	"US": {"101xxxx"},
}

// Normal gives the text that a person outside is known by: "+" and the digits of ITU-T E.164
// if digits, as dialled or shown in country, are a valid number of some country, else digits
// as they are. So signs, short numbers, emergency numbers and what is incomplete stay.
//
// Country is a code of package country. Digits may be a + and a number; a number with what is
// dialled in that country before one of another country, before a national one or before any
// (carrier codes); or one of the place with area code area, which is without the digit for
// national calls and may be empty. Any text is taken; what Normal gave stays as it is.
func Normal(country, area, digits string) string {
	if len(digits) > maxDigits || !plain(digits) {
		return digits
	}
	if n := abroad(country, digits); n != "" {
		return n
	}
	if digits[0] == '+' {
		return digits
	}
	if n := national(country, digits); n != "" {
		return n
	}
	if n := local(country, area, digits); n != "" {
		return n
	}
	for _, f := range front[country] {
		rest, ok := cutFront(digits, f)
		if !ok {
			continue
		}
		if n := abroad(country, rest); n != "" {
			return n
		}
		if n := national(country, rest); n != "" {
			return n
		}
	}
	return digits
}

// plain tells whether s is digits, at least one, with perhaps a + before them.
func plain(s string) bool {
	s = strings.TrimPrefix(s, "+")
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// cutFront takes what is like f off the front of digits, if something remains.
func cutFront(digits, f string) (rest string, ok bool) {
	if len(digits) <= len(f) {
		return "", false
	}
	for i := range len(f) {
		if f[i] != 'x' && f[i] != digits[i] {
			return "", false
		}
	}
	return digits[len(f):], true
}

// abroad gives the text for a number that begins with + or with what is dialled before the
// number of another country, or "".
func abroad(country, digits string) string {
	if phonenumbers.GetCountryCodeForRegion(country) == 0 { // the generic country
		if rest, ok := strings.CutPrefix(digits, "00"); ok {
			digits = "+" + rest
		}
	}
	n, err := phonenumbers.ParseAndKeepRawInput(digits, country)
	if err != nil {
		return ""
	}
	switch n.GetCountryCodeSource() {
	case phonenumbers.PhoneNumber_FROM_NUMBER_WITH_PLUS_SIGN, phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD:
		return valid(n)
	}
	return ""
}

// national gives the text for a number of the country, or "". It must be written as people
// there dial it: 30123456 is a number of Berlin after a 0 alone, and else one of the place,
// while of America's the 1 may be left out and Australia's 1800 numbers have nothing before.
func national(country, digits string) string {
	n, err := phonenumbers.Parse(digits, country)
	if err != nil {
		return ""
	}
	trunk := phonenumbers.GetNddPrefixForRegion(country, true)
	significant := phonenumbers.GetNationalSignificantNumber(n)
	switch {
	case digits == trunk+significant:
	case digits != phonenumbers.NormalizeDigitsOnly(phonenumbers.Format(n, phonenumbers.NATIONAL)):
		return ""
	case !phonenumbers.IsNANPACountry(country) && !strings.HasPrefix(digits, trunk) && !service(n):
		return ""
	}
	return valid(n)
}

// local gives the text for a number of the place, or "".
func local(country, area, digits string) string {
	code := phonenumbers.GetCountryCodeForRegion(country)
	trunk := phonenumbers.GetNddPrefixForRegion(country, true)
	if len(digits) < minLocal || area == "" || !plain(area) || area[0] == '+' || code == 0 || trunk != "" && strings.HasPrefix(digits, trunk) || short(country, digits) {
		return ""
	}
	n, err := phonenumbers.Parse("+"+strconv.Itoa(code)+area+digits, country)
	if err != nil {
		return ""
	}
	return valid(n)
}

// service tells whether n is of a service of the whole country, and of no place, telephone or
// pager.
func service(n *phonenumbers.PhoneNumber) bool {
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.UAN:
		return true
	}
	return false
}

// short tells whether digits are a short number of the whole country, as 116117.
func short(country, digits string) bool {
	n, err := phonenumbers.Parse(digits, country)
	return err == nil && phonenumbers.IsValidShortNumberForRegion(n, country)
}

// valid gives the text for n if it is valid and reads back as itself, or "".
func valid(n *phonenumbers.PhoneNumber) string {
	if !phonenumbers.IsValidNumber(n) {
		return ""
	}
	text := phonenumbers.Format(n, phonenumbers.E164)
	again, err := phonenumbers.Parse(text, "")
	if err != nil || len(text) > maxE164 || !phonenumbers.IsValidNumber(again) || phonenumbers.Format(again, phonenumbers.E164) != text {
		return ""
	}
	return text
}

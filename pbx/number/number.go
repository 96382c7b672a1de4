// Package number holds the one type that telephone numbers travel in. A [Number]
// prints, logs and marshals masked, so a careless %v, slog attribute or JSON field
// shows no digits, not even inside a struct whose fields are not exported. The digits
// come out through [Number.Reveal] alone, and the import table test of the project
// names the packages that may call it.
//
// The package is pure. It gives numbers no meaning: what can be dialled is for package
// plan to say.
package number

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unique"
)

// MaxDigits bounds a number: E.164 allows 15, prefixes and carrier codes the rest.
const MaxDigits = 32

// ErrNumber is returned for text that is no telephone number. It holds none of it.
var ErrNumber = errors.New("not a telephone number: only the digits 0-9, *, #, A-D and one leading + are allowed, 32 at most")

// Number is a telephone number or extension as dialled or shown: the characters
// 0-9, *, #, A-D and one leading +. The zero value is "no number". Numbers are
// compared with == and may be the key of a map.
type Number struct {
	// A handle and not the text: package fmt calls no method of a field that is not
	// exported and prints what it finds there. Here it finds an address.
	h unique.Handle[string]
}

// Parse reads a number as a person writes it: spaces, dots, dashes, slashes and
// brackets are dropped. Text with nothing else in it is no number, and no error. The
// error is ErrNumber.
func Parse(s string) (Number, error) {
	var d [MaxDigits]byte
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '*', c == '#', c >= 'A' && c <= 'D', c == '+' && n == 0:
			if n == MaxDigits {
				return Number{}, ErrNumber
			}
			d[n] = c
			n++
		case c == ' ', c == '.', c == '-', c == '/', c == '(', c == ')':
		default:
			return Number{}, ErrNumber
		}
	}
	switch {
	case n == 0:
		return Number{}, nil
	case n == 1 && d[0] == '+':
		return Number{}, ErrNumber
	}
	return Number{unique.Make(string(d[:n]))}, nil
}

// Must is Parse for constants and tests; it panics on a wrong one.
func Must(s string) Number {
	n, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return n
}

// Reveal gives the digits. Only packages named in the import table may call it.
func (n Number) Reveal() string {
	if n.IsZero() {
		return ""
	}
	return n.h.Value()
}

// IsZero tells whether there is no number.
func (n Number) IsZero() bool { return n == Number{} }

// String gives the masked form: an ellipsis and the last two digits, or the ellipsis
// alone for a number of four digits or fewer, where two would tell who it is. No number
// gives nothing.
func (n Number) String() string {
	if n.IsZero() {
		return ""
	}
	d := strings.TrimPrefix(n.Reveal(), "+")
	if len(d) <= 4 {
		return "…"
	}
	return "…" + d[len(d)-2:]
}

// Format implements [fmt.Formatter]: every verb, also %d and %#v, which would else look
// inside, prints what %s does, with its width; %q puts it in quotes.
func (n Number) Format(f fmt.State, verb rune) {
	if verb != 'q' {
		verb = 's'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), n.String())
}

// LogValue implements [slog.LogValuer].
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText gives the masked form, to JSON among others. There is no way back: what
// is to be read again is written with Reveal.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

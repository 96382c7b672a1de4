// Package number holds the one type that telephone numbers travel in. A [Number]
// prints, logs and marshals masked, so a careless %v, slog attribute or JSON field
// shows no digits. The digits come out through [Number.Reveal] alone, and the import
// table test of the project names the packages that may call it.
package number

import (
	"errors"
	"log/slog"
)

// MaxDigits bounds a number: E.164 allows 15, prefixes and carrier codes the rest.
const MaxDigits = 32

// ErrNumber is returned for text that is no telephone number. It holds none of it.
var ErrNumber = errors.New("not a telephone number: only the digits 0-9, *, #, A-D and one leading + are allowed, 32 at most")

// Number is a telephone number or extension as dialled or shown: the characters
// 0-9, *, #, A-D and one leading +. The zero value is "no number".
type Number struct{ d string }

// Parse reads a number as a person writes it: spaces, dots, dashes, slashes and
// brackets are dropped.
func Parse(s string) (Number, error) {
	d := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '*', c == '#', c >= 'A' && c <= 'D', c == '+' && len(d) == 0:
			d = append(d, c)
		case c == ' ', c == '.', c == '-', c == '/', c == '(', c == ')':
		default:
			return Number{}, ErrNumber
		}
		if len(d) > MaxDigits {
			return Number{}, ErrNumber
		}
	}
	return Number{string(d)}, nil
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
func (n Number) Reveal() string { return n.d }

// IsZero tells whether there is no number.
func (n Number) IsZero() bool { return n.d == "" }

// String gives the masked form: an ellipsis and the last two digits, or the ellipsis
// alone for a number of four digits or fewer, where two would tell who it is.
func (n Number) String() string {
	switch {
	case n.d == "":
		return ""
	case len(n.d) <= 4:
		return "…"
	}
	return "…" + n.d[len(n.d)-2:]
}

// GoString is String, so that %#v shows no more than %v.
func (n Number) GoString() string { return n.String() }

// LogValue implements [slog.LogValuer].
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText gives the masked form.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

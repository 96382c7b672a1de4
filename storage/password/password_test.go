package password

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var cheap = Cost{Memory: 8, Time: 1, Lanes: 1}

// TestKnown: what was stored once must match for ever. The sum was made with the argon2id
// of OpenSSL.
func TestKnown(t *testing.T) {
	h := Hash{Cost: Cost{Memory: 19 << 10, Time: 2, Lanes: 1}, Salt: []byte("0123456789abcdef")}
	const want = "ebd23ba828c34ec430850a85be94098aa108d25190bf10bce1f5c4d0ab7171ae"
	if got := hex.EncodeToString(h.sum("correct horse battery")); got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
}

func TestHash(t *testing.T) {
	const pw = "Quittenkompott 7"
	a, b := New(pw, cheap), New(pw, cheap)
	if string(a.Salt) == string(b.Salt) || string(a.Sum) == string(b.Sum) {
		t.Error("two hashes of one password are equal")
	}
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back Hash
	if err := json.Unmarshal(data, &back); err != nil || back.Valid() != nil || !back.Matches(pw) || back.Cost != cheap {
		t.Errorf("what comes back does not match: %v", err)
	}
	for _, wrong := range []string{"", pw + " ", pw[1:], strings.ToUpper(pw), pw + "\x00", strings.Repeat(pw, 1000)} {
		if back.Matches(wrong) {
			t.Errorf("%.20q matches", wrong)
		}
	}
	if n := Nobody(Default); n.Valid() != nil || n.Cost != Default || n.Matches(pw) || n.Matches("") {
		t.Error("nobody's password is known")
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", a, &a, a), fmt.Sprint(struct{ H Hash }{a})} {
		if strings.Contains(text, string(a.Sum)) || strings.Contains(text, "[") || strings.Contains(text, "0x") {
			t.Errorf("a hash prints itself: %s", text)
		}
	}
}

func TestValid(t *testing.T) {
	for _, spoil := range []func(*Hash){
		func(h *Hash) { *h = Hash{} },
		func(h *Hash) { h.Salt = h.Salt[1:] },
		func(h *Hash) { h.Sum = append(h.Sum, 0) },
		func(h *Hash) { h.Time = 0 },
		func(h *Hash) { h.Time = 1 << 30 },
		func(h *Hash) { h.Memory = 7 },
		func(h *Hash) { h.Memory = 1 << 31 },
		func(h *Hash) { h.Lanes = 0 },
		func(h *Hash) { h.Lanes = 255 },
	} {
		h := Nobody(cheap)
		if h.Valid() != nil {
			t.Fatal("a good one is not valid")
		}
		spoil(&h)
		if !errors.Is(h.Valid(), ErrHash) {
			t.Errorf("valid: %+v", h.Cost)
		}
	}
}

func TestCheck(t *testing.T) {
	for pw, good := range map[string]bool{
		"":                                 false,
		"123456789":                        false,
		"1234567890":                       true,
		"ßßßßßßßßß":                        false, // nine, of two bytes each
		"ßßßßßßßßßß":                       true,
		strings.Repeat("𝄞", 256):           true,
		strings.Repeat("𝄞", 257):           false,
		strings.Repeat("x", 257):           false,
		strings.Repeat("x", 1<<20):         false,
		"with spaces in it":                true,
		"not text: \xff\xfe\xfd\xfc":       false,
		"control \x00 characters are fine": true,
	} {
		if err := Check(pw); (err == nil) != good || err != nil && !errors.Is(err, ErrLength) {
			t.Errorf("%d bytes: %v", len(pw), err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New("correct horse battery", Default)
	}
}

package fsk

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sotto/board"
	"sotto/board/sim/display"
	"sotto/pbx/number"
)

// Bytes worked out by hand; checksums make the sum of all bytes 0 modulo 256.
func TestKnownMessages(t *testing.T) {
	at := time.Date(2026, 12, 24, 18, 30, 0, 0, time.UTC)
	mdmf, sdmf := Style{}, Style{Format: SDMF}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"lamp on", mdmf.waiting(true), "82 03 0B 01 FF 70"},
		{"lamp off", mdmf.waiting(false), "82 03 0B 01 00 6F"},
		{"lamp on, SDMF", sdmf.waiting(true), "06 03 42 42 42 31"},
		{"lamp off, SDMF", sdmf.waiting(false), "06 03 6F 6F 6F AA"},
		// 04+0F = 13; 12241830 adds 95, 5551212 adds 65: together 10D; F3 is what lacks.
		{"SDMF", sdmf.setUp(Caller{Number: number.Must("5551212")}, at),
			"04 0F 31 32 32 34 31 38 33 30 35 35 35 31 32 31 32 F3"},
		{"SDMF private", sdmf.setUp(Caller{Reason: Withheld}, at), "04 09 31 32 32 34 31 38 33 30 50 0E"},
		{"SDMF out of area", sdmf.setUp(Caller{}, at), "04 09 31 32 32 34 31 38 33 30 4F 0F"},
		{"MDMF", mdmf.setUp(Caller{Number: number.Must("101"), Name: "Anna"}, at),
			"80 15 01 08 31 32 32 34 31 38 33 30 02 03 31 30 31 07 04 41 6E 6E 61 AD"},
		{"MDMF private", mdmf.setUp(Caller{Reason: Withheld, Name: "Anna"}, at),
			"80 10 01 08 31 32 32 34 31 38 33 30 04 01 50 08 01 50 24"},
		{"MDMF without a clock", mdmf.setUp(Caller{Number: number.Must("101")}, time.Time{}), "80 05 02 03 31 30 31 E4"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		var sum byte
		for _, b := range want {
			sum += b
		}
		if sum != 0 {
			t.Errorf("%s: the vector itself sums to %02X", c.name, sum)
		}
		if !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got % X\nwant % X", c.name, c.got, want)
		}
	}
}

func TestTimeIsOfItsLocation(t *testing.T) {
	at := time.Date(2026, 3, 1, 23, 5, 0, 0, time.UTC).In(time.FixedZone("east", 3600))
	m := Style{}.setUp(Caller{}, at)
	if got := string(m[4:12]); got != "03020005" {
		t.Errorf("the time is %s", got)
	}
}

func TestKnownDigits(t *testing.T) {
	long := number.Must(strings.Repeat("5", 16))
	for _, c := range []struct {
		d    Digits
		from Caller
		want string
	}{
		{AC, Caller{Number: number.Must("0812345")}, "A0812345C"},
		{AC, Caller{Reason: Withheld, Number: number.Must("0812345")}, "B10C"},
		{AC, Caller{Reason: Unavailable}, "B00C"},
		{DC, Caller{Number: number.Must("+31201234567")}, "D0031201234567C"},
		{DC, Caller{Reason: Withheld}, "B10C"},
		{DC, Caller{}, "B00C"},
		{AHash, Caller{Number: number.Must("12345678")}, "A12345678#"},
		{AHash, Caller{Reason: Withheld}, "D1#"},
		{AHash, Caller{Reason: Unavailable}, "D3#"},
		{AC, Caller{Number: number.Must("12C4")}, "B00C"}, // a sign of the frame is no digit
		{AHash, Caller{Number: number.Must("*21#")}, "D3#"},
		{AC, Caller{Number: long}, "B00C"},
	} {
		got, err := Style{Digits: c.d}.digits(c.from)
		if err != nil || got != c.want {
			t.Errorf("%d %v: %s, %v, want %s", c.d, c.from, got, err, c.want)
		}
		pcm, err := Clip(Style{Digits: c.d}, c.from, time.Time{}) // 70 ms and 70 ms a key
		if err != nil || len(pcm) != len(c.want)*1120 || pcm[559] == 0 && pcm[558] == 0 || pcm[560] != 0 {
			t.Errorf("%s: %d samples, %v", c.want, len(pcm), err)
		}
	}
}

func TestCleanName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"Anna", "Anna"},
		{"  Anna \t\r\n Groß  ", "Anna Gross"},
		{"Jörg Müller", "Joerg Mueller"},
		{"JÖRG MÜLLER", "JOERG MUELLER"},
		{"Ärzte Öl Übung", "Aerzte Oel Uebu"},
		{"Mu\u0308ller e\u0301", "Mueller e"}, // decomposed
		{"Øre Åse Æble", "Oere Ase Aeble"},
		{"Şükrü Çağ", "Suekrue Cag"},
		{"Łódź Žižek", "Lodz Zizek"},
		{"Þór Ðóra", "Thor Dora"},
		{"O’Brien – “X”", "O'Brien - \"X\""},
		{"a\x00b\x1b[2Jc\x7f\u0085d", "ab(2Jc d"}, // 0085 is a space to Unicode
		{"a[b]{c}\\|~^`", "a(b)(c)//-?'"},
		{"Иван", ""},
		{"山田 7", "?? 7"},
		{"???", ""},
		{"\xff\xfeA\xff", "??A?"},
		{"x\u200by\u202ez\ufeff", "xyz"},
		{"Sales & Co. #1", "Sales & Co. #1"},
		{"Donaudampfschifffahrt", "Donaudampfschif"},
		{"Fourteen chars Ä", "Fourteen chars"},
		{"Fourteen charsÄx", "Fourteen charsA"},
		{strings.Repeat("\u0301", 10000) + "A", ""}, // beyond what is looked at
		{"😀 Anna", "? Anna"},
		{"½ ٣", ""},
	} {
		if got := cleanName(c.in); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}

// FuzzSetUp holds that a message is within its limits and shows what it should.
func FuzzSetUp(f *testing.F) {
	f.Add("+493012345678", "Jörg Müller", uint8(0), false, int64(1e9))
	f.Add("*21*0301#", "\x00\u0308", uint8(1), true, int64(-1e12))
	f.Add("ABCD", "Ä", uint8(2), true, int64(0))
	f.Fuzz(func(t *testing.T, digits, name string, reason uint8, single bool, sec int64) {
		n, err := number.Parse(digits)
		if err != nil {
			return
		}
		from := Caller{n, name, Reason(reason)}
		s := Style{Modem: V23, Seizure: 100, Mark: 60, dial: dials["DE"]}
		if single {
			s.Format = SDMF
		}
		msg := s.setUp(from, time.Unix(sec, 0).UTC())
		if len(msg) > maxMessage || len(msg) != int(msg[1])+3 {
			t.Fatalf("% X", msg)
		}
		clean := cleanName(name)
		if len(clean) > maxName {
			t.Fatalf("name of %d", len(clean))
		}
		for _, c := range []byte(clean) {
			if c < ' ' || c > '~' {
				t.Fatalf("name %q", clean)
			}
		}
		if !utf8.ValidString(clean) || cleanName(clean) != clean {
			t.Fatalf("%q is cleaned to %q and that to %q", name, clean, cleanName(clean))
		}
		pcm, err := Clip(s, from, time.Unix(sec, 0))
		if err != nil || len(pcm) > 3*board.SampleRate/2 {
			t.Fatalf("%d samples, %v", len(pcm), err)
		}
		m := one(t, pcm)
		switch {
		case m.Bad != "":
			t.Fatalf("%+v", m)
		case Reason(reason) == Given && m.Number != s.display(n):
			t.Fatalf("%+v, want %s", m, s.display(n))
		case Reason(reason) != Given && (m.Number != "" || m.Reason == ""):
			t.Fatalf("%+v", m)
		case Reason(reason) > Unavailable && m.Reason != display.Withheld:
			t.Fatalf("%+v", m)
		}
		for _, d := range []Digits{AC, DC, AHash} {
			pcm, err := Clip(Style{Digits: d, dial: s.dial}, from, time.Time{})
			if err != nil || len(pcm) > 5*board.SampleRate/2 {
				t.Fatalf("%d samples, %v", len(pcm), err)
			}
		}
	})
}

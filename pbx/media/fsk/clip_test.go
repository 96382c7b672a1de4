package fsk

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/display"
	"sotto/pbx/country"
	"sotto/pbx/media/g711"
	"sotto/pbx/number"
)

var (
	start   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	newYear = time.Date(2026, 12, 31, 23, 59, 58, 0, time.UTC)
)

// hear shows a clip to a display, with silence around, and gives all messages.
func hear(pcm []int16) (all []display.Message) {
	d := display.New()
	pcm = append(make([]int16, 2*board.FrameLen), pcm...)
	at := start
	for n := 0; n < len(pcm)+80*board.FrameLen; n += board.FrameLen {
		var f board.Frame
		if n < len(pcm) {
			copy(f[:], pcm[n:])
		}
		if m, ok := d.Hear(at, &f); ok {
			all = append(all, m)
		}
		at = at.Add(board.FrameTime)
	}
	return all
}

// one is hear where one message is expected.
func one(t *testing.T, pcm []int16) display.Message {
	t.Helper()
	l := hear(pcm)
	if len(l) != 1 {
		t.Fatalf("%d messages, want one: %+v", len(l), l)
	}
	return l[0]
}

func styleOf(t *testing.T, code string) Style {
	t.Helper()
	c, ok := country.Lookup(code)
	if !ok {
		c, _ = country.Lookup("ETSI")
	}
	id := c.CallerID
	if code == "DK" {
		id = country.CallerID{Modem: country.DTMFID, Alert: country.Reversal}
	}
	s, ok := StyleFor(id.Modem, id.Alert, code)
	if !ok {
		t.Fatalf("%s has no style", code)
	}
	return s
}

func mustClip(t *testing.T, s Style, from Caller, at time.Time) []int16 {
	t.Helper()
	pcm, err := Clip(s, from, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(pcm) == 0 || len(pcm)%board.FrameLen != 0 {
		t.Fatalf("%d samples are not whole frames", len(pcm))
	}
	return pcm
}

func TestEveryCountry(t *testing.T) {
	callers := []struct {
		from                   Caller
		number, reason         string // what FSK and DTMF show
		name, noName, sdmfName string
	}{
		{Caller{Number: number.Must("101"), Name: "Anna Groß"}, "101", "", "Anna Gross", "", ""},
		{Caller{Number: number.Must("03012345678")}, "03012345678", "", "", "", ""},
		{Caller{Reason: Withheld, Number: number.Must("0301234567"), Name: "Secret"}, "", display.Withheld, "", display.Withheld, ""},
		{Caller{Reason: Unavailable}, "", display.Unavailable, "", display.Unavailable, ""},
		{Caller{}, "", display.Unavailable, "", display.Unavailable, ""},
		{Caller{Name: "Reception"}, "", display.Unavailable, "Reception", "", ""},
		{Caller{Reason: Unavailable, Number: number.Must("0301234567"), Name: "Pay phone"}, "", display.Unavailable, "Pay phone", "", ""},
		{Caller{Reason: 77, Number: number.Must("0301234567"), Name: "Secret"}, "", display.Withheld, "", display.Withheld, ""},
	}
	for _, code := range append(country.Codes(), "DK") {
		if code == "JP" {
			if _, ok := StyleFor(country.NTT, country.CarAndAutoAnswer, code); ok {
				t.Error("Japan has a style")
			}
			continue
		}
		s := styleOf(t, code)
		formats := []Format{MDMF}
		if s.Modem != 0 {
			formats = append(formats, SDMF)
		}
		for _, s.Format = range formats {
			for _, c := range callers {
				m := one(t, mustClip(t, s, c.from, newYear))
				if m.Bad != "" || m.Number != c.number || m.Reason != c.reason {
					t.Errorf("%s format %d, %v: %+v", code, s.Format, c.from, m)
				}
				name, noName, when := c.name, c.noName, "12312359"
				switch {
				case s.Modem == 0:
					name, noName, when = "", "", ""
				case s.Format == SDMF:
					name, noName = "", ""
				}
				if m.Name != name || m.NoName != noName || m.Time != when || m.Waiting != nil {
					t.Errorf("%s format %d, %v: %+v", code, s.Format, c.from, m)
				}
				modem := "DTMF"
				if s.Modem != 0 {
					modem = s.Modem.String()
				}
				if m.Modem != modem {
					t.Errorf("%s: modem %s, want %s", code, m.Modem, modem)
				}
				if d := m.Seizure - s.Seizure; d < -3 || d > 3 {
					t.Errorf("%s: seizure of %d bits, want %d", code, m.Seizure, s.Seizure)
				}
				if d := m.Mark - s.Mark; d < -2 || d > 2 {
					t.Errorf("%s: mark of %d bits, want %d", code, m.Mark, s.Mark)
				}
				checkAlert(t, code, m, s.DTAS)
			}
		}
	}
}

func checkAlert(t *testing.T, what string, m display.Message, want bool) {
	t.Helper()
	if !want {
		if m.Alert != 0 {
			t.Errorf("%s: a DT-AS of %v", what, m.Alert)
		}
		return
	}
	if m.Alert < 88*time.Millisecond || m.Alert > 110*time.Millisecond || m.Gap < 45*time.Millisecond || m.Gap > 75*time.Millisecond {
		t.Errorf("%s: DT-AS of %v, gap of %v", what, m.Alert, m.Gap)
	}
}

func TestStyles(t *testing.T) {
	for _, c := range []struct {
		modem  country.CallerIDModem
		alert  country.CallerIDAlert
		code   string
		ok     bool
		want   Style
		abroad string // what +999123 becomes
	}{
		{country.Bell202, country.AfterFirstRing, "US", true, Style{Modem: Bell202, Seizure: 300, Mark: 180}, "011999123"},
		{country.V23, country.AfterFirstRing, "de", true, Style{Modem: V23, Seizure: 300, Mark: 180}, "00999123"},
		{country.V23, country.Reversal, "NO", true, Style{Modem: V23, Seizure: 300, Mark: 180}, "00999123"},
		{country.V23, country.ReversalAndDTAS, "GB", true, Style{Modem: V23, DTAS: true, Seizure: 300, Mark: 80}, "00999123"},
		{country.V23, country.ReversalAndDTAS, "IE", true, Style{Modem: V23, DTAS: true, Seizure: 300, Mark: 180}, "00999123"},
		{country.Bell202, country.ReversalAndDTAS, "CA", true, Style{Modem: Bell202, DTAS: true, Seizure: 300, Mark: 180}, "011999123"},
		{country.DTMFID, country.Reversal, "SE", true, Style{Digits: AC}, "00999123"},
		{country.DTMFID, country.Reversal, "NL", true, Style{Digits: DC}, "00999123"},
		{country.DTMFID, country.AfterFirstRing, "DK", true, Style{Digits: AHash}, "00999123"},
		{country.DTMFID, country.ReversalAndDTAS, "", true, Style{Digits: AC}, "00999123"},
		{country.NTT, country.CarAndAutoAnswer, "JP", false, Style{}, ""},
		{country.NTT, country.AfterFirstRing, "JP", false, Style{}, ""},
		{country.V23, country.CarAndAutoAnswer, "JP", false, Style{}, ""},
		{"", "", "", false, Style{}, ""},
	} {
		s, ok := StyleFor(c.modem, c.alert, c.code)
		if ok {
			if got := s.display(number.Must("+999123")); got != c.abroad {
				t.Errorf("%s: abroad is %s, want %s", c.code, got, c.abroad)
			}
			s.dial = dialling{}
		}
		if ok != c.ok || s != c.want {
			t.Errorf("%s %s %s: %+v, %t", c.modem, c.alert, c.code, s, ok)
		}
	}
}

func TestShownAsDialled(t *testing.T) {
	for _, c := range []struct{ code, in, want string }{
		{"DE", "+493012345", "03012345"},
		{"DE", "+15551234", "0015551234"},
		{"DE", "03012345", "03012345"},
		{"US", "+15551234567", "5551234567"},
		{"US", "+493012345", "011493012345"},
		{"AU", "+493012345", "0011493012345"},
		{"IT", "+390612345", "0612345"},
		{"FI", "+3589123", "09123"},
		{"DK", "+4512345678", "12345678"},
		{"ETSI", "+493012345", "00493012345"},
		{"DE", "+49", "0049"},
		{"DE", "*43#", "*43#"},
		{"DE", strings.Repeat("7", 20), strings.Repeat("7", 20)},
		{"DE", strings.Repeat("7", 21), ""},
		{"DE", "+" + strings.Repeat("7", 19), ""},
	} {
		if got := styleOf(t, c.code).display(number.Must(c.in)); got != c.want {
			t.Errorf("%s shows %s as %q, want %q", c.code, c.in, got, c.want)
		}
	}
}

func TestWaitingLamp(t *testing.T) {
	for _, code := range append(country.Codes(), "DK") {
		if code == "JP" {
			continue
		}
		s := styleOf(t, code)
		for _, s.Format = range []Format{MDMF, SDMF} {
			for _, on := range []bool{true, false} {
				pcm, err := Waiting(s, on)
				if s.Modem == 0 {
					if !errors.Is(err, ErrStyle) || pcm != nil {
						t.Errorf("%s: %d samples, %v", code, len(pcm), err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				m := one(t, pcm)
				if m.Bad != "" || m.Waiting == nil || *m.Waiting != on || m.Number != "" || m.Reason != "" {
					t.Errorf("%s, lamp %t: %+v", code, on, m)
				}
				checkAlert(t, code, m, s.Modem == V23)
			}
		}
	}
}

func TestWrongStyles(t *testing.T) {
	good := styleOf(t, "GB")
	for i, change := range []func(*Style){
		func(s *Style) { *s = Style{} },
		func(s *Style) { s.Modem = 3 },
		func(s *Style) { s.Format = 2 },
		func(s *Style) { s.Seizure = 0 },
		func(s *Style) { s.Seizure = 601 },
		func(s *Style) { s.Mark = -1 },
		func(s *Style) { s.Mark = math.MaxInt32 },
		func(s *Style) { s.Digits = AC },
		func(s *Style) { *s = Style{Digits: 9} },
	} {
		s := good
		change(&s)
		pcm, err := Clip(s, Caller{Number: number.Must("5551234")}, start)
		if !errors.Is(err, ErrStyle) || pcm != nil {
			t.Errorf("%d: %d samples, %v", i, len(pcm), err)
		}
		if err != nil && strings.Contains(err.Error(), "5551234") {
			t.Errorf("%d: the error tells the number: %v", i, err)
		}
	}
}

func TestWithheldIsNowhere(t *testing.T) {
	for _, code := range append(country.Codes(), "DK") {
		if code == "JP" {
			continue
		}
		s := styleOf(t, code)
		full := mustClip(t, s, Caller{Reason: Withheld, Number: number.Must("0301234567"), Name: "Anna"}, start)
		bare := mustClip(t, s, Caller{Reason: Withheld}, start)
		if len(full) != len(bare) {
			t.Fatalf("%s: %d samples with a number known, %d without", code, len(full), len(bare))
		}
		for i := range full {
			if full[i] != bare[i] {
				t.Fatalf("%s: sample %d depends on what is withheld", code, i)
			}
		}
	}
}

func TestNoClock(t *testing.T) {
	m := one(t, mustClip(t, styleOf(t, "DE"), Caller{Number: number.Must("101")}, time.Time{}))
	if m.Time != "" || m.Number != "101" || m.Bad != "" {
		t.Errorf("%+v", m)
	}
}

// line bends a clip as a line does: level in dB, noise below the signal in dB, A-law.
func line(pcm []int16, gain, snr float64, law bool, r *rand.Rand) []int16 {
	g := math.Pow(10, gain/20)
	noise := board.Amplitude(Level+gain-snr) / math.Sqrt2
	out := make([]int16, len(pcm))
	for i, v := range pcm {
		out[i] = int16(math.Round(float64(v)*g + noise*r.NormFloat64()))
		if law {
			out[i] = g711.ALaw.Decode(g711.ALaw.Encode(out[i]))
		}
	}
	return out
}

func TestThroughALine(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, code := range []string{"US", "DE", "GB", "SE", "NL", "DK"} {
		s := styleOf(t, code)
		pcm := mustClip(t, s, Caller{Number: number.Must("03012345678"), Name: "Jörg Müller"}, newYear)
		for _, level := range []float64{-8, -13.5, -20, -28, -36} {
			for _, law := range []bool{false, true} {
				m := one(t, line(pcm, level-Level, 25, law, r))
				if m.Bad != "" || m.Number != "03012345678" || s.Modem != 0 && m.Name != "Joerg Mueller" {
					t.Errorf("%s at %g dBm0, A-law %t: %+v", code, level, law, m)
				}
			}
		}
	}
}

func BenchmarkClip(b *testing.B) {
	id := func(code string) Style {
		c, _ := country.Lookup(code)
		s, _ := StyleFor(c.CallerID.Modem, c.CallerID.Alert, code)
		return s
	}
	from := Caller{Number: number.Must("+493012345678"), Name: "Jörg Müller-Lüdenscheidt"}
	for _, code := range []string{"US", "DE", "GB", "SE"} {
		s := id(code)
		b.Run(code, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Clip(s, from, start); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

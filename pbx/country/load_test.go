package country

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sotto/pbx/media/tone"
)

var update = flag.Bool("update", false, "write testdata/countries.golden anew")

func TestLookup(t *testing.T) {
	want := []string{"AT", "AU", "CA", "CH", "DE", "ES", "ETSI", "FR", "GB", "IT", "JP", "NL", "NZ", "SE", "US"}
	if got := Codes(); !slices.Equal(got, want) {
		t.Errorf("codes %v, want %v", got, want)
	}
	a, ok := Lookup("gb")
	b, ok2 := Lookup("GB")
	if !ok || !ok2 || a != b || a.Code != "GB" {
		t.Error("gb and GB are not one country")
	}
	for _, code := range []string{"", "XX", "GBR", "../gb"} {
		if _, ok := Lookup(code); ok {
			t.Errorf("%q was found", code)
		}
	}
}

// TestEmergency holds the numbers that must never be lost from the data.
func TestEmergency(t *testing.T) {
	for code, want := range map[string]string{
		"US": "911", "CA": "911", "GB": "112 999", "DE": "110 112", "FR": "112 15 17 18", "SE": "112", "NL": "112",
		"IT": "112 113 115 118", "ES": "112 061 062 080 085 088 091 092", "CH": "112 117 118 144",
		"AT": "112 122 133 144", "AU": "000 106 112", "JP": "110 118 119", "NZ": "111", "ETSI": "112",
	} {
		c, _ := Lookup(code)
		if got := strings.Join(c.Emergency, " "); got != want {
			t.Errorf("%s has not its emergency numbers", code)
		}
		for _, n := range []string{"112", "911"} {
			if slices.Contains(c.Emergency, n) == slices.Contains(c.Tolerated, n) {
				t.Errorf("%s: 112 and 911 must each be an emergency number or tolerated", code)
			}
		}
	}
}

// TestFlashIsNoPulse: a 100 ms key is a flash in Europe, never the digit 1.
func TestFlashIsNoPulse(t *testing.T) {
	for _, code := range Codes() {
		c, _ := Lookup(code)
		if c.Law == ALaw && code != "NZ" && (c.Pulse.BreakMax > 80*ms || c.Flash.Min > 90*ms) {
			t.Errorf("%s: pulse to %v, flash from %v", code, c.Pulse.BreakMax, c.Flash.Min)
		}
		if c.HangUp() != c.Flash.Max {
			t.Errorf("%s: hang-up after %v, flash up to %v", code, c.HangUp(), c.Flash.Max)
		}
	}
}

func TestSame(t *testing.T) {
	jp, _ := Lookup("JP")
	if jp.Same(Congestion) != Busy || jp.Tone(Congestion) != jp.Tone(Busy) || jp.Same(Busy) != Busy {
		t.Error("busy and congestion are not one tone in Japan")
	}
}

// TestBrokenFilesAreRefused changes one place of a good file at a time.
func TestBrokenFilesAreRefused(t *testing.T) {
	good, err := data.ReadFile("data/de.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"code": "DE",`, `"code": "DE", "colour": 1,`, `data/de.json: line 2: json: unknown field "colour"`},
		{`"code": "DE",`, `"code": "DE"`, "line 3: invalid character"},
		{`"receive_gain": -7`, `"receive_gain": "-7"`, "line 50: "},
		{`"tolerated": ["911"]` + "\n}", `"tolerated": ["911"]` + "\n}{}", "line 61: text after the end"},
		{`"code": "DE"`, `"code": "FR"`, "code: belongs in fr.json"},
		{`"code": "DE"`, `"code": ""`, "code: missing"},
		{`"name": "Germany"`, `"name": ""`, "name: missing"},
		{`"law": "A"`, `"law": "B"`, `law: "B", want A or mu`},
		{`"ring": [1000, 4000]`, `"ring": [1000]`, "ring: want on and off"},
		{`"ring": [1000, 4000]`, `"ring": [1000, -1]`, "ring: outside"},
		{`"impedance": "220+820||115n"`, `"impedance": "600 ohms"`, `station: impedance: unknown "600 ohms"`},
		{`"impedance": "220+820||115n"`, `"impedance": "320+1050||230n"`, "station: impedance: the station chip"},
		{`"ring_hz": 25`, `"ring_hz": 14`, "station: ring_hz"},
		{`"ring_vrms": 45`, `"ring_vrms": 90`, "station: ring_vrms"},
		{`"receive_gain": -7`, `"receive_gain": -70`, "station: gain"},
		{`"drop_volts": 3.5`, `"drop_volts": 3`, "exchange: drop_volts"},
		{`"min_ma": 10`, `"min_ma": 11`, "exchange: min_ma"},
		{`"hook": "etsi"`, `"hook": ""`, "exchange: hook"},
		{`"ring_vrms": 15`, `"ring_vrms": 16`, "exchange: ring_vrms"},
		{`"flash": {"min": 80`, `"flash": {"min": 79`, "flash: min is below the longest pulse"},
		{`"flash": {"min": 80`, `"flash": {"min": 310`, "flash: min is not below max"},
		{`"break_min": 20`, `"break_min": 80`, "pulse: break_min"},
		{`"inter_digit": 300`, `"inter_digit": 30`, "pulse: inter_digit"},
		{`"send_break": 60`, `"send_break": 600`, "pulse: what is sent"},
		{`"digits": "1234567890"`, `"digits": "1234567899"`, "pulse: digits"},
		{`"cpc": {"send": 500`, `"cpc": {"send": 5`, "cpc: send"},
		{`"detect": 200`, `"detect": 20`, "cpc: detect"},
		{`"modem": "v23"`, `"modem": "v24"`, "caller_id: modem"},
		{`"after first ring"`, `"after"`, "caller_id: alert"},
		{`"low": -11`, `"low": 11`, "dtmf: level"},
		{`"lift": 40`, `"lift": 4`, "timers: lift"},
		{`"match": 3000`, `"match": 6000`, "timers: want match"},
		{`"country_code": "49"`, `"country_code": ""`, "dialling: country_code"},
		{`"country_code": "49"`, `"country_code": "+49"`, "dialling: country_code"},
		{`"international": "00"`, `"international": ""`, "dialling: international"},
		{`"national": "0"}`, `"national": "0 "}`, "dialling: national"},
		{`"ring_lost": 8000`, `"ring_lost": 4000`, "timers: reorder"},
		{`"emergency": ["110", "112"]`, `"emergency": []`, "emergency: none"},
		{`"emergency": ["110", "112"]`, `"emergency": ["110", "1 2"]`, "emergency: entry 2 is not all digits"},
		{`"emergency": ["110", "112"]`, `"emergency": ["112", "112"]`, "emergency: entry 2 is there twice"},
		{`"emergency": ["110", "112"]`, `"emergency": ["110"]`, "112 and 911 must be"},
		{`"busy":`, `"bsy":`, `tones: unknown "bsy"`},
		{`"stutter": {"loop": [{"hz": [425, 400], "dbm0": [-19]}]},`, ``, "tones: no stutter"},
		{`{"hz": [425, 400], "dbm0": [-19]}`, `{"hz": [425, 400], "dbm0": [-19, -19, -19]}`, "tones: stutter: loop: step 1: 3 levels for 2"},
		{`{"hz": [425, 400], "dbm0": [-19]}`, `{"hz": [425, 250], "dbm0": [-19]}`, "tones: stutter: loop: step 1: 250 Hz"},
		{`{"hz": [425, 400], "dbm0": [-19]}`, `{"hz": [425, 400], "dbm0": [0]}`, "tones: stutter: loop: step 1: 0 dBm0"},
		{`"loop": [{"hz": [425, 400], "dbm0": [-19]}]`, `"loop": []`, "tones: stutter: tone has no steps"},
		{`"loop": [{"hz": [425, 400], "dbm0": [-19]}]`, `"same": "busier"`, `tones: stutter: same as "busier"`},
		{`"loop": [{"hz": [425, 400], "dbm0": [-19]}]`, `"same": "stutter"`, `tones: stutter: same as`},
		{`"loop": [{"hz": [425, 400], "dbm0": [-19]}]`, `"loop": [{"hz": [425], "dbm0": [-16]}]`, "tones: stutter sounds like dial"},
		{`"loop": [{"hz": [425, 400], "dbm0": [-19]}]`, `"intro": [{"hz": [425], "dbm0": [-16], "on": 900}]`, "tones: stutter: must go on"},
		{`"on": 480, "off": 480`, `"on": -480, "off": 480`, "tones: busy: step 1"},
		{`"on": 480, "off": 480`, `"on": 480.01, "off": 480`, "whole samples"},
		{`"times": 5`, `"times": -5`, "tones: call waiting: intro -5 times"},
	} {
		if !bytes.Contains(good, []byte(c.old)) {
			t.Errorf("nothing to replace: %s", c.old)
			continue
		}
		bad := bytes.Replace(good, []byte(c.old), []byte(c.new), 1)
		_, err := load(fstest.MapFS{"data/de.json": {Data: bad}}, "data")
		if err == nil || !strings.HasPrefix(err.Error(), "data/de.json: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s: error %v, want %s", c.old, c.new, err, c.want)
		}
	}
	if m, err := load(fstest.MapFS{"data/de.json": {Data: good}}, "data"); err != nil || m["DE"] == nil {
		t.Errorf("the good file: %v", err)
	}
}

// TestCountries holds all data in one readable table, so that a change shows in review.
func TestCountries(t *testing.T) {
	var b strings.Builder
	for _, code := range Codes() {
		c, _ := Lookup(code)
		list(&b, c)
	}
	name := filepath.Join("testdata", "countries.golden")
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, old := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(old)) {
		if i >= len(got) || i >= len(old) || got[i] != old[i] {
			t.Fatalf("line %d of %s is not what the data says; look at it and run with -update", i+1, name)
		}
	}
}

func list(b *strings.Builder, c *Country) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(b, "%s %s\n", c.Code, c.Name)
	for k := range NumTones {
		if c.Same(k) != k {
			row(k.String(), "= %s", c.Same(k))
			continue
		}
		row(k.String(), "%s", describe(c.Tone(k)))
	}
	row("ringing", "%s, %g Hz, %g V", cadence(c.Ring), c.Station.Ringing.Hz, c.Station.Ringing.Vrms)
	row("station", "%v, %+g dB in, %+g dB out", c.Station.Impedance, c.Station.TransmitGain, c.Station.ReceiveGain)
	d := c.Exchange.DC
	row("exchange line", "%v, %+g dB in, %+g dB out, drop %g V, from %d mA, limit 60 mA %v, hook %s, ring from %d V, low ringer %v",
		c.Exchange.Impedance, c.Exchange.TransmitGain, c.Exchange.ReceiveGain, d.DropVolts, d.MinMilliamps, d.Limit60,
		[]string{"fast", "ETSI", "slow"}[d.Hook], d.RingVolts, d.LowRinger)
	row("flash", "%v to %v, send %v", c.Flash.Min, c.Flash.Max, c.Flash.Send)
	row("pulse", "break %v to %v, inter-digit %v, send %v/%v, digits %s", c.Pulse.BreakMin, c.Pulse.BreakMax,
		c.Pulse.InterDigit, c.Pulse.SendBreak, c.Pulse.SendMake, c.Pulse.Digits)
	row("CPC", "send %v, detect %v", c.CPC.Send, c.CPC.Detect)
	row("caller ID", "%s, %s", c.CallerID.Modem, c.CallerID.Alert)
	row("DTMF", "low %g, high %g dBm0, %v/%v", c.DTMF.Low, c.DTMF.High, c.DTMF.On, c.DTMF.Off)
	row("timers", "lift %v, first digit %v, inter-digit %v, match %v, reorder %v, howler %v, ring lost %v", c.Timers.Lift,
		c.Timers.FirstDigit, c.Timers.InterDigit, c.Timers.Match, c.Timers.Reorder, c.Timers.Howler, c.Timers.RingLost)
	row("law", "%v", c.Law)
	row("dialling", "country code %q, international %q, national %q", c.Dialling.CountryCode, c.Dialling.International, c.Dialling.National)
	row("emergency", "%s; tolerated %s", strings.Join(c.Emergency, " "), strings.Join(c.Tolerated, " "))
	for _, n := range c.Notes {
		row("note", "%s", n)
	}
	b.WriteString("\n")
}

// describe gives a tone as "frequencies@levels on/off", a repeated intro as n×(…).
func describe(t *tone.Tone) string {
	var parts []string
	intro := t.Intro()
	for n := 1; n <= len(intro); n++ { // the shortest piece that the intro repeats
		if len(intro)%n == 0 && stepsText(intro) == strings.Join(slices.Repeat([]string{stepsText(intro[:n])}, len(intro)/n), ", ") {
			parts = append(parts, fmt.Sprintf("%d×(%s)", len(intro)/n, stepsText(intro[:n])))
			break // the rest is the same again
		}
	}
	if l := t.Loop(); len(l) > 0 {
		parts = append(parts, stepsText(l))
	}
	return strings.Join(parts, " then ")
}

func stepsText(steps []tone.Step) string {
	var out []string
	for _, s := range steps {
		var hz, level []string
		for _, w := range s.Sines {
			hz = append(hz, fmt.Sprintf("%g", w.Hz))
			level = append(level, fmt.Sprintf("%g", w.Level))
		}
		if one := slices.Compact(slices.Clone(level)); len(one) == 1 {
			level = one
		}
		text := strings.Join(hz, "+") + "@" + strings.Join(level, ",")
		switch {
		case s.On == 0:
			text += " cont."
		case s.Off == 0:
			text += " " + cadence([]time.Duration{s.On})
		default:
			text += " " + cadence([]time.Duration{s.On, s.Off})
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// cadence gives durations in seconds: 0.4/0.2/0.4/2.
func cadence(d []time.Duration) string {
	var out []string
	for _, v := range d {
		out = append(out, fmt.Sprintf("%g", v.Seconds()))
	}
	return strings.Join(out, "/")
}

package country

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

// check tells what is wrong with c, naming the field. Tones have been checked one by
// one when they were built; here they are checked against each other.
func (c *Country) check() error {
	ms := time.Millisecond
	within := func(d, low, high time.Duration) bool { return d >= low && d <= high }
	f, p, t, s, x := c.Flash, c.Pulse, c.Timers, c.Station, c.Exchange
	for _, rule := range []struct {
		ok   bool
		want string
	}{
		{c.Code != "", "code: missing"},
		{c.Name != "", "name: missing"},
		{len(c.Notes) > 0, "notes: none"},
		{len(c.Ring) > 0 && len(c.Ring)%2 == 0, "ring: want on and off in turn"},
		{!slices.ContainsFunc(c.Ring, func(d time.Duration) bool { return !within(d, 100*ms, 10*time.Second) }), "ring: outside 0.1 to 10 s"},
		{s.Impedance <= board.ZCN, "station: impedance: the station chip cannot make it"},
		{within1(s.Ringing.Hz, 15, 68), "station: ring_hz: outside 15 to 68"},
		{within1(s.Ringing.Vrms, 40, 65), "station: ring_vrms: outside 40 to 65"},
		{within1(s.TransmitGain, -15, 6) && within1(s.ReceiveGain, -15, 6), "station: gain outside -15 to 6 dB"},
		{within1(x.TransmitGain, -15, 6) && within1(x.ReceiveGain, -15, 6), "exchange: gain outside -15 to 6 dB"},
		{slices.Contains([]float64{3.1, 3.2, 3.35, 3.5}, x.DC.DropVolts), "exchange: drop_volts: want 3.1, 3.2, 3.35 or 3.5"},
		{slices.Contains([]int{10, 12, 14, 16}, x.DC.MinMilliamps), "exchange: min_ma: want 10, 12, 14 or 16"},
		{slices.Contains([]int{15, 21, 45}, x.DC.RingVolts), "exchange: ring_vrms: want 15, 21 or 45"},
		{p.BreakMin > 0 && p.BreakMin < p.BreakMax, "pulse: break_min is not below break_max"},
		{p.BreakMax <= f.Min, "flash: min is below the longest pulse"},
		{f.Min < f.Max, "flash: min is not below max"},
		{within(f.Max, 100*ms, 1500*ms), "flash: max: outside 0.1 to 1.5 s"},
		{within(f.Send, 50*ms, 1000*ms), "flash: send: outside 50 to 1000 ms"},
		{p.InterDigit > p.SendMake && within(p.InterDigit, 200*ms, 1000*ms), "pulse: inter_digit: outside 200 to 1000 ms"},
		{within(p.SendBreak+p.SendMake, 90*ms, 110*ms) && p.SendBreak > 0 && p.SendMake > 0, "pulse: what is sent is not 10 pulses a second"},
		{tenDigits(p.Digits), "pulse: digits: want each of the ten digits once"},
		{within(c.CPC.Send, 200*ms, 1000*ms), "cpc: send: outside 200 to 1000 ms"},
		{within(c.CPC.Detect, 80*ms, 600*ms), "cpc: detect: outside 80 to 600 ms"},
		{slices.Contains([]CallerIDModem{Bell202, V23, DTMFID, NTT}, c.CallerID.Modem), "caller_id: modem: unknown"},
		{slices.Contains([]CallerIDAlert{AfterFirstRing, ReversalAndDTAS, Reversal, CarAndAutoAnswer}, c.CallerID.Alert), "caller_id: alert: unknown"},
		{within1(c.DTMF.Low, -15, -3) && within1(c.DTMF.High, -15, -3), "dtmf: level outside -15 to -3 dBm0"},
		{within(c.DTMF.On, 50*ms, 500*ms) && within(c.DTMF.Off, 45*ms, 500*ms), "dtmf: on or off outside 50 to 500 ms"},
		{within(t.Lift, 10*ms, 100*ms), "timers: lift: outside 10 to 100 ms"},
		{t.Match > 0 && t.Match <= t.InterDigit && t.InterDigit <= t.FirstDigit, "timers: want match, inter_digit, first_digit in rising order"},
		{upTo(c.Dialling.CountryCode, 3) && (c.Dialling.CountryCode != "") == (c.Code != "ETSI"), "dialling: country_code: want 1 to 3 digits"},
		{upTo(c.Dialling.International, 4) && c.Dialling.International != "", "dialling: international: want 1 to 4 digits"},
		{upTo(c.Dialling.National, 2), "dialling: national: want 2 digits at most"},
		{t.Reorder > 0 && t.Howler > 0 && t.RingLost > longestPause(c.Ring), "timers: reorder, howler or ring_lost too short"},
	} {
		if !rule.ok {
			return errors.New(rule.want)
		}
	}
	if err := c.checkEmergency(); err != nil {
		return err
	}
	return c.checkTones()
}

// within1 also refuses what is not a number.
func within1(v, low, high float64) bool { return v >= low && v <= high }

func longestPause(ring []time.Duration) time.Duration {
	var d time.Duration
	for i := 1; i < len(ring); i += 2 {
		d = max(d, ring[i])
	}
	return d
}

// upTo tells whether s is of so many digits at most.
func upTo(s string, most int) bool { return len(s) <= most && strings.Trim(s, "0123456789") == "" }

func tenDigits(s string) bool {
	d := []byte(s)
	slices.Sort(d)
	return string(d) == "0123456789"
}

// checkEmergency names numbers by their place only.
func (c *Country) checkEmergency() error {
	if len(c.Emergency) == 0 {
		return errors.New("emergency: none")
	}
	all := slices.Concat(c.Emergency, c.Tolerated)
	for i, n := range all {
		for j := range len(n) {
			if n[j] < '0' || n[j] > '9' {
				return fmt.Errorf("emergency: entry %d is not all digits", i+1)
			}
		}
		if len(n) < 2 || len(n) > 5 {
			return fmt.Errorf("emergency: entry %d: length outside 2 to 5", i+1)
		}
		if slices.Contains(all[:i], n) {
			return fmt.Errorf("emergency: entry %d is there twice", i+1)
		}
	}
	for _, n := range []string{"112", "911"} {
		if !slices.Contains(all, n) {
			return errors.New("emergency: 112 and 911 must be in emergency or tolerated")
		}
	}
	return nil
}

// checkTones refuses two tones that sound the same without saying so, a one-time tone
// that never ends, and one of the others that does where it must go on.
func (c *Country) checkTones() error {
	for a := range NumTones {
		for b := range a {
			if c.same[a] == a && c.same[b] == b && alike(c.tones[a], c.tones[b]) {
				return fmt.Errorf("tones: %s sounds like %s; say so by \"same\"", a, b)
			}
		}
		switch loops := len(c.tones[a].Loop()) > 0; {
		case a == Confirmation && loops:
			return errors.New("tones: confirmation: must end")
		case a != Confirmation && a != CallWaiting && !loops:
			return fmt.Errorf("tones: %s: must go on", a)
		}
	}
	return nil
}

// alike tells whether two tones differ by less than an ear can be sure of.
func alike(a, b *tone.Tone) bool {
	same := func(x, y tone.Step) bool {
		return near(x.On, y.On) && near(x.Off, y.Off) && slices.EqualFunc(x.Sines, y.Sines, func(v, w tone.Sine) bool {
			return v.Hz-w.Hz < 10 && w.Hz-v.Hz < 10 && v.Level-w.Level < 6 && w.Level-v.Level < 6
		})
	}
	return slices.EqualFunc(a.Intro(), b.Intro(), same) && slices.EqualFunc(a.Loop(), b.Loop(), same)
}

// near tells whether two lengths may be taken for each other: within 30 ms, and both
// without end or neither.
func near(a, b time.Duration) bool {
	return (a == 0) == (b == 0) && max(a-b, b-a) < 30*time.Millisecond
}

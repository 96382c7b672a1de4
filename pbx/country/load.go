package country

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

// millis is a duration as the files write it: milliseconds.
type millis float64

func (m millis) duration() time.Duration { return time.Duration(math.Round(float64(m) * 1e6)) }

// The file types mirror the JSON. A field left out is zero, and what may not be zero
// is refused by the checks.
type (
	file struct {
		Code  string   `json:"code"`
		Name  string   `json:"name"`
		Notes []string `json:"notes"`
		Law   string   `json:"law"`

		Tones map[string]toneFile `json:"tones"`
		Ring  []millis            `json:"ring"`

		Station  stationFile  `json:"station"`
		Exchange exchangeFile `json:"exchange"`

		Flash struct {
			Min  millis `json:"min"`
			Max  millis `json:"max"`
			Send millis `json:"send"`
		} `json:"flash"`
		Pulse struct {
			BreakMin   millis `json:"break_min"`
			BreakMax   millis `json:"break_max"`
			InterDigit millis `json:"inter_digit"`
			SendBreak  millis `json:"send_break"`
			SendMake   millis `json:"send_make"`
			Digits     string `json:"digits"`
		} `json:"pulse"`
		CPC struct {
			Send   millis `json:"send"`
			Detect millis `json:"detect"`
		} `json:"cpc"`
		CallerID struct {
			Modem CallerIDModem `json:"modem"`
			Alert CallerIDAlert `json:"alert"`
		} `json:"caller_id"`
		DTMF struct {
			Low  float64 `json:"low"`
			High float64 `json:"high"`
			On   millis  `json:"on"`
			Off  millis  `json:"off"`
		} `json:"dtmf"`
		Timers struct {
			Lift       millis `json:"lift"`
			FirstDigit millis `json:"first_digit"`
			InterDigit millis `json:"inter_digit"`
			Match      millis `json:"match"`
			Reorder    millis `json:"reorder"`
			Howler     millis `json:"howler"`
			RingLost   millis `json:"ring_lost"`
		} `json:"timers"`

		Dialling struct {
			CountryCode   string `json:"country_code"`
			International string `json:"international"`
			National      string `json:"national"`
		} `json:"dialling"`

		Emergency []string `json:"emergency"`
		Tolerated []string `json:"tolerated"`
	}
	// toneFile is a tone: intro, played "times" times (1 when left out), then loop for
	// ever; or the name of another tone of the file that sounds the same.
	toneFile struct {
		Same  string     `json:"same"`
		Intro []stepFile `json:"intro"`
		Times int        `json:"times"`
		Loop  []stepFile `json:"loop"`
	}
	stepFile struct {
		Hz   []float64 `json:"hz"`
		DBm0 []float64 `json:"dbm0"` // one a frequency, or one for all
		On   millis    `json:"on"`   // left out: without end
		Off  millis    `json:"off"`
	}
	stationFile struct {
		Impedance    string  `json:"impedance"`
		TransmitGain float64 `json:"transmit_gain"`
		ReceiveGain  float64 `json:"receive_gain"`
		RingHz       float64 `json:"ring_hz"`
		RingVrms     float64 `json:"ring_vrms"`
	}
	exchangeFile struct {
		Impedance    string  `json:"impedance"`
		TransmitGain float64 `json:"transmit_gain"`
		ReceiveGain  float64 `json:"receive_gain"`
		DropVolts    float64 `json:"drop_volts"`
		MinMA        int     `json:"min_ma"`
		Limit60      bool    `json:"limit_60"`
		Hook         string  `json:"hook"`
		RingVrms     int     `json:"ring_vrms"`
		LowRinger    bool    `json:"low_ringer"`
	}
)

// load reads every file of dir. An error names the file and the place in it.
func load(fsys fs.FS, dir string) (map[string]*Country, error) {
	names, err := fs.Glob(fsys, path.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	m := make(map[string]*Country, len(names))
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		c, err := decode(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if want := strings.ToLower(c.Code) + ".json"; path.Base(name) != want {
			return nil, fmt.Errorf("%s: code: belongs in %s", name, want)
		}
		m[c.Code] = c
	}
	return m, nil
}

// decode reads one file strictly: an unknown field, a wrong type and text after the
// end are errors with their line.
func decode(b []byte) (*Country, error) {
	var f file
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("line %d: %w", line(b, d, err), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("line %d: text after the end", line(b, d, nil))
	}
	return f.country()
}

// line gives the line of an error of d, which reads b.
func line(b []byte, d *json.Decoder, err error) int {
	at := d.InputOffset()
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = e.Offset
	} else if err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok { // known by its name only
			at = int64(bytes.Index(b, []byte(field)))
		}
	}
	return 1 + bytes.Count(b[:max(0, min(int(at), len(b)))], []byte("\n"))
}

// country turns f into what the program uses and checks it.
func (f *file) country() (*Country, error) {
	c := &Country{
		Code: f.Code, Name: f.Name, Notes: f.Notes,
		Flash: Flash{f.Flash.Min.duration(), f.Flash.Max.duration(), f.Flash.Send.duration()},
		Pulse: Pulse{f.Pulse.BreakMin.duration(), f.Pulse.BreakMax.duration(), f.Pulse.InterDigit.duration(),
			f.Pulse.SendBreak.duration(), f.Pulse.SendMake.duration(), f.Pulse.Digits},
		CPC:      CPC{f.CPC.Send.duration(), f.CPC.Detect.duration()},
		CallerID: CallerID{f.CallerID.Modem, f.CallerID.Alert},
		DTMF:     DTMF{f.DTMF.Low, f.DTMF.High, f.DTMF.On.duration(), f.DTMF.Off.duration()},
		Timers: Timers{f.Timers.Lift.duration(), f.Timers.FirstDigit.duration(), f.Timers.InterDigit.duration(),
			f.Timers.Match.duration(), f.Timers.Reorder.duration(), f.Timers.Howler.duration(), f.Timers.RingLost.duration()},
		Dialling:  Dialling(f.Dialling),
		Emergency: f.Emergency, Tolerated: f.Tolerated,
	}
	switch f.Law {
	case "A":
		c.Law = ALaw
	case "mu":
		c.Law = MuLaw
	default:
		return nil, fmt.Errorf("law: %q, want A or mu", f.Law)
	}
	for _, m := range f.Ring {
		c.Ring = append(c.Ring, m.duration())
	}
	if err := f.lines(c); err != nil {
		return nil, err
	}
	if err := f.tones(c); err != nil {
		return nil, err
	}
	return c, c.check()
}

// lines fills in the two lines of c.
func (f *file) lines(c *Country) error {
	var err error
	if c.Station.Impedance, err = impedance(f.Station.Impedance); err != nil {
		return fmt.Errorf("station: %w", err)
	}
	c.Station.TransmitGain, c.Station.ReceiveGain = f.Station.TransmitGain, f.Station.ReceiveGain
	c.Station.Ringing = board.Ringing{Hz: f.Station.RingHz, Vrms: f.Station.RingVrms}
	x := f.Exchange
	if c.Exchange.Impedance, err = impedance(x.Impedance); err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	c.Exchange.TransmitGain, c.Exchange.ReceiveGain = x.TransmitGain, x.ReceiveGain
	c.Exchange.DC = board.DC{DropVolts: x.DropVolts, MinMilliamps: x.MinMA, Limit60: x.Limit60,
		RingVolts: x.RingVrms, LowRinger: x.LowRinger}
	switch x.Hook {
	case "fast":
		c.Exchange.DC.Hook = board.HookFast
	case "etsi":
		c.Exchange.DC.Hook = board.HookETSI
	case "slow":
		c.Exchange.DC.Hook = board.HookSlow
	default:
		return fmt.Errorf("exchange: hook: %q, want fast, etsi or slow", x.Hook)
	}
	return nil
}

func impedance(s string) (board.Impedance, error) {
	for z := range board.NumImpedances {
		if z.String() == s {
			return z, nil
		}
	}
	return 0, fmt.Errorf("impedance: unknown %q", s)
}

// tones builds the tones of c. Each must be there, and no other.
func (f *file) tones(c *Country) error {
	for name := range f.Tones {
		if !slices.Contains(toneNames[:], name) {
			return fmt.Errorf("tones: unknown %q", name)
		}
	}
	for k, name := range toneNames {
		t, ok := f.Tones[name]
		if !ok {
			return fmt.Errorf("tones: no %s", name)
		}
		c.same[k] = ToneKind(k)
		if t.Same != "" {
			of := slices.Index(toneNames[:], t.Same)
			if of < 0 || of == k || f.Tones[t.Same].Same != "" || len(t.Intro)+len(t.Loop) > 0 {
				return fmt.Errorf("tones: %s: same as %q", name, t.Same)
			}
			c.same[k] = ToneKind(of)
			continue
		}
		built, err := t.build()
		if err != nil {
			return fmt.Errorf("tones: %s: %w", name, err)
		}
		c.tones[k] = built
	}
	for k, of := range c.same {
		c.tones[k] = c.tones[of]
	}
	return nil
}

func (t *toneFile) build() (*tone.Tone, error) {
	if t.Times < 0 || t.Times > 0 && len(t.Intro) == 0 {
		return nil, fmt.Errorf("intro %d times", t.Times)
	}
	one, err := steps(t.Intro)
	if err != nil {
		return nil, fmt.Errorf("intro: %w", err)
	}
	loop, err := steps(t.Loop)
	if err != nil {
		return nil, fmt.Errorf("loop: %w", err)
	}
	return tone.New(slices.Repeat(one, max(t.Times, 1)), loop)
}

func steps(files []stepFile) ([]tone.Step, error) {
	var out []tone.Step
	for i, f := range files {
		s := tone.Step{On: f.On.duration(), Off: f.Off.duration()}
		if len(f.DBm0) != 1 && len(f.DBm0) != len(f.Hz) {
			return nil, fmt.Errorf("step %d: %d levels for %d frequencies", i+1, len(f.DBm0), len(f.Hz))
		}
		for j, hz := range f.Hz {
			w := tone.Sine{Hz: hz, Level: f.DBm0[0]}
			if len(f.DBm0) > 1 {
				w.Level = f.DBm0[j]
			}
			if !(hz >= 300 && hz <= 3400) {
				return nil, fmt.Errorf("step %d: %g Hz is outside 300 to 3400", i+1, hz)
			}
			if !(w.Level >= -40 && w.Level <= -3) {
				return nil, fmt.Errorf("step %d: %g dBm0 is outside -40 to -3", i+1, w.Level)
			}
			s.Sines = append(s.Sines, w)
		}
		out = append(out, s)
	}
	return out, nil
}

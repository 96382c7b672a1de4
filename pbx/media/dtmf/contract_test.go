package dtmf

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// scene is a digit and everything around it on the line.
type scene struct {
	digit   byte
	presses int
	lead    int     // samples before the first press
	key     Key     // its Wait is lead
	noise   float64 // rms
	under   []sine  // there all the time
	third   sine    // there with the digit
	dc      float64
	gap, at int    // drop-out: samples, and where in the tone
	law     string // none, a, mu
	rand    *rand.Rand
}

type sine struct{ hz, peak, phase float64 }

func (s sine) at(n int) float64 {
	return s.peak * math.Sin(2*math.Pi*s.hz*float64(n)/board.SampleRate+s.phase)
}

// pcm gives the scene's samples, 120 ms of quiet at its end. A tone goes on in phase
// after a pause, as it does after a drop-out.
func (s *scene) pcm() []int16 {
	k := s.key
	on, off := samples(k.On), samples(k.Off)
	lo, hi, _ := Frequencies(s.digit)
	tones := []sine{{lo * (1 + k.LowShift), board.Amplitude(k.Low), k.LowPhase}, {hi * (1 + k.HighShift), board.Amplitude(k.High), k.HighPhase}, s.third}
	pcm := make([]int16, s.lead+s.presses*(on+off)+960)
	for n := range pcm {
		v := s.dc
		for _, u := range s.under {
			v += u.at(n)
		}
		if s.noise > 0 {
			v += s.rand.NormFloat64() * s.noise
		}
		if i := n - s.lead; i >= 0 && i < s.presses*(on+off) {
			in := i % (on + off)
			if in < on && (in < s.at || in >= s.at+s.gap) {
				for _, u := range tones {
					v += u.at(i)
				}
			}
		}
		pcm[n] = clip(v)
		switch s.law {
		case "a":
			pcm[n] = g711.ALaw.Decode(g711.ALaw.Encode(pcm[n]))
		case "mu":
			pcm[n] = g711.MuLaw.Decode(g711.MuLaw.Encode(pcm[n]))
		}
	}
	return pcm
}

// set sets one parameter of a scene; level and twist wait for finish.
func (s *scene) set(name, value string, level, twist *float64) error {
	num := func(v string) float64 {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			panic(err)
		}
		return f
	}
	freq, lvl, _ := strings.Cut(value, "@")
	ms := func(v string) time.Duration { return time.Duration(num(v) * float64(time.Millisecond)) }
	switch name {
	case "level":
		*level = num(value)
	case "twist":
		*twist = num(value)
	case "on":
		s.key.On = ms(value)
	case "off":
		s.key.Off = ms(value)
	case "lowshift":
		s.key.LowShift = num(value) / 100
	case "highshift":
		s.key.HighShift = num(value) / 100
	case "noise":
		s.noise = num(value)
	case "law":
		s.law = value
	case "dial", "hum":
		for f := range strings.SplitSeq(freq, "+") {
			s.under = append(s.under, sine{num(f), board.Amplitude(num(lvl)), s.rand.Float64() * 6})
		}
	case "third":
		s.third = sine{num(freq), num(lvl), s.rand.Float64() * 6}
	case "dc":
		s.dc = num(value) * math.MaxInt16
	case "gap":
		s.gap, s.at = samples(ms(freq)), samples(ms(lvl))
	default:
		return fmt.Errorf("parameter %q is not known", name)
	}
	return nil
}

// finish turns relative levels into absolute ones.
func (s *scene) finish(level, twist float64) {
	s.key.Low, s.key.High = level+min(0, -twist), level+min(0, twist)
	if s.noise > 0 {
		s.noise = math.Hypot(board.Amplitude(s.key.Low), board.Amplitude(s.key.High)) / math.Sqrt2 * math.Pow(10, -s.noise/20)
	}
	if s.third.hz > 0 {
		s.third.peak = board.Amplitude(level + s.third.peak)
	}
}

func TestContract(t *testing.T) {
	file, err := os.Open("testdata/contract.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := rand.New(rand.NewPCG(1, 2))
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t.Run(fmt.Sprintf("line %d", n), func(t *testing.T) {
			combine(fields[1:], nil, func(params []string) { contractCase(t, r, fields[0], params) })
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// combine calls do with every combination of the alternatives of fields.
func combine(fields, chosen []string, do func([]string)) {
	if len(fields) == 0 {
		do(chosen)
		return
	}
	name, values, _ := strings.Cut(fields[0], "=")
	for v := range strings.SplitSeq(values, ",") {
		combine(fields[1:], append(chosen, name+"="+v), do)
	}
}

func contractCase(t *testing.T, r *rand.Rand, expect string, params []string) {
	alignments := 5
	if testing.Short() {
		alignments = 1
	}
	want := map[string]int{"take": 2, "one": 1, "refuse": 0}[expect]
	failed := 0
	for _, digit := range []byte(Digits) {
		for range alignments {
			s := scene{digit: digit, presses: 2, lead: 2400 + r.IntN(board.FrameLen), rand: r}
			s.key.LowPhase, s.key.HighPhase = r.Float64()*6.28, r.Float64()*6.28
			var level, twist float64
			for _, p := range params {
				name, value, _ := strings.Cut(p, "=")
				if err := s.set(name, value, &level, &twist); err != nil {
					t.Fatal(err)
				}
			}
			s.finish(level, twist)
			var d Detector
			told, _ := hear(&d, s.pcm())
			starts, wrong := 0, 0
			for i, e := range told {
				if e.Kind == Start {
					starts++
				}
				if e.Digit != digit || (e.Kind == Start) != (i%2 == 0) {
					wrong++
				}
			}
			if starts != want || wrong > 0 || len(told) != 2*want {
				failed++
			}
		}
	}
	if failed > 0 {
		t.Errorf("%s %s: %d of %d wrong", expect, strings.Join(params, " "), failed, alignments*len(Digits))
	}
}

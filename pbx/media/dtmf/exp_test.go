package dtmf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sotto/board"
	"sotto/board/sim/wav"
	"testing"
	"time"
)

func TestExpRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var curL, curH float64
	shares, errs, lows := []float64{}, []float64{}, []float64{}
	Debug = func(s string, v ...float64) {
		shares = append(shares, v[2])
		errs = append(errs, math.Abs(v[0]-curL), math.Abs(v[1]-curH))
		lows = append(lows, v[3])
	}
	defer func() { Debug = nil }()
	for _, mode := range []string{"clean", "noise", "dial", "dial+noise"} {
		var d Detector
		got, want := 0, 0
		bad := map[string]int{}
		var pend []Event
		for n := 0; n < 5000; n++ {
			digit := Digits[r.IntN(16)]
			base := -3 - 22*r.Float64()
			tw := -8 + 12*r.Float64() // high over low
			k := Key{Low: base, High: base, On: 40 * time.Millisecond, Off: 40 * time.Millisecond,
				LowShift: (r.Float64()*2 - 1) * .015, HighShift: (r.Float64()*2 - 1) * .015, LowPhase: r.Float64() * 6.28, HighPhase: r.Float64() * 6.28,
				Wait: time.Duration(r.IntN(80)) * time.Second / 8000}
			if tw < 0 {
				k.High += tw
			} else {
				k.Low -= tw
			}
			var g Generator
			g.Send(string(digit), k)
			noise := math.Hypot(board.Amplitude(k.Low), board.Amplitude(k.High)) / math.Sqrt2 * math.Pow(10, -15./20)
			ph := 0.0
			a := board.Amplitude(-25)
			want++
			curL, curH = k.LowShift, k.HighShift
			starts := 0
			for i := 0; i < 9; i++ {
				var f board.Frame
				for j := range f {
					v := 0.0
					if mode == "noise" || mode == "dial+noise" {
						v += r.NormFloat64() * noise
					}
					if mode == "dial" || mode == "dial+noise" {
						ph += 1. / 8000
						v += a*math.Sin(ph*2*math.Pi*350) + a*math.Sin(ph*2*math.Pi*440)
					}
					f[j] = int16(max(min(v, 32767), -32768))
				}
				if i < 8 || g.Busy() {
					g.Add(&f)
				}
				e := d.Next(&f)
				if e.Kind == Start {
					starts++
					if e.Digit == digit && starts == 1 {
						got++
					} else {
						bad[fmt.Sprintf("false %d", starts)]++
					}
				}
				_ = pend
			}
			if starts == 0 {
				bad[fmt.Sprintf("missed %c tw %.0f base %.0f", digit, math.Round(tw/4)*4, math.Round(base/6)*6)]++
			}
		}
		slices.Sort(shares)
		slices.Sort(errs)
		slices.Sort(lows)
		t.Log(mode, got, want, bad)
		q := func(x []float64, p float64) float64 { return x[int(float64(len(x)-1)*p)] }
		t.Logf("share %.3f %.3f %.3f  err %.4f %.4f %.4f low %.3f %.3f", q(shares, 0), q(shares, .001), q(shares, .1), q(errs, .9), q(errs, .999), q(errs, 1), q(lows, .99), q(lows, 1))
		shares, errs, lows = nil, nil, nil
	}
}

func TestExpTalk(t *testing.T) {
	files, _ := filepath.Glob("/tmp/speech/*.wav")
	tot := 0
	sec := 0.0
	for _, gain := range []float64{1, .5, .8, .85, .9, .95, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3} {
		n := 0
		for _, fn := range files {
			fh, _ := os.Open(fn)
			pcm, err := wav.Read(fh, 1e8)
			fh.Close()
			if err != nil {
				t.Fatal(err)
			}
			if gain != 1 && gain != .5 {
				o := make([]int16, int(float64(len(pcm)-2)/gain))
				for i := range o {
					x := float64(i) * gain
					j := int(x)
					x -= float64(j)
					o[i] = int16(float64(pcm[j])*(1-x) + float64(pcm[j+1])*x)
				}
				pcm = o
			}
			var d Detector
			Debug = func(s string, v ...float64) {
				if true {
					t.Logf("%.2f %s %s %.4f", gain, filepath.Base(fn), s, v)
				}
			}
			for len(pcm) >= 80 {
				var f board.Frame
				for i := range f {
					f[i] = int16(float64(pcm[i]))
				}
				pcm = pcm[80:]
				sec += .01
				if d.Next(&f).Kind == Start {
					n++
				}
			}
		}
		t.Log(gain, n)
		tot += n
	}
	Debug = nil
	t.Log(tot, sec/3600, "hours")
}

func BenchmarkNext(b *testing.B) {
	var d Detector
	var f [4]board.Frame
	var g Generator
	g.Send("1", Key{Low: -10, High: -10, On: time.Second})
	for i := range f {
		g.Add(&f[i])
	}
	i := 0
	for b.Loop() {
		d.Next(&f[i%4])
		i++
	}
}

package jitter

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// network is how the packets of a stream fare.
type network struct {
	loss      float64 // share lost
	burst     float64 // mean length of a loss; 0: independent losses
	jitter    float64 // ms, evenly spread from 0, each packet for itself
	fifo      bool    // no packet overtakes another
	swap, dup float64 // shares held back by 30 ms, and sent twice
	ppm       float64 // of the sender's clock over the board's
	outage    [2]time.Duration
	ptime     int // ms; 20 if 0
	pause     func(t float64) bool
	sound     func(t float64) float64 // at sender's time, in sample units
}

type arrival struct {
	at  time.Duration
	seq uint16
	ts  uint32
	pay []byte
	no  int
}

// run sends sound over the network for d and gives what Get gave, and its buffer. each is
// called after every Get with the frame's number; it may be nil.
func (n network) run(t testing.TB, d time.Duration, seed uint64, each func(int, *Buffer, *board.Frame)) *Buffer {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	b := New()
	ptime := n.ptime
	if ptime == 0 {
		ptime = 20
	}
	size := ptime * 8
	var wait []arrival
	lost := false
	pcm := make([]int16, size)
	next, no := 0.0, 0
	seq, ts := uint16(65000), uint32(math.MaxUint32-90000)
	var out board.Frame
	last := time.Duration(0)
	for f := range int(d / board.FrameTime) {
		now := time.Duration(f) * board.FrameTime
		for ; next <= now.Seconds()*1000; no++ {
			at := next
			next += float64(ptime) / (1 + n.ppm*1e-6)
			for i := range pcm {
				pcm[i] = int16(math.Round(n.sound(float64(no*size+i) / 8000)))
			}
			if n.pause != nil && n.pause(float64(no*size)/8000) {
				continue
			}
			seq++
			p := arrival{seq: seq, ts: ts + uint32(no*size), no: no, pay: make([]byte, size)}
			g711.ALaw.EncodeAll(p.pay, pcm)
			switch {
			case n.burst > 1 && lost:
				lost = rnd.Float64() >= 1/n.burst
			case n.burst > 1:
				lost = rnd.Float64() < n.loss/(1-n.loss)/n.burst
			default:
				lost = rnd.Float64() < n.loss
			}
			if at := time.Duration(at * 1e6); lost || at >= n.outage[0] && at < n.outage[1] {
				continue
			}
			at += rnd.Float64() * n.jitter
			if rnd.Float64() < n.swap {
				at += 30
			}
			p.at = time.Duration((at + 3) * 1e6)
			if n.fifo {
				p.at = max(p.at, last)
				last = p.at
			}
			wait = append(wait, p)
			if rnd.Float64() < n.dup {
				p.at += time.Duration(rnd.Float64() * 40e6)
				wait = append(wait, p)
			}
		}
		slices.SortStableFunc(wait, func(a, b arrival) int { return int(a.at - b.at) })
		for len(wait) > 0 && wait[0].at <= now {
			p := wait[0]
			wait = wait[1:]
			b.Put(p.at, p.seq, p.ts, false, g711.ALaw, p.pay)
		}
		b.Get(&out)
		if each != nil {
			each(f, b, &out)
		}
	}
	return b
}

// speech is like speech to a pitch detector: a voice of gliding pitch in syllables, with
// pauses of faint noise. It comes again after 40 s.
func speech(t float64) float64 {
	x := spoken()
	return x[int(math.Round(t*8000))%len(x)]
}

var spoken = sync.OnceValue(func() []float64 {
	rnd := rand.New(rand.NewPCG(3, 4))
	x := make([]float64, 40*8000)
	for i := range x {
		t := float64(i) / 8000
		phase := 2 * math.Pi * (120*t + 4*math.Sin(2*math.Pi*0.7*t))
		env := math.Max(0, math.Sin(2*math.Pi*1.9*t)) * (0.6 + 0.4*math.Sin(2*math.Pi*0.25*t))
		if math.Mod(t, 4) > 3 {
			env = 0
		}
		for k := 1.0; k <= 20 && env > 0; k++ {
			f := 120 * k
			a := 1/k + 0.8*math.Exp(-(f-700)*(f-700)/40000) + 0.4*math.Exp(-(f-1800)*(f-1800)/90000)
			x[i] += 2500 * env * a * math.Sin(k*phase)
		}
		x[i] += 20 * (rnd.Float64() - 0.5)
	}
	return x
})

// tone is a steady sine of whole Hz.
func tone(hz int) func(float64) float64 {
	tab := make([]float64, 8000)
	for i := range tab {
		tab[i] = 10000 * math.Sin(2*math.Pi*float64(hz)*float64(i)/8000)
	}
	return func(t float64) float64 { return tab[int(math.Round(t*8000))%8000] }
}

// codes gives n samples of the sound in A-law.
func (n network) codes(count int) []byte {
	p := make([]byte, count)
	for i := range p {
		p[i] = g711.ALaw.Encode(int16(math.Round(n.sound(float64(i) / 8000))))
	}
	return p
}

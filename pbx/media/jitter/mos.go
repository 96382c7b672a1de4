package jitter

import (
	"math"
	"time"
)

// MOS estimates the quality of a conversation over G.711 with concealment, 1 to 4.5, by
// the E-model (ITU-T G.107, all other parameters at their defaults): loss is the share of
// packets lost or too late, 0 to 1; burst the mean length of the losses over what it would
// be if they were independent, 1 at least; delay mouth to ear, one way.
func MOS(loss, burst float64, delay time.Duration) float64 { return mos(Rating(loss, burst, delay)) }

// Burst gives the burst ratio for MOS from counts of packets: lost ones, the gaps that
// they made, and all that were sent (ITU-T G.107, section 7.5). Nothing lost gives 1.
func Burst(lost, gaps, sent uint64) float64 {
	if lost == 0 || gaps == 0 || sent <= lost {
		return 1
	}
	return max(1, float64(lost)/float64(gaps)*(1-float64(lost)/float64(sent)))
}

// Rating gives the rating factor R of the E-model, 0 to 93.2, from what MOS takes.
func Rating(loss, burst float64, delay time.Duration) float64 {
	const (
		best       = 93.2 // R with all defaults (G.107, section 7.7)
		robustness = 25.1 // Bpl of G.711 with concealment (G.113, table I.4); its Ie is 0
	)
	ppl := 100 * min(max(loss, 0), 1)
	ie := 95 * ppl / (ppl/max(burst, 1) + robustness)
	return max(0, best-echo(delay)-absolute(delay)-ie)
}

// absolute is the impairment by long delay, Idd (G.107, section 7.4).
func absolute(delay time.Duration) float64 {
	x := math.Log2(float64(delay) / float64(100*time.Millisecond))
	if !(x > 0) {
		return 0
	}
	return 25 * (math.Pow(1+math.Pow(x, 6), 1./6) - 3*math.Pow(1+math.Pow(x/3, 6), 1./6) + 2)
}

// echo is the impairment by talker and listener echo, Idte and Idle, beyond what
// they are without delay (G.107, section 7.4, TELR 65 dB, WEPL 110 dB).
func echo(delay time.Duration) float64 {
	return idte(delay) + idle(delay) - idte(0) - idle(0)
}

const (
	signalToNoise = 94.769 // Ro with the defaults
	noise         = -61.18 // No with the defaults, dBm0p
)

func idte(delay time.Duration) float64 {
	const telr, rlr = 65, 2
	t := max(0, delay.Seconds()*1000)
	terv := telr - 40*math.Log10((1+t/10)/(1+t/150)) + 6*math.Exp(-0.3*t*t)
	roe, re := -1.5*(noise-rlr), 80+2.5*(terv-14)
	d := (roe - re) / 2
	return (d + math.Sqrt(d*d+100) - 1) * (1 - math.Exp(-t))
}

func idle(delay time.Duration) float64 {
	const wepl = 110
	tr := max(0, 2*delay.Seconds()*1000)
	d := (signalToNoise - 10.5*(wepl+7)*math.Pow(tr+1, -0.25)) / 2
	return d + math.Sqrt(d*d+169)
}

// mos is the mean opinion score for a rating (G.107, annex B).
func mos(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

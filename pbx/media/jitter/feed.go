package jitter

import (
	"time"

	"sotto/pbx/media/conceal"
)

const (
	// A splice drops or repeats a pitch period. It wants sound that matches itself so far:
	match      = 0.85
	farMatch   = 0.5             // when the delay is off by
	far        = 400             // samples,
	tooLong    = 3 * frame       // begins when the delay is so much too long
	tooShort   = frame + frame/4 // or too short, more than the drift of the phases makes it,
	holdoff    = 8               // and waits so many frames for the next
	splicePast = conceal.PitchSpan - frame

	loudestFloor = 327 * 327 // mean square of the loudest background that is learnt: -40 dBov
	floorRise    = 1.002     // a frame: 3 dB in 3.5 s
	hushed       = 4         // times the background: nothing is said
)

// feed makes the next samples of the line: sound where there is some, and what the
// filler makes where there is none. lead is how much the delay exceeds the target.
func (b *Buffer) feed(dst []int16, lead int64) {
	if b.rest > 0 {
		b.rest--
	}
	if !b.inGap && !b.broken && b.mend == 0 && b.rest == 0 && len(dst) == frame && b.splice(dst, lead) {
		return
	}
	for i := 0; i < len(dst); {
		n := b.run(len(dst) - i)
		if n == 0 || b.broken {
			b.breakOff(b.line.past(len(dst)-i), n > 0)
		}
		if n > 0 {
			b.sound(dst[i : i+n])
		} else {
			n = b.missing(dst[i:])
		}
		i += n
	}
	if !b.inGap && b.quiet == never { // else the sender has told the level
		b.learnFloor(dst)
	}
}

// sampleAt is the sample of a place in the ring.
func (b *Buffer) sampleAt(place int64) int16 { return b.ring[place&(ringLen-1)] }

// run counts the samples there are from play on, to n at most.
func (b *Buffer) run(n int) int {
	n = int(min(int64(n), max(b.end-b.play, 0)))
	for i := range n {
		if b.sampleAt(b.play+int64(i)) == absent {
			return i
		}
	}
	return n
}

// holds tells whether all samples from place on for n are there.
func (b *Buffer) holds(place int64, n int) bool {
	if place < b.end-ringLen || place+int64(n) > b.end {
		return false
	}
	for i := range n {
		if b.sampleAt(place+int64(i)) == absent {
			return false
		}
	}
	return true
}

// breakOff begins a gap, if none is: past is what was heard up to it.
func (b *Buffer) breakOff(past []int16, skipped bool) {
	b.broken = false
	if b.inGap {
		return
	}
	switch {
	case b.mend > 0: // still fading back: the last gap goes on, and crumbs of sound cost little
	case b.quiet <= b.play && !skipped:
		b.filler.Pause(past)
	default:
		b.filler.Begin(past)
	}
	b.inGap, b.gap, b.mend, b.talks = true, 0, 0, true
}

// sound feeds samples that are there, and fades over from the filler after a gap.
func (b *Buffer) sound(dst []int16) {
	for i := range dst {
		dst[i] = b.sampleAt(b.play + int64(i))
	}
	if b.inGap {
		b.mendAll = b.filler.Overlap()
		b.mend = b.mendAll
		b.endGap()
	}
	if k := min(b.mend, len(dst)); k > 0 {
		var made [frame + 1]int16
		b.filler.Fill(made[:k])
		for i, m := range made[:k] {
			dst[i] = mix(m, dst[i], b.mendAll-b.mend+i+1, b.mendAll+1)
		}
		b.mend -= k
	}
	b.play += int64(len(dst))
	b.done = max(b.done, b.play)
	if b.quiet < b.play {
		b.quiet = never
	}
}

// endGap counts the gap that sound at play ends.
func (b *Buffer) endGap() {
	switch t := time.Duration(b.gap) * sample; {
	case !b.talks: // the first sound
	case b.play == b.spurt || b.quiet <= b.play:
		b.stats.Comforted += t
	default:
		b.stats.Gaps++
		b.stats.Concealed += t
	}
	b.inGap = false
}

// missing feeds what the filler makes, up to the next sound, and tells how much.
func (b *Buffer) missing(dst []int16) int {
	n := len(dst)
	if next := b.nextSound(); next != never {
		n = int(min(int64(n), next-b.play))
	}
	b.filler.Fill(dst[:n])
	b.play += int64(n)
	b.gap += int64(n)
	return n
}

// splice drops or repeats a pitch period where the delay is far from the target and the
// sound allows it.
func (b *Buffer) splice(dst []int16, lead int64) bool {
	if lead <= tooLong && lead >= -tooShort || !b.holds(b.play, frame) {
		return false
	}
	var x [conceal.PitchSpan]int16
	past := b.line.past(frame)
	copy(x[:], past[len(past)-splicePast:])
	for i := range frame {
		x[splicePast+i] = b.sampleAt(b.play + int64(i))
	}
	lag, like := conceal.Pitch(x[:])
	need := float32(match)
	if lead > far || lead < -far {
		need = farMatch
	}
	b.rest = holdoff
	if like < need && power(x[:]) > hushed*b.floor {
		return false
	}
	jump := int64(lag)
	if lead < 0 {
		jump = -jump
	}
	if !b.holds(b.play+jump, frame) {
		// Repeated sound may be of the filler, which the ring has not got.
		return false
	}
	for i := range dst {
		dst[i] = mix(x[splicePast+i], b.sampleAt(b.play+jump+int64(i)), i+1, frame+1)
	}
	b.stats.Spliced += time.Duration(lag) * sample
	b.play += jump + frame
	b.done = max(b.done, b.play)
	return true
}

// learnFloor follows the power of the background: down at once, up slowly.
func (b *Buffer) learnFloor(x []int16) {
	p := max(power(x), 1)
	if b.floor > 0 {
		p = min(p, b.floor*floorRise)
	}
	b.floor = min(p, loudestFloor)
	b.filler.SetNoise(b.floor)
}

// power is the mean square.
func power(x []int16) float32 {
	var sum int64
	for _, s := range x {
		sum += int64(s) * int64(s)
	}
	return float32(sum) / float32(len(x))
}

// mix goes over from a to b: part of all is done.
func mix(a, b int16, part, all int) int16 {
	return int16(int(a) + (int(b)-int(a))*part/all)
}

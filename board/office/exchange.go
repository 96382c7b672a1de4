package office

import (
	"time"

	"sotto/board"
)

// Exchange implements [board.Board]. It does not allocate while the sample clock runs.
// When that stands still the error is that of the PCM stream.
func (b *Board) Exchange(out, in []board.Frame) error {
	if b.closed.Load() {
		return board.ErrClosed
	}
	began := time.Now()
	if b.pace.err != nil && began.Before(b.pace.again) {
		return b.silence(in)
	}
	slots := b.parts.PCM.Slots()
	for p, s := range b.slots {
		for i := range out[p] {
			b.tdmOut[i*slots+s] = out[p][i]
		}
	}
	if err := b.parts.PCM.Exchange(b.tdmOut, b.tdmIn); err != nil {
		b.pace.stands(began, err)
		return b.silence(in)
	}
	b.pace.err = nil
	for p, s := range b.slots {
		for i := range in[p] {
			in[p][i] = b.tdmIn[i*slots+s]
		}
	}
	return nil
}

// pace is the media clock while the sample clock stands still: a frame each ten
// milliseconds by the machine's clock, so that calls without a line chip live on. Now
// and then the PCM stream is tried; the frames that this takes the time of are made up
// for.
type pace struct {
	err   error     // of the PCM stream; nil while it runs
	due   time.Time // the last frame ended, or should have
	again time.Time // the PCM stream is tried
}

const (
	tryAgain = 500 * time.Millisecond
	owedMost = 100 * time.Millisecond // what is made up for
)

// stands notes that an exchange that began at began found no clock.
func (p *pace) stands(began time.Time, err error) {
	if p.err == nil {
		p.due = began
	}
	p.err, p.again = err, time.Now().Add(tryAgain)
}

// silence passes a frame without the PCM stream.
func (b *Board) silence(in []board.Frame) error {
	clear(in)
	now := time.Now()
	b.pace.due = b.pace.due.Add(board.FrameTime)
	if now.Sub(b.pace.due) > owedMost {
		b.pace.due = now
	}
	time.Sleep(b.pace.due.Sub(now))
	if b.closed.Load() {
		return board.ErrClosed
	}
	return b.pace.err
}

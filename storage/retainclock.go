package storage

import (
	"time"
)

// Terms count from the date that the box believes, which is not always the date of its
// clock. A box may have no clock that runs while it is off, one that the network sets hours after the start,
// or one that is years ahead until somebody sees it; and what was forgotten too early is gone.
//
//	the clock is                            the believed time
//	at most a day ahead                     follows it
//	further ahead                           goes on by running time; follows after leapAfter of running
//	                                        in which the clock was steady
//	at most a day behind                    waits for it
//	further behind                          keeps its distance and goes on as the clock does
//	unset: before unsetBefore               goes on by running time
//	set for the first time                  follows at once, and takes the days until then with it
//
// The days of a leap that comes to be believed are of later dates then: see believe.
//
// So a clock that is wrong by any amount for less than leapAfter of running costs nothing, and one
// that is wrong by at most a day makes terms longer or shorter by at most a day. One that is
// further ahead for longer is believed, and what its date makes old is forgotten. One that was put back
// is not followed back: terms go on by how much time passes on it, and if it was off for more than a day in that
// state, that time counts only after leapAfter. Summer time is no leap: dates are in UTC.

// belief is the believed time and how it came about. It is pure; all are ms, since 1970 where
// they are times.
type belief struct {
	At    int64 `json:"at"`              // the believed time
	Ahead int64 `json:"ahead,omitempty"` // how far it is ahead of a clock that was put back
	Was   int64 `json:"was,omitempty"`   // Ahead before it was put back again; 0: it was not
	Leap  int64 `json:"leap,omitempty"`  // time that the clock came to by a leap that is not believed yet; 0: none
	Ran   int64 `json:"ran,omitempty"`   // running since the leap
}

const (
	aDay      = int64(24 * time.Hour / time.Millisecond)
	leapAfter = int64(6 * time.Hour / time.Millisecond)
	leapDrift = int64(time.Hour / time.Millisecond) // by which a clock may be corrected and count as steady
	leapOff   = 31 * aDay                           // for which a box may be off and its clock count as steady

	// unsetBefore is earlier than this program: 2025-01-01.
	unsetBefore = 20089 * aDay
	// lastDate keeps sums from overflowing: it is in the year 9999.
	lastDate = 2932896
)

// look takes the clock, and how long the box has run since the last look. moved is how much
// later the times believed before were really: not 0 only when the clock was never set until
// now.
func (b *belief) look(clock time.Time, ran time.Duration) (moved int64) {
	c := min(max(clock.Unix(), 0), lastDate*86400)*1000 + int64(clock.Nanosecond())/1e6
	r := max(ran.Milliseconds(), 0)
	switch {
	case *b == belief{}:
		b.At = max(c, 1) // the first look of all
		return 0
	case b.At < unsetBefore && c > b.At+r+aDay:
		moved = c - b.At - r // nobody knows how much of that has passed: all that is kept was kept since
		*b = belief{At: c}
		return moved
	case c < unsetBefore && b.At >= unsetBefore:
		b.At += r
		return 0
	}
	if c >= b.At-aDay {
		b.Ahead, b.Was = 0, 0
	} else if d := c + b.Was - b.At; b.Was > 0 && d >= -aDay && d <= r+aDay {
		b.Ahead, b.Was = b.Was, 0 // put right
	}
	reads := c + b.Ahead
	switch d := reads - b.At; {
	case d > r+aDay:
		b.leapt(reads, r)
		return 0
	case d < -aDay:
		b.At += r
		if b.Was == 0 {
			b.Was = b.Ahead
		}
		b.Ahead = b.At - c
	case d > 0:
		b.At = reads
	}
	b.Leap, b.Ran = 0, 0
	return 0
}

// leapt counts how long the clock has been steady since it leapt.
func (b *belief) leapt(reads, ran int64) {
	most := ran + aDay
	if ran == 0 {
		most = leapOff // at a start: it was off
	}
	if d := reads - b.Leap; b.Leap == 0 || d < -leapDrift || d > most {
		b.Ran = 0
	} else {
		b.Ran += ran
	}
	b.At, b.Leap = b.At+ran, reads
	if b.Ran >= leapAfter {
		*b = belief{At: reads, Ahead: b.Ahead}
	}
}

// doubts tells whether what is believed is not the clock's time and may turn out to be long
// before the real one: after a leap, or without a clock. It is right after look.
func (b *belief) doubts(clock time.Time) bool {
	return b.Leap != 0 || b.At >= unsetBefore && clock.Unix() < unsetBefore/1000
}

// date gives the believed date as days since 1970.
func (b *belief) date() int32 { return int32(b.At / aDay) }

// midnight tells how long it is until the next date.
func (b *belief) midnight() time.Duration { return time.Duration(aDay-b.At%aDay) * time.Millisecond }

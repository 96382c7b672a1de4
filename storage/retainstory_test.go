package storage

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage/keyring"
)

// story is a box of which nothing runs but its clock, its days and its terms. It knows what time
// it really is.
type story struct {
	s       *Store
	wrong   time.Duration // by which the clock is ahead
	lost    bool          // the clock is not set, and counts from 1970 since the start
	start   time.Time
	saved   stateJSON // as on the medium
	calls   []storyCall
	forgot  keyring.Day
	rightAt time.Time // since when the clock has been right and the box on, without a break
	told    []string
}

type storyCall struct {
	at  time.Time
	day int
}

func (y *story) clock() time.Time {
	if y.lost {
		return time.Unix(0, 0).Add(time.Since(y.start))
	}
	return time.Now().Add(y.wrong)
}

// open starts the box with what is on the medium.
func (y *story) open() {
	old := y.s
	y.s = &Store{clock: y.clock}
	y.start, y.rightAt = time.Now(), time.Time{}
	if old != nil {
		t := old.table()
		y.s.days.Store(&t)
		y.s.keeper.retainer.restore(&y.saved, t)
	}
}

func (y *story) save() { y.saved = y.s.keeper.retainer.state() }

// call is one that is recorded now.
func (y *story) call() {
	t := y.s.nextTable(RecordID(len(y.calls) + 1))
	y.s.tookDays(t)
	y.calls = append(y.calls, storyCall{time.Now(), len(t) - 1})
}

// sweep forgets what a term of some days says, and tells how early the earliest was.
func (y *story) sweep(term int) (early time.Duration) {
	y.s.believe()
	y.s.tookDays(y.s.nextTable(RecordID(len(y.calls) + 1))) // for the canary
	y.forgot = max(y.forgot, firstDay(y.s.table(), y.s.keeper.belief.date()-int32(term)))
	stay := y.calls[:0]
	for _, c := range y.calls {
		if keyring.Day(c.day) >= y.forgot {
			stay = append(stay, c)
		} else {
			early = max(early, time.Duration(term)*24*time.Hour-time.Since(c.at))
		}
	}
	y.calls = stay
	return early
}

// late tells how much longer than for a term the oldest call is there.
func (y *story) late(term int) (late time.Duration) {
	for _, c := range y.calls {
		late = max(late, time.Since(c.at)-time.Duration(term+1)*24*time.Hour)
	}
	return late
}

var stories = flag.Int("stories", 60, "how many stories of clocks to try")

// TestStories lets boxes be switched on and off for hours and weeks, lose their clocks while they are
// off and get them set hours later, and show wrong times for some hours. Nothing goes before its
// term. Once the clock was right for a while, nothing is there for more than a day longer than it
// should be; where nobody can know how long the box was off, for that and a day.
func TestStories(t *testing.T) {
	for seed := range *stories {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(march))
			rnd := rand.New(rand.NewPCG(uint64(seed), 5))
			term := []int{3, 7, 14, 30}[rnd.IntN(4)]
			battery, faults := seed%3 != 1, seed%3 == 2
			longest := time.Duration(0) // that it was off
			y := &story{}
			tell := func(format string, x ...any) { y.told = append(y.told, fmt.Sprintf(format, x...)) }
			y.open()
			defer func() {
				if t.Failed() {
					t.Logf("story %d, %d days:\n%s", seed, term, strings.Join(y.told, "\n"))
				}
			}()
			// run lets the box run with what its clock is now.
			run := func(d time.Duration) bool {
				right := !y.lost && y.wrong == 0
				for end := time.Now().Add(d); time.Now().Before(end); {
					if rnd.IntN(6) == 0 {
						y.call()
					}
					if early := y.sweep(term); early > 0 {
						t.Errorf("gone %v too early", early)
						return false
					}
					if y.s.keeper.belief.Leap != 0 || time.Since(y.start)%time.Hour < lookEvery {
						y.save()
					}
					if !right {
						y.rightAt = time.Time{}
					} else if y.rightAt.IsZero() {
						y.rightAt = time.Now()
					} else if time.Since(y.rightAt) > 7*time.Hour {
						if late := y.late(term); !faults && (battery && late > 24*time.Hour || late > longest+24*time.Hour) {
							t.Errorf("there %v too late", late)
							return false
						}
					}
					time.Sleep(lookEvery)
				}
				return true
			}
			for i := range 40 {
				// Off, for hours or weeks; or a power cut.
				if i > 0 && rnd.IntN(3) > 0 {
					off := time.Duration(rnd.IntN(16*60)) * time.Minute
					if rnd.IntN(4) == 0 {
						off = time.Duration(rnd.IntN(25*24)) * time.Hour
					}
					tell("off for %v", off)
					longest = max(longest, off)
					time.Sleep(off)
					y.wrong, y.lost = 0, !battery && rnd.IntN(4) > 0
					y.open()
				}
				if y.lost {
					unset := time.Duration(rnd.IntN(5*60)) * time.Minute
					tell("%v: no clock for %v", time.Now(), unset)
					if !run(unset) {
						return
					}
					y.lost = false
				} else if faults && i > 0 && rnd.IntN(4) == 0 { // far ahead or behind, and put right in time
					y.wrong = time.Duration(2000+rnd.IntN(50_000)) * time.Hour
					if rnd.IntN(2) == 0 {
						y.wrong = -y.wrong
					}
					d := time.Duration(rnd.IntN(5*60)) * time.Minute
					tell("%v: wrong by %v for %v", time.Now(), y.wrong, d)
					if !run(d) {
						return
					}
					y.wrong = 0
				}
				on := time.Duration(8+rnd.IntN(60)) * time.Hour
				if rnd.IntN(3) == 0 {
					on = time.Duration(rnd.IntN(6*60)) * time.Minute
				}
				tell("%v: right for %v", time.Now(), on)
				if !run(on) {
					return
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

package storage

import (
	"slices"
	"time"

	"sotto/storage/keyring"
)

// Some looks make no line of their own, so that the trail tells what matters and cannot be
// filled. What is counted is in memory; a power cut may lose a count, and no line.
const (
	againWithin = 10 * time.Minute

	// A stranger's look is a line, further ones are counted for a minute and make one line
	// at its end. Each next line that comes within an hour counts for twice the time.
	floodFirst = time.Minute
	floodLast  = time.Hour

	// floodLines is how many lines a day an account makes with its looks before it is counted as
	// strangers are. So none alone can push older lines out of a full trail before their term.
	floodLines = 1000

	maxMerged = 4096 // kinds of looks that are counted at a time; of more, each is a line
)

// alike is what looks have in common that are counted together.
type alike struct {
	viewer   Viewer
	stranger bool
	what     string
	about    string
}

func (l *look) alike() alike {
	k := alike{stranger: l.stranger, what: l.what}
	if !l.stranger {
		k.viewer = l.viewer
	}
	if l.merge == again {
		for _, subject := range l.about {
			k.about += string(subject[:])
		}
	}
	return k
}

// merging is a look that has its line, and counts those like it.
type merging struct {
	look   look
	until  time.Time     // of again and flood: it counts until then
	window time.Duration // of flood
	date   int32         // of ownData: it counts on that date
	more   int
	rows   int
	about  []keyring.Subject // of flood: of those that are counted, maxAbout at most
}

// newMerging begins to count looks like l. before is what counted them before, or nil.
func newMerging(l *look, before *merging, now time.Time, date int32) *merging {
	m := &merging{look: *l, date: date}
	switch l.merge {
	case again:
		m.until = now.Add(againWithin)
	case flood:
		m.window = floodFirst
		if before != nil {
			m.window = min(2*before.window, floodLast)
		}
		m.until = now.Add(m.window)
	}
	return m
}

func (m *merging) count(l *look) {
	m.more++
	m.rows += l.rows
	if m.look.merge != flood {
		return
	}
	for _, subject := range l.about {
		if len(m.about) < maxAbout && !slices.Contains(m.about, subject) {
			m.about = append(m.about, subject)
		}
	}
}

func (m *merging) over(now time.Time, date int32) bool {
	if m.look.merge == ownData {
		return date != m.date
	}
	return !now.Before(m.until)
}

// All methods of trail here are under its mu.

// count counts a look if one like it has its line; false: it needs a line. first says that from
// now on there is something to be told when the time comes.
func (t *trail) count(l *look, now time.Time, date int32) (counted, first bool) {
	m := t.merged[l.alike()]
	if m == nil || m.over(now, date) || m.look.merge != l.merge && (m.look.merge != flood || l.merge != each) {
		return false, false
	}
	m.count(l)
	return true, m.more == 1 && m.look.merge != again
}

// slow counts the lines of an account, and after too many makes a look one that is counted
// with others.
func (t *trail) slow(l *look, date int32) {
	if l.viewer.Account == "" || l.stranger {
		return
	}
	if t.busy == nil || t.date != date || len(t.busy) >= maxMerged {
		t.busy, t.date = map[AccountID]int{}, date
	}
	if t.busy[l.viewer.Account]++; t.busy[l.viewer.Account] > floodLines && l.merge != ownData {
		l.merge = flood
	}
}

// remember adds what counts from now on.
func (t *trail) remember(begun map[alike]*merging, now time.Time, date int32) {
	if t.merged == nil {
		t.merged = map[alike]*merging{}
	}
	for k, m := range begun {
		if len(t.merged) >= maxMerged {
			for k, m := range t.merged {
				if m.more == 0 && m.over(now, date) {
					delete(t.merged, k)
				}
			}
		}
		if len(t.merged) < maxMerged || t.merged[k] != nil {
			t.merged[k] = m
		}
	}
}

// dueLine is a line for what was counted.
type dueLine struct {
	line look
	m    *merging
	key  alike
}

// due gives the lines for what was counted and counts no more, or for all. What needs none is
// forgotten, a flood an hour later.
func (t *trail) due(now time.Time, date int32, all bool) (list []dueLine) {
	for k, m := range t.merged {
		switch {
		case !all && !m.over(now, date):
		case m.look.merge == flood && m.more == 0:
			if now.Sub(m.until) >= floodLast {
				delete(t.merged, k)
			}
		case m.look.merge == again, m.more == 0:
			delete(t.merged, k)
		default:
			l := m.look
			l.more, l.rows = m.more, m.rows
			if l.merge == flood {
				l.about = slices.Clone(m.about)
			}
			list = append(list, dueLine{l, m, k})
		}
	}
	slices.SortFunc(list, func(a, b dueLine) int { return a.m.until.Compare(b.m.until) })
	return list
}

// settled takes off what has its line now. A flood goes on to be counted, for twice the time.
func (t *trail) settled(list []dueLine, now time.Time, date int32) {
	for _, d := range list {
		if d.m.more -= d.line.more; d.m.look.merge == flood {
			d.m.window = min(2*d.m.window, floodLast)
			d.m.until, d.m.rows, d.m.about = now.Add(d.m.window), 0, nil
		} else if d.m.more <= 0 {
			delete(t.merged, d.key)
		}
	}
}

// next tells how long it is until something is due; 0 if nothing is counted.
func (t *trail) next(now, clock time.Time) (wait time.Duration) {
	for _, m := range t.merged {
		left := m.until.Sub(now)
		if m.look.merge == ownData {
			left = clock.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(clock)
		}
		if m.more > 0 && m.look.merge != again {
			wait = sooner(wait, max(left, 1))
		}
	}
	return wait
}

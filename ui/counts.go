package ui

import (
	"slices"
	"time"

	"sotto/storage"
	"sotto/storage/policy"
)

// countsView is the days whose records have gone, of which counts are left.
type countsView struct {
	Rows []countRow // newest first
	More bool       // there are older ones
}

// countRow is how many calls there were on a day.
type countRow struct{ Day, In, Out, Inside, Missed, Talked string }

// maxCountDays is how many days are listed.
const maxCountDays = 62

// counts gives the days of a filter whose records are over by the settings; nil if of none of
// them anything is left. Days are those of the store, in UTC.
func (s *Server) counts(q *request, f *callsFilter, settings *policy.Settings) (*countsView, error) {
	if f.Kind != kinds[0].value {
		return nil, nil
	}
	until := dateOf(q.now.UTC()).AddDate(0, 0, -settings.Keep[policy.Records])
	from, to := dateUTC(f.query.From), dateUTC(f.query.Until)
	if !to.IsZero() && to.Before(until) {
		until = to
	}
	if !from.IsZero() && !from.Before(until) {
		return nil, nil
	}
	list, err := s.as(q).Counts(q.r.Context(), from, until)
	return countDays(list), err
}

// countDays sums counts, in the order of days, by day; nil of nothing.
func countDays(list []storage.DayCount) *countsView {
	if len(list) == 0 {
		return nil
	}
	v := &countsView{}
	for i := len(list); i > 0; {
		end := i
		for i--; i > 0 && list[i-1].Day.Equal(list[i].Day); i-- {
		}
		if len(v.Rows) == maxCountDays {
			v.More = true
			break
		}
		v.Rows = append(v.Rows, countDay(list[i:end]))
	}
	return v
}

// countDay sums what there is of one day.
func countDay(list []storage.DayCount) countRow {
	in, out, inside, missed, talked := 0, 0, 0, 0, time.Duration(0)
	for _, c := range list {
		switch {
		case c.Direction == storage.Incoming && slices.Contains(missedOutcomes, c.Outcome):
			missed += c.Calls
		case c.Direction == storage.Incoming:
			in += c.Calls
		case c.Direction == storage.Outgoing:
			out += c.Calls
		default:
			inside += c.Calls
		}
		talked += c.Talked
	}
	return countRow{list[0].Day.Format(T("time.date")), itoa(in), itoa(out), itoa(inside), itoa(missed), duration(talked)}
}

func dateOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// dateUTC gives the date that a time has by the clock of the office, in UTC; zero for zero.
func dateUTC(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return dateOf(t)
}

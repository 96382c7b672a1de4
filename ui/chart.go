package ui

import (
	"context"
	"fmt"
	"time"

	"sotto/storage"
)

// hourView is one hour of the chart of a day: calls in, out and missed.
type hourView struct {
	Label           string // "9", under the column
	Minor           bool   // the label goes on narrow pages
	Hour            string // "09:00"
	In, Out, Missed int

	X, Width           string
	InY, InH           string // of the columns, from the top; heights
	OutY, OutH         string
	MissedX, MissedW   string
	MissedY, MissedH   string
	LabelX             string
	HasIn, HasOut, Has bool
}

// chartView is the picture of a day's calls. All places are within 480 by 220.
type chartView struct {
	Day, Finding string
	Totals       []fact
	Hours        []hourView
	Guides       []guide
	Cut          string // said when the day has more calls than were counted
}

type guide struct {
	Y, TextY, N string
	Base        bool
}

const (
	chartLeft, chartRight = 30.0, 480.0
	chartTop, chartBase   = 18.0, 184.0
	chartMost             = 500 // calls counted, see [storage.Query]
)

// chart draws the calls of one day by the hour that they began in; nil if there was none
// in or out. Calls inside are not in it.
func (s *Server) chart(ctx context.Context, r *storage.Reader, day time.Time) (*chartView, error) {
	p, err := r.Page(ctx, storage.Query{From: day, Until: day.AddDate(0, 0, 1), Limit: chartMost})
	if err != nil {
		return nil, err
	}
	var hours [24]hourView
	for _, x := range p.Views {
		h := &hours[x.Began.Local().Hour()]
		switch {
		case x.Direction == storage.Incoming && x.Talked == 0:
			h.Missed++
		case x.Direction == storage.Incoming:
			h.In++
		case x.Direction == storage.Outgoing:
			h.Out++
		}
	}
	v := drawHours(hours)
	if v != nil {
		v.Day = day.Format(T("time.date"))
		if p.More {
			v.Cut = T("chart.cut", chartMost)
		}
	}
	return v, nil
}

// drawHours lays out the columns, from the first hour with a call to the last, working
// hours at the least.
func drawHours(hours [24]hourView) *chartView {
	first, last, busiest, most := 8, 18, 0, 0
	var all hourView
	for i := range hours {
		all.In, all.Out, all.Missed = all.In+hours[i].In, all.Out+hours[i].Out, all.Missed+hours[i].Missed
		n := hours[i].In + hours[i].Out + hours[i].Missed
		if n > most {
			busiest, most = i, n
		}
		if n > 0 {
			first, last = min(first, i), max(last, i)
		}
	}
	if most == 0 {
		return nil
	}
	step := 1
	for _, n := range []int{1, 2, 5, 10, 20, 50, 100, 200} {
		if step = n; 3*n >= most {
			break
		}
	}
	v := &chartView{Totals: []fact{{Name: T("chart.in"), Value: itoa(all.In)}, {Name: T("chart.out"), Value: itoa(all.Out)}, {Name: T("chart.missed"), Value: itoa(all.Missed)}}}
	unit := (chartBase - chartTop) / float64(3*step)
	f := func(x float64) string { return fmt.Sprintf("%.1f", x) }
	for i := range 4 {
		y := chartBase - float64(i*step)*unit
		v.Guides = append(v.Guides, guide{f(y), f(y + 4), itoa(i * step), i == 0})
	}
	pitch := (chartRight - chartLeft) / float64(last-first+1)
	for i := first; i <= last; i++ {
		h := hours[i]
		x, w := chartLeft+float64(i-first)*pitch+pitch*0.16, pitch*0.68
		h.Label, h.Minor, h.Hour = fmt.Sprint(i), (i-first)%3 != 0, fmt.Sprintf("%02d:00", i)
		h.X, h.Width, h.LabelX = f(x), f(w), f(x+w/2)
		h.HasIn, h.HasOut, h.Has = h.In > 0, h.Out > 0, h.Missed > 0
		top := chartBase - float64(h.In)*unit
		h.InY, h.InH = f(top), f(float64(h.In)*unit)
		top -= float64(h.Out) * unit
		h.OutY, h.OutH = f(top), f(float64(h.Out)*unit)
		top -= float64(h.Missed) * unit
		// The line of an outline is half outside.
		h.MissedX, h.MissedW, h.MissedY, h.MissedH = f(x+0.75), f(w-1.5), f(top+0.75), f(max(float64(h.Missed)*unit-1.5, 0))
		v.Hours = append(v.Hours, h)
	}
	b := hours[busiest]
	v.Finding = T("chart.finding", busiest, busiest+1, b.In, b.Out, b.Missed)
	return v
}

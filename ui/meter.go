package ui

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sotto/board"
)

// meterWait bounds how long a page waits for a measurement, which takes milliseconds.
const meterWait = time.Second

// meter is a figure on a scale from nought: the needle, and the band of what is good.
type meter struct {
	Name, Value, Label string
	Good, Width        float64 // of the band in the drawing
	Needle             string  // path
	Ticks              []tick
}

type tick struct {
	X      float64
	Text   string
	Anchor string
}

// The drawing is 320 wide; the scale goes from 8 to 312.
const scaleLeft, scaleWide = 8, 304

// volts draws a voltage on a scale of 0 to most; what is beyond stands at its end.
func volts(name string, v, good, better, most float64) meter {
	at := func(v float64) float64 {
		return math.Round(10*(scaleLeft+scaleWide*math.Max(0, math.Min(v/most, 1)))) / 10
	}
	size := math.Abs(v)
	m := meter{Name: name, Value: T("meter.v", size), Good: at(good), Width: at(better) - at(good),
		Label: T("meter.label", name, size, good, better), Needle: fmt.Sprintf("M%.1f 24l-6-14h12z", at(size))}
	for i := range 4 {
		x := most * float64(i) / 3
		m.Ticks = append(m.Ticks, tick{at(x), fmt.Sprintf("%.0f", x), [...]string{"start", "middle", "middle", "end"}[i]})
	}
	return m
}

// metersView is what was measured of a port as its page was opened.
type metersView struct {
	Meters []meter
	Facts  []fact
	Note   string // why there is nothing, or what else was found
}

// measure reads the line of a port that is idle; nil for who has no business with it.
func (s *Server) measure(q *request, pv portView) *metersView {
	if s.cfg.Measure == nil || !slices.Contains(fitters, q.viewer().Role) {
		return nil
	}
	ctx, cancel := context.WithTimeout(q.r.Context(), meterWait)
	defer cancel()
	r, err := s.cfg.Measure(ctx, pv.live.Port)
	switch {
	case errors.Is(err, board.ErrBusy):
		return &metersView{Note: T("meter.busy")}
	case err != nil:
		return &metersView{Note: T("meter.failed")}
	}
	v := &metersView{}
	if pv.Station {
		v.Meters = []meter{volts(T("meter.station"), r.Volts, 40, 60, 75), volts(T("meter.feed"), r.FeedVolts, 48, 80, 90)}
		if r.OffHook {
			v.Note = T("meter.offhook")
		}
		return v
	}
	v.Meters = []meter{volts(T("meter.line"), r.Volts, 38, 56, 60)}
	if math.Abs(r.Volts) >= 3 { // else no exchange feeds the line
		polarity := T("meter.normal")
		if r.Volts > 0 {
			polarity = T("meter.turned")
		}
		v.Facts = []fact{{Name: T("meter.polarity"), Value: polarity}}
	}
	if !r.Registered {
		v.Note = T("meter.apart")
	}
	return v
}

package ui

import "sotto/board"

// boxView is the geometry of the drawing: a port is 116 wide, exchange lines stand behind
// the telephones, sockets of the box behind those.
type boxView struct {
	W, Shell, Lit, Foot, Name       int
	Phones                          int // end of the rule over the phones; 0: none
	Lines                           *rule
	Network, USB, Status, StatusLed int
	HalfA, HalfB, HalfC             int
	Under                           bool // the tiles stand below their sockets
}

type rule struct {
	Text, From, To int
	Rule           bool
}

const (
	pitch      = 116
	firstPort  = 92
	lineGap    = 146 // between the last phone and the first line
	defaultRow = 4
)

// drawBox lays out a box of so many phones and lines, and gives the middle of each port.
func drawBox(stations, lines int) (b boxView, centers []int) {
	x := firstPort - pitch
	for range stations {
		x += pitch
		centers = append(centers, x)
	}
	last := x
	if stations > 0 {
		b.Phones = max(last+48, 140)
	} else {
		last = firstPort - lineGap
	}
	b.HalfA = last + 78
	x = last
	for i := range lines {
		if i == 0 {
			x = last + lineGap
			b.Lines = &rule{Text: x - 48, From: x + 78}
		} else {
			x += pitch
		}
		centers = append(centers, x)
	}
	if b.Lines != nil {
		b.Lines.To = x + 48
		b.Lines.Rule = b.Lines.To > b.Lines.From
	}
	b.Network, b.USB, b.Status = x+134, x+232, x+320
	b.StatusLed, b.Name = b.Status-12, b.Status+24
	b.W = b.Status + 58
	b.Shell, b.Lit, b.Foot = b.W-2, b.W-16, b.W-160
	b.HalfB, b.HalfC = last+68, b.W-last-68
	b.Under = stations == defaultRow && lines == 2
	return b, centers
}

// place says where a port is on the box, which does not depend on who looks.
type place struct {
	n, center int
	station   bool
}

// places gives the places of all ports, and the drawing.
func (s *Server) places() (map[board.Port]place, boxView) {
	var order []board.Port
	at := map[board.Port]place{}
	stations, lines := 0, 0
	for _, k := range []board.Kind{board.Station, board.ExchangeLine} {
		for _, p := range s.cfg.Ports {
			if p.Kind != k {
				continue
			}
			n := &lines
			if k == board.Station {
				n = &stations
			}
			*n++
			at[p.Port] = place{n: *n, station: k == board.Station}
			order = append(order, p.Port)
		}
	}
	b, centers := drawBox(stations, lines)
	for i, p := range order {
		pl := at[p]
		pl.center = centers[i]
		at[p] = pl
	}
	return at, b
}

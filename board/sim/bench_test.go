package sim_test

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim"
)

// BenchmarkIdle is the cost of one tick of ten milliseconds with eight telephones on the
// hook and two idle lines: what the simulator costs a laptop that does nothing.
func BenchmarkIdle(b *testing.B) {
	names := []string{"101", "102", "103", "104", "105", "106", "107", "108"}
	brd, err := sim.Open(b.Context(), sim.Config{Telephones: names, Lines: 2})
	if err != nil {
		b.Fatal(err)
	}
	defer brd.Close()
	var chips []chipsim.Chip
	for _, n := range names {
		chips = append(chips, brd.Chip(n))
	}
	for i := range brd.Lines {
		chips = append(chips, brd.LineChip(i))
	}
	var drx, dtx chipsim.Bus
	at := time.Now()
	for b.Loop() {
		for _, c := range chips {
			c.Frame(at, &drx, &dtx)
		}
		at = at.Add(board.FrameTime)
	}
}

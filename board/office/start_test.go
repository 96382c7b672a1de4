package office

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// TestOneDeadPort: whichever chip does not answer, the others work.
func TestOneDeadPort(t *testing.T) {
	const stations, lines = 2, 2
	for dead := range board.Port(stations + lines) {
		t.Run(fmt.Sprint(dead), func(t *testing.T) {
			bubble(t, stations, lines, func(r *rig) {
				r.kill(dead, true)
				began := time.Now()
				r.start()
				if took := time.Since(began); took > 5*time.Second {
					r.Errorf("start took %v", took)
				}
				for _, p := range r.brd.Ports() {
					if (p.Err != nil) != (p.Port == dead) || (p.Chip == "") != (p.Port == dead) {
						r.Errorf("%s: chip %q, error %v", p.Label, p.Chip, p.Err)
					}
					switch {
					case p.Port == dead:
					case p.Kind == board.Station:
						r.works(p.Port)
					default:
						r.rings(p.Port)
					}
				}
			})
		})
	}
}

// TestAllDead: the error comes at once, and says of each port what was read.
func TestAllDead(t *testing.T) {
	bubble(t, 3, 2, func(r *rig) {
		for p := range board.Port(5) {
			r.kill(p, true)
		}
		began := time.Now()
		b, err := Open(context.Background(), r.parts)
		if b != nil || !errors.Is(err, ErrNoPort) {
			r.Fatalf("open gives %v, %v", b, err)
		}
		if took := time.Since(began); took > 80*time.Millisecond {
			r.Errorf("it took %v", took)
		}
		lines := strings.Split(err.Error(), "\n")
		for i, label := range []string{"FXS 1", "FXS 2", "FXS 3", "FXO 1", "FXO 2"} {
			if i >= len(lines) || !strings.Contains(lines[i], label+":") || !strings.Contains(strings.ToLower(lines[i]), "0xff") {
				r.Errorf("%s and what was read are not in their place in:\n%v", label, err)
			}
		}
	})
}

// TestStartFails: what cannot be started leaves nothing behind.
func TestStartFails(t *testing.T) {
	broken := errors.New("broken")
	for name, spoil := range map[string]func(*rig, *Parts) context.Context{
		"reset": func(_ *rig, p *Parts) context.Context {
			p.Reset = func(bool) error { return broken }
			return context.Background()
		},
		"clock": func(r *rig, p *Parts) context.Context {
			r.highway.Start()
			return context.Background()
		},
		"context": func(r *rig, _ *Parts) context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			r.Cleanup(cancel)
			return ctx
		},
		"same slot": func(_ *rig, p *Parts) context.Context {
			p.Lines[0].Slot = 0
			return context.Background()
		},
		"no such slot": func(_ *rig, p *Parts) context.Context {
			p.Stations[0].Slot = chipsim.Slots
			return context.Background()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, 1, func(r *rig) {
				ctx := spoil(r, &r.parts)
				began := time.Now()
				if b, err := Open(ctx, r.parts); b != nil || err == nil {
					r.Errorf("open gives %v, %v", b, err)
				} else {
					r.Log(err)
				}
				if took := time.Since(began); took > 400*time.Millisecond {
					r.Errorf("it took %v", took)
				}
				if err := r.highway.Start(); err != nil && name != "clock" {
					r.Errorf("the clock was left running: %v", err)
				}
				r.highway.Stop()
				if n := r.breach.Count(); n > 0 {
					r.Errorf("data sheet breached: %q", r.breach.List())
				}
			})
		})
	}
}

// TestComesLater: a chip that was dead at start and appears is told and works, with the
// signals and the parameters it was given meanwhile.
func TestComesLater(t *testing.T) {
	bubble(t, 2, 1, func(r *rig) {
		r.kill(1, true)
		r.kill(2, true)
		r.start()
		r.brd.Signal(1, board.Signal{Kind: board.Configure, Line: testLine(30)})
		r.signal(1, board.Reverse)
		r.signal(2, board.Seize)
		time.Sleep(time.Minute)
		r.expect() // not a word meanwhile
		r.kill(1, false)
		r.kill(2, false)
		time.Sleep(3 * time.Minute)
		r.expect(board.PortRestored, board.PortRestored)
		if hz, _ := r.slics[1].RingTone(); hz < 29 || hz > 31 {
			r.Errorf("ringing at %.1f Hz, want 30", hz)
		}
		if _, volts, _ := r.phones[1].state(); volts >= 0 {
			r.Errorf("%.1f V, want a reversed line", volts)
		}
		if !r.daas[0].OffHook() {
			r.Error("the exchange line is not seized")
		}
		r.works(1)
		r.works(0)
	})
}

// TestOffHookAtStart: a telephone off the hook cannot be calibrated; it works, and is
// calibrated when it has been on the hook for a while.
func TestOffHookAtStart(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.phones[0].hook(true)
		r.parts.PCM.Start() // the hook is seen by frames only
		out := make([]int16, board.FrameLen*chipsim.Slots)
		for range 3 {
			r.highway.Exchange(out, out)
		}
		r.parts.PCM.Stop()
		r.open()
		r.run()
		time.Sleep(500 * time.Millisecond)
		r.expect(board.LoopClosed)
		r.phones[0].hook(false)
		time.Sleep(9 * time.Second)
		r.expect(board.LoopOpen)
		time.Sleep(4 * time.Second)
		e := r.expect(board.PortFailed, board.PortRestored)
		if away := e[1].At.Sub(e[0].At); away > 2*time.Second || !errors.Is(e[0].Err, errCalibrating) {
			r.Errorf("away for %v because: %v", away, e[0].Err)
		}
		r.works(0)
	})
}

// testLine is a line that is told from the default by its ringing.
func testLine(hz float64) board.Line {
	return board.Line{Ringing: board.Ringing{Hz: hz, Vrms: 45}, DC: board.DC{DropVolts: 3.5, MinMilliamps: 10}}
}

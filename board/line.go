package board

import "fmt"

// Line describes one two-wire line in physical terms. Country data is made of it;
// drivers turn it into registers.
type Line struct {
	Impedance    Impedance
	TransmitGain float64 // dB, from the line into the box
	ReceiveGain  float64 // dB, from the box to the line
	Ringing      Ringing // station only
	DC           DC      // exchange line only
}

// Ringing is the ringing that a station port puts on its line.
type Ringing struct {
	Hz   float64 // frequency of the sine, 15 to 68 Hz
	Vrms float64 // open-circuit voltage at the terminals
}

// Impedance is a standard two-wire impedance: R1 in series with R2 parallel C.
type Impedance uint8

const (
	Z600    Impedance = iota // 600 Ω: North America, Japan's exchange lines
	Z900                     // 900 Ω
	Z600C                    // 600 Ω + 1 µF: Japan
	Z900C                    // 900 Ω + 2.16 µF
	ZCTR21                   // 270 Ω + 750 Ω ∥ 150 nF: ETSI harmonised
	ZAU                      // 220 Ω + 820 Ω ∥ 120 nF: Australia, New Zealand
	ZDE                      // 220 Ω + 820 Ω ∥ 115 nF: Germany, Austria, Switzerland
	ZCN                      // 200 Ω + 680 Ω ∥ 100 nF: China
	ZUK                      // 320 Ω + 1050 Ω ∥ 230 nF: United Kingdom
	ZNZ                      // 370 Ω + 620 Ω ∥ 310 nF: New Zealand exchange lines
	ZGlobal                  // the global complex of the Si3018/Si3019
	NumImpedances
)

var impedanceNames = [NumImpedances]string{
	"600", "900", "600+1u", "900+2.16u", "270+750||150n", "220+820||120n", "220+820||115n",
	"200+680||100n", "320+1050||230n", "370+620||310n", "global complex",
}

func (z Impedance) String() string {
	if z < NumImpedances {
		return impedanceNames[z]
	}
	return fmt.Sprintf("impedance %d", uint8(z))
}

// DC is what an exchange line may ask of the set that terminates it (off-hook DC
// mask, hook switch, ringer), after the columns of the Si3050 country table.
type DC struct {
	DropVolts    float64  // tip-ring voltage step at off hook: 3.1, 3.2, 3.35 or 3.5
	MinMilliamps int      // minimum operating current: 10, 12, 14 or 16
	Limit60      bool     // limit the current to 60 mA (TBR 21)
	Hook         HookRate // how fast the hook switch opens
	RingVolts    int      // ring detection threshold, V rms: 15, 21 or 45
	LowRinger    bool     // synthesise a low ringer impedance (ZA, KR, PL, SI)
}

// HookRate is the speed of the hook switch towards the exchange.
type HookRate uint8

const (
	HookFast HookRate = iota // under 0.5 ms: North America
	HookETSI                 // 3 ms
	HookSlow                 // 26 ms with spark quenching: Australia
)

package si321x

// Direct registers, by the data sheet's names (Si3215 data sheet, table 33).
const (
	regID            = 0  // SPI mode, part number, revision
	regPCMMode       = 1  // bit 7 tells the Si3215 family
	regTXSLow        = 2  // first bit of the transmit slot, in PCLK after FSYNC
	regTXSHigh       = 3  //
	regRXSLow        = 4  // the same of the receive slot
	regRXSHigh       = 5  //
	regPNI           = 6  // part number of a Si3215 in bits 7:5
	regLoopback      = 8  // 2 after reset, which nothing else makes it
	regAudioGain     = 9  // coarse gains, mutes, high-pass filters
	regImpedance     = 10 // two-wire impedance
	regHybrid        = 11 // hybrid balance
	regPowerDown     = 14 // bit 4: converter off
	regStatus1       = 18 // interrupt status, write 1 to clear
	regStatus2       = 19
	regStatus3       = 20
	regEnable1       = 21 // interrupt enables
	regEnable2       = 22
	regEnable3       = 23
	regIDALow        = 28 // indirect data
	regIDAHigh       = 29
	regIAA           = 30 // indirect address: writing it starts the access
	regIAS           = 31 // indirect access status: 0 when done
	regOsc1          = 32 // tone oscillators
	regOsc2          = 33
	regRingOsc       = 34
	regLinefeed      = 64 // 6:4 actual, 2:0 requested
	regBattery       = 66 // battery feed control
	regAutomatic     = 67 // what the chip does by itself
	regLoopStatus    = 68
	regHookDebounce  = 69 // 1.25 ms a step
	regTripDebounce  = 70 // 1.25 ms a step
	regLoopCurrent   = 71 // 20 mA + 3 mA a step
	regVOC           = 72 // on-hook voltage, 1.5 V a step
	regVCM           = 73 // common mode, 1.5 V a step
	regVBATH         = 74 // high battery, 1.5 V a step
	regVBATL         = 75 // low battery, 1.5 V a step
	regLoopVoltage   = 78 // 1.5 V a step, sign in bit 6
	regLoopSense     = 79 // 1.25 mA a step, sign in bit 6
	regTip           = 80 // 0.376 V a step below ground
	regRing          = 81
	regVBAT          = 82
	regPWMPeriod     = 92 // converter
	regPWMDelay      = 93
	regCalibrate1    = 96
	regCalibrate2    = 97
	regCalFirst      = 98 // calibration results …
	regCalLast       = 107
	regPeakCurrent   = 107 // of them, the converter's current monitor
	regEnhancements  = 108
	freshLoopback    = 0x02 // values after reset, by which a chip is known
	freshHybrid      = 0x33
	freshLinefeed    = 0x00
	familyBit        = 0x80 // regPCMMode
	pcmLinear16      = 0x3c // regPCMMode: enabled, linear, 16 bit
	converterOff     = 0x10 // regPowerDown
	statusRingTrip   = 0x01 // regStatus2
	statusLoop       = 0x02
	statusPower      = 2    // shift of Q1 … Q6 in regStatus2
	impedanceOn      = 0x08 // regImpedance: synthesis on
	automatic        = 0x07 // regAutomatic: AORD, AOLD, AOPN. Not automatic battery switching, which endangers Q7
	trackBattery     = 0x01 // regBattery: the battery follows the loop
	enhancements     = 0xeb // regEnhancements: as AN35 wants, with loop closure hysteresis
	delayCalibrate   = 0x80 // regPWMDelay: start the calibration; reads 1 until done
	delayMOSFET      = 0x20 // regPWMDelay: read-only, a MOSFET converter
	delayMask        = 0x1f // regPWMDelay: switch-off delay
	calibrateAll1    = 0x5f // regCalibrate1: start, with every calibration but the slow gain search
	calibrateAll2    = 0x1f // regCalibrate2
	calBalanceFailed = 0x04 // regStatus3
	peakDefault      = 0x08 // regPeakCurrent, when the calibration gave nonsense
	peakLow          = 0x02
	peakHigh         = 0x0d
	loopClosed       = 0x01 // regLoopStatus
	loopTripped      = 0x02
	loopStatusZero   = 0xf8 // regLoopStatus: these bits always read 0
	monitorVolts     = 0.376
	stepVolts        = 1.5 // regVOC … regVBATL, regLoopVoltage
	stepMilliamps    = 1.25
	signBit          = 0x40 // regLoopVoltage, regLoopSense
)

// Linefeed states.
const (
	feedOpen          = 0
	feedActive        = 1
	feedTransmit      = 2 // on-hook transmission
	feedRinging       = 4
	feedReverse       = 4 // or-ed to active and transmit
	feedRequestedMask = 7
	feedActualShift   = 4
)

// An indirect register, by its address on the Si3210, with its value unless the line
// sets it. Values without a remark are those of the Si3210 evaluation set-up that
// drivers of a decade have in common.
type indirect struct {
	addr  byte
	value uint16
	line  bool // the line sets the value
}

// Addresses on the Si3210 of the indirect registers that the line sets.
const (
	indRCO         = 20 // ringing frequency
	indRNGX        = 21 // ringing amplitude
	indDACG        = 26 // receive gain, 0x4000 = 0 dB
	indADCG        = 27 // transmit gain
	indRPTP        = 29 // ring-trip threshold
	indNCLR        = 35 // filter of loop closure, the first of five
	indNRTP        = 36 // filter of ring trip
	indNQ56        = 39 // filter of power alarms, the last of five
	filterFlush    = 0x8000
	unityGain      = 0x4000
	notOnThe3215   = 0xff
	indFirstDirect = 13 // lower ones are of the DTMF decoder
)

// indirects is every location that the data sheet names: their content is undefined
// after reset, so all are written, used or not.
var indirects = [...]indirect{
	{addr: 0, value: 0x55c2}, {addr: 1, value: 0x51e6}, {addr: 2, value: 0x4b85}, // DTMF decoder, not used
	{addr: 3, value: 0x4937}, {addr: 4, value: 0x3333}, {addr: 5, value: 0x0202},
	{addr: 6, value: 0x0202}, {addr: 7, value: 0x0198}, {addr: 8, value: 0x0198},
	{addr: 9, value: 0x0611}, {addr: 10, value: 0x0202}, {addr: 11, value: 0x00e5}, {addr: 12, value: 0x0a1c},
	{addr: 13}, {addr: 14}, {addr: 15}, {addr: 16}, {addr: 17}, {addr: 18}, // tone oscillators, not used: the box makes its tones itself
	{addr: 19},                                                          // ROFF: no DC offset in ringing
	{addr: indRCO, line: true}, {addr: indRNGX, line: true}, {addr: 22}, // ringing begins at 0 V
	{addr: 23}, {addr: 24}, {addr: 25}, // pulse metering, not used
	{addr: indDACG, line: true}, {addr: indADCG, line: true},
	{addr: 28, value: 0x1000}, // LCRT: off hook above 10.2 mA
	{addr: indRPTP, line: true},
	{addr: 30, value: 0x1000}, {addr: 31, value: 0x0200}, // CML, CMH: common mode
	{addr: 32, value: 0x07c0}, {addr: 33, value: 0x4c00}, {addr: 34, value: 0x1b80}, // PPT: power alarms of Q1/2, Q3/4, Q5/6
	{addr: indNCLR, value: 0x8000}, {addr: indNRTP, line: true},
	{addr: 37, value: 0x008c}, {addr: 38, value: 0x0100}, {addr: indNQ56, value: 0x0010},
	{addr: 40},                                           // VCMR: as the data sheet recommends
	{addr: 41, value: 0x0c00}, {addr: 42, value: 0x1000}, // VMIND, converter
	{addr: 43, value: 0x0800},                                                   // LCRTL: on hook below 5 mA
	{addr: 99}, {addr: 100}, {addr: 101}, {addr: 102}, {addr: 103}, {addr: 104}, // FSK generator, not used
}

// address3215 gives the address on the Si3215 of the register that the Si3210 has at a,
// or notOnThe3215.
func address3215(a byte) byte {
	switch {
	case a < indFirstDirect || a >= 23 && a <= 25 || a == 42:
		return notOnThe3215
	case a <= 22, a >= 26 && a <= 40:
		return a - 13
	case a == 41 || a == 43:
		return a + 23
	case a >= 99 && a <= 104:
		return a - 30
	}
	return notOnThe3215
}

// Package dtmf sends and recognises the digits of a telephone's keys (ITU-T Q.23, Q.24).
// The media engine keeps one [Detector] for every analog port and feeds it on the media
// tick; exchange lines and the simulator's handsets dial with a [Generator]. The package
// never learns what a digit is for, reads no clock, starts nothing, allocates nothing
// while it runs, and prints no digit: an [Event] shows without it.
//
// # The receiver
//
//	frame ─► high-pass ─► notches for the exchange's tones ─► windows: 10 ms Hann every 5 ms
//	             │ energy           │ energy                   eight correlations and energy
//	             └────── below ─────┘                                      │
//	                       │                look: row and column, twist, share of the window
//	                       │                                               │
//	                       └───────────────► run of six or more: do two sines of constant
//	                                         phase, within 1.95 % of their places, make up
//	                                         92 % of all its energy?  ─► Start … End
//
// What keeps speech out is the last question. Over the 35 ms of a run two sines at one
// pitch and one level are nearly all there is of a digit, even in noise at 15 dB; a
// vowel's harmonics glide, swell and have neighbours. The frequency is the turning of the
// phase from window to window, so its error is about 1 Hz though a window is 10 ms short.
//
// Energy below the band counts as speech, unless it was there before the digit: then it
// is dial tone, which the notches keep from the rest of the receiver.
//
// A tone of 20 ms fills at most five windows by half, one of 40 ms at least seven: six
// make a digit. A drop-out of 10 ms spoils four at most, a pause of 40 ms empties seven:
// five end one. A digit cut in two by a drop-out counts seven around it.
//
// # Twist
//
// The contract's -8/+4 dB is the level of the high group over the low (Q.24: the high
// group up to 8 dB weaker, on long lines, or up to 4 dB stronger). Some papers count
// the other way round; the receiver takes 9 dB or so either way.
//
// # Figures
//
// Of 10,000 digits of 40 ms anywhere within the contract's levels, twist and frequencies, with noise
// of 15 to 40 dB, some with dial tone, some through either law of G.711: none missed, none doubled,
// none false, each told within 43 ms of its beginning (TestDigits). Of 94 minutes of synthetic speech
// in 47 voices and 12 languages, at -10, -20 and -30 dBm0, linear, through both laws and under dial
// tone, 18.8 hours together: no false digit (TestTalkOff). The limits were set on that speech; 47 other
// voices, heard once afterwards in the same 12 ways, gave 9 in 20.1 hours, of two moments of one voice;
// no people were recorded. A frame costs 1.2 µs on a PC, 0.1 µs when
// it is silent; a Detector holds 1.5 kB.
package dtmf

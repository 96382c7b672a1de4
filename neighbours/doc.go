// Package neighbours tries the box with telephones that nobody here wrote: baresip and
// SIPp, as Debian packs them. It holds tests alone, and nothing imports it.
//
//	test ─ words ─► sotto -board sim ◄─ SIP, RTP on 127.0.0.1 ─► baresip, sipp
//	     ◄─ lines ─┘                                            ▲
//	     └────────── control port, scenarios in testdata ───────┘
//
// The box runs as a process of its own, in real time, on ports that were free; its
// simulated handsets tell what they hear. baresip speaks with the voice of handset 104,
// which nobody lifts, so that the handset it calls can name it, and writes what it hears
// into a file in which the caller's voice must be found. SIPp plays scenarios: it fails
// when a message that comes is not the one expected.
//
// The tests wait for what is to happen, each for a limited time, and never for a time to
// pass. Without the programs they fail: make test installs them. With -short they are
// left out.
package neighbours

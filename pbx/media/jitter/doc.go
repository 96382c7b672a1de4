// Package jitter turns the packets of a received RTP stream, which come unevenly, twice, in
// any order or not at all, into a frame of sound every 10 ms. Package rtpport keeps one
// [Buffer] for each stream, puts packets in as they come and takes a frame on each tick of
// the media engine, under its own lock.
//
//	Put ─► place: timestamp ─► ring of samples ─► feed ─► line ─► resample ─► Get
//	         │                                     ▲  ▲              ▲
//	         └► how late? ─► target delay ─────────┴──┴──────────────┘
//	                                            splice conceal
//
// # Time
//
// The clock is the number of frames taken, so that only two clocks are there, the sender's
// and the board's, and a media loop that is late counts as the jitter that it is. A sample's
// place in the stream is its extended timestamp. The lateness of a packet is the difference
// to the fastest one of the last 5 to 10 s. The target is what 99.5 % of the packets of the
// last 40 s or so would have needed, those that come within one frame counted once, and lies
// within 20 to 200 ms: half a per cent of loss costs about as much quality as 70 ms of delay
// (ITU-T G.107).
//
// # How the delay changes
//
// Where it costs nothing: in a pause of the sender the next talkspurt is put where the
// target wants it, marked or not. A packet that is late while nothing else is there is
// played late, and the delay stays.
//
// In running speech there are two ways. Within 30 ms of the target, and so for the drift of
// the clocks, a sample is gained or lost over 32 frames by a fractional delay that moves by
// 1/32 a frame: 390 parts in a million, two thirds of a cent of pitch, without any seam; a
// modem or a fax does not lose its carrier. Between two such moves the codes' samples go out
// as they came. Dropping or repeating a pitch period now and then, as is often done for the
// drift too, would make a seam a minute at 100 parts in a million, and be heard in music, noise or
// a pair of tones, where no period fits. Farther from the target periods are dropped or
// repeated after all, as resampling would take minutes; only where the sound is periodic,
// or all but silent.
//
// What would be heard later than 200 ms and two frames after it came is dropped, oldest first.
//
// # Figures
//
// An hour at ±100 parts in a million, with jitter of 10 ms or none: no sound made up, cut or
// spliced, the phase of a 1,004 Hz tone never off its course by more than the 0.5 Hz of the
// resampling, delay 12 to 45 ms (TestDriftHour). Jitter of 80 ms, each packet for itself: 95 ms
// of delay, 0.02 % made up (TestNetworks). A frame costs 0.3 µs on a PC, 1.9 µs while the delay moves,
// 10 µs where a gap begins; a packet 0.2 µs. A Buffer holds 10.6 kB.
//
// # What it never does
//
// The package is pure: no clock, no I/O, no goroutine, no lock, no allocation after New. It
// knows neither sockets nor SSRCs; it keeps no payload longer than half a second and
// nothing of what is said shows in [Stats].
package jitter

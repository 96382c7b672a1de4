// Package conceal makes what is heard where a received stream has no sound: speech that
// goes on for a moment where a packet is missing, and comfort noise where the other end
// is silent. Package jitter calls it; [Pitch] serves its splices too.
//
//	past ─► pitch ─► one, two, three periods, round and round ─► × fade ─┐
//	                                                                     + ─► samples
//	learnt level ─► noise ────────────────────────────────► × (1 − fade) ┘
//
// It works in the manner of ITU-T G.711 Appendix I: the period is the lag of 5 to 15 ms at
// which the last 20 ms are most like what went before; the first 10 ms repeat one period,
// the next two, then three; the sound fades from 10 ms on and is gone at 60 ms. Unlike the
// Appendix it holds nothing back to smooth the start with (3.75 ms there): the step into
// the first copied sample is made that of the original, and the difference dies away over
// a quarter of a period. And it fades into noise, not into silence.
//
// The package is pure: no clock, no I/O, no goroutine, no allocation.
package conceal

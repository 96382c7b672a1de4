// Package flood holds a test that puts the whole program under attack: eight and more
// calls are up, telephones place new ones, and strangers send what they can. It prints
// what the calls lose and how late they are, what the program takes, and what strangers
// get for it. "make flood" runs it in full; "go test" a short form that judges what does
// not depend on how busy the machine is.
//
//	       lan ──────────── box ──────────── wild
//	telephones, with      the program     strangers: 10,000 addresses
//	meters in their RTP   10.66.0.1:5060  behind 10.68.0.2
//
// The three are network namespaces without a name, joined by veth pairs: they live as long
// as the test's process does, however it ends, and have no way to the host's network. That
// takes root; without it the test is skipped.
//
// A row of the table: what strangers sent, and what they got, in percent of their bytes;
// loss and transit (ms) of the calls' packets through the box; the 99th in a hundred gaps
// between packets of its own sound (20 ms); new calls of telephones, and the slowest; how
// long a telephone took that came back at a new port halfway; the box's memory, processor,
// files and log; and the processor time of programs that are not of the test: where that
// is much, delays say little.
//
// It never sends anywhere else, and no program imports it.
package flood

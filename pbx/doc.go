// Package pbx is the telephone exchange: one [Switch] that owns every call. An event
// goes in, state changes, signals, a media patch, a snapshot and records come out:
//
//	board events ─┐                       ┌─► board signals (ring, idle, open loop …)
//	DTMF digits ──┤                       ├─► media.Patch  (who hears whom; derived)
//	tones heard ──┼─► Switch.step(now, e) ┼─► Snapshot     (immutable, for pages)
//	Post (plan, ──┘        ▲              ├─► Remote       (telephones on the network)
//	telephones    deadlines┘              └─► Journal      (records of ended calls)
//	on the network)
//
// A leg ends at a station of the board, at a telephone on the network, or at a line of the
// public exchange (end.go); calls under way are the same for all. The switch knows a
// telephone on the network as a [Remote] that it asks [Phones] for; package sipline
// provides them. What the wires of a station and of an exchange line do is for their pure
// machines, packages analog and loopstart.
//
// A call to the exchange (outside.go) tries one line after the other until a number is
// sent, and its caller knows nothing of it. A call from the exchange (incoming.go) rings
// users; it never gets to another line. A call for help is never held back, put on hold, or
// ended by what is heard, and takes a line from an ordinary call if there is no other.
//
// A call joins legs. A leg's life is a table ([LegTable], drawn in testdata/leg.golden):
// its state, the events it allows, the states that may follow, its time limit. An event
// that the table does not allow is counted and logged, never ignored and never a panic.
// Failed calls are [Cause] values; only broken machinery is an error.
//
// What is not to be kept of a call (private.go) gets into no record, and the snapshot marks
// it, so that it is shown to nobody else while the call lasts. A new plan counts at once for
// what begins; calls under way keep theirs, and with the last of them the switch holds
// nothing of it any more.
//
// What the switch needs from below its own roof it declares here ([Journal], [Secrets],
// [Bindings]); storage provides it. State machines read no clock and do no input or output: Run does, around
// step. Nothing here blocks.
//
// Goroutines of the box (a closed list; adding one means adding a line):
//
//   - one switch loop: [Switch.Run]
//   - one media loop: media.Engine.Run
//   - one event reader in the board: board/office; at its start one more a port, for the
//     power-up, and one for a port that is being brought back after a fault
//   - one storage writer: storage.Store.Run
//   - one writer of the log: cmd/sotto
//   - one SIP loop: sipline.Server.Run; one reader of its UDP socket, one that accepts
//     connections, two a connection (reader, writer), one that opens a connection
//   - one reader of all RTP and RTCP sockets, which sends the reports, too: media/rtpport, from the first session to Ports.Close
//   - in the simulator: one reader of its words, one printer, one that tells of records
package pbx

// Package pbx is the telephone exchange: one [Switch] that owns every call. An event
// goes in, state changes, signals, a media patch, a snapshot and records come out:
//
//	board events ─┐                       ┌─► board signals (ring, idle, open loop …)
//	DTMF digits ──┼─► Switch.step(now, e) ┼─► media.Patch  (who hears whom; derived)
//	Post (plan, ──┘        ▲              ├─► Snapshot     (immutable, for pages)
//	telephones    deadlines┘              ├─► Remote       (telephones on the network)
//	on the network)                       └─► Journal      (records of ended calls)
//
// A leg ends at a station of the board or at a telephone on the network (end.go); calls
// under way are the same for both. The switch knows the latter as a [Remote] that it asks
// [Phones] for; package sipline provides them.
//
// A call joins legs. A leg's life is a table ([LegTable], drawn in testdata/leg.golden):
// its state, the events it allows, the states that may follow, its time limit. An event
// that the table does not allow is counted and logged, never ignored and never a panic.
// An exchange line, which carries emergency calls only so far, is a plain state machine
// (line.go); it gets a table with the rest of its life. Failed calls are [Cause] values; only broken
// machinery is an error.
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
//   - two a session of media/rtpport: a reader of RTP, and one of RTCP that sends the reports
//   - in the simulator: one reader of its words, one printer, one that tells of records
package pbx

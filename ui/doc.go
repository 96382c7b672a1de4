// Package ui is the admin page: what people of the office and the installer see of the
// box in a browser. cmd/sotto makes one [Server] and runs it once there is dial tone.
//
//	browser ──TLS 1.3──► limits ──► headers ──► session ──► routes ──► pages ──► templates
//	                                                           │          │
//	                                               one table, by role     ├─► storage.As(viewer)
//	                                                                      └─► snapshot of the switch, through storage's Watcher
//
// Every page is complete as it is served. The one script swaps parts of the front panel
// for newer ones, which come as server-sent events; see live.go.
//
// A person's name or number reaches a page through [storage.Store.As] and in no other
// way: pages show what comes out of it and mask nothing themselves. A number that is typed, to
// erase who has it or to hand over what is kept, comes back masked alone: see erase.go. What
// hands out data or cannot be undone needs the own password again. A file is written while it
// is made, one at a time for an account: see download.go. Without a store (the
// lifeline) nobody can log in, and the page tells the state of ports alone; a box that
// waits for its passphrase has the one page of [NewLocked] until then. Until there
// is an owner nothing is served but the set-up link, whose token is printed at start and
// used once.
//
// The package never logs a name, an address of a page, a password or a token, never
// opens a file of the machine, never runs a program and never makes the switch wait: a
// page that is slow, attacked or broken costs no call. What a page says stands in
// words.go; how it looks, in templates and in static/sotto.css.
package ui

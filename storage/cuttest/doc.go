// Package cuttest is a medium that keeps what it was told only once it was told to sync,
// and the tests of storage on it: power cuts at every moment and all the bad luck that a
// medium can have. Tests call it, and nothing else does; it never runs in the box.
//
//	child process ── storage.Open ──► kernel ──FUSE──► Mount ──► Disk
//	    │ says what was acknowledged                               │ cut after the n-th change:
//	    ▼                                                          │ the child is killed,
//	test ◄──────── opens what survived, compares ◄──── Survivor ───┘ what was not synced is lost
//
// A [Disk] follows POSIX and no kinder rule. What was written to a file is durable after a
// sync of that file, a name after a sync of its folder, and not before; until then each
// sector of 512 bytes may have any content that it had since, whole or torn, each size and
// each name too, in any order. File systems with a journal lose less.
//
// The store is never opened on the mount by the process that serves it: a page fault
// there would wait for a goroutine of the same process, which a stop of the world holds.
package cuttest

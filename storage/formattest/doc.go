// Package formattest holds an independent reader of what Sotto keeps on disk, written from
// storage/FORMAT.md alone, and the tests that use it: that a data folder says what
// FORMAT.md says, and that an erased person, or one whose time is over, is in no byte of
// it. It has tests only.
//
// The reader (bolt_test.go, keys_test.go, sealed_test.go, record_test.go, journal_test.go, trail_test.go,
// folder_test.go) shares no code with what writes: it knows the standard library and one cipher. It reads the file of
// bbolt page by page, the free ones too. A test holds its imports to that. What writes
// is in office_test.go.
package formattest

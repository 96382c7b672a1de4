//go:build race

package pbxtest

// underRace: the race detector makes allocations of its own, and everything ten times slower.
const underRace = true

//go:build race

package sipline

// underRace: the race detector makes allocations of its own, and everything ten times slower.
const underRace = true

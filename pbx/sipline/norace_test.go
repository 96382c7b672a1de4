//go:build !race

package sipline

const underRace = false

//go:build !race

package pbxtest

const underRace = false

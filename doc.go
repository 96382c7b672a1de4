// Package sotto holds the rules of the whole project as tests: who may import what,
// which packages may reach the digits of a number, that each package says what it is
// for, and that the program builds for every target. It has no code.
package sotto

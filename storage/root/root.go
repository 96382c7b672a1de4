// Package root holds the kinds of [keyring.Root] that need more than a file: [Passphrase],
// a file that a passphrase opens, and [TPM], two places in a TPM 2.0 chip. The plain key
// file is [keyring.FileRoot]. Package cmd/sotto chooses one by a flag, asks for the
// passphrase and hands the root to storage.Open; [Protects] says in words what each is good
// for.
//
//	                 keyring.Root
//	     ┌───────────────┼────────────────┐
//	FileRoot         Passphrase          TPM
//	two keys,        two keys, sealed    two keys in the chip's
//	beside the lock  under argon2id      own memory; undefining
//	                                     destroys them
//
// A root serves one data folder: what one folder's rotation destroys would be missing in
// another.
//
// The package keeps one or two keys and knows nothing of what they open. It never makes a
// key in place of one that is missing or does not open, never logs, and never shows a key
// or a passphrase in an error. FORMAT.md of package storage describes the file and the
// places in the chip.
package root

import "sotto/storage/keyring"

// Protects tells what a root protects from and what it does not, in plain sentences for
// the page that shows which is in use. It is empty for a root of an unknown type. The
// lists by adversary are in FORMAT.md.
func Protects(r keyring.Root) string {
	switch r.(type) {
	case *keyring.FileRoot:
		return "Protects a sold, lost or copied data medium, if the key file lies on another one. " +
			"Does not protect a stolen box: the key is inside it. " +
			"On flash memory a laboratory may find keys that were destroyed, and so data that was erased."
	case *Passphrase:
		return "Protects a stolen box that is switched off, as long as nobody guesses the passphrase. " +
			"Without somebody who types it after a power cut, calls work but nothing is recorded. " +
			"Does not protect from whoever knows the passphrase and has an old copy of its file: " +
			"with a laboratory he may find data that was erased."
	case *TPM:
		return "Protects a medium that was taken out of the box, and what was erased: destroyed keys are in no file, and old copies of the data do not open. " +
			"Starts by itself after a power cut. " +
			"Does not protect a stolen box that is whole: whoever can start programs on it reads the key from the chip."
	}
	return ""
}

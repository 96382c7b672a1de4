// Package auth decides whether a SIP request comes from who it says (RFC 3261 section
// 22, RFC 8760, RFC 7616), and who has guessed too often to be asked again.
//
//	request ─► Gate.Admit ─► Missing    401, Challenge(stale false)
//	                         Malformed  400
//	                         Stale      401, Challenge(stale true)
//	                         Replayed   a REGISTER: registrar.Again; all else as Stale
//	                         Wrong      401, Challenge(stale false)
//	                         Banned     as Wrong, or silence: the page says why and until when
//	                         Good       go on, as the user
//
// A [Gate] mints challenges without keeping them: a nonce carries its time and a number,
// and a code over both and the source's address proves it. Memory is spent only on
// nonces that were answered rightly, for their replay windows. A [Guard] counts wrong
// answers, and only those that carried a nonce minted for the very address they came
// from: who forges his address never sees the nonce, so he can get nobody banned.
//
// Known and unknown names take the same way: the same work, the same counting, the same
// answer. "stale" depends on the age of a nonce and on no name.
//
// Package sipline calls it: Challenge from the readers of sockets, all else from the one
// loop that owns SIP. The package does no I/O beside drawing randomness, reads no clock,
// starts no goroutine, and logs nothing.
package auth

// Realm is the protection domain of all digests of the box. It names no host and no
// office, so that a restored or moved box keeps its secrets.
const Realm = "sotto"

// Package registrar knows where the SIP telephones of each user are (RFC 3261 section
// 10, RFC 5626, RFC 3327).
//
//	REGISTER ─► auth ─► Register ─► Result: status, headers
//	                        │          Save: hand Bindings(user) to storage
//	                        ▼
//	            user ─► bindings ─► Contacts: where an INVITE goes, best first
//
// Package sipline calls it, on the one goroutine that owns SIP, and only for requests
// that package auth found Good: the user is given, not read from the message. The
// caller has compared [AddressOfRecord] with what that user's telephones register as; no
// user registers for another.
//
// A request is carried out whole or not at all. REGISTER has no server transactions
// (thousands a second, each kept for 32 s, would be memory for nothing), so the registrar
// itself knows a request that comes again, and answers it again without doing it twice.
//
// A contact is believed only so far: what the box sends to a telephone goes to the
// address that its REGISTER came from, at most to another port there. A contact cannot
// aim the box at a third party, and a host name in it is never looked up.
//
// All that a telephone can make the box keep is bounded: contacts, users, and the length
// of each text. The package does no I/O, reads no clock and starts no goroutine.
//
// # What is saved when
//
// A binding that is new, gone or has moved is worth a write at once. A refresh is not:
// a telephone behind NAT may refresh every minute to keep its port open. It is saved when
// a third of the time granted has gone by since the last save. A telephone that refreshes
// less often is so saved each time; one that does so more often will be back before what
// was saved runs out, whenever the box restarts. Either way nobody is lost, and a
// telephone costs three writes per time granted at the most, as long as it stays where it
// is.
package registrar

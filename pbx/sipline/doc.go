// Package sipline joins telephones on the network to the switch: a registrar and one end
// of every call with them, over SIP. [Server] is the whole of it; cmd/sotto opens its
// sockets and gives it to the switch as [pbx.Phones].
//
//	UDP, TCP readers ─► edge (size, rate, grammar; answers 400 itself)
//	      │ messages           └─► 401 to what carries no credentials
//	      ▼
//	 one SIP loop ─► txn (transactions) ─► registrar   who can be rung where
//	      ▲    │                      └──► ua.Leg      one INVITE usage each
//	      │    │                              │ sdp
//	 orders    └── pbx.PhoneEvent ─► switch   └─► media/rtpport   sound
//	 of the switch
//
// The loop owns all state of SIP; readers share with it only what is safe to share (the
// limiter, the gate's challenges, the set of known addresses). It never waits: not for a
// socket, a connection, the switch or the store. A stranger's message costs no memory
// beyond the moment it is answered, and a known telephone's as much as there are calls.
//
// What a telephone says of who calls is not believed: who calls is who has proved to know
// the secret. Nothing here logs a number, a name or what stands in a message.
//
// Goroutines: the SIP loop ([Server.Run]), one reader of the UDP socket, one that accepts
// connections, two a connection (reader and writer), one that opens a connection as long
// as that takes, and one for all RTP sessions (package rtpport).
package sipline

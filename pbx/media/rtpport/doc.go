// Package rtpport carries voice between the box and telephones on the network: RTP and
// RTCP (RFC 3550, RFC 3551) of G.711 over UDP, one [Session] for each leg of a call. The
// SIP server opens a session for a leg, tells it what the SDP of each offer and answer
// agreed ([Session.Set]) and closes it with the leg. The media loop takes from it and gives
// to it a frame at a time, as from any [media.Stream].
//
//	            ┌ one goroutine for all ┐
//	UDP in ──►  syntax → source → payload type ──┬─► jitter buffer ─► Read  ─► media loop
//	                                             ├─► digits (RFC 4733) ─► as sound ─┘
//	                                             └─► relay: partner's SSRC, sequence, timestamp ─┐
//	UDP out ◄── one send, never waiting ◄── packets of 20 ms ◄── Write ◄── media loop            │
//	        ◄────────────────────────────────────────────────────────────────────────────────────┘
//
// # Who is heard and who hears
//
// Packets go to, and are heard from, the address and port of the SDP alone. For a telephone
// behind address translation [Remote.Learn] also admits the address that its signalling
// comes from, on whatever port: the first there to show four packets in sequence, with one
// SSRC, has the session, and nobody else until another address is set. Packets before that
// are not heard. A new SSRC is taken from the same address and port alone, once it has sent
// two packets in sequence without one of the old. What comes from elsewhere is counted,
// dropped and never answered. RTCP is no part of call control: a BYE ends nothing.
//
// # Relay
//
// Where a patch sets Relay on an ear, who reads its source's packets sends each on from the
// ear's own socket at once, without a copy. The far telephone sees one unbroken stream
// whatever feeds it: sequence numbers and timestamps go on from the last packet when the
// feeder changes. A digit for a telephone that takes no telephone-events is made into
// sound, in place of the source's packets while it lasts.
//
// The package knows nothing of calls or SIP, reads no SDP, mixes nothing and logs no
// address. Its one goroutine, from the first session to [Ports.Close], reads the sockets of
// all sessions and sends their reports. Sockets that are none of the kernel's (see [Socket])
// have two a session, until [Session.Close]: a reader of RTP, and one of RTCP.
package rtpport

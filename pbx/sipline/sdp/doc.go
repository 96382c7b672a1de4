// Package sdp reads and writes session descriptions (RFC 8866, and RFC 4566 before it)
// and agrees on one audio stream over RTP by offer and answer (RFC 3264, RFC 6337). The
// server of package sipline calls it with the bodies of INVITE, UPDATE, PRACK and ACK.
//
//	their offer ── Parse ── Local.Answer ──► answer, Chosen
//	Local.Offer ──► their answer ── Parse ── Accept ──► Chosen
//
// A description may come from anyone, so all of it is bounded (see [MaxSize]), its errors
// hold nothing of it, and it is never trusted to be polite: telephones forget lines,
// number codecs as they like and offer much that the box has no use for. What does not
// matter for a call is ignored; what does is taken as the standards want it.
//
// What is agreed on: the first audio line over RTP/AVP with a codec that both have, or
// over RTP/AVPF if there is none (RFC 4585: its feedback may stay away). One codec,
// telephone events (RFC 4733) and comfort noise (RFC 3389) beside it. All other lines are
// refused, in an answer and in every offer after it, where they keep their place (RFC 3264
// section 8): encrypted audio, video, fax, a second audio line. So are ICE, rtcp-mux and
// bundles, by not answering to them. Names of hosts and addresses of groups are no places
// that sound is sent to: a line with one is refused too.
//
// The package is pure. It looks no name up, judges no private address (that is for who
// knows the network), and keeps no version: [Local.Version] rises when its owner says so.
package sdp

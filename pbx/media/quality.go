package media

import "time"

// Quality is how the sound of a session was, as the box received it, and as the telephone
// reported what it received. It names nobody.
type Quality struct {
	Codec     string        // "PCMA"
	Packets   uint64        // received
	Lost      uint64        // of those sent, by sequence number
	Late      uint64        // came too late to be heard
	Jitter    time.Duration // interarrival jitter at the end (RFC 3550 section 6.4.1)
	RoundTrip time.Duration // by RTCP, 0 if not known
	FarLost   float64       // share of what the box sent that the telephone missed, 0 to 1; by RTCP
	FarJitter time.Duration // as the telephone reported it
	MOS       float64       // estimated, 1 to 4.5 (ITU-T G.107), of what the box received; 0 if nothing was
	Relayed   bool          // packets went straight through
	Intruders uint64        // packets from where nothing was to come from; dropped
	Concealed time.Duration // sound made up for what was lost or late
}

package storage

import (
	"encoding/json"
	"math"
	"time"

	"sotto/pbx"
)

// quality is how the sound of one leg stands in a record: a list of the codec's name and
// whole numbers, what is 0 at the end left out. It is rounded to what a page shows: times
// to 0.1 ms, shares to 0.1 %, the MOS to 0.01. What is not 0 never becomes 0, because a
// round trip of 0 is one that is not known, and a lost packet is a lost packet.
//
//	["PCMA", packets, lost, jitter, round trip, MOS, relayed, far lost, far jitter, late, concealed, intruders]
type quality pbx.Quality

const (
	tick     = 100 * time.Microsecond
	perShare = 1000
	perMOS   = 100
)

// MarshalJSON implements [json.Marshaler].
func (q quality) MarshalJSON() ([]byte, error) {
	n := []uint64{q.Packets, q.Lost, ticks(q.Jitter), ticks(q.RoundTrip), scaled(q.MOS, perMOS), 0,
		scaled(q.FarLost, perShare), ticks(q.FarJitter), q.Late, ticks(q.Concealed), q.Intruders}
	if q.Relayed {
		n[5] = 1
	}
	for len(n) > 0 && n[len(n)-1] == 0 {
		n = n[:len(n)-1]
	}
	list := make([]any, 1, 12)
	list[0] = q.Codec
	for _, x := range n {
		list = append(list, x)
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements [json.Unmarshaler]. Numbers beyond those it knows are of a
// later version, and left alone.
func (q *quality) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*q = quality{}
	var n [11]uint64
	for i, raw := range list[:min(len(list), 1+len(n))] {
		var err error
		if i == 0 {
			err = json.Unmarshal(raw, &q.Codec)
		} else {
			err = json.Unmarshal(raw, &n[i-1])
		}
		if err != nil {
			return err
		}
	}
	q.Packets, q.Lost, q.Jitter, q.RoundTrip = n[0], n[1], duration(n[2]), duration(n[3])
	q.MOS, q.Relayed, q.FarLost, q.FarJitter = float64(n[4])/perMOS, n[5] != 0, float64(n[6])/perShare, duration(n[7])
	q.Late, q.Concealed, q.Intruders = n[8], duration(n[9]), n[10]
	return nil
}

// ticks rounds d, up to one if it is more than nothing.
func ticks(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Round(tick)/tick, 1))
}

func duration(n uint64) time.Duration {
	return tick * time.Duration(min(n, math.MaxInt64/uint64(tick)))
}

// scaled rounds f times per, up to one if it is more than nothing.
func scaled(f, per float64) uint64 {
	if !(f > 0) || math.IsInf(f, 1) {
		return 0
	}
	return uint64(min(max(math.Round(f*per), 1), math.MaxUint32))
}

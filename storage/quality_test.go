package storage

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"sotto/pbx"
)

// randomQuality is of values that a record holds without rounding.
func randomQuality(rnd *rand.Rand) *pbx.Quality {
	if rnd.IntN(3) == 0 {
		return nil
	}
	some := func(most int) int { return max(0, rnd.IntN(2*most)-most) }
	return &pbx.Quality{
		Codec: []string{"PCMA", "PCMU", "G722", ""}[rnd.IntN(4)], Packets: rnd.Uint64() >> rnd.IntN(64), Lost: uint64(some(900)),
		Late: uint64(some(50)), Jitter: time.Duration(some(400)) * tick, RoundTrip: time.Duration(some(2000)) * tick,
		FarLost: float64(some(1000)) / 1000, FarJitter: time.Duration(some(400)) * tick, MOS: float64(some(450)) / 100,
		Relayed: rnd.IntN(2) == 0, Intruders: uint64(some(1000)), Concealed: time.Duration(some(5000)) * time.Millisecond,
	}
}

func TestQuality(t *testing.T) {
	for _, c := range []struct {
		give pbx.Quality
		want string
	}{
		{pbx.Quality{}, `[""]`},
		{pbx.Quality{Codec: "PCMA", Packets: 15000}, `["PCMA",15000]`},
		{pbx.Quality{Codec: "PCMA", Packets: 15000, Lost: 3, Late: 4, Jitter: 1_230_000, RoundTrip: 17_777_000, FarLost: 0.0124, FarJitter: 2_000_000,
			MOS: 4.407, Relayed: true, Intruders: 9, Concealed: 40 * time.Millisecond}, `["PCMA",15000,3,12,178,441,1,12,20,4,400,9]`},
		{pbx.Quality{Codec: "PCMU", Jitter: 1, RoundTrip: 1, FarLost: 1e-9, FarJitter: 1, MOS: 1e-9, Concealed: 1}, `["PCMU",0,0,1,1,1,0,1,1,0,1]`},
		{pbx.Quality{Jitter: -1, RoundTrip: math.MinInt64, FarLost: math.NaN(), MOS: math.Inf(1)}, `[""]`},
		{pbx.Quality{Packets: math.MaxUint64, Jitter: math.MaxInt64, MOS: 1e300}, `["",18446744073709551615,0,92233720368547,0,4294967295]`},
	} {
		got, err := json.Marshal((*quality)(&c.give))
		if err != nil || string(got) != c.want {
			t.Errorf("%+v is %s, want %s, %v", c.give, got, c.want, err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		give := randomQuality(rnd)
		var got *quality
		if b, err := json.Marshal((*quality)(give)); err != nil || json.Unmarshal(b, &got) != nil || !reflect.DeepEqual((*pbx.Quality)(got), give) {
			t.Fatalf("%+v comes back as %+v, %v", give, got, err)
		}
	}
	var q quality
	if err := json.Unmarshal([]byte(`["PCMA",1,2,3,4,5,1,6,7,8,9,10,11,"later"]`), &q); err != nil || q.Intruders != 10 {
		t.Errorf("of a later version: %+v, %v", q, err)
	}
}

// FuzzQuality: whatever stands there gives an error, or a value that is written as it was read.
func FuzzQuality(f *testing.F) {
	f.Add([]byte(`["PCMA",15000,3,12,178,441,1,12,20,4,400,9]`))
	f.Add([]byte(`["PCMA",-1]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"Codec":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var q, again quality
		if json.Unmarshal(data, &q) != nil {
			return
		}
		b, err := json.Marshal(q)
		if err != nil || json.Unmarshal(b, &again) != nil {
			t.Fatalf("%s: %s, %v", data, b, err)
		}
		if c, _ := json.Marshal(again); string(c) != string(b) {
			t.Errorf("%s, then %s", b, c)
		}
	})
}

// TestBytesPerRecord prints what quality costs in a record, and holds that it stays little.
func TestBytesPerRecord(t *testing.T) {
	s := newBox(t).open()
	r := aRecord()
	r.Rang, r.Talked = 8123*time.Millisecond, 183_456*time.Millisecond
	without := len(must(s.sealAlone(1, 0, &r)).value)
	r.FromQuality = &pbx.Quality{Codec: "PCMA", Packets: 9173, Lost: 3, Late: 1, Jitter: 2_345_678, RoundTrip: 3_456_789, FarLost: 0.001, FarJitter: 1_234_567, MOS: 4.387, Concealed: 80 * time.Millisecond}
	one := len(must(s.sealAlone(1, 0, &r)).value)
	r.ToQuality = &pbx.Quality{Codec: "PCMA", Packets: 9170, Jitter: 345_678, RoundTrip: 1_456_789, MOS: 4.41, Relayed: true}
	two := len(must(s.sealAlone(1, 0, &r)).value)
	t.Logf("%d bytes without, %d with one, %d with two", without, one, two)
	if one-without > 60 || two-one > 60 {
		t.Errorf("quality takes %d and %d bytes", one-without, two-one)
	}
}

package sipline

import (
	"net/netip"
	"testing"

	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/wire"
)

func TestStanding(t *testing.T) {
	var k knownSet
	k.init()
	at := func(s string) knownKey { return knownKey{wire.UDP, netip.MustParseAddrPort(s)} }
	a, b, far := at("192.0.2.9:5060"), at("192.0.2.9:5062"), at("192.0.2.10:5060")
	want := func(k2 knownKey, s edge.Standing) {
		t.Helper()
		if got := k.standing(k2); got != s {
			t.Errorf("%v: %v, want %v", k2.addr, got, s)
		}
	}
	want(a, edge.Stranger)
	k.add(a, 1)
	k.add(a, 1)
	want(a, edge.Known)
	want(b, edge.Near)
	want(far, edge.Stranger)
	k.add(a, -1)
	want(b, edge.Near)
	k.add(b, 1)
	k.add(a, -1)
	want(a, edge.Near)
	k.add(b, -1)
	want(a, edge.Stranger)
	if len(k.m)+len(k.at) != 0 {
		t.Errorf("left: %v %v", k.m, k.at)
	}
}

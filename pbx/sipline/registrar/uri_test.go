package registrar

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

// The pairs of RFC 3261 section 19.1.4 stand first in each list.
func TestEqual(t *testing.T) {
	uri := func(s string) *sip.Uri {
		var u sip.Uri
		if err := sip.ParseUri(s, &u); err != nil {
			t.Fatal(err)
		}
		return &u
	}
	for _, p := range [][2]string{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
		{"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::1]"},
		{"SIP:a@h", "sip:a@H"},
		{"sip:a%2cb@h", "sip:a%2Cb@h"},
	} {
		if !Equal(uri(p[0]), uri(p[1])) || !Equal(uri(p[1]), uri(p[0])) {
			t.Errorf("%s and %s differ", p[0], p[1])
		}
	}
	for _, p := range [][2]string{
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
		{"sip:a@h", "sips:a@h"},
		{"sip:a@h", "sip:h"},
		{"sip:a@h", "sip:a:secret@h"},
		{"sip:a@h", "sip:a@h;maddr=192.0.2.1"},
		{"sip:a@h;user=phone", "sip:a@h"},
		{"sip:a%2Cb@h", "sip:a,b@h"},
		{"sip:%00@h", "sip:%00%00@h"},
		{"sip:%00@h", "sip:@h"},
		{"sip:a@h?x=1&x=2", "sip:a@h?x=1"},
		{"tel:1", "tel:1"},
	} {
		if Equal(uri(p[0]), uri(p[1])) || Equal(uri(p[1]), uri(p[0])) {
			t.Errorf("%s and %s are the same", p[0], p[1])
		}
	}
}

package main

import (
	"strings"
	"testing"
)

func TestParseMessage(t *testing.T) {
	m, err := parseMsg([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa, SIP/2.0/UDP b\r\n" +
		"Record-Route: <sip:a;lr>\r\nRecord-Route: <sip:b;lr>,\r\n <sip:c;lr>\r\nTo: \"A;tag=x\" <sip:1100@h;tag=y>;tag=z\r\n" +
		"CSeq: 7 INVITE\r\n\r\nbody"))
	if err != nil {
		t.Fatal(err)
	}
	n, method := m.cseq()
	if m.status != 200 || n != 7 || method != "INVITE" || string(m.body) != "body" || m.branch() != "z9hG4bKa" {
		t.Errorf("status %d, CSeq %d %s, body %q, branch %q", m.status, n, method, m.body, m.branch())
	}
	if tag := param(m.get("to"), "tag"); tag != "z" {
		t.Errorf("tag %q", tag)
	}
	if uri := uriOf(m.get("to")); uri != "sip:1100@h;tag=y" {
		t.Errorf("URI %q", uri)
	}
	if got := strings.Join(splitList(strings.Join(m.all("record-route"), ",")), "|"); got != "<sip:a;lr>|<sip:b;lr>|<sip:c;lr>" {
		t.Errorf("routes %q", got)
	}
	if _, err := parseMsg([]byte("hello\r\n\r\n")); err == nil {
		t.Error("took what is no message")
	}
}

// TestDigest has the answers of RFC 7616 section 3.9.1.
func TestDigest(t *testing.T) {
	challenge := func(alg string) hdr {
		return hdr{"www-authenticate", `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + alg +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`}
	}
	for _, c := range []struct {
		algorithms []string
		response   string
	}{
		{[]string{"MD5"}, "8ca523f5e9506fed4657c9700eebdbec"},
		{[]string{"SHA-256", "MD5"}, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{[]string{"AKAv1-MD5", "MD5"}, "8ca523f5e9506fed4657c9700eebdbec"},
	} {
		m := &msg{status: 401}
		for _, a := range c.algorithms {
			m.hdrs = append(m.hdrs, challenge(a))
		}
		name, value, err := digestHeader(m, "GET", "/dir/index.html", "Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
		if err != nil || name != "Authorization" || !strings.Contains(value, `response="`+c.response+`"`) {
			t.Errorf("%v: %s: %s, %v", c.algorithms, name, value, err)
		}
	}
	if _, _, err := digestHeader(&msg{status: 407}, "GET", "/", "a", "b", "c"); err == nil {
		t.Error("answered no challenge")
	}
}

func TestSDP(t *testing.T) {
	a, err := mediaAddr(buildSDP("127.0.0.1", 30002, 0))
	if err != nil || a.String() != "127.0.0.1:30002" {
		t.Errorf("%v, %v", a, err)
	}
	// The line of the stream goes before that of the session; other streams do not count.
	a, err = mediaAddr([]byte("v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.2\r\nm=video 5000 RTP/AVP 96\r\nc=IN IP4 127.0.0.3\r\n"))
	if err != nil || a.String() != "127.0.0.2:4000" {
		t.Errorf("%v, %v", a, err)
	}
	if _, err := mediaAddr([]byte("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n")); err == nil {
		t.Error("took a stream that was refused")
	}
}

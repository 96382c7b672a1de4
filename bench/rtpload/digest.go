package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// digestHeader answers the first challenge whose algorithm it knows (RFC 7616) and gives
// name and value of the header to send.
func digestHeader(res *msg, method, uri, user, pass, cnonce string) (string, string, error) {
	name, answer := "www-authenticate", "Authorization"
	if res.status == 407 {
		name, answer = "proxy-authenticate", "Proxy-Authorization"
	}
	for _, ch := range res.all(name) {
		scheme, rest, _ := strings.Cut(ch, " ")
		if !strings.EqualFold(scheme, "Digest") {
			continue
		}
		p := map[string]string{}
		for _, kv := range splitList(rest) {
			k, v, _ := strings.Cut(kv, "=")
			p[strings.ToLower(strings.TrimSpace(k))] = strings.Trim(strings.TrimSpace(v), `"`)
		}
		var h func(string) string
		alg := p["algorithm"]
		switch strings.ToUpper(alg) {
		case "", "MD5":
			h = func(s string) string { x := md5.Sum([]byte(s)); return hex.EncodeToString(x[:]) }
		case "SHA-256":
			h = func(s string) string { x := sha256.Sum256([]byte(s)); return hex.EncodeToString(x[:]) }
		default:
			continue
		}
		ha1 := h(user + ":" + p["realm"] + ":" + pass)
		ha2 := h(method + ":" + uri)
		out := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, p["realm"], p["nonce"], uri)
		hasAuth := false
		for _, q := range strings.Split(p["qop"], ",") {
			hasAuth = hasAuth || strings.TrimSpace(q) == "auth"
		}
		if hasAuth {
			out += fmt.Sprintf(`, response="%s", qop=auth, nc=00000001, cnonce="%s"`,
				h(ha1+":"+p["nonce"]+":00000001:"+cnonce+":auth:"+ha2), cnonce)
		} else {
			out += fmt.Sprintf(`, response="%s"`, h(ha1+":"+p["nonce"]+":"+ha2))
		}
		if alg != "" {
			out += ", algorithm=" + alg
		}
		if o := p["opaque"]; o != "" {
			out += fmt.Sprintf(`, opaque="%s"`, o)
		}
		return answer, out, nil
	}
	return "", "", fmt.Errorf("no usable digest challenge in %d", res.status)
}

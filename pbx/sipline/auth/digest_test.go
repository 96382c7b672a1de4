package auth

import (
	"strings"
	"testing"

	"sotto/pbx"
)

// The worked example of RFC 7616 section 3.9.1.
const (
	exampleRealm = "http-auth@example.org"
	exampleHead  = `Digest username="Mufasa",
       realm="http-auth@example.org",
       uri="/dir/index.html",
       algorithm=`
	exampleTail = `,
       nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
       nc=00000001,
       cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
       qop=auth,
       response="`
	exampleEnd = `",
       opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
)

func TestWorkedExample(t *testing.T) {
	secret := NewSecret("Mufasa", exampleRealm, "Circle of Life")
	for alg, response := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		header := strings.ReplaceAll(exampleHead+alg+exampleTail+response+exampleEnd, "\n", "")
		var c credentials
		if f := c.parse(header, exampleRealm); f != foundOurs {
			t.Fatalf("%s: found %d", alg, f)
		}
		if ok, _ := c.right(&secret, "GET", nil); !ok {
			t.Errorf("%s: not right", alg)
		}
		for what, wrong := range map[string]func() (*pbx.Secret, string){
			"method": func() (*pbx.Secret, string) { return &secret, "PUT" },
			"secret": func() (*pbx.Secret, string) {
				s := NewSecret("Mufasa", exampleRealm, "Circle of life")
				return &s, "GET"
			},
			"realm": func() (*pbx.Secret, string) { s := NewSecret("Mufasa", Realm, "Circle of Life"); return &s, "GET" },
		} {
			s, method := wrong()
			if ok, _ := c.right(s, method, nil); ok {
				t.Errorf("%s: right with another %s", alg, what)
			}
		}
	}
}

func TestParse(t *testing.T) {
	const md5 = "0123456789abcdef0123456789ABCDEF"
	good := []string{`username="201"`, `realm="sotto"`, `nonce="n"`, `uri="sip:192.0.2.1"`, `response="` + md5 + `"`,
		`cnonce="c"`, `qop=auth`, `nc=0000000a`}
	with := func(changes ...string) string { // replaces parameters of the same name; "-name" drops one
		list := append([]string(nil), good...)
		for _, c := range changes {
			name, _, _ := strings.Cut(strings.TrimPrefix(c, "-"), "=")
			found := false
			for i, p := range list {
				if strings.HasPrefix(p, name+"=") {
					list[i], found = c, true
				}
			}
			if !found {
				list = append(list, c)
			}
		}
		kept := list[:0]
		for _, p := range list {
			if !strings.HasPrefix(p, "-") {
				kept = append(kept, p)
			}
		}
		return "Digest " + strings.Join(kept, ", ")
	}
	for name, header := range map[string]string{
		"plain":            with(),
		"no spaces":        strings.ReplaceAll(with(), ", ", ","),
		"wide":             strings.ReplaceAll(strings.ReplaceAll(with(), "=", " \t= "), ",", " , "),
		"scheme in lower":  "digest" + with()[6:],
		"names in upper":   strings.Replace(with(), "username", "USERNAME", 1),
		"algorithm":        with("algorithm=md5"),
		"quoted algorithm": with(`algorithm="MD5"`),
		"quoted qop":       with(`qop="auth"`),
		"quoted nc":        with(`nc="00000001"`),
		"escapes":          with(`username="2\01"`),
		"SHA-256":          with("algorithm=SHA-256", `response="`+md5+md5+`"`),
		"opaque":           with(`opaque=""`),
		"userhash=false":   with("userhash=false"),
		"others":           with(`auth-param="a, \"b\""`, "x=y"),
	} {
		var c credentials
		if f := c.parse(header, Realm); f != foundOurs {
			t.Errorf("%s: found %d: %s", name, f, header)
		}
		if c.username != "201" || c.uri != "sip:192.0.2.1" || c.nc == 0 || c.response[15] != 0xef {
			t.Errorf("%s: read %+v", name, c)
		}
	}
	for name, header := range map[string]string{
		"another scheme": "NoOneKnowsThisScheme opaque-data=here",
		"Basic":          "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
		"another realm":  with(`realm="elsewhere"`),
		"nothing":        "",
	} {
		var c credentials
		if f := c.parse(header, Realm); f != foundOther {
			t.Errorf("%s: found %d", name, f)
		}
	}
	for name, header := range map[string]string{
		"scheme alone":        "Digest",
		"no username":         with("-username"),
		"no realm":            with("-realm"),
		"no nonce":            with("-nonce"),
		"no uri":              with("-uri"),
		"no response":         with("-response"),
		"no cnonce":           with("-cnonce"),
		"no qop: RFC 2069":    with("-qop", "-nc", "-cnonce"),
		"no nc":               with("-nc"),
		"empty username":      with(`username=""`),
		"auth-int":            with("qop=auth-int"),
		"session":             with("algorithm=MD5-sess"),
		"not offered":         with("algorithm=SHA-512-256"),
		"hashed name":         with("userhash=true"),
		"twice":               with() + `, username="202"`,
		"twice, other case":   with() + `, Response="` + md5 + `"`,
		"twice, not used":     with(`opaque=""`) + `, opaque=""`,
		"bare username":       with("username=201"),
		"bare realm":          with("realm=sotto"),
		"short response":      with(`response="` + md5[1:] + `"`),
		"response not hex":    with(`response="` + md5[1:] + `g"`),
		"MD5 for SHA-256":     with("algorithm=SHA-256"),
		"SHA-256 for MD5":     with(`response="` + md5 + md5 + `"`),
		"nc 0":                with("nc=00000000"),
		"nc short":            with("nc=1"),
		"nc long":             with("nc=000000001"),
		"nc not hex":          with("nc=0000_001"),
		"never closed":        with()[:len(with())-12] + `, x="`,
		"escape at the end":   with() + `, x="\`,
		"control character":   with("x=\"\x01\""),
		"trailing comma":      with() + ",",
		"leading comma":       "Digest ," + with()[6:],
		"no value":            with() + ", x",
		"empty value":         with() + ", x=",
		"semicolons":          strings.ReplaceAll(with(), ", ", "; "),
		"long name":           with(`username="` + strings.Repeat("2", 65) + `"`),
		"long cnonce":         with(`cnonce="` + strings.Repeat("2", 257) + `"`),
		"long uri":            with(`uri="sip:` + strings.Repeat("2", 1024) + `"`),
		"long header":         with(`x="` + strings.Repeat("2", 2048) + `"`),
		"too many parameters": with() + strings.Repeat(", x=y", 17),
	} {
		var c credentials
		if f := c.parse(header, Realm); f != foundBad {
			t.Errorf("%s: found %d: %s", name, f, header)
		}
	}
}

func TestMakeSecret(t *testing.T) {
	seen := make(map[string]bool)
	used := make(map[rune]int)
	for range 1000 {
		s := MakeSecret()
		if len(s) != SecretLen || seen[s] {
			t.Fatal("length, or one made twice")
		}
		seen[s] = true
		for _, c := range s {
			used[c]++
		}
	}
	if len(used) != len(alphabet) || strings.ContainsAny(alphabet, "0O1lIio") {
		t.Errorf("%d characters used", len(used))
	}
	// 21,000 draws, 677 of each expected; six deviations are 156.
	for c, n := range used {
		if n < 677-156 || n > 677+156 {
			t.Errorf("%c was drawn %d times", c, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(strings.ReplaceAll(exampleHead+"MD5"+exampleTail+"8ca523f5e9506fed4657c9700eebdbec"+exampleEnd, "\n", ""))
	f.Add(`Digest username="2\"01", realm="sotto", nonce="n", uri="sip:a", response="00", cnonce="c", qop=auth, nc=00000001`)
	f.Add(`Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==`)
	f.Fuzz(func(t *testing.T, header string) {
		var c credentials
		if c.parse(header, exampleRealm) != foundOurs {
			return
		}
		if c.nc == 0 || c.qop != "auth" || c.username == "" || len(c.username) > maxName || len(c.uri) > maxURI || len(c.cnonce) > maxCnonce {
			t.Fatalf("%+v", c)
		}
		// Only one reading: what follows makes it another header or a bad one.
		if c.parse(header+`, nonce="x"`, exampleRealm) != foundBad {
			t.Fatal("two nonces")
		}
	})
}

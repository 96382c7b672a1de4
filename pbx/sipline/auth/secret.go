package auth

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// alphabet has what is typed on any keypad without a change of case and is mistaken for
// nothing else: no 0 and o, no 1, i and l.
const alphabet = "23456789abcdefghjkmnpqrstuvwxyz"

// SecretLen is the number of characters of a secret that [MakeSecret] makes: 21 of an
// alphabet of 31 are 104 bits.
const SecretLen = 21

// MakeSecret makes what a telephone logs in with: [SecretLen] characters, lower-case
// letters and digits, each drawn evenly.
func MakeSecret() string {
	var secret [SecretLen]byte
	var draw [2 * SecretLen]byte
	for n := 0; n < SecretLen; {
		rand.Read(draw[:]) // never fails (crypto/rand)
		for _, b := range draw {
			if b &= 31; int(b) < len(alphabet) && n < SecretLen {
				secret[n] = alphabet[b]
				n++
			}
		}
	}
	return string(secret[:])
}

// NewSecret gives what the box keeps of a secret: H(name ":" realm ":" secret) for MD5
// and SHA-256 (RFC 7616 section 3.4.2). The name that the telephone logs in with is ext.
func NewSecret(ext plan.Ext, realm, secret string) pbx.Secret {
	a1 := []byte(string(ext) + ":" + realm + ":" + secret)
	return pbx.Secret{Ext: ext, MD5: md5.Sum(a1), SHA256: sha256.Sum256(a1)}
}

package ui

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// identityYears is how long a certificate of the box is good for. A browser is told once
// to trust it, by its fingerprint; a new one would only make it ask again.
const identityYears = 10

// notSet is before any time that the program can run at.
var notSet = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// MakeIdentity makes the box's key and self-signed certificate, both as PEM: ECDSA on
// P-256 (FIPS 186-5), X.509 v3 after RFC 5280, valid for ten years from now, for
// localhost, sotto.local, 127.0.0.1, ::1 and for hosts, which are names or addresses. A
// clock that is not set yet is not believed: the certificate would be out of date for good.
func MakeIdentity(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of the page: %w", err)
	}
	if now.Before(notSet) {
		now = notSet
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make certificate of the page: %w", err)
	}
	c := &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)),
		Subject:               pkix.Name{CommonName: "Sotto"},
		NotBefore:             now.Add(-24 * time.Hour), // clocks differ
		NotAfter:              now.AddDate(identityYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range append([]string{"localhost", "sotto.local", "127.0.0.1", "::1"}, hosts...) {
		if a, err := netip.ParseAddr(h); err == nil {
			ip := net.IP(a.Unmap().AsSlice())
			if !a.IsUnspecified() && !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
				c.IPAddresses = append(c.IPAddresses, ip)
			}
		} else if h = strings.ToLower(h); h != "" && !slices.Contains(c.DNSNames, h) {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate of the page: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key of the page: %w", err)
	}
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return b.Bytes(), nil
}

// ReadIdentity reads what MakeIdentity made. The error says nothing of the key.
func ReadIdentity(blob []byte) (tls.Certificate, error) {
	id, err := tls.X509KeyPair(blob, blob)
	if err != nil {
		return tls.Certificate{}, errors.New("the certificate of the page cannot be read")
	}
	return id, nil
}

// Fingerprint gives the SHA-256 of the certificate as browsers show it: 32 pairs of
// capital hexadecimal digits with colons between.
func Fingerprint(id tls.Certificate) string {
	if len(id.Certificate) == 0 {
		return ""
	}
	sum := sha256.Sum256(id.Certificate[0])
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", x)
	}
	return b.String()
}

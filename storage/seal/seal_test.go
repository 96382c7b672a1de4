package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var testKey = Key{0: 1, 31: 2}

var testPlace = Place{Bucket: "records", ID: []byte{0, 7}, Subject: []byte("sixteen-byte-one")}

var algorithms = []struct {
	name string
	algorithm
}{{"aes-256-gcm", aesGCM}, {"chacha20-poly1305", chaChaPoly}}

func both(t *testing.T, f func(t *testing.T, a algorithm)) {
	for _, a := range algorithms {
		t.Run(a.name, func(t *testing.T) { f(t, a.algorithm) })
	}
}

func TestRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		for _, n := range []int{0, 1, 15, 16, 17, 1000, 70000} {
			plain := bytes.Repeat([]byte{0xa5}, n)
			sealed := sealWith(a, &testKey, testPlace, [24]byte{3}, plain)
			if len(sealed) != n+Overhead {
				t.Fatalf("%d bytes seal to %d, want %d", n, len(sealed), n+Overhead)
			}
			got, err := Open(&testKey, testPlace, sealed)
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
	})
	if got, err := Open(&testKey, testPlace, Seal(&testKey, testPlace, []byte("x"))); err != nil || string(got) != "x" {
		t.Fatalf("Seal and Open: %q, %v", got, err)
	}
}

// TestTamper flips every bit of every byte, and cuts at every length.
func TestTamper(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		sealed := sealWith(a, &testKey, testPlace, [24]byte{9}, []byte("a value of some length"))
		for i := range sealed {
			for bit := range 8 {
				bad := bytes.Clone(sealed)
				bad[i] ^= 1 << bit
				got, err := Open(&testKey, testPlace, bad)
				if got != nil || !(errors.Is(err, ErrSealed) || i < 2 && errors.Is(err, ErrFormat)) {
					t.Fatalf("byte %d bit %d flipped: %q, %v", i, bit, got, err)
				}
			}
			if got, err := Open(&testKey, testPlace, sealed[:i]); got != nil || err == nil {
				t.Fatalf("cut to %d bytes: %q, %v", i, got, err)
			}
		}
		if _, err := Open(&testKey, testPlace, append(sealed, 0)); !errors.Is(err, ErrSealed) {
			t.Fatalf("a byte more: %v", err)
		}
	})
}

func TestBoundToPlaceAndKey(t *testing.T) {
	sealed := Seal(&testKey, testPlace, []byte("x"))
	places := map[string]Place{
		"bucket":  {"record", testPlace.ID, testPlace.Subject},
		"id":      {testPlace.Bucket, []byte{0, 8}, testPlace.Subject},
		"subject": {testPlace.Bucket, testPlace.ID, []byte("sixteen-byte-two")},
		"shifted": {testPlace.Bucket + "\x00", testPlace.ID[1:], testPlace.Subject},
		"empty":   {},
	}
	for name, p := range places {
		if _, err := Open(&testKey, p, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("other %s: %v", name, err)
		}
	}
	other := testKey
	other[5] ^= 1
	if _, err := Open(&other, testPlace, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("other key: %v", err)
	}
}

func TestKeyHidesItself(t *testing.T) {
	k := NewKey()
	j, _ := json.Marshal(map[string]any{"k": k, "p": &k})
	out := fmt.Sprintf("%v %+v %#v %x %X %d %s %q %v", k, k, k, k, k, k, k, k, &k) + string(j) + k.LogValue().String()
	if n := strings.Count(out, "(key)"); n != 12 {
		t.Errorf("%d of 12 hidden: %s", n, out)
	}
	other := NewKey()
	if k.ID() == other.ID() || k.ID() != k.ID() {
		t.Error("ID does not tell keys apart")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(Seal(&testKey, testPlace, []byte("seed")))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := Open(&testKey, testPlace, b); err != nil && plain != nil || err == nil && len(plain)+Overhead != len(b) {
			t.Errorf("%d bytes, %v", len(plain), err)
		}
	})
}

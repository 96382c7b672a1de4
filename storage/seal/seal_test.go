package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

var testKey = Key{0: 1, 31: 2}

var testPlace = Place{Bucket: "records", ID: []byte{0, 7}, Subject: []byte("sixteen-byte-one")}

func both(t *testing.T, f func(t *testing.T, a algorithm)) {
	t.Run("aes-256-gcm", func(t *testing.T) { f(t, aesGCM) })
	t.Run("chacha20-poly1305", func(t *testing.T) { f(t, chaChaPoly) })
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

// TestNoRepeat looks for a repeated salt and nonce: the first ones to repeat would show
// that they are not random.
func TestNoRepeat(t *testing.T) {
	seen := map[string]bool{}
	for range 20000 {
		s := string(Seal(&testKey, Place{}, nil)[2:headerLen])
		if seen[s] {
			t.Fatal("salt and nonce repeat")
		}
		seen[s] = true
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

// TestVectors walks testdata/vectors.txt; the head of that file explains it.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		v := map[string]string{}
		for _, line := range strings.Split(block, "\n") {
			if k, val, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
				v[k] = strings.TrimSpace(val)
			}
		}
		if v["comment"] == "" {
			continue
		}
		n++
		t.Run(v["comment"], func(t *testing.T) {
			b := func(name string) []byte {
				x, err := hex.DecodeString(v[name])
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return x
			}
			k := Key(b("key"))
			p := Place{v["bucket"], b("id"), b("subject")}
			sealed := b("sealed")
			plain, err := Open(&k, p, sealed)
			switch v["expect"] {
			case "ok":
				if err != nil || !bytes.Equal(plain, b("plain")) {
					t.Fatalf("%x, %v", plain, err)
				}
				again := sealWith(algorithm(sealed[1]), &k, p, [24]byte(sealed[2:headerLen]), plain)
				if !bytes.Equal(again, sealed) {
					t.Errorf("sealed again: %x", again)
				}
			case "sealed":
				if !errors.Is(err, ErrSealed) {
					t.Fatal(err)
				}
			case "format":
				if !errors.Is(err, ErrFormat) {
					t.Fatal(err)
				}
			default:
				t.Fatalf("unknown expectation %q", v["expect"])
			}
		})
	}
	if n < 8 {
		t.Errorf("only %d vectors", n)
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

func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, 120)
	for name, a := range map[string]algorithm{"aes": aesGCM, "chacha": chaChaPoly} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sealWith(a, &testKey, testPlace, [24]byte{}, plain)
			}
		})
	}
}

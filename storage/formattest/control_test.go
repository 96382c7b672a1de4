package formattest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/chacha20poly1305"
)

// TestPagesAgreeWithBolt reads files of bbolt of many shapes, page by page.
func TestPagesAgreeWithBolt(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		file := filepath.Join(t.TempDir(), "db")
		db, err := bolt.Open(file, 0o600, &bolt.Options{NoSync: true, PageSize: []int{4096, 16384}[seed%2]})
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]map[string]string{}
		for range 20 {
			if err := db.Update(func(tx *bolt.Tx) error {
				name := string(rune('a' + rnd.IntN(4)))
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				if model[name] == nil {
					model[name] = map[string]string{}
				}
				for range rnd.IntN(1 << (2 * name[0] % 9)) {
					k := string(binary.BigEndian.AppendUint64(nil, rnd.Uint64N(500)))
					v := string(noise(rnd.IntN([]int{9, 100, 9000}[rnd.IntN(3)]), rnd.Uint64()))
					if rnd.IntN(4) == 0 {
						delete(model[name], k)
						err = b.Delete([]byte(k))
					} else {
						model[name][k] = v
						err = b.Put([]byte(k), []byte(v))
					}
					if err != nil {
						return err
					}
				}
				return b.SetSequence(uint64(len(model[name])))
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := openBolt(raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.buckets()
		if err != nil || len(got) != len(model) {
			t.Fatalf("%d buckets, want %d: %v", len(got), len(model), err)
		}
		for name, want := range model {
			b := got[name]
			if keys := slices.Sorted(maps.Keys(want)); b.sequence != uint64(len(keys)) || len(b.rows) != len(keys) {
				t.Fatalf("bucket %s has %d rows and sequence %d, want %d", name, len(b.rows), b.sequence, len(keys))
			} else {
				for i, e := range b.rows {
					if string(e.key) != keys[i] || string(e.value) != want[keys[i]] || !bytes.Equal(raw[e.at:e.at+len(e.value)], e.value) {
						t.Fatalf("bucket %s: row %d differs", name, i)
					}
				}
			}
		}
	}
}

// sealUnder seals in one of the two forms that FORMAT.md has for values.
func sealUnder(form, alg byte, k key, plain []byte) []byte {
	b := append([]byte{form, alg}, noise(16, uint64(len(plain)))...)
	info, nonce := "", make([]byte, 12)
	if form == 1 {
		b = append(b, noise(8, 1)...)
		info, nonce = "sotto seal 1"+string(b[1:14]), b[14:26]
	} else {
		info = partInfo(b, 0)
		b = append(append(b, own), make([]byte, 16)...)
		b = append(b, byte(len(plain)+16)) // below 128: a uvarint of one byte
	}
	k = derive(k, info)
	var c cipher.AEAD
	if alg == 1 {
		block, _ := aes.NewCipher(k[:])
		c, _ = cipher.NewGCM(block)
	} else {
		c, _ = chacha20poly1305.New(k[:])
	}
	return c.Seal(b, nonce, plain, nil)
}

// TestScanSees hides sealed values in a file of bbolt: in use, deleted, at odd places of
// a page that is none, cut off, and in other files. A scan with the key sees each, and
// one without the key sees none.
func TestScanSees(t *testing.T) {
	const name = "Öllinger-Groß"
	k := key{7, 7}
	for _, place := range []string{"used", "deleted", "odd", "cut", "other"} {
		for _, form := range []byte{1, 2} {
			for _, alg := range []byte{1, 2} {
				dir := t.TempDir()
				file, rootFile := filepath.Join(dir, "data", "sotto.db"), filepath.Join(dir, "root")
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				value := sealUnder(form, alg, k, []byte(`{"n":"`+name+`"}`))
				db, err := bolt.Open(file, 0o600, &bolt.Options{NoSync: true})
				if err != nil {
					t.Fatal(err)
				}
				update := func(f func(b *bolt.Bucket) error) {
					if err := db.Update(func(tx *bolt.Tx) error {
						b, err := tx.CreateBucketIfNotExists([]byte("records"))
						if err != nil {
							return err
						}
						return f(b)
					}); err != nil {
						t.Fatal(err)
					}
				}
				for i := range byte(100) {
					update(func(b *bolt.Bucket) error { return b.Put([]byte{i}, noise(90, uint64(i))) })
				}
				if place == "used" || place == "deleted" {
					update(func(b *bolt.Bucket) error { return b.Put([]byte("x"), value) })
				}
				if place == "deleted" {
					update(func(b *bolt.Bucket) error { return b.Delete([]byte("x")) })
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				page := noise(4096, 12)
				switch place {
				case "odd":
					copy(page[1001:], value)
					raw = append(raw, page...)
				case "cut":
					copy(page[4096-len(value)+17:], value) // without its tag and the last byte
					raw = append(raw, page...)
				case "other":
					copy(page[55:], value)
					if err := os.WriteFile(filepath.Join(dir, "data", "lifeline.json.new"), page, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				for f, b := range map[string][]byte{file: raw, rootFile: noise(82, 1)} {
					if err := os.WriteFile(f, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				h := newHunter()
				h.text("name", name)
				if s := scanFolder(t, h, nil, []key{{1}, k, {2}}, dir+"/data", rootFile); s.found["name sealed"] == 0 {
					t.Errorf("%s, form %d, algorithm %d: not seen", place, form, alg)
				}
				if s := scanFolder(t, h, nil, []key{{1}, {2}}, dir+"/data", rootFile); len(s.found) != 0 {
					t.Errorf("%s, form %d, algorithm %d: seen without its key", place, form, alg)
				}
			}
		}
	}
}

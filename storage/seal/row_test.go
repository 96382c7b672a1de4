package seal

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

var (
	testList = slices.Concat([]byte{1}, []byte("sixteen-byte-one"), []byte{2}, []byte("sixteen-byte-two"))
	testBox  = Part{Bucket: "records", ID: []byte{0, 7}, Class: 1, List: testList}
	testPart = Part{Bucket: "records", ID: []byte{0, 7}, N: 1, Class: 1, Subject: [16]byte{5}}
)

func TestPartRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		h := newRow(a)
		if got, err := ParseRow(append(h[:], "parts"...)); err != nil || got != h {
			t.Fatalf("%x, %v", got, err)
		}
		for _, p := range []Part{testBox, testPart, {}, {N: MaxParts - 1, Class: 0x7f}} {
			for _, n := range []int{0, 1, 16, 63, 64, 65, 70000} {
				plain := bytes.Repeat([]byte{0xa5}, n)
				sealed := h.Seal([]byte("before"), &testKey, p, plain)
				if len(sealed) != 6+n+PartOverhead || string(sealed[:6]) != "before" {
					t.Fatalf("%d bytes seal to %d", n, len(sealed)-6)
				}
				got, err := h.Open([]byte("before"), &testKey, p, sealed[6:])
				if err != nil || !bytes.Equal(got, append([]byte("before"), plain...)) {
					t.Fatalf("%d bytes: %v", n, err)
				}
			}
		}
	})
}

// TestPartBound opens a part with everything else that it could be taken for.
func TestPartBound(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		h := newRow(a)
		change := func(p Part, f func(*Part)) Part { f(&p); return p }
		other := testKey
		other[31] ^= 1
		for _, p := range []Part{testBox, testPart} {
			sealed := h.Seal(nil, &testKey, p, []byte("x"))
			others := map[string]Part{
				"bucket":  change(p, func(p *Part) { p.Bucket = "record" }),
				"shifted": change(p, func(p *Part) { p.Bucket, p.ID = p.Bucket+"\x00", p.ID[1:] }),
				"id":      change(p, func(p *Part) { p.ID = []byte{0, 8} }),
				"number":  change(p, func(p *Part) { p.N, p.List = p.N+1, nil }),
				"class":   change(p, func(p *Part) { p.Class++ }),
				"subject": change(p, func(p *Part) { p.Subject[15]++ }),
			}
			if p.N == 0 {
				others["list of one part"] = change(p, func(p *Part) { p.List = p.List[:17] })
				others["no list"] = change(p, func(p *Part) { p.List = nil })
				others["list in another order"] = change(p, func(p *Part) { p.List = slices.Concat(p.List[17:], p.List[:17]) })
				others["list with another class"] = change(p, func(p *Part) { p.List = slices.Concat([]byte{0}, p.List[1:]) })
				others["list with a part more"] = change(p, func(p *Part) { p.List = slices.Concat(p.List, p.List[:17]) })
			}
			for name, o := range others {
				if _, err := h.Open(nil, &testKey, o, sealed); !errors.Is(err, ErrSealed) {
					t.Errorf("part %d, other %s: %v", p.N, name, err)
				}
			}
			if _, err := h.Open(nil, &other, p, sealed); !errors.Is(err, ErrSealed) {
				t.Errorf("other key: %v", err)
			}
			row := newRow(a)
			if _, err := row.Open(nil, &testKey, p, sealed); !errors.Is(err, ErrSealed) {
				t.Errorf("other row: %v", err)
			}
			h := h
			h[1] ^= 3
			if _, err := h.Open(nil, &testKey, p, sealed); !errors.Is(err, ErrSealed) {
				t.Errorf("other algorithm: %v", err)
			}
		}
	})
}

// TestPartTamper flips every bit of header and part, and cuts at every length; nothing
// of the value comes out, in the result or in the room behind it.
func TestPartTamper(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		const value = "a value of some length"
		h := newRow(a)
		row := h.Seal(h[:], &testKey, testPart, []byte(value))
		open := func(row []byte) error {
			h, err := ParseRow(row)
			if err != nil {
				return err
			}
			dst := append(make([]byte, 0, 100), "before"...)
			dst, err = h.Open(dst, &testKey, testPart, row[len(h):])
			if err != nil && (string(dst) != "before" || bytes.Contains(dst[:cap(dst)], []byte(value[:8]))) {
				t.Errorf("left behind: %q", dst[:cap(dst)])
			}
			return err
		}
		for i := range row {
			for bit := range 8 {
				bad := bytes.Clone(row)
				bad[i] ^= 1 << bit
				if err := open(bad); !errors.Is(err, ErrSealed) && !(i < 2 && errors.Is(err, ErrFormat)) {
					t.Fatalf("byte %d bit %d flipped: %v", i, bit, err)
				}
			}
			want := ErrSealed
			if i < len(h) {
				want = ErrFormat
			}
			if err := open(row[:i]); !errors.Is(err, want) {
				t.Fatalf("cut to %d bytes: %v", i, err)
			}
		}
		if err := open(append(row, 0)); !errors.Is(err, ErrSealed) {
			t.Fatalf("a byte more: %v", err)
		}
	})
}

func TestParseRow(t *testing.T) {
	good := RowHeader{format2, byte(aesGCM), 17: 5}
	for _, b := range [][]byte{nil, good[:1], good[:17], append([]byte{1}, good[1:]...), append([]byte{3}, good[1:]...),
		append([]byte{2, 0}, good[2:]...), append([]byte{2, 3}, good[2:]...), make([]byte, 100)} {
		if h, err := ParseRow(b); h != (RowHeader{}) || !errors.Is(err, ErrFormat) {
			t.Errorf("%x: %x, %v", b, h, err)
		}
	}
}

func TestPartBounds(t *testing.T) {
	h := NewRow()
	for name, p := range map[string]Part{
		"negative number":      {N: -1},
		"number too high":      {N: MaxParts},
		"class with the mark":  {Class: 0x81},
		"list of no length":    {List: make([]byte, 16)},
		"list too long":        {List: make([]byte, 17*MaxParts)},
		"list at another part": {N: 1, List: make([]byte, 17)},
		"bucket too long":      {Bucket: string(make([]byte, 0x10000))},
		"id too long":          {ID: make([]byte, 0x10000)},
	} {
		if dst, err := h.Open(nil, &testKey, p, make([]byte, 40)); dst != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: sealed", name)
				}
			}()
			h.Seal(nil, &testKey, p, nil)
		}()
	}
	if _, err := new(RowHeader).Open(nil, &testKey, Part{}, make([]byte, 40)); !errors.Is(err, ErrFormat) {
		t.Errorf("header of zeros: %v", err)
	}
}

// TestPartAllocs: a cipher, its authenticated data, and no more.
func TestPartAllocs(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		h, plain := newRow(a), make([]byte, 60)
		dst, sealed := make([]byte, 0, 100), h.Seal(nil, &testKey, testPart, plain)
		n := testing.AllocsPerRun(100, func() {
			h.Seal(dst, &testKey, testPart, plain)
			h.Open(dst, &testKey, testPart, sealed)
		})
		if n > 6 {
			t.Errorf("%v for a part sealed and opened", n)
		}
	})
}

func FuzzRow(f *testing.F) {
	h := RowHeader{format2, byte(chaChaPoly), 17: 5}
	f.Add(h.Seal(h[:], &testKey, testPart, []byte("seed")))
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseRow(b)
		if err != nil {
			if h != (RowHeader{}) {
				t.Error("a header with an error")
			}
			return
		}
		b = b[len(h):]
		plain, err := h.Open(nil, &testKey, testPart, b)
		if err != nil && plain != nil || err == nil && !bytes.Equal(h.Seal(nil, &testKey, testPart, plain), b) {
			t.Errorf("%d bytes, %v", len(plain), err)
		}
	})
}

package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors of rows and audio anew")

// vector is a block of a file of vectors: the names before the colons, and what follows.
type vector map[string]string

func (v vector) bytes(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v[name])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// walk runs f as a test of its own for every block with a comment, and tells how many.
func walk(t *testing.T, file string, f func(*testing.T, vector)) (n int) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v := vector{}
		for line := range strings.SplitSeq(block, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
				v[name] = strings.TrimSpace(value)
			}
		}
		if v["comment"] != "" {
			n++
			t.Run(v["comment"], func(t *testing.T) { f(t, v) })
		}
	}
	return n
}

// TestVectors walks testdata/vectors.txt; the head of that file explains it.
func TestVectors(t *testing.T) {
	n := walk(t, "vectors.txt", func(t *testing.T, v vector) {
		k := Key(v.bytes(t, "key"))
		p := Place{v["bucket"], v.bytes(t, "id"), v.bytes(t, "subject")}
		sealed := v.bytes(t, "sealed")
		plain, err := Open(&k, p, sealed)
		if !expected(t, v, err) {
			return
		}
		if !bytes.Equal(plain, v.bytes(t, "plain")) {
			t.Fatalf("%x", plain)
		}
		again := sealWith(algorithm(sealed[1]), &k, p, [24]byte(sealed[2:headerLen]), plain)
		if !bytes.Equal(again, sealed) {
			t.Errorf("sealed again: %x", again)
		}
	})
	if n < 8 {
		t.Errorf("only %d vectors", n)
	}
}

// expected holds err against the vector's expectation; it is true for "ok".
func expected(t *testing.T, v vector, err error) bool {
	t.Helper()
	want := map[string]error{"ok": nil, "sealed": ErrSealed, "format": ErrFormat}
	if w, ok := want[v["expect"]]; !ok {
		t.Fatalf("unknown expectation %q", v["expect"])
	} else if !errors.Is(err, w) {
		t.Fatalf("error %v, want %v", err, w)
	}
	return err == nil
}

// current compares a file of vectors with what the other implementation makes.
func current(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile("testdata/" + file); err != nil || string(b) != text {
		t.Errorf("testdata/%s is not what the other implementation makes (%v); -update writes it anew", file, err)
	}
}

const partsHead = `# Parts of rows. Blocks are parted by an empty line. Fields, all but comment, expect,
# bucket and number in hexadecimal: comment; expect (ok: opens to plain, and plain seals
# to it again; sealed: ErrSealed; format: ErrFormat); header of the row; bucket; id;
# number of the part; class; subject; list of the parts after part 0; key; plain; sealed.
# Made by the implementation in ref_test.go, which shares no code with the package.
`

// partVectors makes testdata/parts.txt.
func partVectors() string {
	var b strings.Builder
	b.WriteString(partsHead)
	var key [32]byte
	var subject [16]byte
	for i := range key {
		key[i] = byte(i)
		subject[i/2] = byte(0x40 + i/2)
	}
	list := slices.Concat([]byte{1}, subject[:], []byte{2}, subject[:])
	put := func(comment, expect string, header []byte, p Part, plain, sealed []byte) {
		fmt.Fprintf(&b, "\ncomment: %s\nexpect: %s\nheader: %x\nbucket: %s\nid: %x\nnumber: %d\nclass: %02x\nsubject: %x\nlist: %x\nkey: %x\nplain: %x\nsealed: %x\n",
			comment, expect, header, p.Bucket, p.ID, p.N, p.Class, p.Subject, p.List, key, plain, sealed)
	}
	for _, a := range algorithms {
		header := []byte{2, byte(a.algorithm)}
		for i := range 16 {
			header = append(header, byte(0xa0+i))
		}
		id := []byte{0, 0, 0, 0, 0, 0, 1, 7}
		box := Part{Bucket: "records", ID: id, Class: 1, List: list}
		person := Part{Bucket: "records", ID: id, N: 1, Class: 1, Subject: subject}
		digits := Part{Bucket: "records", ID: id, N: 2, Class: 2, Subject: subject}
		last := Part{Bucket: "plans", ID: id, N: 254, Subject: subject}
		plain := []byte(`{"n":"example"}`)
		ok := func(comment string, p Part, plain []byte) {
			put(a.name+", "+comment, "ok", header, p, plain, refPart(header, key[:], p, plain))
		}
		ok("part of the box, two parts after it", box, []byte(`{"facts":1}`))
		ok("part of a person", person, plain)
		ok("last digits", digits, []byte("34"))
		ok("last part that a row can have, own key", last, bytes.Repeat([]byte{0}, 200))
		ok("empty value, empty place", Part{}, nil)
		sealed := refPart(header, key[:], person, plain)
		bad := func(comment string, header []byte, p Part, sealed []byte) {
			put(a.name+", "+comment, "sealed", header, p, nil, sealed)
		}
		bad("part of a person at another number", header, Part{Bucket: "records", ID: id, N: 2, Class: 1, Subject: subject}, sealed)
		bad("part of a person of another class", header, Part{Bucket: "records", ID: id, N: 1, Class: 2, Subject: subject}, sealed)
		bad("part of a person in another row", header, Part{Bucket: "records", ID: []byte{0, 0, 0, 0, 0, 0, 1, 8}, N: 1, Class: 1, Subject: subject}, sealed)
		short := box
		short.List = list[:17]
		bad("part of the box, a part left out", header, short, refPart(header, key[:], box, plain))
		other := slices.Clone(header)
		other[17] ^= 1
		bad("another salt", other, person, sealed)
		bad("last byte left out", header, person, sealed[:len(sealed)-1])
		bad("removed part", header, person, nil)
		other = slices.Clone(header)
		other[0] = 1
		put(a.name+", another format", "format", other, person, nil, sealed)
	}
	return b.String()
}

// TestPartVectors walks testdata/parts.txt.
func TestPartVectors(t *testing.T) {
	current(t, "parts.txt", partVectors())
	walk(t, "parts.txt", func(t *testing.T, v vector) {
		k := Key(v.bytes(t, "key"))
		p := Part{Bucket: v["bucket"], ID: v.bytes(t, "id"), Class: v.bytes(t, "class")[0],
			Subject: [16]byte(v.bytes(t, "subject")), List: v.bytes(t, "list")}
		fmt.Sscan(v["number"], &p.N)
		h, err := ParseRow(v.bytes(t, "header"))
		var plain []byte
		if err == nil {
			plain, err = h.Open(nil, &k, p, v.bytes(t, "sealed"))
		}
		if !expected(t, v, err) {
			return
		}
		if !bytes.Equal(plain, v.bytes(t, "plain")) {
			t.Fatalf("%x", plain)
		}
		if again := h.Seal(nil, &k, p, plain); !bytes.Equal(again, v.bytes(t, "sealed")) {
			t.Errorf("sealed again: %x", again)
		}
	})
}

const audioHead = `# Audio. Blocks are parted by an empty line. Fields, all but comment, expect and length
# in hexadecimal: comment; expect (ok: whole; cut: cut off; sealed: ErrSealed; format:
# ErrFormat); id of the item; key; length of what opens, in bytes (byte i of the audio is
# the low byte of i*i + i/251, rounded down); file.
# Made by the implementation in ref_test.go, which shares no code with the package.
`

// audioVectors makes testdata/audio.txt.
func audioVectors() string {
	var b strings.Builder
	b.WriteString(audioHead)
	var key [32]byte
	var id [16]byte
	for i := range key {
		key[i] = byte(i)
		id[i/2] = byte(0x60 + i/2)
	}
	put := func(comment, expect string, length int, file []byte) {
		fmt.Fprintf(&b, "\ncomment: %s\nexpect: %s\nid: %x\nkey: %x\nlength: %d\nfile: %x\n",
			comment, expect, id, key, length, file)
	}
	for _, a := range algorithms {
		header := []byte{3, byte(a.algorithm)}
		for i := range 16 {
			header = append(header, byte(0xc0+i))
		}
		file := func(lengths ...int) []byte {
			return refAudio(header, key[:], id, testAudio(10000), lengths...)
		}
		put(a.name+", no audio", "ok", 0, file(0))
		put(a.name+", one chunk", "ok", 160, file(160))
		put(a.name+", two chunks", "ok", 4196, file(4096, 100))
		put(a.name+", cut in the second chunk", "cut", 4096, file(4096, 100)[:18+4112+50])
		put(a.name+", cut in the first chunk", "cut", 0, file(160)[:100])
		put(a.name+", a chunk moved", "sealed", 0, slices.Concat(header, file(10, 4096, 0)[18+26:]))
		put(a.name+", another format", "format", 0, slices.Concat([]byte{2}, file(0)[1:]))
	}
	return b.String()
}

// TestAudioVectors walks testdata/audio.txt.
func TestAudioVectors(t *testing.T) {
	current(t, "audio.txt", audioVectors())
	walk(t, "audio.txt", func(t *testing.T, v vector) {
		k, id, file := Key(v.bytes(t, "key")), [16]byte(v.bytes(t, "id")), v.bytes(t, "file")
		var length int
		fmt.Sscan(v["length"], &length)
		r, err := OpenAudio(bytes.NewReader(file), int64(len(file)), &k, id)
		cut := v["expect"] == "cut"
		if cut && err == nil {
			v["expect"] = "ok"
		}
		if !expected(t, v, err) {
			return
		}
		if r.Cut() != cut || r.Size() != int64(length) {
			t.Fatalf("cut %t, %d bytes", r.Cut(), r.Size())
		}
		plain, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(plain, testAudio(length)) {
			t.Fatalf("%d bytes, %v", len(plain), err)
		}
		if cut {
			return
		}
		var again bytes.Buffer
		w, err := audioWith([audioHeadLen]byte(file), &again, &k, id)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(plain)
		if w.Close(); !bytes.Equal(again.Bytes(), file) {
			t.Error("sealed again, it is another file")
		}
	})
}

// testAudio is audio that looks different at every place.
func testAudio(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i + i/251)
	}
	return b
}

package wav

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
)

// A file of the samples 1, -2, 32767, byte by byte after the RIFF WAVE layout.
const three = "52494646 2a000000 57415645 666d7420 10000000 0100 0100 401f0000 803e0000 0200 1000 64617461 06000000 0100 feff ff7f"

func file(t testing.TB) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(three), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, []int16{1, -2, 32767}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), file(t)) {
		t.Errorf("wrote %x", b.Bytes())
	}
}

func TestRead(t *testing.T) {
	whole := file(t)
	patch := func(at int, with ...byte) []byte {
		return slices.Concat(whole[:at], with, whole[at+len(with):])
	}
	list := slices.Concat(whole[:36], []byte("LIST\x03\x00\x00\x00abc\x00"), whole[36:])
	for _, v := range []struct {
		name string
		in   []byte
		want []int16
		err  error
	}{
		{"whole", whole, []int16{1, -2, 32767}, nil},
		{"another chunk before the samples", list, []int16{1, -2, 32767}, nil},
		{"cut in the samples", whole[:47], []int16{1}, nil},
		{"length unknown (streamed)", patch(40, 0xFF, 0xFF, 0xFF, 0xFF), []int16{1, -2, 32767}, nil},
		{"no samples", whole[:36], nil, ErrFormat},
		{"empty", nil, nil, ErrFormat},
		{"not RIFF", patch(0, 'X'), nil, ErrFormat},
		{"A-law", patch(20, 6), nil, ErrFormat},
		{"stereo", patch(22, 2), nil, ErrFormat},
		{"16 kHz", patch(24, 0x80, 0x3E), nil, ErrFormat},
		{"8 bit", patch(34, 8), nil, ErrFormat},
		{"samples before their format", slices.Concat(whole[:12], whole[36:]), nil, ErrFormat},
		{"a chunk beyond any reason", slices.Concat(whole[:36], []byte("junk\xFF\xFF\xFF\xFF"), whole[36:]), nil, ErrFormat},
	} {
		t.Run(v.name, func(t *testing.T) {
			got, err := Read(bytes.NewReader(v.in), 3)
			if !errors.Is(err, v.err) || !slices.Equal(got, v.want) {
				t.Errorf("got %v, %v; want %v, %v", got, err, v.want, v.err)
			}
		})
	}
	if _, err := Read(bytes.NewReader(whole), 2); !errors.Is(err, ErrTooLong) {
		t.Errorf("beyond the limit: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(f))
	f.Fuzz(func(t *testing.T, in []byte) {
		pcm, err := Read(bytes.NewReader(in), 1000)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, pcm); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b, 1000)
		if err != nil || !slices.Equal(pcm, again) {
			t.Fatalf("read back %v, %v", again, err)
		}
	})
}

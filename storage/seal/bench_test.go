package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"io"
	"testing"
)

func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, 120)
	for _, a := range algorithms {
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sealWith(a.algorithm, &testKey, testPlace, [24]byte{}, plain)
			}
		})
	}
}

// BenchmarkPart is one part of a call record, sealed and opened.
func BenchmarkPart(b *testing.B) {
	plain := make([]byte, 60)
	p := Part{Bucket: "records", ID: make([]byte, 8), N: 1, Class: 1}
	for _, a := range algorithms {
		h := newRow(a.algorithm)
		dst := make([]byte, 0, 200)
		sealed := h.Seal(nil, &testKey, p, plain)
		b.Run("seal/"+a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Seal(dst, &testKey, p, plain)
			}
		})
		b.Run("open/"+a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Open(dst, &testKey, p, sealed)
			}
		})
	}
}

// BenchmarkExpand shows what HMAC written out saves over crypto/hkdf.
func BenchmarkExpand(b *testing.B) {
	info := make([]byte, 31)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			testKey.expand(info)
		}
	})
	b.Run("crypto-hkdf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			hkdf.Expand(sha256.New, testKey[:], string(info), KeyLen)
		}
	})
}

func BenchmarkAudio(b *testing.B) {
	for _, a := range algorithms {
		b.Run(a.name, func(b *testing.B) {
			w, _ := newAudio(a.algorithm, io.Discard, &testKey, [16]byte{1})
			chunk := make([]byte, chunkLen)
			b.SetBytes(chunkLen)
			b.ReportAllocs()
			for b.Loop() {
				w.Write(chunk)
			}
		})
	}
}

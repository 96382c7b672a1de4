package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"runtime"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

type algorithm byte

const (
	aesGCM     algorithm = 1 // AES-256-GCM
	chaChaPoly algorithm = 2 // ChaCha20-Poly1305
)

func (a algorithm) known() bool { return a == aesGCM || a == chaChaPoly }

// preferred is the algorithm that is sealed with on this machine. Go has assembly for
// AES and its GCM multiplication on these two architectures only.
var preferred = func() algorithm {
	switch {
	case runtime.GOARCH == "amd64" && cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ,
		runtime.GOARCH == "arm64" && cpu.ARM64.HasAES && cpu.ARM64.HasPMULL:
		return aesGCM
	}
	return chaChaPoly
}()

type aead = cipher.AEAD

// newAEAD gives the cipher of the algorithm, both with nonces of 12 bytes and tags of 16.
func newAEAD(a algorithm, k *Key) aead {
	var c aead
	var err error
	if a == aesGCM {
		var block cipher.Block
		if block, err = aes.NewCipher(k[:]); err == nil {
			c, err = cipher.NewGCM(block)
		}
	} else {
		c, err = chacha20poly1305.New(k[:])
	}
	if err != nil {
		panic(err) // only for a key of a wrong length
	}
	return c
}

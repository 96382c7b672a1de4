package root

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// DefaultTPM is the device of the kernel's resource manager for the first TPM: others may
// use the chip at the same time, and what a killed program left in it is cleared away.
const DefaultTPM = "/dev/tpmrm0"

var (
	// ErrNoTPM says that there is no TPM where one was looked for.
	ErrNoTPM = errors.New("there is no TPM here: check that the board has one and that its driver is loaded, or choose another root")

	// ErrTPMTaken says that one of the two places is used by another program.
	ErrTPMTaken = errors.New("the place for the key in the TPM is used by something else: remove that, or choose another root")

	// ErrTPMOwner says that the TPM has an owner password.
	ErrTPMOwner = errors.New("the TPM has an owner password, without which no key can be put in or taken out: set it to none")

	// ErrTPMLockout says that the TPM refuses after too many wrong passwords.
	ErrTPMLockout = errors.New("the TPM is in lockout after too many wrong passwords: wait, or reset its lockout")

	// ErrTPMFull says that the TPM has no room for a key.
	ErrTPMFull = errors.New("the TPM is full: remove what it is not needed for any more")

	// ErrTPMBusy says that other programs hold all sessions or objects of the TPM, or that it
	// does not write for a while to spare its memory.
	ErrTPMBusy = errors.New("the TPM is busy: try again, and restart the box if that does not help")

	// ErrTPMFailed says that the TPM was not started, tests wrong, or answers nonsense.
	ErrTPMFailed = errors.New("the TPM does not work: switch the box off and on")
)

const (
	// The handles of the two NV indices, in the range for the owner of the machine (TCG
	// Registry of Reserved TPM 2.0 Handles and Localities, section 2.2).
	firstIndex = 0x01905070

	indexLen = seal.KeyLen + sumLen // key, first bytes of SHA-256 over it
)

// label marks the indices as Sotto's: it stands in the place of a policy digest, and no
// policy gives it.
var label = sha256.Sum256([]byte("sotto root 1"))

// TPM is a [keyring.Root] in a TPM 2.0: each slot is an NV index (Trusted Platform Module
// Library, Part 1, section 37), so that undefining it destroys the key in the chip. It has no
// password and is bound to no state of the machine: whoever may use the chip may read it.
// What goes over the bus is encrypted for a session whose key only the chip and this program
// have; a chip put in between that answers itself is not recognised.
//
// It is opened anew for each call and used by one goroutine at a time. Errors of all
// methods wrap one of the errors of this package that begin with ErrTPM or ErrNoTPM,
// [keyring.ErrRootDamaged] for a slot that holds no key of ours, or come from the system.
type TPM struct {
	device string
	dial   func(device string) (transport.TPMCloser, error)
}

// NewTPM gives the root in the TPM at device, a character device or a Unix socket as swtpm
// makes one; empty for [DefaultTPM]. It opens nothing yet.
func NewTPM(device string) *TPM {
	if device == "" {
		device = DefaultTPM
	}
	return &TPM{device, dialTPM}
}

// Kind implements [keyring.Root].
func (r *TPM) Kind() string { return "TPM 2.0" }

// Key implements [keyring.Root].
func (r *TPM) Key(slot int) (k seal.Key, err error) {
	err = r.with(func(c *chip) error {
		k, err = c.readSlot(slot)
		return err
	})
	return k, err
}

// Fill implements [keyring.Root]. A place that was defined but not written, because the
// power was cut in between, counts as empty.
func (r *TPM) Fill(slot int) (k seal.Key, err error) {
	err = r.with(func(c *chip) error {
		written, err := c.find(slot)
		switch {
		case err == nil && written:
			return keyring.ErrFilled
		case errors.Is(err, keyring.ErrNoKey):
			def := tpm2.NVDefineSpace{AuthHandle: owner(), PublicInfo: tpm2.New2B(public(slot, false))}
			if _, err := def.Execute(c); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		made := seal.NewKey()
		if err := c.writeSlot(slot, &made); err != nil {
			return err
		}
		if k, err = c.readSlot(slot); err == nil && k != made {
			err = keyring.ErrRootDamaged
		}
		return err
	})
	if err != nil {
		return seal.Key{}, err
	}
	return k, nil
}

// Destroy implements [keyring.Root]: the chip forgets the key. What is not Sotto's it
// leaves alone, and says so.
func (r *TPM) Destroy(slot int) error {
	return r.with(func(c *chip) error {
		written, err := c.find(slot)
		if errors.Is(err, keyring.ErrNoKey) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tpm2.NVUndefineSpace{AuthHandle: owner(), NVIndex: named(slot, written)}.Execute(c)
		return err
	})
}

// with opens the TPM for f, and puts what went wrong in words.
func (r *TPM) with(f func(*chip) error) (err error) {
	t, err := r.dial(r.device)
	if err != nil {
		return fmt.Errorf("TPM %s: %w", r.device, err)
	}
	defer t.Close()
	defer func() {
		if recover() != nil { // the library on an answer that no TPM gives
			err = ErrTPMFailed
		}
		if err != nil {
			err = fmt.Errorf("TPM %s: %w", r.device, inWords(err))
		}
	}()
	c := &chip{TPM: t}
	defer c.close()
	return f(c)
}

// public is the public area of a slot's index: nobody's but Sotto's looks like it.
func public(slot int, written bool) tpm2.TPMSNVPublic {
	return tpm2.TPMSNVPublic{
		NVIndex:    tpm2.TPMHandle(firstIndex + slot),
		NameAlg:    tpm2.TPMAlgSHA256,
		Attributes: tpm2.TPMANV{AuthRead: true, AuthWrite: true, WriteAll: true, NoDA: true, NT: tpm2.TPMNTOrdinary, Written: written},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: label[:]},
		DataSize:   indexLen,
	}
}

// find tells whether a slot's index was written. It gives ErrNoKey if there is none, and
// ErrTPMTaken if it is not Sotto's.
func (c *chip) find(slot int) (written bool, err error) {
	rsp, err := tpm2.NVReadPublic{NVIndex: tpm2.TPMHandle(firstIndex + slot)}.Execute(c)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return false, keyring.ErrNoKey
	}
	if err != nil {
		return false, err
	}
	got, err := rsp.NVPublic.Contents()
	if err != nil {
		return false, err
	}
	written = got.Attributes.Written
	if !bytes.Equal(tpm2.Marshal(*got), tpm2.Marshal(public(slot, written))) {
		return false, ErrTPMTaken
	}
	return written, nil
}

// readSlot gives the key in a slot.
func (c *chip) readSlot(slot int) (k seal.Key, err error) {
	written, err := c.find(slot)
	if err == nil && !written {
		err = keyring.ErrNoKey
	}
	if err != nil {
		return k, err
	}
	err = c.inSession(encryptOut, func(s tpm2.Session) error {
		rsp, err := tpm2.NVRead{AuthHandle: authorized(slot, true, s), NVIndex: named(slot, true), Size: indexLen}.Execute(c)
		if err != nil {
			return err
		}
		b := rsp.Data.Buffer
		defer clear(b)
		if len(b) != indexLen {
			return keyring.ErrRootDamaged
		}
		k = seal.Key(b[:seal.KeyLen])
		if sum := sha256.Sum256(k[:]); !bytes.Equal(sum[:sumLen], b[seal.KeyLen:]) {
			k = seal.Key{}
			return keyring.ErrRootDamaged
		}
		return nil
	})
	return k, err
}

// writeSlot puts a key in an index that is defined and empty.
func (c *chip) writeSlot(slot int, k *seal.Key) error {
	sum := sha256.Sum256(k[:])
	data := append(bytes.Clone(k[:]), sum[:sumLen]...)
	defer clear(data)
	return c.inSession(encryptIn, func(s tpm2.Session) error {
		_, err := tpm2.NVWrite{AuthHandle: authorized(slot, false, s), NVIndex: named(slot, false), Data: tpm2.TPM2BMaxNVBuffer{Buffer: data}}.Execute(c)
		return err
	})
}

func owner() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
}

func named(slot int, written bool) tpm2.NamedHandle {
	p := public(slot, written)
	name, err := tpm2.NVName(&p)
	if err != nil {
		panic(err) // only for an unknown hash
	}
	return tpm2.NamedHandle{Handle: p.NVIndex, Name: *name}
}

func authorized(slot int, written bool, s tpm2.Session) tpm2.AuthHandle {
	n := named(slot, written)
	return tpm2.AuthHandle{Handle: n.Handle, Name: n.Name, Auth: s}
}

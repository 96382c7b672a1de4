package root

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"sotto/storage/keyring"
)

// link carries commands to a TPM and answers back (Part 1, section 18: an answer has a
// header of ten bytes: tag (2), length (4), code (4)).
type link struct {
	rw io.ReadWriteCloser
}

const (
	answerHead = 10
	maxAnswer  = 4096 // what the kernel's driver holds at most
	socketWait = 30 * time.Second
)

// dialTPM opens a TPM's device, or its socket.
func dialTPM(path string) (transport.TPMCloser, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoTPM
	case err != nil:
		return nil, err
	case st.Mode()&fs.ModeSocket != 0:
		c, err := net.DialTimeout("unix", path, socketWait)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, ErrNoTPM
		}
		if err != nil {
			return nil, err
		}
		c.SetDeadline(time.Now().Add(socketWait))
		return &link{c}, nil
	case st.Mode()&fs.ModeCharDevice == 0:
		return nil, ErrNoTPM
	}
	// Not os.OpenFile: that may put the device in the mode in which an answer that is not
	// there yet reads as the end of the file.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	switch err {
	case nil:
		return &link{os.NewFile(uintptr(fd), path)}, nil
	case syscall.ENODEV, syscall.ENXIO:
		return nil, ErrNoTPM
	case syscall.EBUSY:
		return nil, ErrTPMBusy
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: err}
}

// Send implements [transport.TPM].
func (l *link) Send(command []byte) ([]byte, error) {
	if _, err := l.rw.Write(command); err != nil {
		return nil, err
	}
	b := make([]byte, maxAnswer)
	n, err := io.ReadAtLeast(l.rw, b, answerHead)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(b[2:])
	if size < answerHead || size > maxAnswer || uint32(n) > size {
		return nil, ErrTPMFailed
	}
	if _, err := io.ReadFull(l.rw, b[n:size]); err != nil {
		return nil, err
	}
	return b[:size], nil
}

// Close implements [transport.TPMCloser].
func (l *link) Close() error { return l.rw.Close() }

// chip is a TPM while it is open for one call of a root.
type chip struct {
	transport.TPM
	salt *tpm2.CreatePrimaryResponse // the key for salts, made at first use
}

// close clears away what the chip holds for this call.
func (c *chip) close() {
	if c.salt != nil {
		tpm2.FlushContext{FlushHandle: c.salt.ObjectHandle}.Execute(c)
	}
}

// inSession runs f with a session that authorizes with an empty password and encrypts the
// first parameter, on the way in or out (Part 1, sections 19 and 21). Its key comes from a
// salt that is sent under a key that the TPM makes for this one purpose. That is in the
// null hierarchy, which never has a password and whose keys end with the next reset.
func (c *chip) inSession(dir inOrOut, f func(tpm2.Session) error) (err error) {
	if c.salt == nil {
		c.salt, err = tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHNull, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(c)
		if err != nil {
			return err
		}
	}
	pub, err := c.salt.OutPublic.Contents()
	if err != nil {
		return err
	}
	s, end, err := tpm2.HMACSession(c, tpm2.TPMAlgSHA256, 16, tpm2.Salted(c.salt.ObjectHandle, *pub), aes128(dir))
	if err != nil {
		return err
	}
	defer end()
	return f(s)
}

type inOrOut bool

const (
	encryptIn  inOrOut = false
	encryptOut inOrOut = true
)

func aes128(dir inOrOut) tpm2.AuthOption {
	if dir == encryptOut {
		return tpm2.AESEncryption(128, tpm2.EncryptOut)
	}
	return tpm2.AESEncryption(128, tpm2.EncryptIn)
}

// words are what the codes of a TPM mean here (Part 2, section 6.6.3).
var words = []struct {
	code tpm2.TPMRC
	err  error
}{
	{tpm2.TPMRCBadAuth, ErrTPMOwner}, // of the owner: the indices have no password
	{tpm2.TPMRCAuthFail, ErrTPMOwner},
	{tpm2.TPMRCLockout, ErrTPMLockout},
	{tpm2.TPMRCNVSpace, ErrTPMFull},
	{tpm2.TPMRCNVDefined, ErrTPMTaken},
	{tpm2.TPMRCNVRate, ErrTPMBusy},
	{tpm2.TPMRCNVUnavailable, ErrTPMBusy},
	{tpm2.TPMRCRetry, ErrTPMBusy},
	{tpm2.TPMRCTesting, ErrTPMBusy},
	{tpm2.TPMRCObjectMemory, ErrTPMBusy},
	{tpm2.TPMRCSessionMemory, ErrTPMBusy},
	{tpm2.TPMRCSessionHandles, ErrTPMBusy},
	{tpm2.TPMRCInitialize, ErrTPMFailed},
	{tpm2.TPMRCFailure, ErrTPMFailed},
}

// inWords gives the error that says what to do about err. Anything that is not known is
// that the TPM does not work, with the TPM's words behind it.
func inWords(err error) error {
	for _, known := range []error{keyring.ErrNoKey, keyring.ErrFilled, keyring.ErrRootDamaged, ErrTPMTaken, ErrTPMFailed} {
		if errors.Is(err, known) {
			return err
		}
	}
	for _, w := range words {
		if errors.Is(err, w.code) {
			return w.err
		}
	}
	return fmt.Errorf("%w: %w", ErrTPMFailed, err)
}

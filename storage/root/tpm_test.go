package root

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"sotto/storage/keyring"
	"sotto/storage/root/swtpm"
	"sotto/storage/seal"
)

func TestTPM(t *testing.T) {
	chip := swtpm.New(t)
	holds(t, NewTPM(chip.Path), func() keyring.Root {
		chip.Restart()
		return NewTPM(chip.Path)
	})
}

// holds is what every root promises. again gives the root as after a power cut.
func holds(t *testing.T, r keyring.Root, again func() keyring.Root) {
	t.Helper()
	for slot := range 2 {
		if _, err := r.Key(slot); !errors.Is(err, keyring.ErrNoKey) {
			t.Fatalf("slot %d, empty: %v", slot, err)
		}
		if err := r.Destroy(slot); err != nil {
			t.Fatalf("slot %d, empty: destroy: %v", slot, err)
		}
	}
	k0, err := r.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Key(1); !errors.Is(err, keyring.ErrNoKey) {
		t.Fatalf("slot 1, empty: %v", err)
	}
	if _, err := r.Fill(0); !errors.Is(err, keyring.ErrFilled) {
		t.Fatalf("fill twice: %v", err)
	}
	k1, err := r.Fill(1)
	if err != nil || k1 == k0 || k0 == (seal.Key{}) || k1 == (seal.Key{}) {
		t.Fatalf("slot 1: %v", err)
	}
	r = again()
	for slot, want := range []seal.Key{k0, k1} {
		if got, err := r.Key(slot); err != nil || got != want {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
	if err := r.Destroy(0); err != nil {
		t.Fatal(err)
	}
	r = again()
	if _, err := r.Key(0); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("destroyed: %v", err)
	}
	if got, err := r.Key(1); err != nil || got != k1 {
		t.Errorf("the other slot: %v", err)
	}
	if k, err := r.Fill(0); err != nil || k == k0 {
		t.Errorf("filled again: %v", err)
	}
	if Protects(r) == "" || r.Kind() == "" {
		t.Error("it does not say what it is")
	}
}

// TestTPMForgets: a key that was destroyed is not in the chip's memory any more, with a
// control that looks for it before.
func TestTPMForgets(t *testing.T) {
	chip := swtpm.New(t)
	r := NewTPM(chip.Path)
	k, err := r.Fill(1)
	if err != nil {
		t.Fatal(err)
	}
	if !chip.Contains(k[:]) {
		t.Fatal("the control does not see a key that is there")
	}
	if err := r.Destroy(1); err != nil {
		t.Fatal(err)
	}
	if chip.Contains(k[:]) {
		t.Error("the key is still in the chip")
	}
}

// bus is a TPM's bus with somebody on it: he sees all that goes over it, and takes the power
// away at a command.
type bus struct {
	chip  *swtpm.Chip
	seen  [][]byte
	cutAt int  // number of the command from 1; 0: never
	after bool // it is carried out but not answered
}

var errCut = errors.New("the power was cut")

func (b *bus) root() *TPM {
	return &TPM{b.chip.Path, func(path string) (transport.TPMCloser, error) {
		t, err := dialTPM(path)
		return &tapped{t, b}, err
	}}
}

type tapped struct {
	transport.TPMCloser
	bus *bus
}

func (t *tapped) Send(command []byte) ([]byte, error) {
	b := t.bus
	n := len(b.seen)/2 + 1
	if b.cutAt > 0 && (n > b.cutAt || n == b.cutAt && !b.after) {
		return nil, errCut
	}
	b.seen = append(b.seen, bytes.Clone(command))
	answer, err := t.TPMCloser.Send(command)
	b.seen = append(b.seen, bytes.Clone(answer))
	if n == b.cutAt {
		return nil, errCut
	}
	return answer, err
}

// TestBusShowsNothing: neither the key going in nor coming out, nor its checksum.
func TestBusShowsNothing(t *testing.T) {
	b := &bus{chip: swtpm.New(t)}
	k, err := b.root().Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.root().Key(0); err != nil || got != k {
		t.Fatal(err)
	}
	all := bytes.Join(b.seen, nil)
	if !bytes.Contains(all, label[:]) {
		t.Fatal("the control does not see the label go over the bus")
	}
	for i := 0; i+8 <= len(k); i++ {
		if bytes.Contains(all, k[i:i+8]) {
			t.Fatalf("bytes %d to %d of the key go over the bus", i, i+8)
		}
	}
}

// TestPowerCutInTheTPM cuts at every command of Fill and of Destroy, before and after it is
// carried out. What is left is empty or a whole key, and the next Fill or Destroy works.
func TestPowerCutInTheTPM(t *testing.T) {
	chip := swtpm.New(t)
	plain := NewTPM(chip.Path)
	count := func(f func(r *TPM) error) int {
		b := &bus{chip: chip}
		if err := f(b.root()); err != nil {
			t.Fatal(err)
		}
		return len(b.seen) / 2
	}
	fill := func(r *TPM) error { _, err := r.Fill(0); return err }
	destroy := func(r *TPM) error { return r.Destroy(0) }
	fills, destroys := count(fill), count(destroy)
	if fills < 8 || destroys < 2 {
		t.Fatalf("%d and %d commands", fills, destroys)
	}
	half := 0
	for n := 1; n <= fills; n++ {
		for _, after := range []bool{false, true} {
			b := &bus{chip: chip, cutAt: n, after: after}
			_, err := b.root().Fill(0)
			if end := n >= fills-1; err == nil && !end { // what follows the answer is only clearing up
				t.Fatalf("cut at %d: no error", n)
			}
			chip.Restart()
			k, err := plain.Key(0)
			switch {
			case errors.Is(err, keyring.ErrNoKey):
				if defined(t, chip) {
					half++
				}
				if k, err = plain.Fill(0); err != nil {
					t.Fatalf("cut at %d, %v: fill again: %v", n, after, err)
				}
			case err != nil:
				t.Fatalf("cut at %d, %v: %v", n, after, err)
			}
			chip.Restart()
			if got, err := plain.Key(0); err != nil || got != k {
				t.Fatalf("cut at %d, %v: %v", n, after, err)
			}
			if err := plain.Destroy(0); err != nil {
				t.Fatalf("cut at %d, %v: destroy: %v", n, after, err)
			}
		}
	}
	if half == 0 {
		t.Error("no cut left a place that is defined and not written")
	}
	for n := 1; n <= destroys; n++ {
		for _, after := range []bool{false, true} {
			k, err := plain.Fill(0)
			if err != nil {
				t.Fatal(err)
			}
			destroy((&bus{chip: chip, cutAt: n, after: after}).root())
			chip.Restart()
			if got, err := plain.Key(0); !errors.Is(err, keyring.ErrNoKey) && (err != nil || got != k) {
				t.Fatalf("cut at %d, %v: %v", n, after, err)
			}
			if err := plain.Destroy(0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// raw runs f on the chip itself.
func raw(t *testing.T, chip *swtpm.Chip, f func(transport.TPM) error) {
	t.Helper()
	c, err := dialTPM(chip.Path)
	if err == nil {
		defer c.Close()
		err = f(c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func defined(t *testing.T, chip *swtpm.Chip) (is bool) {
	raw(t, chip, func(c transport.TPM) error {
		_, err := tpm2.NVReadPublic{NVIndex: tpm2.TPMHandle(firstIndex)}.Execute(c)
		is = err == nil
		return nil
	})
	return is
}

// TestTPMOfOthers: what another program keeps in the place stays untouched.
func TestTPMOfOthers(t *testing.T) {
	for name, change := range map[string]func(*tpm2.TPMSNVPublic){
		"other size":       func(p *tpm2.TPMSNVPublic) { p.DataSize = 8 },
		"other attributes": func(p *tpm2.TPMSNVPublic) { p.Attributes.OwnerRead = true },
		"no label":         func(p *tpm2.TPMSNVPublic) { p.AuthPolicy.Buffer = nil },
	} {
		t.Run(name, func(t *testing.T) {
			chip := swtpm.New(t)
			p := public(0, false)
			change(&p)
			raw(t, chip, func(c transport.TPM) error {
				_, err := tpm2.NVDefineSpace{AuthHandle: owner(), PublicInfo: tpm2.New2B(p)}.Execute(c)
				return err
			})
			r := NewTPM(chip.Path)
			_, keyErr := r.Key(0)
			_, fillErr := r.Fill(0)
			for i, err := range []error{keyErr, fillErr, r.Destroy(0)} {
				if !errors.Is(err, ErrTPMTaken) || errors.Is(err, keyring.ErrNoKey) {
					t.Errorf("%d: %v", i, err)
				}
			}
			if !defined(t, chip) {
				t.Error("it is gone")
			}
		})
	}
}

// TestTPMNotOurKey: a place that is marked as Sotto's and holds something else.
func TestTPMNotOurKey(t *testing.T) {
	chip := swtpm.New(t)
	raw(t, chip, func(c transport.TPM) error {
		if _, err := (tpm2.NVDefineSpace{AuthHandle: owner(), PublicInfo: tpm2.New2B(public(0, false))}).Execute(c); err != nil {
			return err
		}
		_, err := tpm2.NVWrite{AuthHandle: authorized(0, false, tpm2.PasswordAuth(nil)), NVIndex: named(0, false),
			Data: tpm2.TPM2BMaxNVBuffer{Buffer: make([]byte, indexLen)}}.Execute(c)
		return err
	})
	r := NewTPM(chip.Path)
	if k, err := r.Key(0); !errors.Is(err, keyring.ErrRootDamaged) || k != (seal.Key{}) {
		t.Errorf("key: %v", err)
	}
	if _, err := r.Fill(0); !errors.Is(err, keyring.ErrFilled) {
		t.Errorf("fill: %v", err)
	}
}

// TestTPMByHand looks at an index as FORMAT.md has it.
func TestTPMByHand(t *testing.T) {
	chip := swtpm.New(t)
	k, err := NewTPM(chip.Path).Fill(1)
	if err != nil {
		t.Fatal(err)
	}
	raw(t, chip, func(c transport.TPM) error {
		rsp, err := tpm2.NVReadPublic{NVIndex: tpm2.TPMHandle(0x01905071)}.Execute(c)
		if err != nil {
			return err
		}
		mark := sha256.Sum256([]byte("sotto root 1"))
		want := "01905071" + "000b" + "22041004" + "0020" + hex.EncodeToString(mark[:]) + "0028"
		p, err := rsp.NVPublic.Contents()
		if got := hex.EncodeToString(tpm2.Marshal(*p)); got != want {
			t.Errorf("public area\n%s, want\n%s", got, want)
		}
		at := tpm2.AuthHandle{Handle: p.NVIndex, Name: rsp.NVName, Auth: tpm2.PasswordAuth(nil)}
		data, err := tpm2.NVRead{AuthHandle: at, NVIndex: tpm2.NamedHandle{Handle: p.NVIndex, Name: rsp.NVName}, Size: 40}.Execute(c)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(k[:])
		if b := data.Data.Buffer; !bytes.Equal(b[:32], k[:]) || !bytes.Equal(b[32:], sum[:8]) {
			t.Error("the data is not the key and its sum")
		}
		return nil
	})
}

// TestTPMWithOwnerPassword: one that is set later keeps the key readable, and is told when
// a key is to be put in or taken out.
func TestTPMWithOwnerPassword(t *testing.T) {
	chip := swtpm.New(t)
	r := NewTPM(chip.Path)
	k, err := r.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	raw(t, chip, func(c transport.TPM) error {
		_, err := tpm2.HierarchyChangeAuth{AuthHandle: owner(), NewAuth: tpm2.TPM2BAuth{Buffer: []byte("theirs")}}.Execute(c)
		return err
	})
	if got, err := r.Key(0); err != nil || got != k {
		t.Errorf("key: %v", err)
	}
	if _, err := r.Fill(1); !errors.Is(err, ErrTPMOwner) {
		t.Errorf("fill: %v", err)
	}
	if err := r.Destroy(0); !errors.Is(err, ErrTPMOwner) {
		t.Errorf("destroy: %v", err)
	}
	if got, err := r.Key(0); err != nil || got != k {
		t.Errorf("key: %v", err)
	}
}

// TestTPMInLockout: somebody has typed a wrong password of another program too often. That
// does not keep the box from its key.
func TestTPMInLockout(t *testing.T) {
	chip := swtpm.New(t)
	r := NewTPM(chip.Path)
	k, err := r.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := tpm2.TPMSNVPublic{NVIndex: firstIndex + 9, NameAlg: tpm2.TPMAlgSHA256, DataSize: 8,
		Attributes: tpm2.TPMANV{AuthRead: true, AuthWrite: true, NT: tpm2.TPMNTOrdinary}}
	name, _ := tpm2.NVName(&theirs)
	raw(t, chip, func(c transport.TPM) error {
		_, err := tpm2.NVDefineSpace{AuthHandle: owner(), Auth: tpm2.TPM2BAuth{Buffer: []byte("right")}, PublicInfo: tpm2.New2B(theirs)}.Execute(c)
		return err
	})
	write := func(c transport.TPM, password string) error {
		_, err := tpm2.NVWrite{AuthHandle: tpm2.AuthHandle{Handle: theirs.NVIndex, Name: *name, Auth: tpm2.PasswordAuth([]byte(password))},
			NVIndex: tpm2.NamedHandle{Handle: theirs.NVIndex, Name: *name}, Data: tpm2.TPM2BMaxNVBuffer{Buffer: make([]byte, 8)}}.Execute(c)
		return err
	}
	raw(t, chip, func(c transport.TPM) error {
		for range 40 { // a new chip allows 32 at most
			write(c, "wrong")
		}
		if err := write(c, "right"); !errors.Is(inWords(err), ErrTPMLockout) {
			t.Fatalf("the chip is not in lockout: %v", err)
		}
		return nil
	})
	if got, err := r.Key(0); err != nil || got != k {
		t.Errorf("key: %v", err)
	}
	if _, err := r.Fill(1); err != nil {
		t.Errorf("fill: %v", err)
	}
	if err := r.Destroy(0); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

func TestNoTPM(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	for _, path := range []string{filepath.Join(dir, "none"), file, dir} {
		r := NewTPM(path)
		_, keyErr := r.Key(0)
		_, fillErr := r.Fill(0)
		for _, err := range []error{keyErr, fillErr, r.Destroy(0)} {
			if !errors.Is(err, ErrNoTPM) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if NewTPM("").device != DefaultTPM {
		t.Error("no device by default")
	}
}

func TestWordsOfTheTPM(t *testing.T) {
	for _, w := range words {
		for _, code := range []tpm2.TPMRC{w.code, w.code | 0x100} { // with the number of a handle or session
			if code&0x80 == 0 && code != w.code {
				continue // a code that has no such number
			}
			if err := inWords(code); !errors.Is(err, w.err) {
				t.Errorf("%v: %v", code, err)
			}
		}
	}
	if err := inWords(tpm2.TPMRCSuccess + 0x123); !errors.Is(err, ErrTPMFailed) {
		t.Errorf("unknown: %v", err)
	}
}

// canned is a chip that answers what it likes.
type canned struct{ answers [][]byte }

func (c *canned) Send([]byte) ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, errCut
	}
	a := c.answers[0]
	c.answers = c.answers[1:]
	return a, nil
}

func (c *canned) Close() error { return nil }

// FuzzAnswers: whatever a chip answers, no key comes of it but one that was read, and
// nothing breaks.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x8b})
	if b := (&bus{}); !testing.Short() {
		if chip := func() *swtpm.Chip { return swtpm.New(f) }(); chip != nil {
			b.chip = chip
			b.root().Fill(0)
			all := []byte{}
			for i := 1; i < len(b.seen); i += 2 {
				all = append(all, b.seen[i]...)
			}
			f.Add(all)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var answers [][]byte
		for len(data) >= answerHead { // cut at what they say is their length
			n := min(len(data), max(answerHead, int(data[4])<<8|int(data[5])))
			answers = append(answers, data[:n])
			data = data[n:]
		}
		r := &TPM{"x", func(string) (transport.TPMCloser, error) { return &canned{slices.Clone(answers)}, nil }}
		if k, err := r.Key(0); err == nil || k != (seal.Key{}) {
			t.Errorf("a key came of it: %v", err)
		}
		if k, err := r.Fill(1); err == nil || k != (seal.Key{}) {
			t.Errorf("it was filled: %v", err)
		}
		r.Destroy(0)
	})
}

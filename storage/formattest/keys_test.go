package formattest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

type (
	key [32]byte
	id  [16]byte // of a subject or an item; zeros: the box
)

// Classes of chains, and what stands for the own key.
const (
	own    = 0
	calls  = 1
	digits = 2

	counts, journal, audit = 3, 4, 5
)

var (
	errFormat = errors.New("not as FORMAT.md has it")
	errErased = errors.New("erased")
	errAged   = errors.New("aged")
)

// expand is HKDF-Expand of RFC 5869 section 2.3 with SHA-256, up to one block.
func expand(k key, info string, n int) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(info))
	m.Write([]byte{1})
	return m.Sum(nil)[:n]
}

func derive(k key, info string) key { return key(expand(k, info, 32)) }

// readRoot reads a key file, or one that a passphrase opens. A slot that is not filled is
// nil.
func readRoot(file, passphrase string) (slots [2]*key, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return slots, err
	}
	if passphrase != "" {
		sum := sha256.Sum256(b[:min(len(b), 149)])
		if len(b) != 157 || string(b[:8]) != "sottopp1" || !bytes.Equal(b[149:], sum[:8]) {
			return slots, fmt.Errorf("%w: file of a passphrase", errFormat)
		}
		memory, passes, lanes, salt := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]), b[16], b[17:33]
		if lanes < 1 || lanes > 4 || memory < 8*uint32(lanes) || memory > 1<<16 || passes < 1 || passes > 16 {
			return slots, fmt.Errorf("%w: cost of a passphrase", errFormat)
		}
		k := key(argon2.IDKey([]byte(passphrase), salt, passes, memory, lanes, 32))
		if !bytes.Equal(expand(k, "sotto key id 1", 8), b[33:41]) {
			return slots, errors.New("wrong passphrase")
		}
		plain, err := unseal(k, b[41:149], "root", b[:41], nil)
		if err != nil {
			return slots, err
		}
		err = readSlots(&slots, plain)
		return slots, err
	}
	sum := sha256.Sum256(b[:min(len(b), 74)])
	if len(b) != 82 || string(b[:8]) != "sottork1" || !bytes.Equal(b[74:], sum[:8]) {
		return slots, fmt.Errorf("%w: key file", errFormat)
	}
	err = readSlots(&slots, b[8:74])
	return slots, err
}

// readSlots reads two slots of 33 bytes.
func readSlots(slots *[2]*key, b []byte) error {
	if len(b) != 66 {
		return fmt.Errorf("%w: slots of the root", errFormat)
	}
	for i := range slots {
		s := b[33*i:][:33]
		if s[0] == 1 {
			slots[i] = (*key)(s[1:])
		} else if !bytes.Equal(s, make([]byte, 33)) {
			return fmt.Errorf("%w: slot of the root", errFormat)
		}
	}
	return nil
}

// chain is one subject's keys of one class from day first on.
type chain struct {
	first       uint32
	link, ahead key // D of day first, R of the rung after it
}

// link gives D of day n.
func (c chain) linkOf(n uint32) (key, error) {
	if n < c.first {
		return key{}, errAged
	}
	d, day := c.link, c.first
	if r := c.first/32 + 1; n/32 >= r {
		rung := c.ahead
		for ; r < n/32; r++ {
			rung = derive(rung, "sotto rung 1")
		}
		d, day = derive(rung, "sotto start 1"), n/32*32
	}
	for ; day < n; day++ {
		d = derive(d, "sotto step 1")
	}
	return d, nil
}

// day gives the key that seals on day n.
func (c chain) day(n uint32) (key, error) {
	d, err := c.linkOf(n)
	return derive(d, "sotto day 1"), err
}

// entry is an entry of the keyring. Its kind is B, U, N, A or M.
type entry struct {
	kind   byte
	own    key
	name   string
	chains map[byte]chain
	about  []id
}

// ring is a keyring with its tail.
type ring struct {
	slot   int
	n      uint64
	epoch  key
	keyID  [8]byte
	mark   uint64
	box    *entry
	all    map[id]*entry // subjects and items
	frames int           // of the tail
	plain  []byte        // all lists of entries as they were unsealed, one after another
}

// readRing opens keyring and tail of a folder under the root's keys.
func readRing(dir string, slots [2]*key) (*ring, error) {
	b, err := os.ReadFile(filepath.Join(dir, "keyring"))
	if err != nil {
		return nil, err
	}
	if len(b) < 25 || string(b[:8]) != "sottokr2" || b[8] > 1 {
		return nil, fmt.Errorf("%w: keyring", errFormat)
	}
	r := &ring{slot: int(b[8]), n: binary.BigEndian.Uint64(b[9:]), keyID: [8]byte(b[17:]), all: map[id]*entry{}}
	if slots[r.slot] == nil {
		return nil, fmt.Errorf("slot %d of the root is empty", r.slot)
	}
	r.epoch = *slots[r.slot]
	if !bytes.Equal(expand(r.epoch, "sotto key id 1", 8), r.keyID[:]) {
		return nil, fmt.Errorf("slot %d of the root has another key", r.slot)
	}
	list, err := unseal(r.epoch, b[25:], "keyring", b[:25], nil)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(list) == 0 || list[0] != 'B' {
		return nil, fmt.Errorf("%w: the keyring does not begin with the box", errFormat)
	}
	if err := r.entries(list, false); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if b, err = os.ReadFile(filepath.Join(dir, "keyring.tail-"+strconv.FormatUint(r.n, 10))); err != nil {
		return nil, err
	}
	for ; len(b) > 0; r.frames++ {
		if len(b) < 8 || binary.BigEndian.Uint32(b) != ^binary.BigEndian.Uint32(b[4:]) || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-8) {
			break // the torn end
		}
		n := 8 + int(binary.BigEndian.Uint32(b))
		at := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.n), uint64(r.frames))
		list, err := unseal(r.epoch, b[8:n], "keyring.tail", at, nil)
		if err != nil {
			break
		}
		if err := r.entries(list, true); err != nil {
			return nil, fmt.Errorf("frame %d of the tail: %w", r.frames, err)
		}
		b = b[n:]
	}
	return r, nil
}

// cursor takes bytes from the front.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.bad, c.b = true, nil
		return make([]byte, n)
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) byte() int { return int(c.take(1)[0]) }

// entries takes a list of entries in; later ones take the place of earlier.
func (r *ring) entries(list []byte, tail bool) error {
	r.plain = append(r.plain, list...)
	for c := (cursor{b: list}); len(c.b) > 0; {
		e := &entry{kind: c.take(1)[0]}
		who := id(c.take(16))
		switch e.kind {
		case 'B', 'U', 'N', 'A':
			e.own = key(c.take(32))
			if e.kind != 'B' {
				e.name = string(c.take(c.byte()))
			}
			e.chains = map[byte]chain{}
			for range c.byte() {
				class := c.take(1)[0]
				e.chains[class] = chain{binary.BigEndian.Uint32(c.take(4)), key(c.take(32)), key(c.take(32))}
			}
			if e.kind == 'B' {
				r.box = e
			} else {
				r.all[who] = e
			}
		case 'M':
			e.own = key(c.take(32))
			for range c.byte() {
				e.about = append(e.about, id(c.take(16)))
			}
			r.all[who] = e
		case 'X':
			if !tail {
				return fmt.Errorf("%w: X outside the tail", errFormat)
			}
			delete(r.all, who)
		case 'H':
			r.mark = binary.BigEndian.Uint64(c.take(8))
		default:
			return fmt.Errorf("%w: entry of kind %q", errFormat, e.kind)
		}
		if c.bad {
			return fmt.Errorf("%w: entry is cut", errFormat)
		}
	}
	return nil
}

// key gives a subject's own key or that of its chain for day.
func (r *ring) key(who id, class byte, day uint32) (key, error) {
	e := r.box
	if who != (id{}) {
		e = r.all[who]
	}
	if e == nil || e.kind == 'M' {
		return key{}, errErased
	}
	if class == own {
		return e.own, nil
	}
	c, ok := e.chains[class]
	if !ok {
		return key{}, errAged
	}
	return c.day(day)
}

// find looks a subject up by what it is known by.
func (r *ring) find(kind byte, name string) (id, bool) {
	for who, e := range r.all {
		if e.kind == kind && e.name == name {
			return who, true
		}
	}
	return id{}, false
}

// files names what lies in a folder and its messages, for scans.
func files(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(p, dir+"/"))
		}
		return err
	})
	return names, err
}

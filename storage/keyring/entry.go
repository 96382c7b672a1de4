package keyring

import (
	"encoding/binary"

	"sotto/storage/seal"
)

// An entry of the keyring or of a frame: kind(1) id(16), then by kind. FORMAT.md of package
// storage has the table.

const (
	idLen    = 16
	chainLen = 1 + 4 + 2*seal.KeyLen // class, day, D, R

	box     Kind = 'B' // the box itself
	message Kind = 'M' // an item
	dropped Kind = 'X'
	mark    Kind = 'H'
)

// entry is one as it was read. Its slices lie in what it was read from.
type entry struct {
	kind   Kind
	id     [idLen]byte
	key    []byte
	name   []byte
	chains []byte // chainLen each
	about  []byte // idLen each
	count  uint64
}

// nextEntry reads the first entry of b and gives what follows it; false if b is none.
func nextEntry(b []byte) (e entry, rest []byte, ok bool) {
	if len(b) < 1+idLen {
		return e, nil, false
	}
	e.kind, e.id, b = Kind(b[0]), [idLen]byte(b[1:]), b[1+idLen:]
	nobody := e.id == [idLen]byte{}
	switch e.kind {
	case mark:
		if !nobody || len(b) < 8 {
			return e, nil, false
		}
		e.count = binary.BigEndian.Uint64(b)
		return e, b[8:], true
	case dropped:
		return e, b, !nobody
	case box, User, Outside, Admin, message:
		if nobody != (e.kind == box) || len(b) < seal.KeyLen {
			return e, nil, false
		}
		e.key, b = b[:seal.KeyLen], b[seal.KeyLen:]
	default:
		return e, nil, false
	}
	ok = true
	if e.kind == message {
		e.about, b, ok = counted(b, idLen)
		return e, b, ok
	}
	if e.kind != box {
		if e.name, b, ok = counted(b, 1); !ok || len(e.name) == 0 {
			return e, nil, false
		}
	}
	if e.chains, b, ok = counted(b, chainLen); !ok {
		return e, nil, false
	}
	var seen [256]bool
	for i := 0; i < len(e.chains); i += chainLen {
		c := e.chains[i]
		if Class(c) == Own || seen[c] {
			return e, nil, false
		}
		seen[c] = true
	}
	return e, b, true
}

// counted reads a list: how many (1), then each of a fixed length.
func counted(b []byte, each int) (list, rest []byte, ok bool) {
	if len(b) < 1 || len(b)-1 < int(b[0])*each {
		return nil, nil, false
	}
	end := 1 + int(b[0])*each
	return b[1:end], b[end:], true
}

// eachEntry reads all entries of b; false if it does not come out even. Those before the
// fault have been visited then.
func eachEntry(b []byte, visit func(entry)) bool {
	for len(b) > 0 {
		e, rest, ok := nextEntry(b)
		if !ok {
			return false
		}
		visit(e)
		b = rest
	}
	return true
}

func readChain(b []byte) chain {
	return chain{
		class: Class(b[0]),
		day:   Day(binary.BigEndian.Uint32(b[1:])),
		link:  seal.Key(b[5 : 5+seal.KeyLen]),
		rung:  seal.Key(b[5+seal.KeyLen : chainLen]),
	}
}

func (p *person) size() int {
	return 1 + idLen + seal.KeyLen + 1 + len(p.name.text) + 1 + len(p.chains)*chainLen
}

func (p *person) append(b []byte) []byte {
	b = append(b, byte(p.name.kind))
	b = append(b, p.id[:]...)
	b = append(b, p.key[:]...)
	if p.name.kind != box {
		b = append(b, byte(len(p.name.text)))
		b = append(b, p.name.text...)
	}
	b = append(b, byte(len(p.chains)))
	for i := range p.chains {
		c := &p.chains[i]
		b = append(b, byte(c.class))
		b = binary.BigEndian.AppendUint32(b, uint32(c.day))
		b = append(b, c.link[:]...)
		b = append(b, c.rung[:]...)
	}
	return b
}

func (it *item) size() int { return 1 + idLen + seal.KeyLen + 1 + len(it.about)*idLen }

func (it *item) append(b []byte, id Item) []byte {
	b = append(b, byte(message))
	b = append(b, id[:]...)
	b = append(b, it.key[:]...)
	b = append(b, byte(len(it.about)))
	for _, s := range it.about {
		b = append(b, s[:]...)
	}
	return b
}

func appendGone(b []byte, id [idLen]byte) []byte { return append(append(b, byte(dropped)), id[:]...) }

const markLen = 1 + idLen + 8

func appendMark(b []byte, count uint64) []byte {
	b = append(append(b, byte(mark)), make([]byte, idLen)...)
	return binary.BigEndian.AppendUint64(b, count)
}

// appendState gives what makes the id what it is now in the book: the subject, the item,
// or that it is gone.
func (b *book) appendState(to []byte, id [idLen]byte) []byte {
	if p := b.people[Subject(id)]; p != nil {
		return p.append(to)
	}
	if it := b.items[Item(id)]; it != nil {
		return it.append(to, Item(id))
	}
	return appendGone(to, id)
}

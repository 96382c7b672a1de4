package formattest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// The file format of bbolt, version 2, in the byte order of amd64 and ARM.
//
//	page     id 8, flags 2, count 2, overflow 4; then elements; pages 0 and 1 are metas
//	meta     magic 4, version 4, page size 4, flags 4, root page 8, sequence 8,
//	         freelist page 8, high water 8, transaction 8, FNV-1a of the 56 before 8
//	branch   element: position 4 (from the element's own start), key size 4, page 8
//	leaf     element: flags 4 (1: a bucket), position 4, key size 4, value size 4
//	bucket   value: root page 8, sequence 8; root 0: a page follows, inline
const (
	boltMagic  = 0xED0CDAED
	pageHead   = 16
	flagBranch = 1
	flagLeaf   = 2
	flagMeta   = 4
	boltDepth  = 32
)

var errBolt = errors.New("not a page of bbolt")

// boltFile is the bytes of a file of bbolt.
type boltFile struct {
	b        []byte
	page     int
	tx       uint64
	root     uint64
	freelist uint64
}

// element is one key of a leaf page. At is where its value begins in the file.
type element struct {
	key, value []byte
	bucket     bool
	at         int
}

// bucket is a bucket of the newest transaction.
type bucket struct {
	sequence uint64
	rows     []element // in the order of the file, which is that of keys
}

// openBolt reads the metas and takes the newer whole one.
func openBolt(b []byte) (*boltFile, error) {
	f := &boltFile{b: b}
	// The second meta lies a page on; the page size is in the first, or is found by trying.
	for _, at := range []int{0, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16} {
		if len(b) < at+pageHead+64 {
			break
		}
		m := b[at+pageHead:]
		h := fnv.New64a()
		h.Write(m[:56])
		if binary.LittleEndian.Uint32(m) != boltMagic || binary.LittleEndian.Uint32(m[4:]) != 2 ||
			binary.LittleEndian.Uint64(m[56:]) != h.Sum64() {
			continue
		}
		size := int(binary.LittleEndian.Uint32(m[8:]))
		if at != 0 && at != size || size < 1024 || size > 1<<16 {
			continue
		}
		if tx := binary.LittleEndian.Uint64(m[48:]); f.page == 0 || tx > f.tx {
			f.page, f.tx = size, tx
			f.root, f.freelist = binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[32:])
		}
	}
	if f.page == 0 {
		return nil, fmt.Errorf("%w: no meta", errBolt)
	}
	return f, nil
}

// run gives the bytes of page id with its overflow, and where it begins.
func (f *boltFile) run(id uint64) ([]byte, int, error) {
	at := int(id) * f.page
	if id > uint64(len(f.b)/f.page) || at+f.page > len(f.b) {
		return nil, 0, fmt.Errorf("%w: page %d is not in the file", errBolt, id)
	}
	n := (int(binary.LittleEndian.Uint32(f.b[at+12:])) + 1) * f.page
	if n > len(f.b)-at {
		return nil, 0, fmt.Errorf("%w: page %d is longer than the file", errBolt, id)
	}
	return f.b[at : at+n], at, nil
}

// leaf parses a leaf page that begins at byte at of the file.
func leaf(p []byte, at int) ([]element, error) {
	if len(p) < pageHead || binary.LittleEndian.Uint16(p[8:]) != flagLeaf {
		return nil, fmt.Errorf("%w: no leaf", errBolt)
	}
	n := int(binary.LittleEndian.Uint16(p[10:]))
	if pageHead+16*n > len(p) {
		return nil, fmt.Errorf("%w: too many elements", errBolt)
	}
	l := make([]element, 0, n)
	for i := range n {
		h := pageHead + 16*i
		e := p[h:]
		pos, ks, vs := uint64(binary.LittleEndian.Uint32(e[4:])), uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
		k := uint64(h) + pos
		if pos < 16 || k+ks+vs > uint64(len(p)) {
			return nil, fmt.Errorf("%w: element out of the page", errBolt)
		}
		l = append(l, element{key: p[k : k+ks], value: p[k+ks : k+ks+vs], bucket: binary.LittleEndian.Uint32(e)&1 != 0, at: at + int(k+ks)})
	}
	return l, nil
}

// walk calls yield with every element below page id.
func (f *boltFile) walk(id uint64, depth int, yield func(element) error) error {
	p, at, err := f.run(id)
	if err != nil {
		return err
	}
	switch {
	case depth > boltDepth:
		return fmt.Errorf("%w: too deep", errBolt)
	case binary.LittleEndian.Uint64(p) != id:
		return fmt.Errorf("%w: page %d calls itself another", errBolt, id)
	case binary.LittleEndian.Uint16(p[8:]) == flagBranch:
		n := int(binary.LittleEndian.Uint16(p[10:]))
		if pageHead+16*n > len(p) {
			return fmt.Errorf("%w: too many elements", errBolt)
		}
		for i := range n {
			if err := f.walk(binary.LittleEndian.Uint64(p[pageHead+16*i+8:]), depth+1, yield); err != nil {
				return err
			}
		}
		return nil
	}
	l, err := leaf(p, at)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for _, e := range l {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

// buckets reads every bucket at the top. Sotto nests none.
func (f *boltFile) buckets() (map[string]*bucket, error) {
	all := map[string]*bucket{}
	err := f.walk(f.root, 0, func(e element) error {
		if !e.bucket || len(e.value) < 16 {
			return fmt.Errorf("%w: key at the top that is no bucket", errBolt)
		}
		b := &bucket{sequence: binary.LittleEndian.Uint64(e.value[8:])}
		all[string(e.key)] = b
		row := func(e element) error {
			if e.bucket {
				return fmt.Errorf("%w: bucket in a bucket", errBolt)
			}
			b.rows = append(b.rows, e)
			return nil
		}
		if root := binary.LittleEndian.Uint64(e.value); root != 0 {
			return f.walk(root, 0, row)
		}
		l, err := leaf(e.value[16:], e.at+16)
		for _, e := range l {
			if err := row(e); err != nil {
				return err
			}
		}
		return err
	})
	return all, err
}

// elements finds the elements of every page that parses as a leaf, whatever transaction
// it is of: those in use, the free ones, and inline ones in both. The second result
// counts the pages.
func (f *boltFile) elements() (l []element, pages int) {
	for at := 0; at+f.page <= len(f.b); at += f.page {
		n := (int(binary.LittleEndian.Uint32(f.b[at+12:])) + 1) * f.page
		got, err := leaf(f.b[at:min(at+max(n, f.page), len(f.b))], at)
		if err != nil {
			continue
		}
		pages++
		for _, e := range got {
			l = append(l, e)
			if e.bucket && len(e.value) > 16+pageHead {
				if in, err := leaf(e.value[16:], e.at+16); err == nil {
					l = append(l, in...)
				}
			}
		}
	}
	return l, pages
}

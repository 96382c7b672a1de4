package cuttest

import (
	"maps"
	"syscall"
)

// inode is a file or a folder.
type inode struct {
	label string // its newest name
	mode  uint32 // with the type, as in stat
	data  []byte // of a file, as it is read; zeros from its end on,
	size  int    // up to here

	// Of what was changed since the last sync: every content that a sector had, every size,
	// oldest first. lost are sectors that a failed sync forgot: they read as written, and
	// no later sync writes them.
	dirty, lost map[int][][]byte
	sizes       []int

	names, safe map[string]uint64 // of a folder: as it is read, and as it is on the medium
}

func newFolder(mode uint32) *inode {
	return &inode{mode: syscall.S_IFDIR | mode&0o777, names: map[string]uint64{}, safe: map[string]uint64{}}
}

// change runs f, which changes the bytes from … end, and keeps what the sectors held.
func (n *inode) change(from, end int, f func()) {
	if n.dirty == nil {
		n.dirty = map[int][][]byte{}
	}
	first, last := from/sectorLen, (end-1)/sectorLen
	for i := first; i <= last; i++ {
		if v := n.lost[i]; v != nil {
			n.dirty[i] = v
			delete(n.lost, i)
		} else if n.dirty[i] == nil {
			n.dirty[i] = [][]byte{n.sector(i)}
		}
	}
	f()
	for i := first; i <= last; i++ {
		n.dirty[i] = append(n.dirty[i], n.sector(i))
	}
}

// sector gives a copy of a sector, with zeros after the end of the file.
func (n *inode) sector(i int) []byte {
	b := make([]byte, sectorLen)
	if at := i * sectorLen; at < len(n.data) {
		copy(b, n.data[at:])
	}
	return b
}

func (n *inode) resize(size int) {
	if n.sizes == nil {
		n.sizes = []int{n.size}
	}
	if old := len(n.data); size < old {
		n.change(size, old, func() { n.data = n.data[:size] })
	}
	n.size = size
	n.sizes = append(n.sizes, size)
}

// extended gives data with zeros up to size, if it is shorter.
func extended(data []byte, size int) []byte {
	return append(data, make([]byte, max(size-len(data), 0))...)
}

// forget is a failed sync: nobody knows what it wrote, and the next one is well and does
// not write it either. The size stays as it was on the medium until it changes again.
func (n *inode) forget() {
	if n.lost == nil {
		n.lost = map[int][][]byte{}
	}
	maps.Copy(n.lost, n.dirty)
	n.dirty = nil
}

package cuttest

import (
	"math/rand/v2"
)

// Survivor gives a medium as it may be after a cut now: everything that was synced, and of
// the rest what rnd decides. It may be called again for another outcome of the same cut.
func (d *Disk) Survivor(rnd *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	folders := map[uint64]map[string]uint64{}
	for ino, n := range d.inodes {
		if n.safe != nil {
			folders[ino] = map[string]uint64{}
			for name, child := range n.safe {
				folders[ino][name] = child
			}
		}
	}
	// Of the changed names: none, a beginning as a journal leaves it, or any.
	how, some := rnd.IntN(4), rnd.IntN(len(d.changes)+1)
	for i, c := range d.changes {
		if how == 1 && i < some || how >= 2 && rnd.IntN(2) == 0 {
			c.apply(func(dir uint64) map[string]uint64 { return folders[dir] })
		}
	}
	s := NewDisk()
	s.next = d.next
	var keep func(ino uint64)
	keep = func(ino uint64) {
		n := d.inodes[ino]
		if names := folders[ino]; names != nil {
			f := newFolder(n.mode)
			s.inodes[ino] = f
			for name, child := range names {
				f.names[name], f.safe[name] = child, child
				keep(child)
				s.inodes[child].label = name
			}
			return
		}
		data, size := n.survivor(rnd)
		s.inodes[ino] = &inode{mode: n.mode, data: data, size: size}
	}
	keep(rootIno)
	return s
}

// survivor gives a file's bytes and size as they may be after a cut.
func (n *inode) survivor(rnd *rand.Rand) (data []byte, size int) {
	size = n.size
	if len(n.sizes) > 0 {
		size = n.sizes[rnd.IntN(len(n.sizes))]
	}
	data = append(data, n.data[:min(size, len(n.data))]...)
	how := rnd.IntN(4)
	for _, unsure := range []map[int][][]byte{n.dirty, n.lost} {
		for i, versions := range unsure {
			if at := i * sectorLen; at < size {
				data = extended(data, min(size, at+sectorLen))
				copy(data[at:], pick(rnd, how, versions))
			}
		}
	}
	return data, size
}

// pick gives the content of one sector: the oldest, the newest, any, or any one torn in
// the middle.
func pick(rnd *rand.Rand, how int, versions [][]byte) []byte {
	i := rnd.IntN(len(versions))
	switch how {
	case 0:
		i = 0
	case 1:
		i = len(versions) - 1
	case 2:
		if torn := rnd.IntN(sectorLen); i > 0 && rnd.IntN(4) == 0 {
			return append(append([]byte(nil), versions[i][:torn]...), versions[i-1][torn:]...)
		}
	}
	return versions[i]
}

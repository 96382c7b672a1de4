package cuttest

import (
	"slices"
	"sync"
	"syscall"
)

// sectorLen is what a medium writes whole, in bytes, unless the cut tears it.
const sectorLen = 512

// rootIno is the number of the top folder, as FUSE has it.
const rootIno = 1

// Kind is what an operation does.
type Kind uint8

// The operations. Read and OpenWrite change nothing and are not counted.
const (
	Read Kind = iota
	OpenWrite
	Write
	Resize
	Create
	Mkdir
	Rename
	Remove
	Sync
	SyncDir
)

func (k Kind) String() string {
	return [...]string{"read", "open", "write", "resize", "create", "mkdir", "rename", "remove", "sync", "sync folder"}[k]
}

// Op is one operation, as a fault sees it.
type Op struct {
	Kind  Kind
	Name  string // of the file or folder, without its path
	Grows bool   // needs room that the file did not have
}

// Disk is the medium: what a process sees of it, and what would outlive a cut. Its
// methods may be called by several goroutines.
type Disk struct {
	mu      sync.Mutex
	inodes  map[uint64]*inode
	next    uint64
	changes []change // names changed and not synced, oldest first

	ops      int // changes so far
	cutAfter int // cut when ops is this; below 0: never
	onCut    func()
	off      bool // was cut: nothing works any more

	fault   func(Op) syscall.Errno
	ignored func(Op) bool // syncs that do nothing
}

// change is one change of names: from goes away, to comes. It is atomic.
type change struct {
	fromDir, toDir uint64 // 0: none
	from, to       string
	ino            uint64
}

// NewDisk gives an empty medium.
func NewDisk() *Disk {
	d := &Disk{inodes: map[uint64]*inode{}, next: rootIno + 1, cutAfter: -1}
	d.inodes[rootIno] = newFolder(0o700)
	return d
}

// SetFault has f called before each operation. What it gives but 0 is the answer, and
// the operation is not done; while it blocks, so does the operation. nil heals.
func (d *Disk) SetFault(f func(Op) syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// IgnoreSyncs makes a medium that lies: each sync that which says is well and does nothing.
// A file is named as at its newest name, the top folder not at all.
func (d *Disk) IgnoreSyncs(which func(Op) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ignored = which
}

// CutAfter cuts the power after n more changes, with 0 at once. From then on every
// operation fails; f is called before the last one is answered.
func (d *Disk) CutAfter(n int, f func()) {
	d.mu.Lock()
	d.cutAfter, d.onCut = d.ops+n, f
	if n == 0 {
		d.off = true
	}
	d.mu.Unlock()
	if n == 0 {
		f()
	}
}

// PowerOn makes of a cut the end of the process alone: nothing is lost, and nothing that
// was not synced is.
func (d *Disk) PowerOn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.cutAfter = false, -1
}

// Off tells whether the power was cut.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// do runs one operation after the fault has had its say, under the lock, and counts it
// and cuts if it changes something. What is ended by an error changes nothing, but a
// failed sync makes the medium forget what it should have written, as Linux does.
func (d *Disk) do(op Op, ino uint64, f func(n *inode) syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.inodes[ino]
	if d.off || n == nil {
		return syscall.EIO
	}
	if op.Name == "" {
		op.Name = n.label
	}
	if fault := d.fault; fault != nil {
		d.mu.Unlock()
		errno := fault(op)
		d.mu.Lock()
		if d.off {
			return syscall.EIO
		}
		if errno != 0 {
			if op.Kind == Sync {
				n.forget()
			}
			return errno
		}
	}
	errno := f(n)
	if op.Kind < Write || errno != 0 {
		return errno
	}
	d.ops++
	if d.ops == d.cutAfter {
		d.off = true
		d.onCut()
		return syscall.EIO
	}
	return 0
}

// read copies from a file to dst and gives how many bytes.
func (d *Disk) read(ino uint64, off int64, dst []byte) (count int, errno syscall.Errno) {
	errno = d.do(Op{Kind: Read}, ino, func(n *inode) syscall.Errno {
		if off < int64(n.size) {
			count = min(len(dst), n.size-int(off))
			clear(dst[copy(dst[:count], n.data[min(int(off), len(n.data)):]):count])
		}
		return 0
	})
	return count, errno
}

func (d *Disk) write(ino uint64, off int64, b []byte) syscall.Errno {
	return d.do(Op{Kind: Write, Grows: off+int64(len(b)) > d.size(ino)}, ino, func(n *inode) syscall.Errno {
		end := int(off) + len(b)
		if end > n.size {
			n.resize(end)
		}
		n.data = extended(n.data, end)
		n.change(int(off), int(off)+len(b), func() { copy(n.data[off:], b) })
		return 0
	})
}

func (d *Disk) truncate(ino uint64, size int64) syscall.Errno {
	return d.do(Op{Kind: Resize, Grows: size > d.size(ino)}, ino, func(n *inode) syscall.Errno {
		n.resize(int(size))
		return 0
	})
}

func (d *Disk) size(ino uint64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.inodes[ino]; n != nil {
		return int64(n.size)
	}
	return 0
}

// sync makes a file's bytes and size durable.
func (d *Disk) sync(ino uint64) syscall.Errno {
	return d.do(Op{Kind: Sync}, ino, func(n *inode) syscall.Errno {
		if d.ignored == nil || !d.ignored(Op{Kind: Sync, Name: n.label}) {
			n.dirty, n.sizes = nil, nil
		}
		return 0
	})
}

// syncDir makes the names of a folder durable.
func (d *Disk) syncDir(ino uint64) syscall.Errno {
	return d.do(Op{Kind: SyncDir}, ino, func(n *inode) syscall.Errno {
		if d.ignored != nil && d.ignored(Op{Kind: SyncDir, Name: n.label}) {
			return 0
		}
		d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
			mine := c.fromDir == ino || c.toDir == ino
			if mine {
				c.apply(func(dir uint64) map[string]uint64 { return d.inodes[dir].safe })
			}
			return mine
		})
		return 0
	})
}

// make makes a file or folder in the folder dir, and gives its number.
func (d *Disk) make(dir uint64, name string, mode uint32) (ino uint64, errno syscall.Errno) {
	kind := Create
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		kind = Mkdir
	}
	errno = d.do(Op{kind, name, true}, dir, func(n *inode) syscall.Errno {
		if n.names[name] != 0 {
			return syscall.EEXIST
		}
		ino = d.next
		d.next++
		made := &inode{mode: syscall.S_IFREG | mode&0o777}
		if kind == Mkdir {
			made = newFolder(mode)
		}
		d.inodes[ino] = made
		d.changed(change{toDir: dir, to: name, ino: ino})
		return 0
	})
	return ino, errno
}

func (d *Disk) remove(dir uint64, name string) syscall.Errno {
	return d.do(Op{Kind: Remove, Name: name}, dir, func(n *inode) syscall.Errno {
		ino := n.names[name]
		if ino == 0 {
			return syscall.ENOENT
		}
		if len(d.inodes[ino].names) > 0 {
			return syscall.ENOTEMPTY
		}
		d.changed(change{fromDir: dir, from: name})
		return 0
	})
}

func (d *Disk) rename(fromDir uint64, from string, toDir uint64, to string) syscall.Errno {
	return d.do(Op{Kind: Rename, Name: to}, fromDir, func(n *inode) syscall.Errno {
		ino := n.names[from]
		if ino == 0 {
			return syscall.ENOENT
		}
		d.changed(change{fromDir, toDir, from, to, ino})
		return 0
	})
}

// changed applies a change of names to what is read, and notes it for the next sync.
func (d *Disk) changed(c change) {
	c.apply(func(dir uint64) map[string]uint64 { return d.inodes[dir].names })
	if c.toDir != 0 {
		d.inodes[c.ino].label = c.to
	}
	d.changes = append(d.changes, c)
}

func (c change) apply(folder func(uint64) map[string]uint64) {
	if c.fromDir != 0 {
		delete(folder(c.fromDir), c.from)
	}
	if c.toDir != 0 {
		folder(c.toDir)[c.to] = c.ino
	}
}

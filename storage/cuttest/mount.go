package cuttest

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount shows a [Disk] to other processes as a folder.
type Mount struct {
	fuse.RawFileSystem
	disk   *Disk
	server *fuse.Server
}

// NewMount mounts d on the folder dir, which must be there. It needs /dev/fuse, and to be
// root or to have fusermount3.
func NewMount(d *Disk, dir string) (*Mount, error) {
	m := &Mount{RawFileSystem: fuse.NewDefaultRawFileSystem(), disk: d}
	server, err := fuse.NewServer(m, dir, &fuse.MountOptions{
		FsName: "cuttest", Name: "cuttest", DirectMount: true, DisableXAttrs: true, DisableReadDirPlus: true, MaxWrite: 1 << 17,
	})
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	m.server = server
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		server.Unmount()
		return nil, fmt.Errorf("mount: %w", err)
	}
	return m, nil
}

// Close takes the mount away. No process may use it any more.
func (m *Mount) Close() error { return m.server.Unmount() }

// kept is how long the kernel keeps names and attributes: nobody else changes them.
const kept = time.Hour

func (m *Mount) attr(ino uint64, a *fuse.Attr) fuse.Status {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	n := m.disk.inodes[ino]
	if n == nil {
		return fuse.ENOENT
	}
	*a = fuse.Attr{Ino: ino, Mode: n.mode, Nlink: 1, Size: uint64(n.size), Blksize: 4096, Blocks: uint64(n.size+511) / 512}
	a.Uid, a.Gid = uint32(os.Geteuid()), uint32(os.Getegid())
	return fuse.OK
}

func (m *Mount) entry(ino uint64, out *fuse.EntryOut) fuse.Status {
	out.NodeId, out.Generation = ino, 1
	out.SetEntryTimeout(kept)
	out.SetAttrTimeout(kept)
	return m.attr(ino, &out.Attr)
}

// Lookup and the methods below implement [fuse.RawFileSystem].
func (m *Mount) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	m.disk.mu.Lock()
	n := m.disk.inodes[h.NodeId]
	var ino uint64
	if n != nil {
		ino = n.names[name]
	}
	m.disk.mu.Unlock()
	if ino == 0 {
		return fuse.ENOENT
	}
	return m.entry(ino, out)
}

func (m *Mount) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.SetTimeout(kept)
	return m.attr(in.NodeId, &out.Attr)
}

func (m *Mount) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if size, ok := in.GetSize(); ok {
		if errno := m.disk.truncate(in.NodeId, int64(size)); errno != 0 {
			return fuse.Status(errno)
		}
	}
	out.SetTimeout(kept)
	return m.attr(in.NodeId, &out.Attr)
}

func (m *Mount) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	ino, errno := m.disk.make(in.NodeId, name, syscall.S_IFDIR|in.Mode&0o777)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return m.entry(ino, out)
}

func (m *Mount) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	ino, errno := m.disk.make(in.NodeId, name, syscall.S_IFREG|in.Mode&0o777)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return m.entry(ino, &out.EntryOut)
}

func (m *Mount) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return fuse.Status(m.disk.remove(h.NodeId, name))
}

func (m *Mount) Rmdir(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return m.Unlink(c, h, name)
}

func (m *Mount) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if in.Flags != 0 {
		return fuse.EINVAL
	}
	return fuse.Status(m.disk.rename(in.NodeId, from, in.Newdir, to))
}

func (m *Mount) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	kind := Read
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		kind = OpenWrite
	}
	errno := m.disk.do(Op{Kind: kind}, in.NodeId, func(*inode) syscall.Errno { return 0 })
	if errno == 0 && in.Flags&syscall.O_TRUNC != 0 {
		errno = m.disk.truncate(in.NodeId, 0)
	}
	return fuse.Status(errno)
}

func (m *Mount) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, errno := m.disk.read(in.NodeId, int64(in.Offset), buf)
	if errno != 0 {
		return nil, fuse.Status(errno)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (m *Mount) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if errno := m.disk.write(in.NodeId, int64(in.Offset), data); errno != 0 {
		return 0, fuse.Status(errno)
	}
	return uint32(len(data)), fuse.OK
}

func (m *Mount) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fuse.Status(m.disk.sync(in.NodeId))
}

func (m *Mount) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fuse.Status(m.disk.syncDir(in.NodeId))
}

func (m *Mount) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return fuse.OK
}

func (m *Mount) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	n := m.disk.inodes[in.NodeId]
	if n == nil || n.names == nil {
		return fuse.ENOTDIR
	}
	var list []fuse.DirEntry
	for name, ino := range n.names {
		list = append(list, fuse.DirEntry{Name: name, Ino: ino, Mode: m.disk.inodes[ino].mode})
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return int(a.Ino) - int(b.Ino) })
	for i := int(in.Offset); i < len(list); i++ {
		list[i].Off = uint64(i + 1)
		if !out.AddDirEntry(list[i]) {
			break
		}
	}
	return fuse.OK
}

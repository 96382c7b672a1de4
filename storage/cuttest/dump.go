package cuttest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// Dump writes what a process would read to the folder dir of another file system.
func (d *Disk) Dump(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dump(rootIno, dir)
}

func (d *Disk) dump(ino uint64, path string) error {
	n := d.inodes[ino]
	if n.names == nil {
		return dumpFile(path, n.data, n.size, used(n.data))
	}
	if err := os.MkdirAll(path, os.FileMode(n.mode&0o777)); err != nil {
		return err
	}
	for name, child := range n.names {
		if err := d.dump(child, filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// blockLen is the length of the parts that dumpFile leaves out.
const blockLen = 4096

// used gives where the blocks begin that hold something: bbolt makes its file much larger
// than what it holds.
func used(data []byte) (list []int) {
	zeros := make([]byte, blockLen)
	for at := 0; at < len(data); at += blockLen {
		if b := data[at:min(at+blockLen, len(data))]; !bytes.Equal(b, zeros[:len(b)]) {
			list = append(list, at)
		}
	}
	return list
}

// dumpFile writes a file of some size of which only the blocks of data at used are not zeros.
func dumpFile(path string, data []byte, size int, used []int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(size))
	for _, at := range used {
		if err == nil {
			_, err = f.WriteAt(data[at:min(at+blockLen, len(data))], int64(at))
		}
	}
	return errors.Join(err, f.Close())
}

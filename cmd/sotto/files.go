package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Files of a sub-command are opened by the process that was started with their names, also
// when a running box does the work. Their names stay out of errors: they may be a person's.

// makeFile makes a file for a result, which only its owner can read. One that is there stays.
func makeFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return f, withoutPath(err)
}

// openInput opens a file that is to be read: no folder, which reads as nothing.
func openInput(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if st, err := f.Stat(); err != nil || st.IsDir() {
		f.Close()
		return nil, errors.New("this is a folder, not a file")
	}
	return f, nil
}

// finishFile makes what was written last, or takes it away if it is not whole. What says
// that there is nothing is whole.
func finishFile(f *os.File, err error) error {
	end, serr := f.Seek(0, io.SeekEnd)
	whole := err == nil || exitCode(err) == exitUnknown && serr == nil && end > 0
	if whole {
		serr = f.Sync()
	}
	if cerr := f.Close(); serr == nil {
		serr = cerr
	}
	if whole && serr != nil {
		whole, err = false, fmt.Errorf("-o: %w", withoutPath(serr))
	}
	if !whole {
		os.Remove(f.Name())
	}
	return err
}

// withoutPath gives an error of a file without its name, which may be a person's.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

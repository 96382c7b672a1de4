package root

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNobody says that nothing was typed in time, or that the input ended before a line.
var ErrNobody = errors.New("nobody gave the passphrase: start Sotto again to type it")

// maxLine bounds what is read of a line in bytes: the longest passphrase has 256 characters
// of up to four bytes. Of a longer one maxRest bytes are passed over, which is more than a
// terminal gives.
const (
	maxLine = 4 * MaxLen
	maxRest = 8192
)

// waitSlice is how often reading looks whether it is to end.
const waitSlice = 100 * time.Millisecond

// Terminal tells whether f is a terminal, at which somebody may sit.
func Terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// ReadTyped writes prompt to out and reads one line from a terminal; from before the prompt
// on, what is typed does not show. It gives the
// bytes without the end of the line. Of what follows the line it takes nothing. After wait
// without a line, or at the end of the input, the error is [ErrNobody]; when ctx ends, that
// of ctx. A line that is too long is [ErrLength]. The caller wipes the bytes.
func ReadTyped(ctx context.Context, f *os.File, out io.Writer, prompt string, wait time.Duration) ([]byte, error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG | unix.ECHONL // only the end of the line shows
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, before)
	if _, err := io.WriteString(out, prompt); err != nil {
		return nil, fmt.Errorf("ask for passphrase: %w", err)
	}
	return readLine(ctx, fd, wait)
}

// ReadFile reads the passphrase that a file holds: its first line, or all of it. The file
// may be a pipe, such as /dev/fd/3. Errors are those of [ReadTyped] and of the file system.
func ReadFile(ctx context.Context, path string, wait time.Duration) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	line, err := readLine(ctx, fd, wait)
	if err != nil {
		return nil, fmt.Errorf("passphrase file %s: %w", path, err)
	}
	return line, nil
}

// readLine reads byte by byte, because what follows the line is somebody else's.
func readLine(ctx context.Context, fd int, wait time.Duration) (line []byte, err error) {
	line = make([]byte, 0, maxLine+1) // never moved, so that one clear wipes it
	defer func() {
		if err != nil {
			clear(line)
			line = nil
		}
	}()
	rest, tooLong := 0, false
	for {
		if err := ready(ctx, fd, &wait); err != nil {
			return line, err
		}
		n, err := unix.Read(fd, line[len(line):len(line)+1])
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err == nil && n == 0 || err == unix.EIO: // the end; EIO: the terminal went away
			if len(line) == 0 {
				return line, ErrNobody
			}
			return done(line, tooLong)
		case err != nil:
			return line, err
		}
		if line = line[:len(line)+1]; line[len(line)-1] == '\n' {
			return done(line, tooLong)
		}
		if len(line) > maxLine { // the rest of the line is no word for anybody, either
			if rest++; rest > maxRest {
				return line, ErrLength
			}
			line, tooLong = line[:maxLine], true
		}
	}
}

// ready waits until fd can be read, and takes what it waited off left.
func ready(ctx context.Context, fd int, left *time.Duration) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(waitSlice.Milliseconds()))
		switch {
		case err != nil && err != unix.EINTR:
			return err
		case err == nil && n > 0:
			return nil
		}
		if *left -= waitSlice; *left <= 0 {
			return ErrNobody
		}
	}
}

// done gives the line without its end, or ErrLength.
func done(line []byte, tooLong bool) ([]byte, error) {
	if tooLong {
		return line, ErrLength
	}
	return trim(line), nil
}

// trim takes off the end of the line, as Unix and as Windows write it.
func trim(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
	}
	return line
}

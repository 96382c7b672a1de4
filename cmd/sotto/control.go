package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sotto/storage"
)

// controlName is the socket in the data folder, while the box runs. The folder is its
// user's alone, and so is the socket; who connects is asked for by the kernel besides.
const controlName = "control"

const (
	controlVersion = 1
	controlAtOnce  = 4                // sub-commands
	requestLimit   = 5 * time.Second  // for the first frame
	askLimit       = 10 * time.Minute // for an answer, and for output to be taken
	endLimit       = time.Second      // for last words when the box stops
)

var (
	errControlBusy  = fmt.Errorf("%d sub-commands run already: try again when one has ended", controlAtOnce)
	errControlShut  = errors.New("the data of the box is not open yet: give the passphrase or whatever opens it first")
	errControlOther = errors.New("the box that runs is another version: use the sotto that it was started from")
	errControlBroke = errors.New("this broke: the log of the box says where")
	errProtocol     = errors.New("this was not said by a sub-command of this version")
)

// control runs sub-commands for who calls it over the socket. What they do is theirs alone:
// a call hears nothing of it.
type control struct {
	store atomic.Pointer[storage.Store] // nil: the data is not open yet
	find  func(word string) *command
	log   *slog.Logger

	dir     string
	root    string // what opens the data
	l       *net.UnixListener
	stop    context.CancelFunc
	running sync.WaitGroup
	refused atomic.Uint64 // connections that came to nothing
}

// openControl listens in the data folder, on which this process has the lock: a socket that
// is there is left over. Calls do not depend on it: what is wrong is told in the log.
func openControl(dir, root string, store *storage.Store, log *slog.Logger) *control {
	l, err := listenControl(dir)
	if err != nil {
		log.Error("sub-commands cannot reach this box while it runs", "why", err)
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &control{find: findCommand, log: log, dir: dir, root: root, l: l, stop: stop}
	c.store.Store(store)
	c.running.Go(func() { c.accept(ctx) })
	return c
}

// setStore tells that the data is open now.
func (c *control) setStore(s *storage.Store) {
	if c != nil {
		c.store.Store(s)
	}
}

// close ends it, and waits for what runs: the store may be closed after that.
func (c *control) close() {
	if c == nil {
		return
	}
	c.stop()
	c.l.Close()
	c.running.Wait()
	os.Remove(filepath.Join(c.dir, controlName))
}

func listenControl(dir string) (*net.UnixListener, error) {
	if err := os.Remove(filepath.Join(dir, controlName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	addr, done, err := controlAddr(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, withoutAddr(err)
	}
	l.SetUnlinkOnClose(false) // the name it was made by is gone then
	if err := os.Chmod(filepath.Join(dir, controlName), 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// controlAddr names the socket in a folder however long the folder's path is: unix(7) has
// 108 bytes for an address. It is good until done is called.
func controlAddr(dir string) (addr *net.UnixAddr, done func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	return &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), controlName)}, func() { d.Close() }, nil
}

// withoutAddr gives an error without that name, which tells nobody anything.
func withoutAddr(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err
	}
	return err
}

// accept takes connections until ctx ends.
func (c *control) accept(ctx context.Context) {
	slots := make(chan struct{}, controlAtOnce)
	for {
		conn, err := c.l.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil { // too many files are open, say
			c.refuse(err)
			select {
			case <-ctx.Done():
			case <-time.After(endLimit):
			}
			continue
		}
		select {
		case slots <- struct{}{}:
			c.running.Go(func() {
				defer func() { <-slots }()
				c.serve(ctx, conn)
			})
		default:
			c.refuse(errControlBusy)
			conn.SetDeadline(time.Now().Add(endLimit / 10))
			writeEnd(conn, errControlBusy)
			conn.Close()
		}
	}
}

// refuse counts a connection that comes to nothing. The log is told each time that they are
// twice as many.
func (c *control) refuse(why error) {
	if n := c.refused.Add(1); n&(n-1) == 0 {
		c.log.Warn("sub-commands were refused", "count", n, "why", why)
	}
}

// serve runs one sub-command.
func (c *control) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now().Add(endLimit)) })()
	if err := checkPeer(conn); err != nil {
		c.refuse(err)
		return
	}
	q, err := readRequest(conn)
	if err != nil {
		c.refuse(err)
		writeEnd(conn, err)
		return
	}
	store, cmd := c.store.Load(), c.find(q.Args[0])
	switch {
	case store == nil:
		err = errControlShut
	case cmd == nil:
		err = errControlOther
	default:
		err = c.run(ctx, cmd, q, store, conn)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("the box stops: this was not done, or not to the end")
	}
	writeEnd(conn, err)
}

// run does what was asked for. A sub-command that panics ends alone.
func (c *control) run(ctx context.Context, cmd *command, q *request, store *storage.Store, conn *net.UnixConn) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("a sub-command broke", "name", cmd.name, "why", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			err = errControlBroke
		}
	}()
	_, t, err := cmd.read(q.Args, io.Discard)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &far{conn: conn, ctx: ctx, answers: make(chan answer, 1), cancel: cancel}
	var listening sync.WaitGroup
	listening.Go(f.listen)
	defer listening.Wait()
	defer conn.SetReadDeadline(time.Unix(1, 0)) // ends listening
	c.log.Info("a sub-command runs", "name", cmd.name)
	d := f.desk(ctx, q)
	d.root = c.root
	return t.run(ctx, store, d)
}

// findCommand gives a sub-command by its word, or nil.
func findCommand(word string) *command {
	for _, c := range commands() {
		if c.name == word {
			return &c
		}
	}
	return nil
}

// checkPeer makes sure that whoever connected runs as the user of the box, or as root.
// See SO_PEERCRED in unix(7).
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	return mayControl(cred.Uid, uint32(os.Geteuid()))
}

func mayControl(peer, ours uint32) error {
	if peer != ours && peer != 0 {
		return errors.New("another user of this machine connected")
	}
	return nil
}

// readRequest takes the first frame.
func readRequest(conn *net.UnixConn) (*request, error) {
	conn.SetReadDeadline(time.Now().Add(requestLimit))
	kind, data, err := readFrame(conn)
	if err != nil || kind != frameCommand {
		return nil, errProtocol
	}
	conn.SetReadDeadline(time.Time{})
	var q request
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, errProtocol
	}
	switch {
	case q.Version != controlVersion:
		return nil, errControlOther
	case len(q.Args) == 0, len(q.Args) > maxArgs:
		return nil, errProtocol
	}
	return &q, nil
}

// writeEnd says how it ended.
func writeEnd(conn *net.UnixConn, err error) {
	end := []byte{0}
	if err != nil {
		text := err.Error()
		end = append([]byte{byte(exitCode(err))}, text[:min(len(text), maxFrame-1)]...)
	}
	conn.SetWriteDeadline(time.Now().Add(endLimit))
	writeFrame(conn, frameEnd, end)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

var errNoControl = errors.New("another Sotto uses this data folder and takes no sub-commands: wait until it has ended or is up, or stop it")

// attach has the box that runs do a sub-command, and lends it the desk: files and terminal
// stay here.
func attach(ctx context.Context, o *common, args []string, d *desk) error {
	addr, done, err := controlAddr(o.data)
	if err != nil {
		return withoutPath(err)
	}
	conn, err := net.DialUnix("unix", nil, addr)
	done()
	if err != nil {
		return errNoControl
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	err = lend(ctx, conn, o, args, d)
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("%w: what the box has begun it may have finished", ctx.Err())
	}
	return err
}

// lend serves the box until it says that the sub-command has ended.
func lend(ctx context.Context, conn net.Conn, o *common, args []string, d *desk) error {
	q, err := json.Marshal(request{Version: controlVersion, Args: args, File: d.in != nil, Watched: d.err != io.Discard})
	if err != nil {
		return err
	}
	if len(args) > maxArgs || len(q) > maxFrame {
		return errors.New("this is too long")
	}
	// What comes back tells more than an error of sending, as that the box is busy.
	writeFrame(conn, frameCommand, q)
	for {
		kind, data, err := readFrame(conn)
		if err != nil {
			return errors.New("the box ended before this was done, or not to the end: look whether it runs, and do it again")
		}
		switch kind {
		case frameResult:
			_, err = d.out.Write(data)
		case frameWords:
			d.words.Write(data)
		case frameSum:
			_, err = d.sum.Write(data)
		case frameProgress:
			d.err.Write(data)
		case frameLine, frameHidden, frameRead:
			err = reply(ctx, conn, kind, string(data), d)
		case frameEnd:
			return ended(data)
		default:
			err = errControlOther
		}
		if err != nil {
			return err
		}
	}
}

// reply answers one question of the box.
func reply(ctx context.Context, conn net.Conn, kind byte, prompt string, d *desk) error {
	var data []byte
	var err error
	switch {
	case kind != frameRead:
		var line string
		line, err = d.ask(ctx, prompt, kind == frameHidden)
		data = []byte(line)
	case d.in == nil:
		return errControlOther
	default:
		data = make([]byte, readSize)
		var n int
		if n, err = io.ReadFull(d.in, data); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		data = data[:n]
		err = withoutPath(err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return writeFrame(conn, frameNoAnswer, []byte(err.Error()))
	}
	return writeFrame(conn, frameAnswer, data)
}

// ended gives what the box said at the end.
func ended(data []byte) error {
	if len(data) == 0 {
		return errControlOther
	}
	if len(data) == 1 && data[0] == 0 {
		return nil
	}
	return exitError{errors.New(string(data[1:])), max(1, int(data[0]))}
}

package main

import (
	"encoding/binary"
	"errors"
	"io"
)

// What goes over the control socket, in both directions, are frames: a kind (1 byte), a
// length (2 bytes, big-endian) and so many bytes.
//
//	sub-command                          box
//	  command ──────────────────────────►       once, within askLimit
//	          ◄── result, words, sum, progress  as often as there is something
//	          ◄──────── line, hidden, read      a question, and then one
//	  answer, noAnswer ─────────────────►
//	          ◄─────────────────────── end      once
//
// The box never gets hold of a file or a terminal of the other side, so none of them can
// block it: a read or a write that hangs is ended with the connection.
const (
	frameCommand  = 'c' // JSON, see request
	frameAnswer   = 'a' // the line without its end; or up to readSize bytes of the file, none at its end
	frameNoAnswer = 'n' // why not

	frameResult   = 'o'
	frameWords    = 'w'
	frameSum      = 's'
	frameProgress = 'p'
	frameLine     = 'l' // the prompt
	frameHidden   = 'h' // the prompt
	frameRead     = 'r' // nothing: more of the file is wanted
	frameEnd      = 'x' // exit code (1), what is wrong
)

const (
	maxFrame = 1<<16 - 1
	readSize = 32 << 10 // of the file at a time
)

// request is a command frame. One of another version is refused.
type request struct {
	Version int      `json:"version"`
	Args    []string `json:"args"`     // the first names the sub-command
	File    bool     `json:"file"`     // there is a file to read
	Watched bool     `json:"progress"` // somebody wants to know how far it is
}

// maxArgs bounds the words of a request.
const maxArgs = 64

// writeFrame sends one frame with one Write.
func writeFrame(w io.Writer, kind byte, data []byte) error {
	if len(data) > maxFrame {
		return errors.New("a frame is too long")
	}
	b := make([]byte, 0, 3+len(data))
	b = append(b, kind, byte(len(data)>>8), byte(len(data)))
	_, err := w.Write(append(b, data...))
	return err
}

// readFrame takes one frame. At the end of what is sent the error is [io.EOF].
func readFrame(r io.Reader) (kind byte, data []byte, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	data = make([]byte, binary.BigEndian.Uint16(head[1:]))
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return head[0], data, nil
}

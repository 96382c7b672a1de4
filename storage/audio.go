package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"sotto/pbx"
	"sotto/storage/durable"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

const (
	audioFolder = "messages"
	audioHead   = 18 // bytes before the first chunk

	// audioSecond is how many bytes of G.711 are a second (RFC 3551 section 4.5.14).
	audioSecond = 8000
)

// ErrNoAudio says that a message or recording is not there: it was deleted, a person whom
// it is about was erased, or it never was.
var ErrNoAudio = errors.New("there is no such message or recording")

// AudioWriter takes the audio of one message or recording into its sealed file. It is for
// one goroutine, which may block on the medium: never that of the media tick.
type AudioWriter struct {
	s    *Store
	item keyring.Item

	mu     sync.Mutex
	file   *os.File
	sealed *seal.AudioWriter
	since  int   // bytes since the last sync
	err    error // why no more is taken
}

// NewAudio begins a message or recording about these parties, the owner among them: it goes
// with the first of them that is erased. Parties of whom nothing is known are left out. Its
// key and its empty file are durable when this returns. It does not need Run. It is for
// what records, as [Store.OpenAudio] is for what plays; neither is for a page.
func (s *Store) NewAudio(about ...pbx.Party) (*AudioWriter, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed || s.broken {
		return nil, fmt.Errorf("begin audio: %w", ErrDown)
	}
	var subjects []keyring.Subject
	for i := range about {
		subject, known, err := s.subjectOf(&about[i])
		if err != nil {
			return nil, fmt.Errorf("begin audio: %w", err)
		}
		if known {
			subjects = append(subjects, subject)
		}
	}
	item, key, err := s.ring.NewItem(subjects...)
	if err != nil {
		return nil, fmt.Errorf("begin audio: %w", err)
	}
	w := &AudioWriter{s: s, item: item}
	if err = s.ring.Commit(); err == nil {
		err = w.create(&key)
	}
	clear(key[:])
	if err != nil {
		s.ring.DropItem(item) // durable with the next commit, whoever makes it
		return nil, fmt.Errorf("begin audio: %w", err)
	}
	s.keeper.audio.add(item, w)
	return w, nil
}

func (w *AudioWriter) create(key *seal.Key) (err error) {
	path := w.s.audioPath(w.item)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
		if err := durable.SyncDir(w.s.dir); err != nil { // each time: the first may have come to nothing
			return err
		}
	} else {
		return err
	}
	if w.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if w.sealed, err = seal.NewAudio(w.file, key, w.item); err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		w.file.Close()
		os.Remove(path)
	}
	return err
}

// Item names the message or recording.
func (w *AudioWriter) Item() keyring.Item { return w.item }

// Write takes audio, 8,000 bytes a second. Each second of it is synced when it is whole, so
// that a power cut costs about one and a half at most. [ErrNoAudio] if it was deleted or a person
// erased in the meantime. After an error nothing more is taken, and what was synced stays.
func (w *AudioWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.sealed.Write(p)
	if w.since += n; err == nil && w.since >= audioSecond {
		err, w.since = w.file.Sync(), 0
	}
	if err != nil {
		w.err = fmt.Errorf("write audio %v: %w", w.item, err)
	}
	return n, w.err
}

// Close writes what is left, and marks the end. Without it the audio counts as cut off. A
// second Close gives what the first gave.
func (w *AudioWriter) Close() error {
	w.s.keeper.audio.remove(w.item, w)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		if w.err == fs.ErrClosed {
			return nil
		}
		return w.err
	}
	err := w.err
	if err == nil {
		if err = w.sealed.Close(); err == nil {
			err = w.file.Sync()
		}
		if err != nil {
			err = fmt.Errorf("close audio %v: %w", w.item, err)
		}
	}
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	if w.file, w.err = nil, err; err == nil {
		w.err = fs.ErrClosed
	}
	return err
}

// end makes all that comes later an error.
func (w *AudioWriter) end(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.sealed, w.err = nil, nil, why
}

// AudioReader gives the audio of one message or recording, at any place of it. Its methods
// may be called by several goroutines.
type AudioReader struct {
	s    *Store
	item keyring.Item

	mu    sync.RWMutex
	file  *os.File
	plain *seal.AudioReader
	err   error
}

// OpenAudio opens a message or recording. The error wraps [ErrNoAudio] if there is none,
// [seal.ErrFormat] or [seal.ErrSealed] if its file is damaged.
func (s *Store) OpenAudio(item keyring.Item) (*AudioReader, error) {
	r := &AudioReader{s: s, item: item}
	s.keeper.audio.add(item, r) // before the key is asked for: see [openAudio.end]
	if err := r.open(); err != nil {
		s.keeper.audio.remove(item, r)
		return nil, fmt.Errorf("open audio %v: %w", item, err)
	}
	return r, nil
}

func (r *AudioReader) open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, ok := r.s.ring.ItemKey(r.item)
	if !ok || r.err != nil {
		return ErrNoAudio
	}
	defer clear(key[:])
	f, err := os.Open(r.s.audioPath(r.item))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoAudio
		}
		return err
	}
	fi, err := f.Stat()
	if err == nil {
		r.plain, err = seal.OpenAudio(f, fi.Size(), &key, r.item)
	}
	if err != nil {
		f.Close()
		return err
	}
	r.file = f
	return nil
}

// Size gives how many bytes of audio there are.
func (r *AudioReader) Size() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.plain == nil {
		return 0
	}
	return r.plain.Size()
}

// Cut tells whether the end is missing, as after a power cut.
func (r *AudioReader) Cut() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.plain != nil && r.plain.Cut()
}

// ReadAt implements [io.ReaderAt]. [ErrNoAudio] once it was deleted or a person erased.
func (r *AudioReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.plain == nil {
		return 0, r.err
	}
	n, err := r.plain.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read audio %v: %w", r.item, err)
	}
	return n, err
}

// Close lets go of the file.
func (r *AudioReader) Close() error {
	r.s.keeper.audio.remove(r.item, r)
	r.end(fs.ErrClosed)
	return nil
}

func (r *AudioReader) end(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.plain, r.err = nil, nil, why
}

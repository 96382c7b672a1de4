package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/root"
)

const (
	rootUsage = "what opens the data, `kind`:path: file:PATH or just PATH, a key file; passphrase:PATH, a file that a passphrase opens; " +
		"tpm or tpm:DEVICE, a TPM 2.0; default: the key file with the data folder's name and .key behind it"
	passphraseFileUsage = "`file` or pipe that holds the passphrase in its first line, in place of typing it at the terminal"

	tries    = 3               // of a passphrase
	typeWait = 2 * time.Minute // for it, where nothing else goes on
	fileWait = 10 * time.Second
)

// rootFlag is what -root and -passphrase-file say.
type rootFlag struct {
	kind string // file, passphrase or tpm
	path string // of the file or the device; empty: the first TPM
	file string // that holds the passphrase; empty: the terminal
}

// parseRoot reads the two flags.
func parseRoot(spec, passphraseFile string) (rootFlag, error) {
	kind, path, colon := strings.Cut(spec, ":")
	r := rootFlag{kind, path, passphraseFile}
	switch {
	case spec == "tpm":
	case !colon || strings.Contains(kind, "/"):
		r.kind, r.path = "file", spec
	case kind != "file" && kind != "passphrase" && kind != "tpm" || path == "":
		return r, errors.New("-root: say file:PATH, passphrase:PATH, tpm or tpm:DEVICE")
	}
	if r.file != "" && r.kind != "passphrase" {
		return r, errors.New("-passphrase-file is for -root passphrase:PATH only")
	}
	return r, nil
}

// rootKind gives file, passphrase or tpm of a -root that was parsed before.
func rootKind(spec string) string {
	r, _ := parseRoot(spec, "")
	return r.kind
}

// person is who may sit at the terminal.
type person struct {
	in  io.Reader
	out io.Writer
}

// openRoot gives the root that the flags name. A passphrase is asked for, and chosen if
// this is the first start. In place of a file that is missing nothing is made if there is
// data: the error says what to do.
func openRoot(ctx context.Context, o options, who person) (keyring.Root, error) {
	r, err := parseRoot(o.root, o.passphraseFile)
	if err != nil {
		return nil, err
	}
	switch r.kind {
	case "tpm":
		return root.NewTPM(r.path), nil
	case "file":
		return keyring.NewFileRoot(r.path), nil
	}
	p := root.NewPassphrase(r.path)
	switch err := p.Check(); {
	case err == nil:
		return p, r.unlock(ctx, p, who)
	case !errors.Is(err, keyring.ErrNoKey):
		return nil, err
	case hasData(o.data):
		return nil, fmt.Errorf("the passphrase file is missing: put back a copy of it, or wipe the box to begin anew: %w", err)
	}
	return p, r.choose(ctx, p, who)
}

// hasData tells whether the folder holds something that only its root opens.
func hasData(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, "keyring"))
	return storage.Made(dir) || !errors.Is(err, fs.ErrNotExist)
}

// unlock opens p with the passphrase from the file or the terminal.
func (r rootFlag) unlock(ctx context.Context, p *root.Passphrase, who person) error {
	if r.file != "" {
		word, err := root.ReadFile(ctx, r.file, fileWait)
		if err == nil {
			err = p.Unlock(word)
		}
		if errors.Is(err, root.ErrPassphrase) {
			return errWrongFile
		}
		return err
	}
	if !who.there() {
		return fmt.Errorf("%w: start Sotto at a terminal and type it, or name a file that holds it with -passphrase-file", root.ErrLocked)
	}
	fmt.Fprintln(who.out, "The passphrase opens the data.")
	return who.unlock(ctx, typeWait, p.Unlock)
}

var errWrongFile = errors.New("the passphrase in the file that -passphrase-file names is wrong: put the right one in")

// choose makes p with a passphrase from the file or, typed twice, from the terminal.
func (r rootFlag) choose(ctx context.Context, p *root.Passphrase, who person) error {
	if r.file != "" {
		word, err := root.ReadFile(ctx, r.file, fileWait)
		if err != nil {
			return err
		}
		return p.Make(word)
	}
	if !who.there() {
		return fmt.Errorf("%w, and this is the first start: start Sotto at a terminal and choose one, or name a file that holds it with -passphrase-file", root.ErrLocked)
	}
	fmt.Fprintln(who.out, "Choose the passphrase that is to open the data at each start. Nobody can tell it to you if you forget it.")
	return who.choose(ctx, p.Make)
}

// there tells whether somebody can type.
func (w person) there() bool {
	f, ok := w.in.(*os.File)
	return ok && root.Terminal(f)
}

// ask gives what is typed, without showing it.
func (w person) ask(ctx context.Context, prompt string) ([]byte, error) {
	return w.askFor(ctx, prompt, typeWait)
}

// askFor waits for so long. A line that is too long for a passphrase is an empty one.
func (w person) askFor(ctx context.Context, prompt string, wait time.Duration) ([]byte, error) {
	word, err := root.ReadTyped(ctx, w.in.(*os.File), w.out, prompt+": ", wait)
	if errors.Is(err, root.ErrLength) {
		return nil, nil
	}
	return word, err
}

// unlock asks for the passphrase until open takes it, three times at most.
func (w person) unlock(ctx context.Context, wait time.Duration, open func([]byte) error) error {
	for range tries {
		word, err := w.askFor(ctx, "Passphrase", wait)
		if err != nil {
			return err
		}
		if err = open(word); !errors.Is(err, root.ErrPassphrase) {
			return err
		}
		fmt.Fprintln(w.out, err)
	}
	return errThrice
}

var errThrice = errors.New("the passphrase was wrong three times: start Sotto again to type it")

// choose asks for a new passphrase, twice, and gives it to take.
func (w person) choose(ctx context.Context, take func([]byte) error) error {
	for range tries {
		word, err := w.ask(ctx, "New passphrase")
		if err != nil {
			return err
		}
		if err := root.CheckLength(word); err != nil {
			fmt.Fprintln(w.out, err)
			continue
		}
		again, err := w.ask(ctx, "The same again")
		same := bytes.Equal(word, again)
		clear(again)
		if err == nil && same {
			return take(word)
		}
		clear(word)
		if err != nil {
			return err
		}
		fmt.Fprintln(w.out, "the two are not the same")
	}
	return errors.New("no passphrase was chosen")
}

const passphraseUsage = `Usage: sotto passphrase -root passphrase:PATH [-data folder]

Puts another passphrase in the place of the one that opens the data. It asks at the
terminal, for the old one and twice for the new one. The box must not be running.

`

// changePassphrase is the sub-command.
func changePassphrase(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("sotto passphrase", flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	data := f.String("data", "sotto-data", "`folder` that everything is kept in")
	spec := f.String("root", "", "passphrase:`PATH`, as the box is started with")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		fmt.Fprint(stdout, passphraseUsage)
		f.PrintDefaults()
		return nil
	} else if err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	r, err := parseRoot(*spec, "")
	if err != nil || r.kind != "passphrase" || f.NArg() > 0 {
		return errors.New("passphrase: say -root passphrase:PATH, as the box is started with; -h tells more")
	}
	unlock, err := lockFolder(*data)
	if err != nil {
		return err
	}
	defer unlock()
	p, who := root.NewPassphrase(r.path), person{stdin, stdout}
	if err := p.Check(); err != nil {
		return err
	}
	if !who.there() {
		return errors.New("passphrase: this is for a person at a terminal")
	}
	fmt.Fprintln(stdout, "First the passphrase as it is now.")
	if err := who.unlock(ctx, typeWait, p.Unlock); err != nil {
		return err
	}
	if err := who.choose(ctx, p.Change); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "The passphrase is changed. The old one still opens old copies of its file: destroy them.")
	return err
}

// lockFolder keeps the box from starting on a data folder, and fails if it runs.
func lockFolder(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, storage.ErrLocked
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return func() { d.Close() }, nil
}

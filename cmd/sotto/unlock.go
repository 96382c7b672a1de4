package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/root"
)

// A box whose data does not open yet makes calls all the same, from the lifeline. What
// opens it may come at any time: a passphrase, typed at the terminal or on the page; a
// medium or a chip that was not there yet. Nothing is started again then, and no call is
// ended: the store joins the switch that runs. See join.go.
//
//	terminal ──passphrase─┐
//	page ─────passphrase──┼─► open ─► store ─► join ─► plan, records, SIP, page
//	every 10 s ───────────┘

// againEvery is how often what was missing is looked for.
const againEvery = 10 * time.Second

// forEver is how long the terminal waits for somebody while telephones work.
const forEver = math.MaxInt64

// locked is data that does not open yet.
type locked struct {
	o      options
	root   rootFlag
	log    *slog.Logger
	opened chan struct{} // closed once there is an office

	mu     sync.Mutex // one at a time opens
	folder func()     // lets go of the lock on the folder
	office *office    // once opened
	why    error      // it did not open the last time
}

// newLocked keeps other runs off the data folder until it is opened, if it can. why is an
// error of opening it. The error is [storage.ErrLocked] if another run has it.
func newLocked(o options, why error, log *slog.Logger) (*locked, error) {
	r, err := parseRoot(o.root, o.passphraseFile)
	if err != nil {
		return nil, err
	}
	folder, err := lockFolder(o.data)
	if errors.Is(err, storage.ErrLocked) {
		return nil, err
	}
	if err != nil {
		folder = func() {}
	}
	return &locked{o: o, root: r, log: log, opened: make(chan struct{}), folder: folder, why: why}, nil
}

// mayOpenLater tells whether what opens the data may yet be there, or be given.
func mayOpenLater(err error) bool { return passes(err) || errors.Is(err, errWrongFile) }

// passes tells whether an error of opening the data may pass by itself: something is
// missing or not given. What is damaged stays so.
func passes(err error) bool {
	return slices.ContainsFunc([]error{keyring.ErrNoKey, root.ErrLocked, root.ErrNobody, root.ErrNoTPM, root.ErrTPMBusy, root.ErrTPMLockout, storage.ErrLocked, fs.ErrNotExist},
		func(e error) bool { return errors.Is(err, e) })
}

// byPassphrase tells whether somebody can open it by typing.
func (l *locked) byPassphrase() bool { return l != nil && l.root.kind == "passphrase" }

func (l *locked) isOpen() bool {
	select {
	case <-l.opened:
		return true
	default:
		return false
	}
}

// unlock opens the data with a passphrase, which it wipes. The error is
// [root.ErrPassphrase] for a wrong one; any other says why it does not open even so, and
// is in the log.
func (l *locked) unlock(word []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.office != nil {
		clear(word)
		return nil
	}
	p := root.NewPassphrase(l.root.path)
	err := p.Unlock(word)
	switch {
	case errors.Is(err, root.ErrPassphrase):
		l.log.Warn("a passphrase that was typed is wrong")
		return err
	case err == nil:
		err = l.open(p)
	}
	if err != nil {
		l.log.Error("the passphrase was given, but the store cannot be opened: telephones go on working, nothing is recorded", "why", err)
	}
	return err
}

// again looks whether the data opens now.
func (l *locked) again(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.office != nil || !passes(l.why) {
		return
	}
	key, err := openRoot(ctx, l.o, person{})
	if err == nil {
		err = l.open(key)
	}
	if err != nil && err.Error() != l.why.Error() && ctx.Err() == nil {
		l.log.Error("the store still cannot be opened", "why", err)
		l.why = err
	}
}

// open opens the store and reads the plan; l is locked.
func (l *locked) open(key keyring.Root) error {
	l.folder()
	off, err := openStored(l.o, key, l.log)
	if err != nil {
		if folder, lockErr := lockFolder(l.o.data); lockErr == nil {
			l.folder = folder
		} else {
			l.folder = func() {}
		}
		return err
	}
	l.folder, l.office = func() {}, off
	close(l.opened)
	return nil
}

// openStored opens a store that has a plan. It makes none.
func openStored(o options, key keyring.Root, log *slog.Logger) (*office, error) {
	if !storage.Made(o.data) {
		return nil, errNoDatabase
	}
	store, err := storage.Open(o.data, key, log)
	if err != nil {
		return nil, err
	}
	p, rev := store.CurrentPlan()
	if rev == 0 {
		store.Close()
		return nil, errors.New("the database holds no plan: restore a backup")
	}
	n, err := plan.Compile(p)
	if err != nil {
		store.Close()
		return nil, fmt.Errorf("plan: %w", err)
	}
	return &office{numbers: n, store: store}, nil
}

// await gives the office as soon as it is open, or nil when ctx ends before.
func (l *locked) await(ctx context.Context) *office {
	tick := time.NewTicker(againEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.mu.Lock() // an attempt that runs is not left behind
			defer l.mu.Unlock()
			return l.office
		case <-l.opened:
			return l.office
		case <-tick.C:
			l.again(ctx)
		}
	}
}

// close lets go of the data folder. A store that was opened is left to its own.
func (l *locked) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folder()
}

// ask asks for the passphrase at the terminal, if somebody may sit there, until it is
// right, was wrong three times, or an empty line or the end of the input says that it is
// not to be asked for. It ends, too, when the data is opened from elsewhere.
func (l *locked) ask(ctx context.Context, who person) {
	if !l.byPassphrase() || !who.there() {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-l.opened:
			stop()
		case <-ctx.Done():
		}
	}()
	fmt.Fprintln(who.out, "Telephones work, but nothing is recorded before the passphrase is given. An empty line puts that off.")
	err := who.unlock(ctx, forEver, func(word []byte) error {
		if len(word) == 0 {
			return errPutOff
		}
		return l.unlock(word)
	})
	if errors.Is(err, root.ErrNobody) {
		err = errPutOff
	}
	switch {
	case l.isOpen():
		fmt.Fprintln(who.out, "The data is open.") // the terminal is for words from here on
	case ctx.Err() != nil:
	case l.o.page.IsValid() && (errors.Is(err, errPutOff) || errors.Is(err, errThrice)):
		fmt.Fprintf(who.out, "%v, or give it on the page\n", err)
	default:
		fmt.Fprintln(who.out, err)
	}
}

var errPutOff = errors.New("nothing is recorded for now: start Sotto again to type the passphrase")

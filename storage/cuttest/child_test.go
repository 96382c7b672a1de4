package cuttest

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/keyring"
)

// childEnv has the name of the workload and the seed for the process that a test starts.
const childEnv = "CUTTEST_CHILD"

// TestMain runs a workload instead of the tests in a process that a test started.
func TestMain(m *testing.M) {
	var name string
	var seed uint64
	var hour int
	if _, err := fmt.Sscan(os.Getenv(childEnv), &name, &seed, &hour); err != nil {
		os.Exit(m.Run())
	}
	c := &child{out: os.Stdout, top: os.Getenv(childEnv + "_TOP"), rnd: rand.New(rand.NewPCG(seed, 5)), in: bufio.NewScanner(os.Stdin)}
	work := map[string]func() error{"office": c.office, "first": c.first, "erase": c.erase, "faults": c.faults, "stall": c.stall, "again": c.again, "prepare": c.prepare, "wipe": c.wiping, "hold": c.hold, "record": c.record}[name]
	end := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if !slices.Contains([]string{"office", "first", "erase", "prepare", "wipe"}, name) {
		end(work())
		return
	}
	bubbled = func(*testing.T) {
		time.Sleep(time.Until(firstHour.Add(time.Duration(hour) * time.Hour)))
		end(work())
	}
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	end(errors.Join(err, flag.Set("test.run", "^TestChild$")))
	os.Stdout = nowhere // where package testing says how it went
	m.Run()
}

// child is the process whose power is cut. It says what it begins and what was
// acknowledged, one line each:
//
//	open              the store is open
//	made? M N K J     records M to N are to be, of plan K; anna has a journal or not
//	records N         all up to number N are durable
//	plan? K, plan K   plan K is to be, and is
//	secret? N, secret N
//	erase? P N, erase P N   P is to be erased from all up to record N, and is
//	failed P            the erasure was answered with an error
//	audio? ID N P       N bytes about P are to be recorded, and there is an empty file
//	wrote ID N          so many have been taken
//	audio ID            all have, and it was closed
//	drop? ID, drop ID
//	settings? N, settings N
//	switch? N, switch N   anna's journal is to be off, or on, and is
//	wipe? N, wipe N     her journal is to be erased up to record N, and is
//	lines N             so many lines of the audit trail are durable
//	grants N            so are N requests to see a number
//	clock? H            the clock goes on to hour H
//	swept D             the box has proved on day D that its terms are kept
//	ready, tried, done  it waits for a line from the test
type child struct {
	out  io.Writer
	top  string
	rnd  *rand.Rand
	in   *bufio.Scanner
	s    *storage.Store
	stop func() error
}

func (c *child) say(what ...any) { fmt.Fprintln(c.out, what...) }

// error says an error that is to be, on one line and without the folder's name.
func (c *child) error(err error) {
	c.say("error", strings.NewReplacer("\n", "; ", c.top, "").Replace(err.Error()))
}

// ask says something and waits for the answer of the test.
func (c *child) ask(what string) {
	c.say(what)
	c.in.Scan()
}

func rootAt(top string) keyring.Root {
	return keyring.NewFileRoot(filepath.Join(top, "key", "root.key"))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens the store and starts its writer.
func (c *child) open() (err error) {
	if c.s, err = storage.Open(filepath.Join(c.top, "data"), rootAt(c.top), quiet()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.s.Run(ctx) }()
	c.stop = func() error {
		cancel()
		return errors.Join(<-done, c.s.Close())
	}
	c.say("open")
	return nil
}

// office works for ever.
func (c *child) office() error {
	if err := c.open(); err != nil {
		return err
	}
	if _, rev, err := c.s.As(owner).Settings(context.Background()); err != nil || rev == 0 {
		if err := errors.Join(err, c.settings()); err != nil {
			return err
		}
	}
	for {
		if err := c.step(); err != nil {
			return err
		}
	}
}

func (c *child) step() error {
	p, _ := c.s.CurrentPlan()
	k := planNumber(&p)
	if len(p.Users) < 2 || c.rnd.IntN(25) == 0 {
		return c.plan(k + 1)
	}
	switch c.rnd.IntN(40) {
	case 4:
		return c.audio(k)
	case 5, 6:
		return c.pass()
	case 7, 8:
		return c.look()
	case 9:
		return c.leave()
	case 10:
		return c.switches()
	case 11:
		return c.wipe()
	case 12, 13:
		return c.unmask()
	case 14:
		return c.settings()
	case 0:
		return c.eraseOne(caller(c.rnd.IntN(12)))
	case 1:
		return c.eraseOne(string(guest(k)))
	case 2:
		return c.secret()
	case 3:
		if err := c.stop(); err != nil {
			return err
		}
		return c.open()
	}
	return c.records(1+c.rnd.IntN(6), k)
}

func (c *child) newest() int { return int(c.s.Health().Newest) }

func (c *child) records(n, k int) error {
	newest := c.newest()
	c.say("made?", newest+1, newest+n, k, btoi(c.s.JournalOn(anna)))
	for i := range n {
		c.s.Append(recordOf(newest+1+i, k))
	}
	if err := c.s.Sync(context.Background()); err != nil {
		return err
	}
	c.say("records", newest+n)
	return nil
}

func (c *child) plan(k int) error {
	_, rev := c.s.CurrentPlan()
	c.say("plan?", k)
	if _, err := c.s.SetPlan(context.Background(), owner, rev, planOf(k, false)); err != nil {
		return err
	}
	c.say("plan", k)
	return nil
}

func (c *child) secret() error {
	old, _ := c.s.Secret(anna)
	n := secretNumber(old) + 1
	c.say("secret?", n)
	if _, err := c.s.MakeSecret(context.Background(), owner, anna, func() (string, pbx.Secret) {
		return strconv.Itoa(n), secretOf(n)
	}); err != nil {
		return err
	}
	c.say("secret", n)
	return nil
}

// eraseOne erases somebody from all records that there are; queued ones count.
func (c *child) eraseOne(name string) error {
	newest := c.newest() + c.s.Health().Queued
	c.say("erase?", name, newest)
	_, err := c.s.Erase(context.Background(), owner, person(name))
	if errors.Is(err, storage.ErrUnknownPerson) {
		c.say("unknown", name, newest)
		return nil
	}
	if err != nil {
		return err
	}
	c.say("erase", name, newest)
	return nil
}

// audioOf gives the first n bytes of an item.
func audioOf(item keyring.Item, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte(append(item[:], item[:]...))).Read(b)
	return b
}

// audio records about somebody, and sometimes deletes that again.
func (c *child) audio(k int) error {
	about := recordOf(c.rnd.IntN(1000), k).From
	w, err := c.s.NewAudio(about)
	if err != nil {
		return err
	}
	if err := c.take(w, c.rnd.IntN(30000), about); err != nil || c.rnd.IntN(3) > 0 {
		return err
	}
	item := w.Item()
	id := hex.EncodeToString(item[:])
	c.say("drop?", id)
	if err := c.s.DropAudio(item); err != nil {
		return err
	}
	c.say("drop", id)
	return nil
}

// take records n bytes, as a call gives them: 20 ms at a time, or some of those at once.
func (c *child) take(w *storage.AudioWriter, n int, about pbx.Party) error {
	const frame = 160
	item := w.Item()
	id := hex.EncodeToString(item[:])
	c.say("audio?", id, n, personOf(about))
	b := audioOf(item, n)
	for at := 0; at < n; {
		m, err := w.Write(b[at:min(n, at+frame*(1+c.rnd.IntN(10)))])
		if err != nil {
			return err
		}
		at += m
		c.say("wrote", id, at)
	}
	if err := w.Close(); err != nil {
		return err
	}
	c.say("audio", id)
	return nil
}

// record makes one recording of six seconds and ends, or is cut.
func (c *child) record() error {
	if err := c.open(); err != nil {
		return err
	}
	about := pbx.Party{User: anna, Ext: "201"}
	w, err := c.s.NewAudio(about)
	if err != nil {
		return err
	}
	return errors.Join(c.take(w, 48000, about), c.stop())
}

// first is a first start up to the first record.
func (c *child) first() error {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.plan(1); err != nil {
		return err
	}
	if err := c.records(3, 1); err != nil {
		return err
	}
	return c.stop()
}

// prepare makes something to be erased.
func (c *child) prepare() error {
	if err := c.open(); err != nil {
		return err
	}
	p, _ := c.s.CurrentPlan()
	if err := c.records(80, planNumber(&p)); err != nil {
		return err
	}
	return c.stop()
}

// erase erases a number and a user, waits until that is swept, and ends.
func (c *child) erase() error {
	if err := c.open(); err != nil {
		return err
	}
	p, _ := c.s.CurrentPlan()
	k := planNumber(&p)
	for _, name := range []string{caller(1), string(guest(k))} {
		if err := c.eraseOne(name); err != nil {
			return err
		}
	}
	if err := c.plan(k + 1); err != nil { // nobody calls a user who is not there
		return err
	}
	for range 50 { // each time the writer wakes it sweeps a piece
		proofs, err := c.s.As(owner).Erasures(context.Background())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(proofs, func(p storage.Proof) bool { return !p.Swept }) {
			return c.stop()
		}
		if err := c.records(1, k+1); err != nil {
			return err
		}
		time.Sleep(time.Second) // of the bubble: the pauses of the sweep pass
	}
	return errors.New("an erasure is not swept")
}

package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"strings"
)

//go:embed demo.json
var demo []byte

// options are the flags: where things are. What the office wants is in the plan.
type options struct {
	dead           []string // ports of the simulator whose chip does not answer
	data           string
	root           string // as parseRoot reads it
	passphraseFile string
	plan           string
	version        bool
	sip            sipFlags
	page           netip.AddrPort // zero: off
	noControl      bool           // sub-commands need a box that does not run
}

// parse reads the flags. Asked for help it prints it to w and returns [flag.ErrHelp].
func parse(args []string, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("sotto", flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	brd := f.String("board", "sim", "`which` board: sim, or sim:dead=FXS 2,FXO 1 to have chips that do not answer")
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", rootUsage)
	f.StringVar(&o.passphraseFile, "passphrase-file", "", passphraseFileUsage)
	f.StringVar(&o.plan, "plan", "", "plan `file` to import at the first start instead of the demo office")
	sip := f.String("sip", "127.0.0.1:5060", "`address` and port of this machine that SIP telephones on the network reach it at, or off")
	rtp := f.String("rtp", "10000-11999", "UDP `ports` for the sound of telephones on the network, the first and the last")
	page := f.String("page", "127.0.0.1:8443", "`address` and port of this machine that browsers reach the admin page at, or off")
	f.StringVar(&o.sip.renew, "sip-new-secret", "", "`extension` whose SIP telephones are to have a new secret, in place of one that was lost")
	f.StringVar(&o.sip.secrets, "sip-secrets", "", "`file` to write the secrets made for SIP telephones into, in place of printing them")
	f.BoolVar(&o.sip.unlimited, "sip-unlimited", false, "do not limit the rate of SIP messages: for measurements only")
	f.BoolVar(&o.noControl, "no-control", false, "take no sub-commands while the box runs")
	f.BoolVar(&o.version, "version", false, "tell which version this is, and end")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(w)
			f.Usage()
			tellCommands(w)
		}
		return o, err
	}
	if f.NArg() > 0 {
		return o, errors.New("there are words behind the flags; say -h for what there is")
	}
	var err error
	if o.dead, err = boardFlag(*brd); err != nil {
		return o, err
	}
	if err := o.sip.parse(*sip, *rtp); err != nil {
		return o, err
	}
	if o.page, err = pageFlag(*page); err != nil {
		return o, err
	}
	dir, err := filepath.Abs(o.data)
	if err != nil {
		return o, fmt.Errorf("-data: %w", err)
	}
	if dir == filepath.Dir(dir) {
		return o, errors.New("-data: everything is kept in a folder of its own, which the root folder is not")
	}
	if o.root == "" {
		o.root = dir + ".key" // beside the folder, also when that is given as .
	}
	_, err = parseRoot(o.root, o.passphraseFile)
	return o, err
}

// version tells which revision of the source this was built of.
func version() string {
	rev, changed := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				rev = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	return "sotto " + rev + changed
}

// run is the program: flags and log around start, or the sub-command that the first word names.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if is, err := subCommand(ctx, args, stdin, stdout, stderr); is {
		return err
	}
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case o.version:
		_, err := fmt.Fprintln(stdout, version())
		return err
	}
	log, queue := newLog(stderr)
	defer queue.flush()
	err = start(ctx, o, stdin, stdout, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// start opens what the box is made of, in order, runs it and closes it.
func start(ctx context.Context, o options, stdin io.Reader, stdout io.Writer, log *slog.Logger) error {
	off, err := openOffice(ctx, o, person{stdin, stdout}, log)
	if err != nil {
		return err
	}
	defer off.close(log)
	secrets, err := o.sip.secretsFile()
	if err != nil {
		return err
	}
	if secrets != nil {
		defer secrets.Close()
	}
	// Telephones on the network need not wait for the chips: they register meanwhile. At
	// the first start nobody has a secret yet.
	var net *network
	if !off.first {
		net = openNetwork(o.sip, off, log)
	}
	defer net.close()
	brd, err := openSim(ctx, off.numbers, o.dead, log)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	} else if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if err := off.keepPlan(ctx); err != nil {
		brd.Close()
		return err
	}
	checkPorts(off.numbers, brd.Ports(), log)
	if off.first {
		net = openNetwork(o.sip, off, log)
		defer net.close()
	}
	return serve(ctx, brd, o, off, net, secrets, stdin, stdout, log)
}

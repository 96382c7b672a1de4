// Command sotto is the firmware of a small-office telephone box. This command is the appliance: it reads its
// flags, wires the board, the exchange and the store together, starts them in order and
// stops them in the reverse order. It is the only place where that is done; everything
// else is a package that knows nothing of the whole.
//
// If the first word names a sub-command it does that instead: on the data of a box that is
// stopped, or in the box that runs, which it asks over a socket in the data folder (see
// command.go and control.go). Sub-commands print no name and no number in errors, open the files
// that they are given as the user who started them, and cost no call.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent trades a little of the processor's time for memory, of which a box has less.
const gcPercent = 50

func main() {
	debug.SetGCPercent(gcPercent)
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone away costs its lines, not the calls
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		last := newLines(os.Stderr, 1, nil)
		fmt.Fprintln(last, "sotto:", err)
		last.flush()
		os.Exit(exitCode(err))
	}
}

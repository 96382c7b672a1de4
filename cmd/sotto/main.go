// Command sotto is the firmware of a small-office telephone box. This command is the appliance: it reads its
// flags, wires the board, the exchange and the store together, starts them in order and
// stops them in the reverse order. It is the only place where that is done; everything
// else is a package that knows nothing of the whole.
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

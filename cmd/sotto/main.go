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
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sotto:", err)
		os.Exit(1)
	}
}

package board

import (
	"context"
	"time"
)

// Wait waits for d or the end of ctx, whose error it gives then. Drivers wait with it,
// so that a start can be given up and a synctest bubble drives the time.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package cuttest

import (
	"context"
	"errors"

	"sotto/storage"
)

// faults works while the medium fails, which begins after "ready" and ends after "tried".
// What fails is no matter: what was acknowledged is.
func (c *child) faults() error {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.plan(1); err != nil {
		return err
	}
	if err := c.records(20, 1); err != nil {
		return err
	}
	c.ask("ready")
	next := c.newest()
	k := 1
	for range 20 {
		for range 1 + c.rnd.IntN(3) {
			next++
			c.s.Append(recordOf(next, k))
		}
		var err error
		switch c.rnd.IntN(4) {
		case 0:
			if err = c.plan(k + 1); err == nil {
				k++
			}
		case 1:
			err = c.secret()
		case 2:
			name := caller(c.rnd.IntN(12))
			if err = c.eraseOne(name); err != nil {
				c.say("failed", name)
			}
		}
		if err != nil {
			c.error(err)
		}
		c.say("records", c.newest())
	}
	c.ask("tried")
	if err := c.stop(); err != nil {
		c.error(err)
	} else {
		c.say("records", next)
	}
	if err := c.open(); err != nil {
		return err
	}
	for range 5 {
		if err := c.records(2, k); err != nil {
			return err
		}
		if err := c.secret(); err != nil {
			return err
		}
	}
	c.ask("done")
	return c.stop()
}

// stall does what the switch does while the medium answers nothing.
func (c *child) stall() error {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.plan(1); err != nil {
		return err
	}
	if err := c.secret(); err != nil {
		return err
	}
	c.ask("ready")
	const n = 1000
	for i := range n {
		c.s.Append(recordOf(i+1, 1))
		c.s.SaveBindings(anna, nil)
		c.s.CurrentPlan()
		c.s.Secret(anna)
		c.s.Follow()
	}
	c.ask("tried")
	if err := c.s.Sync(context.Background()); err != nil {
		return err
	}
	c.say("records", n)
	return c.stop()
}

// again opens the store and looks at everything once; an error is what was asked for.
func (c *child) again() error {
	err := c.open()
	if err == nil {
		_, err = c.s.As(owner).Records(context.Background(), storage.Query{})
		err = errors.Join(err, c.stop())
	}
	if err != nil {
		c.error(err)
	}
	return nil
}

// hold opens the store and keeps it.
func (c *child) hold() error {
	if err := c.open(); err != nil {
		return err
	}
	select {}
}

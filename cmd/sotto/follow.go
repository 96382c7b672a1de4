package main

import (
	"log/slog"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage"
)

// followPlan has the switch and the telephones on the network obey each plan that is saved
// from now on, by a page or because somebody was erased. Calls under way go on.
func (off *office) followPlan(post func(pbx.Event) bool, net *network, log *slog.Logger) {
	if off.store == nil {
		return
	}
	off.store.OnPlan(func(p plan.Plan, rev storage.Rev) {
		n, err := plan.Compile(p)
		if err != nil { // the store validates what it keeps
			log.Error("a saved plan cannot be used", "revision", uint64(rev), "why", err)
			return
		}
		if !post(pbx.Event{Plan: n}) {
			log.Error("the switch did not take a saved plan: too much waits; save it again", "revision", uint64(rev))
		}
		net.setPlan(n)
	})
}

// setPlan hands a plan to who serves the telephones on the network.
func (n *network) setPlan(p *plan.Numbering) {
	if n != nil && n.sip != nil {
		n.sip.SetPlan(p)
	}
}

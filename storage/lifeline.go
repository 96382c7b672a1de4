package storage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sotto/pbx/plan"
	"sotto/storage/durable"
)

const lifelineName = "lifeline.json"

// lifeline is what a telephone needs when nothing can be opened, as [plan.Plan.Lifeline]
// reduces the plan: no name, no secret. It is not sealed.
type lifeline struct {
	Format int       `json:"format"`
	Plan   plan.Plan `json:"plan"`
}

// saveLifeline writes lifeline.json if it is not as the plan has it. The plan is durable
// already, so a failure is shown and not returned. It is under wmu, or before the store
// is used.
func (s *Store) saveLifeline(at *planAt) {
	if at.rev == 0 {
		return
	}
	l := lifeline{Format: 1, Plan: at.plan.Lifeline()}
	data, err := json.MarshalIndent(l, "", "  ")
	path := filepath.Join(s.dir, lifelineName)
	if old, rerr := os.ReadFile(path); err == nil && (rerr != nil || string(old) != string(data)) {
		err = durable.Write(path, data)
	}
	if err != nil {
		err = fmt.Errorf("write lifeline: %w", err)
		s.log.Error("the lifeline is not up to date", "err", err)
	}
	s.lifelineErr.Store(&err)
}

// ReadLifeline gives the reduced plan in the data folder dir, from which the box can run
// when [Open] fails. It takes no lock and needs no key.
func ReadLifeline(dir string) (plan.Plan, error) {
	data, err := os.ReadFile(filepath.Join(dir, lifelineName))
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read lifeline: %w", err)
	}
	var l lifeline
	if err := json.Unmarshal(data, &l); err != nil {
		return plan.Plan{}, fmt.Errorf("read lifeline %s: %w", dir, err)
	}
	if l.Format != 1 {
		return plan.Plan{}, fmt.Errorf("read lifeline %s: format %d is not known", dir, l.Format)
	}
	if err := l.Plan.Validate(); err != nil {
		return plan.Plan{}, fmt.Errorf("read lifeline %s: %w", dir, err)
	}
	return l.Plan, nil
}

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

// lifeline is what a telephone needs when nothing can be opened: no name, no secret. It
// is not sealed.
type lifeline struct {
	Format     int       `json:"format"`
	Country    string    `json:"country"`
	Emergency  []string  `json:"emergency,omitempty"`
	Extensions []station `json:"extensions,omitempty"`
	Lines      []string  `json:"lines,omitempty"` // labels of exchange-line ports
	Prefix     string    `json:"outside_prefix,omitempty"`
	Ring       int       `json:"ring_seconds,omitempty"`
}

type station struct {
	Ext   plan.Ext `json:"ext"`
	Ports []string `json:"ports,omitempty"`
}

// saveLifeline writes lifeline.json if it is not as the plan has it. The plan is durable
// already, so a failure is shown and not returned. It is under wmu, or before the store
// is used.
func (s *Store) saveLifeline(at *planAt) {
	if at.rev == 0 {
		return
	}
	l := lifeline{Format: 1, Country: at.plan.Country, Emergency: at.plan.Emergency,
		Prefix: at.plan.OutsidePrefix, Ring: at.plan.RingSeconds}
	for _, u := range at.plan.Users {
		l.Extensions = append(l.Extensions, station{u.Ext, u.Ports})
	}
	for _, line := range at.plan.Lines {
		l.Lines = append(l.Lines, line.Port)
	}
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
// when [Open] fails. It takes no lock and needs no key. Users have made-up ids, and
// their extension for a name; lines have the label of their port for a name.
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
	p := plan.Plan{Office: "Sotto", Country: l.Country, Emergency: l.Emergency,
		OutsidePrefix: l.Prefix, RingSeconds: l.Ring}
	for i, e := range l.Extensions {
		p.Users = append(p.Users, plan.User{
			ID: plan.UserID(fmt.Sprint("lifeline-", i+1)), Name: string(e.Ext), Ext: e.Ext, Ports: e.Ports,
		})
	}
	for _, port := range l.Lines {
		p.Lines = append(p.Lines, plan.Line{Name: port, Port: port})
	}
	return p, nil
}

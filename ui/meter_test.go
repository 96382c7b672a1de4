package ui

import (
	"context"
	"errors"
	"testing"

	"sotto/board"
	"sotto/storage"
)

// TestMeters: who may look after lines sees what is measured of one, and why nothing is.
func TestMeters(t *testing.T) {
	var asked []board.Port
	report, fault := board.LineReport{Volts: -48, FeedVolts: 65, Registered: true}, error(nil)
	r := owned(t, func(c *Config) {
		c.Measure = func(_ context.Context, p board.Port) (board.LineReport, error) {
			asked = append(asked, p)
			return report, fault
		}
	})
	accounts := r.accounts()
	page := func(role storage.Role, path string) string {
		return r.as(accounts[role]).do("GET", path, nil).Body.String()
	}
	contains(t, "telephone", page(storage.Installer, "/ports/phone-2"), "Meters", "48.0 V", "65.0 V", `aria-label="Voltage on the hook: 48.0 volts. Good is 40 to 60 volts."`, `d="M202.6 24l-6-14h12z"`)
	line := page(storage.Owner, "/ports/line-1")
	contains(t, "line", line, "48.0 V", "Normal")
	lacks(t, "line", line, "Feed of the box", "does not answer")
	if len(asked) != 2 || asked[0] != 1 || asked[1] != 4 {
		t.Errorf("measured %v", asked)
	}
	report = board.LineReport{Volts: 480, OffHook: true}
	contains(t, "reversed", page(storage.Admin, "/ports/line-1"), "480.0 V", "Reversed", `d="M312.0 24l-6-14h12z"`, T("meter.apart"))
	contains(t, "lifted", page(storage.Admin, "/ports/phone-1"), T("meter.offhook"))
	report = board.LineReport{Volts: 1, Registered: true}
	lacks(t, "no exchange", page(storage.Admin, "/ports/line-1"), T("meter.polarity"))
	fault = board.ErrBusy
	contains(t, "busy", page(storage.Admin, "/ports/line-1"), T("meter.busy"))
	fault = errors.New("secret of the chip")
	dead := page(storage.Admin, "/ports/line-1")
	contains(t, "dead", dead, T("meter.failed"))
	lacks(t, "dead", dead, "secret", "<svg class=\"scale\"")
	for _, role := range []storage.Role{storage.PrivacyOfficer, storage.Staff} {
		asked = nil
		if lacks(t, "not for "+role.String(), page(role, "/ports/line-1"), "Meters"); asked != nil {
			t.Errorf("measured for %v", role)
		}
	}
}

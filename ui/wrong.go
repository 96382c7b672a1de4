package ui

import (
	"context"

	"sotto/pbx"
	"sotto/storage"
)

// wrong is one thing that needs somebody.
type wrong struct {
	Class    string // "warn" or "fault"
	What, Do string
	Path     string
}

// wrongs lists what is wrong now. It names ports by their number, so that it may be shown
// to everybody; staff learn of their own telephones on the front panel alone.
func (s *Server) wrongs(ctx context.Context, who storage.Viewer) []wrong {
	if who.Role == storage.Staff {
		return nil
	}
	var l []wrong
	add := func(class, key, path string, args ...any) {
		l = append(l, wrong{class, T(key+".what", args...), T(key + ".do"), path})
	}
	if s.cfg.Store != nil {
		h, err := s.cfg.Store.As(who).Health(ctx)
		if err == nil {
			if h.Down {
				add("fault", "wrong.down", "/health")
			} else if h.Lost > 0 {
				add("warn", "wrong.lost", "/health", itoa(h.Lost))
			}
			if h.Nameless > 0 {
				add("warn", "wrong.nameless", "/health", itoa(h.Nameless))
			}
			if h.SetBack > 0 {
				add("fault", "wrong.setback", "/health", itoa(h.SetBack))
			}
			if h.KeysLost {
				add("fault", "wrong.keyslost", "/health")
			}
			if h.Pruned > 0 {
				add("warn", "wrong.pruned", "/health", itoa(h.Pruned))
			} else if h.NearLimit {
				add("warn", "wrong.near", "/health")
			}
			if h.LifelineStale {
				add("warn", "wrong.lifeline", "/health")
			}
		}
	}
	places, _ := s.places()
	snap := s.cfg.Snapshot()
	if snap == nil {
		return l
	}
	for _, p := range snap.Ports {
		at, ok := places[p.Port]
		if !ok {
			continue
		}
		name, kind := T("port.phone", at.n), "wrong.phone."
		if !at.station {
			name, kind = T("port.line", at.n), "wrong.line."
		}
		path := "/ports/" + slug(at)
		switch p.Lamp {
		case pbx.LampFault:
			add("fault", kind+"fault", path, name)
		case pbx.LampWarn:
			add("warn", kind+"warn", path, name)
		case pbx.LampNone:
			if !at.station {
				add("warn", kind+"none", path, name)
			}
		}
	}
	return l
}

func needsAttention(n int) string {
	if n == 1 {
		return T("wrongs.one")
	}
	return T("wrongs.many", n)
}

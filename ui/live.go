package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"sotto/pbx"
	"sotto/storage"
)

// Live parts of pages.
//
//	switch ──snapshot──► hub, every 200 ms while somebody listens ──wake──► one goroutine a listener
//	                                                                          │ Watcher.View, render, compare
//	                                                                          ▼
//	                                                              the parts that differ from what it has
const (
	maxListeners = 16
	maxListening = 8 // of one account, so that nobody takes all places
	pollEvery    = 200 * time.Millisecond
	beatEvery    = 15 * time.Second
	sendLimit    = 10 * time.Second // a browser that takes nothing for so long is let go
	drawShare    = 4                // all listeners together draw for no more than one part in so many of the time
)

// hub tells listeners that the switch has a new snapshot.
type hub struct {
	mu        sync.Mutex
	listeners map[chan struct{}]storage.AccountID // each of one place
	running   bool
}

func (h *hub) init() { h.listeners = map[chan struct{}]storage.AccountID{} }

// join gives the account who a channel that has something in it whenever there may be
// news; false when there are too many listeners. leave ends it.
func (h *hub) join(who storage.AccountID, snapshot func() *pbx.Snapshot) (wake chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	own := 0
	for _, other := range h.listeners {
		if other == who {
			own++
		}
	}
	if len(h.listeners) >= maxListeners || own >= maxListening {
		return nil, false
	}
	wake = make(chan struct{}, 1)
	h.listeners[wake] = who
	if !h.running {
		h.running = true
		go h.poll(snapshot, snapshot())
	}
	return wake, true
}

func (h *hub) leave(wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, wake)
}

func (h *hub) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners)
}

// poll compares snapshots until the last listener has left.
func (h *hub) poll(snapshot func() *pbx.Snapshot, last *pbx.Snapshot) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for range t.C {
		snap := snapshot()
		h.mu.Lock()
		if len(h.listeners) == 0 {
			h.running = false
			h.mu.Unlock()
			return
		}
		if snap != last {
			last = snap
			for wake := range h.listeners {
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
		h.mu.Unlock()
	}
}

// events is a stream of the parts of a page that change (text/event-stream, WHATWG HTML
// 9.2). Events: "hello" and "beat" with the time, "swap" with new parts by their id,
// "gone" when nobody is logged in any more. It does not count as use of the session.
func (s *Server) events(q *request) error {
	wake, ok := s.hub.join(q.who.account.ID, s.cfg.Snapshot)
	if !ok {
		return storage.ErrBusy
	}
	defer s.hub.leave(wake)
	only := q.r.URL.Query().Get("port")
	w, err := s.as(q).Watch(q.r.Context())
	if err != nil {
		return err
	}
	out := &stream{w: q.w, rc: http.NewResponseController(q.w)}
	q.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	have := map[string]template.HTML{}
	now := time.Now()
	if out.send("hello", s.beat(now)) != nil {
		return nil
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		began := time.Now()
		parts, err := s.parts(q.r.Context(), w, q.viewer(), only, now)
		if err != nil {
			s.cfg.Log.Error("live parts cannot be drawn", "why", err)
			return nil
		}
		rest := time.Since(began) * drawShare * time.Duration(s.hub.len())
		for id, text := range parts {
			if have[id] == text {
				delete(parts, id)
			} else {
				have[id] = text
			}
		}
		if len(parts) > 0 && out.send("swap", parts) != nil {
			return nil
		}
		select { // a full box on a slow processor: fewer pictures, not fewer calls
		case <-time.After(rest):
		case <-q.who.ctx.Done():
		case <-q.r.Context().Done():
		}
		select {
		case <-wake:
			now = time.Now()
		case now = <-beat.C:
			// The role is the one of now, as with pages.
			if a, ok := s.cfg.Store.Account(q.who.account.ID); !ok || a.Viewer() != q.viewer() {
				s.sessions.stop(q.who.key)
				break
			}
			if out.send("beat", s.beat(now)) != nil {
				return nil
			}
		case <-q.who.ctx.Done():
		case <-q.r.Context().Done():
			return nil
		}
		if q.who.ctx.Err() != nil {
			out.send("gone", struct{}{})
			return nil
		}
	}
}

type beatView struct {
	Now  float64       `json:"now"` // seconds since 1970, by the box's clock
	Live template.HTML `json:"live,omitempty"`
	AsOf template.HTML `json:"asOf"`
}

func (s *Server) beat(now time.Time) beatView {
	at := func(l lampView) template.HTML {
		h, _ := s.pages.part("live-lamp", l)
		return h
	}
	return beatView{Now: float64(now.UnixMilli()) / 1000, Live: at(lamp("ready", T("live.live"))),
		AsOf: at(lampView{"", "todo", T("live.asof", now.Format(T("time.clock")))})}
}

// parts renders what may change on the front panel, or on the page of the port with the
// id only.
func (s *Server) parts(ctx context.Context, w *storage.Watcher, who storage.Viewer, only string, now time.Time) (map[string]template.HTML, error) {
	v := &viewing{s: s, role: who.Role, now: now, stream: true, live: w.View(s.cfg.Snapshot()), wrong: s.wrongs(ctx, who)}
	p := v.panel()
	l := map[string]template.HTML{}
	var err error
	put := func(id, name string, data any) {
		if err == nil {
			l[id], err = s.pages.part(name, data)
		}
	}
	if who.Role != storage.Staff {
		put("rail-health", "rail-link", railHealth(v.wrong, false))
	}
	if only != "" {
		for _, x := range p.Ports {
			if x.ID == only {
				put("state", "state", x)
			}
		}
		return l, err
	}
	for _, x := range p.Ports {
		put("box-"+x.ID, "box-port", x)
		put("tile-"+x.ID, "tile", x)
	}
	put("box-status", "box-status", p)
	put("tile-box", "tile-box", p)
	put("headline", "headline", p)
	put("calls", "live-calls", p)
	put("wrongs", "wrongs", p)
	return l, err
}

// stream writes server-sent events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (o *stream) send(event string, data any) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: ", event)
	enc := json.NewEncoder(&b) // one line, with its end
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil {
		return fmt.Errorf("send %s: %w", event, err)
	}
	b.WriteByte('\n')
	o.rc.SetWriteDeadline(time.Now().Add(sendLimit))
	if _, err := o.w.Write(b.Bytes()); err != nil {
		return err
	}
	return o.rc.Flush()
}

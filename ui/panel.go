package ui

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sotto/board"
	"sotto/pbx"
	"sotto/storage"
)

// portView is one port: in the drawing, as a tile, and on a page of its own.
type portView struct {
	ID      string // "p1", "l2": part of ids on the page
	Path    string
	N       int  // as printed beside the socket
	Station bool // else an exchange line
	Center  int  // of the socket in the drawing
	Title   string
	Sub     string
	Strip   string
	Long    string // the name for those who cannot see the drawing
	Heading string
	Lamp    lampView
	Since   timeView
	Plugged bool
	live    storage.LivePort
}

// X gives a place in the drawing, dx from the middle of the port.
func (p portView) X(dx int) int { return p.Center + dx }

// callView is one call that goes on.
type callView struct {
	From, To partyView
	Over     string // empty: inside
	Lamp     lampView
	Since    timeView
}

// panelView is the front panel.
type panelView struct {
	Headline string
	Keys     bool // somebody is logged in
	Lifeline bool
	Look     look
	Box      boxView
	Ports    []portView
	Calls    []callView
	Wrong    []wrong
	Fine     lampView
	Status   lampView // the worst of all
	BoxSub   string
	BoxPath  string
	AsOf     lampView
	Recent   []recordView
	Kept     []kept
}

type kept struct{ Name, Value, Small string }

// viewing is what one viewer sees at one moment.
type viewing struct {
	s      *Server
	role   storage.Role // 0: nobody is logged in
	now    time.Time
	stream bool // for the script
	live   storage.LiveView
	wrong  []wrong
}

// ports gives the ports as they stand on the box, the ones the viewer may see.
func (v *viewing) ports() ([]portView, boxView) {
	places, box := v.s.places()
	calls := map[pbx.CallID]*storage.LiveCall{}
	for i := range v.live.Calls {
		calls[v.live.Calls[i].ID] = &v.live.Calls[i]
	}
	var phones, lines []portView
	for _, p := range v.live.Ports {
		at, ok := places[p.Port]
		if !ok {
			continue
		}
		pv := v.port(p, at)
		if c := calls[p.Call]; c != nil && p.Call != 0 {
			at := c.Answered
			if at.IsZero() {
				at = c.Began
			}
			pv.Since = v.since(at)
		}
		if at.station {
			phones = append(phones, pv)
		} else {
			lines = append(lines, pv)
		}
	}
	return append(phones, lines...), box
}

func (v *viewing) port(p storage.LivePort, at place) portView {
	kind, id := "port.line", "l"
	if at.station {
		kind, id = "port.phone", "p"
	}
	numbered := T(kind, at.n)
	pv := portView{ID: id + itoa(at.n), Path: "/ports/" + slug(at), N: at.n, Station: at.station, Center: at.center, Lamp: portLamp(p.PortView), live: p}
	pv.Title, pv.Heading = numbered, numbered
	pv.Strip = "–"
	if p.Name != "" {
		pv.Title, pv.Strip = p.Name, shorten(p.Name, 13)
		pv.Heading = numbered + ": " + p.Name
	} else if p.Ext != "" {
		pv.Strip = numbered
	}
	switch {
	case at.station && p.Ext != "":
		pv.Sub = T("port.ext", string(p.Ext))
	case at.station:
		pv.Sub = T("port.noext")
	default:
		pv.Sub = numbered
	}
	pv.Plugged = p.Lamp != pbx.LampNone && (at.station || p.State != "no line")
	long := "port.long.line"
	if at.station {
		long = "port.long.phone"
	}
	pv.Long = T(long, pv.Strip, at.n, strings.ToLower(pv.Lamp.Word))
	return pv
}

// slug is the port in an address: "phone-1", "line-2".
func slug(at place) string {
	if at.station {
		return "phone-" + itoa(at.n)
	}
	return "line-" + itoa(at.n)
}

// shorten cuts a text to n characters for a label strip.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimSpace(string(r[:n-1])) + "…"
}

// portLamp gives lamp and words of a port. States that have no word here are shown as
// the switch has them.
func portLamp(p pbx.PortView) lampView {
	class := [...]string{pbx.LampReady: "ready", pbx.LampRing: "ring", pbx.LampCall: "call", pbx.LampBusy: "busy",
		pbx.LampNone: "none", pbx.LampWarn: "warn", pbx.LampFault: "fault"}[min(int(p.Lamp), int(pbx.LampFault))]
	word, ok := words["state."+p.State]
	switch {
	case p.Lamp == pbx.LampNone && p.Kind == board.ExchangeLine:
		word = T("state.no line")
	case p.Lamp == pbx.LampBusy && p.Kind == board.ExchangeLine:
		word = T("state.other set")
	case !ok && p.State != "":
		word = strings.ToUpper(p.State[:1]) + p.State[1:]
	}
	return lamp(class, word)
}

func (v *viewing) calls() []callView {
	var l []callView
	for _, c := range v.live.Calls {
		cv := callView{From: party(c.From), To: party(c.To), Over: over(c.From, c.To), Lamp: lamp("ring", T("call.ringing")), Since: v.since(c.Began)}
		switch {
		case c.Answered.IsZero():
		case c.Held:
			cv.Lamp, cv.Since = lamp("busy", T("call.held")), v.since(c.Answered)
		default:
			cv.Lamp, cv.Since = lamp("call", T("call.talking")), v.since(c.Answered)
		}
		if c.Emergency {
			cv.Lamp.Word = T("call.emergency", cv.Lamp.Word)
		}
		l = append(l, cv)
	}
	return l
}

// panel gives what lives on the front panel.
func (v *viewing) panel() panelView {
	p := panelView{Keys: v.role != 0, Wrong: v.wrong, Fine: lamp("ready", T("wrongs.none")), Calls: v.calls(), BoxPath: "/health"}
	p.Ports, p.Box = v.ports()
	if v.role == storage.Staff || v.role == 0 {
		p.BoxPath = "/"
	}
	p.Status = lamp("ready", T("status.ready"))
	for _, w := range v.wrong {
		if w.Class == "fault" {
			p.Status = lamp("fault", T("status.fault"))
			break
		}
		p.Status = lamp("warn", T("status.warn"))
	}
	p.BoxSub = T("box.up", upWords(v.now.Sub(v.s.began)))
	p.Headline = T("live.none")
	switch n := len(p.Calls); {
	case v.role == storage.Installer: // how many calls go on is no business of the installer
		p.Headline, p.Calls = "", nil
	case n == 1:
		p.Headline = T("headline.one")
	case n > 1:
		p.Headline = T("headline.calls", n)
	}
	if n := len(v.wrong); n > 0 {
		p.Headline = strings.TrimSpace(p.Headline + " " + needsAttention(n) + ".")
	}
	p.AsOf = lampView{"", "todo", T("live.asof", v.now.Format(T("time.clock")))}
	return p
}

// upWords gives in words how long the box has run.
func upWords(d time.Duration) string {
	switch h := int(d / time.Hour); {
	case h >= 48:
		return T("up.days", h/24)
	case h >= 2:
		return T("up.hours", h)
	case d >= 2*time.Minute:
		return T("up.minutes", int(d/time.Minute))
	default:
		return T("up.minute")
	}
}

// frontPanel shows the box as it stands in the cupboard.
func (s *Server) frontPanel(q *request) error {
	ctx := q.r.Context()
	w, err := s.as(q).Watch(ctx)
	if err != nil {
		return err
	}
	who := q.viewer()
	v := &viewing{s: s, role: who.Role, now: q.now, live: w.View(s.cfg.Snapshot()), wrong: s.wrongs(ctx, who)}
	p := v.panel()
	p.Look = q.who.look
	if who.Role != storage.Installer {
		list, err := s.as(q).Page(ctx, storage.Query{Limit: 5})
		if err != nil && !storeDown(err) {
			return err
		}
		p.Recent = s.records(q.now, list.Views)
		if slices.Contains(guards, who.Role) {
			grants, err := s.grants(q)
			if err != nil {
				return err
			}
			grants.refresh(q, list.Views)
		}
	}
	if h, err := s.as(q).Health(ctx); err == nil && who.Role != storage.Installer {
		p.Kept = []kept{{T("kept.records"), itoa(h.Newest), ""}, {T("kept.size"), size(h.FileBytes), T("kept.sealed")}}
	}
	s.showLive(q, 200, "panel", "panel.title", "/events", p)
	return nil
}

// lifeline shows the one page that there is without a store: the state of ports, with no
// name and no call.
func (s *Server) lifeline(q *request) {
	if q.r.URL.Path != "/" || q.r.Method != "GET" && q.r.Method != "HEAD" {
		redirect(q, "/")
		return
	}
	v := &viewing{s: s, now: q.now}
	if snap := s.cfg.Snapshot(); snap != nil {
		for _, p := range snap.Ports {
			p.Call = 0
			v.live.Ports = append(v.live.Ports, storage.LivePort{PortView: p})
		}
	}
	p := v.panel()
	p.Lifeline, p.Headline = true, T("lifeline.head")
	p.Status = lamp("fault", T("lifeline.lamp"))
	s.show(q, 503, "panel", "panel.title", p)
}

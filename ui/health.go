package ui

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline"
)

type healthView struct {
	Headline string
	Wrong    []wrong
	Fine     lampView
	Groups   []group
	Network  bool
	Phones   []phoneView
	Bans     []banView
	MayUnban bool
	Faults   []fact
	Root     Root
}

type group struct {
	Title string
	Facts []fact
}

type phoneView struct{ Agent, Addr, Proto, Since string }

type banView struct{ Source, Why, Wrong, Until string }

// maxShown bounds the rows of a table of what others sent.
const maxShown = 200

// health shows what is wrong and what was counted: of things, never of persons.
func (s *Server) health(q *request) error {
	ctx := q.r.Context()
	h, err := s.as(q).Health(ctx)
	if err != nil {
		return err
	}
	v := healthView{Root: s.cfg.Root, Wrong: s.wrongs(ctx, q.viewer()), Fine: lamp("ready", T("wrongs.none")), Headline: T("wrongs.none")}
	if n := len(v.Wrong); n > 0 {
		v.Headline = needsAttention(n) + "."
	}
	store := lamp("ready", T("store.ok"))
	if h.Down {
		store = lamp("fault", T("store.down"))
	}
	count := func(key string, n uint64) fact { return fact{Name: T(key), Value: itoa(n)} }
	v.Groups = append(v.Groups, group{T("store.title"), []fact{
		{Name: T("store.state"), Lamp: store}, count("store.records", uint64(h.Newest)), count("store.written", h.Written), count("store.queued", uint64(h.Queued)),
		count("store.lost", h.Lost), count("store.nameless", h.Nameless), count("store.failed", h.Failed), count("store.unreadable", h.Unreadable), count("store.bindings", h.BindingsLost),
		count("store.pruned", h.Pruned), count("store.setback", h.SetBack),
		{Name: T("store.size"), Value: size(h.FileBytes)}, {Name: T("store.used"), Value: T("store.usedof", size(h.FileUsed), size(h.FileLimit))},
	}})
	if snap := s.cfg.Snapshot(); snap != nil {
		v.Groups = append(v.Groups, group{T("switch.title"), counters(snap.Counters)})
	}
	v.Groups = append(v.Groups, group{T("page.title"), []fact{
		{Name: T("page.sessions"), Value: itoa(s.sessions.len())}, count("page.logins", h.LogInsFailed), count("page.busy", h.LogInsBusy),
		count("page.conns", s.count.refusedConns.Load()), count("page.hosts", s.count.refusedHosts.Load()), count("page.origin", s.count.crossOrigin.Load()),
		count("page.faults", s.count.panics.Load()+s.count.failed.Load()), {Name: T("page.up"), Value: upWords(q.now.Sub(s.began))},
	}})
	if n := s.cfg.Network; n != nil {
		v.Network, v.MayUnban = true, slices.Contains(keepers, q.who.account.Role)
		v.Groups = append(v.Groups, group{T("sip.counters"), sipFacts(n.Counters())})
		for i, p := range n.Phones() {
			if i == maxShown {
				break
			}
			v.Phones = append(v.Phones, phoneView{shorten(printable(p.Agent), 60), p.Addr.String(), p.Proto.String(), p.Since.Local().Format(T("time.day"))})
		}
		for i, b := range n.Bans() {
			if i == maxShown {
				break
			}
			v.Bans = append(v.Bans, banView{b.Source.String(), b.Reason.String(), itoa(b.Wrong), b.Until.Local().Format(T("time.day"))})
		}
	}
	for _, f := range s.faults.all() {
		v.Faults = append(v.Faults, fact{Name: f.Code, Value: f.At.Format(T("time.day"))})
	}
	s.show(q, 200, "health", "health.title", v)
	return nil
}

// comment is one of RFC 3261 section 25.1. Programs of telephones write there whose
// device they run on.
var comment = regexp.MustCompile(`\s*\([^()]*\)?`)

// printable gives what a telephone says of itself without comments and without what is no
// character.
func printable(s string) string {
	s = comment.ReplaceAllString(s, "")
	if s = strings.TrimSpace(strings.ToValidUTF8(s, "")); s == "" {
		return T("sip.unnamed")
	}
	return s
}

func sipFacts(c sipline.Counters) []fact {
	var l []fact
	for _, x := range []struct {
		key string
		n   uint64
	}{
		{"sip.in", c.In}, {"sip.refused", c.Refused}, {"sip.dropped", c.Dropped}, {"sip.limited", c.Limited}, {"sip.challenged", c.Challenged},
		{"sip.late", c.Late}, {"sip.wrong", c.Guard.Wrong}, {"sip.banned", c.Guard.Refused}, {"sip.open", uint64(c.Connections.Open)}, {"sip.connrefused", c.Connections.Refused},
	} {
		l = append(l, fact{Name: T(x.key), Value: itoa(x.n)})
	}
	return l
}

// unban listens again to all sources that were shut out.
func (s *Server) unban(q *request) error {
	if s.cfg.Network == nil {
		return errNotFound
	}
	s.cfg.Network.Unban()
	s.cfg.Log.Info("sources that were shut out are listened to again: the page asked for it")
	redirect(q, "/health")
	return nil
}

// size gives a number of bytes as people read it.
func size(n int64) string {
	if n < 1<<20 {
		return T("size.kib", (n+1023)>>10)
	}
	return T("size.mib", fmt.Sprintf("%.1f", float64(n)/(1<<20)))
}

func (s *Server) about(q *request) error {
	s.show(q, 200, "about", "about.title", []fact{
		{Name: T("about.version"), Value: s.cfg.Version},
		{Name: T("about.since"), Value: s.began.Local().Format(T("time.long"))},
		{Name: T("about.country"), Value: s.country(q)},
		{Name: T("about.now"), Value: q.now.Local().Format(T("time.long")) + " " + zone(q.now)},
	})
	return nil
}

func zone(now time.Time) string {
	name, _ := now.Local().Zone()
	return name
}

func (s *Server) country(q *request) string {
	_, country := s.as(q).Office()
	return country
}

func counters(c pbx.Counters) []fact {
	var l []fact
	for _, x := range []struct {
		key string
		n   uint64
	}{
		{"switch.steps", c.Steps}, {"switch.refused", c.Refused}, {"switch.baddigits", c.BadDigits}, {"switch.latedigits", c.LateDigits}, {"switch.latephones", c.LatePhones},
		{"switch.lost", c.LostEvents}, {"switch.dropped", c.Dropped}, {"switch.unused", c.Unused}, {"switch.nodial", c.NoDialTone}, {"switch.dead", c.DeadLines},
		{"switch.glare", c.Glare}, {"switch.stuck", c.Stuck}, {"switch.preempted", c.Preempted}, {"switch.latetones", c.LateTones}, {"switch.badkeys", c.BadKeys},
	} {
		l = append(l, fact{Name: T(x.key), Value: itoa(x.n)})
	}
	return l
}

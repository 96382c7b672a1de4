package ua

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

const (
	leastSE = 90 * time.Second // RFC 4028 section 5
	mostSE  = 24 * time.Hour
	// spare is how long before the end of the session who is refreshed gives up, or a
	// third of the interval if that is less (RFC 4028 section 10).
	spare = 32 * time.Second
)

// session is its timer (RFC 4028).
type session struct {
	interval time.Duration // 0: none agreed yet
	least    time.Duration // the longest Min-SE met
	here     bool          // the box refreshes
	there    bool          // the telephone knows session timers
}

// refresherHere gives the refresher parameter of an own request within the session.
func (l *Leg) refresherHere() string {
	if l.session.here {
		return "uac"
	}
	return "uas"
}

// interval is what the box asks for.
func (l *Leg) interval() time.Duration {
	if l.session.interval > 0 {
		return max(l.session.interval, l.session.least)
	}
	return max(l.cfg.Expires, l.session.least)
}

// askTimer asks for a session timer; refresher is "uac", "uas", or empty to leave it open.
func (l *Leg) askTimer(req *sip.Request, refresher string) {
	v := seconds(l.interval())
	if refresher != "" {
		v += ";refresher=" + refresher
	}
	addHeader(req, "Session-Expires", v)
	if l.session.least > leastSE {
		addHeader(req, "Min-SE", seconds(l.session.least))
	}
}

// tooShort refuses a request whose session interval is below what the box grants; only
// who knows session timers can be told (RFC 4028 section 9).
func (l *Leg) tooShort(a arg) bool {
	se, _ := sessionExpires(a.req)
	if se == 0 || se >= l.cfg.MinSE || !has(a.req, "supported", "k", "timer") {
		return false
	}
	l.reply(a, 422, "Min-SE", seconds(l.cfg.MinSE))
	return true
}

// grant puts the session timer into a 2xx and starts it (RFC 4028 section 9).
func (l *Leg) grant(a arg, res *sip.Response) {
	se, refresher := sessionExpires(a.req)
	s := &l.session
	s.there = has(a.req, "supported", "k", "timer") || has(a.req, "require", "", "timer")
	s.least = max(s.least, minSE(a.req))
	interval := l.cfg.Expires
	if s.there && se > 0 {
		interval = min(se, interval)
	}
	before := s.interval > 0
	s.interval = max(interval, s.least, l.cfg.MinSE)
	switch {
	case !s.there:
		s.here = true
	case refresher != "":
		s.here = refresher == "uas"
	case !before:
		s.here = true
	}
	if s.there {
		refresher = "uac"
		if s.here {
			refresher = "uas"
		} else {
			addHeader(res, "Require", "timer")
		}
		addHeader(res, "Session-Expires", seconds(s.interval)+";refresher="+refresher)
	}
	l.restart(a.now)
}

// granted takes the session timer from a 2xx to an own request (RFC 4028 section 7.2).
// Without one in it the session has no end; the box still asks at half its own interval
// whether the telephone is there.
func (l *Leg) granted(a arg) {
	se, refresher := sessionExpires(a.res)
	s := &l.session
	s.interval, s.there, s.here = l.interval(), se > 0, true
	if s.there {
		s.interval = max(se, l.cfg.MinSE)
		s.here = refresher != "uas"
	}
	l.d.aim(a.res.Contact())
	if value(a.res, "allow", "") != "" {
		l.d.updates = has(a.res, "allow", "", "UPDATE")
	}
	l.restart(a.now)
}

// restart begins a session interval.
func (l *Leg) restart(now time.Time) {
	s := &l.session
	l.stop(TimeRefresh)
	l.stop(TimeExpire)
	l.reoffer.refresh = false
	if s.here {
		l.set(TimeRefresh, now.Add(s.interval/2))
	}
	if s.there {
		l.set(TimeExpire, now.Add(s.interval-min(spare, s.interval/3)))
	}
}

// refreshLater plans another refresh after one was refused: halfway to the end of the
// session. A telephone without session timers has answered, which is all that was asked.
func (l *Leg) refreshLater(now time.Time) {
	s := &l.session
	switch end := l.timers[TimeExpire-firstTimer]; {
	case !s.here:
	case end.IsZero():
		l.set(TimeRefresh, now.Add(s.interval/2))
	default:
		if next := now.Add(max(end.Sub(now)/2, 10*time.Second)); next.Before(end) {
			l.set(TimeRefresh, next)
		}
	}
}

// longer learns from a 422 how long a session must be. It is false if that is no more
// than what was asked for.
func (l *Leg) longer(res *sip.Response) bool {
	least := minSE(res)
	if least <= l.interval() {
		return false
	}
	l.session.least = least
	if l.session.interval > 0 {
		l.session.interval = least
	}
	return true
}

func (l *Leg) expired(a arg) {
	l.count.Expired++
	l.fail(a.now, pbx.RecoveryOnTimer)
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// sessionExpires reads Session-Expires: 0 if there is none that makes sense.
func sessionExpires(m sip.Message) (interval time.Duration, refresher string) {
	v, params, _ := strings.Cut(value(m, "session-expires", "x"), ";")
	for p := range strings.SplitSeq(params, ";") {
		name, val, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "refresher") {
			if val = strings.ToLower(strings.TrimSpace(val)); val == "uac" || val == "uas" {
				refresher = val
			}
		}
	}
	return time.Duration(number(v, uint64(mostSE/time.Second))) * time.Second, refresher
}

// minSE reads Min-SE: 0 if there is none that makes sense.
func minSE(m sip.Message) time.Duration {
	v, _, _ := strings.Cut(value(m, "min-se", ""), ";")
	return time.Duration(number(v, uint64(mostSE/time.Second))) * time.Second
}

// number reads the decimal number that s begins with: 0 if there is none, limit if it is
// more.
func number(s string, limit uint64) uint64 {
	n, s := uint64(0), strings.TrimLeft(s, " \t")
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n = n*10 + uint64(s[i]-'0'); n >= limit {
			return limit
		}
	}
	return n
}

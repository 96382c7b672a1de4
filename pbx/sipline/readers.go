package sipline

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/wire"
)

// counters of messages, since the start.
type counters struct {
	in, refused, dropped, limited, challenged, late, unanswered, strayAcks, faults, greedy atomic.Uint64
	reasons                                                                                [edge.Reasons]atomic.Uint64
}

// readPackets reads the UDP socket.
func (s *Server) readPackets(ctx context.Context) {
	check := edge.NewChecker(s.seed)
	buf := make([]byte, edge.MaxMessage+1)
	local := addrOf(s.cfg.UDP.LocalAddr())
	for {
		n, from, err := s.cfg.UDP.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil || errClosed(err) {
				return
			}
			s.notes.note("sip socket", err.Error())
			time.Sleep(10 * time.Millisecond) // an error that stays must not burn the processor
			continue
		}
		flow := wire.Flow{Proto: wire.UDP, Local: local, Remote: unmap(from)}
		who := s.known.standing(knownKey{wire.UDP, flow.Remote})
		if !s.limiter.Allow(time.Now(), flow.Remote, who) {
			s.count.limited.Add(1)
			continue
		}
		s.take(check, buf[:n], flow, who == edge.Known)
	}
}

// take judges one message and lets it in. It tells whether its connection is to be closed.
func (s *Server) take(check *edge.Checker, data []byte, flow wire.Flow, known bool) (closeConn bool) {
	s.count.in.Add(1)
	defer func() {
		if r := recover(); r != nil { // it costs this message and its connection
			s.count.faults.Add(1)
			s.notes.note("sip reader stumbled", fmt.Sprintf("%T", r))
			closeConn = true
		}
	}()
	v := check.Message(data, flow, flow.Proto.Reliable())
	switch v.Kind {
	case edge.Accept:
		s.letIn(arrival{v.Request, v.Response, flow, len(data)}, known)
	case edge.Pong:
		if len(v.Reply) > 0 {
			s.send(flow, append([]byte(nil), v.Reply...))
		}
	case edge.Reply:
		s.count.refused.Add(1)
		s.count.reasons[v.Why].Add(1)
		s.notes.note("sip message", string(check.AppendLog(nil, data, v)))
		s.send(flow, append([]byte(nil), v.Reply...))
	default:
		s.count.dropped.Add(1)
		s.count.reasons[v.Why].Add(1)
		s.notes.note("sip message", string(check.AppendLog(nil, data, v)))
	}
	return v.Close
}

// letIn challenges what carries no credentials, and hands all else to the loop. What does
// not fit is dropped: over UDP it comes again.
func (s *Server) letIn(a arrival, known bool) {
	if req := a.req; req != nil && s.trusted(a.flow) == "" && !hasTag(req.To()) && needsCredentials(req.Method, known) && req.GetHeader("Authorization") == nil {
		s.count.challenged.Add(1)
		s.challenge(req, a.flow, time.Now(), false, a.size)
		return
	}
	if known {
		select {
		case s.urgent <- a:
			return
		default:
		}
	}
	select {
	case s.inbox <- a:
	default:
		s.count.late.Add(1)
	}
}

// needsCredentials tells which requests out of a dialog are looked at only with
// credentials: all but those that belong to another. A telephone that is registered may
// ask whether the box is there.
func needsCredentials(m sip.RequestMethod, known bool) bool {
	switch m {
	case sip.ACK, sip.CANCEL:
		return false
	case sip.OPTIONS:
		return !known
	}
	return true
}

// notes tells of refused messages: one line each, ten in a second at most, and how many
// more there were.
type notes struct {
	log  logger
	mu   sync.Mutex
	from time.Time
	told int
	more uint64
}

type logger interface{ Info(string, ...any) }

const notesPerSecond = 10

func (n *notes) note(what, why string) {
	now := time.Now()
	n.mu.Lock()
	if now.Sub(n.from) >= time.Second {
		n.from, n.told = now, 0
	}
	if n.told++; n.told > notesPerSecond {
		n.more++
		n.mu.Unlock()
		return
	}
	more := n.more
	n.more = 0
	n.mu.Unlock()
	if more > 0 {
		n.log.Info(what, "why", why, "before", more)
		return
	}
	n.log.Info(what, "why", why)
}

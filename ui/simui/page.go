package simui

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// The WebSocket of a live page, RFC 6455, at /sim/live.
//
// Text, from the page: {"to":"p1","do":"press 5"}, in the words of act. Text, to the
// page: {"state":{…}} with every change, {"refused":"…"} for what was not done and {"ended":"…"} before the box ends it. Binary,
// both ways: 20 ms of one telephone or line,
//
//	byte 0     channel: telephones from 0, then lines
//	byte 1     0
//	bytes 2–3  sequence, rises by one a message of this channel; little-endian
//	bytes 4–   160 samples, linear PCM, 16 bit, 8 kHz, little-endian
//
// from the page: spoken into the one that it speaks at; to the page: heard at each that
// it listens to.
const (
	soundHeader = 4
	soundLen    = soundHeader + 2*blockLen
)

const (
	maxMessage = 512                   // bytes from a page, more than any needs
	maxHeard   = 64                    // blocks that wait for a page: 1.28 s of one telephone
	lookEvery  = 50 * time.Millisecond // at the state, when something changed
	writeTime  = 3 * time.Second       // for a message to leave
	pingEvery  = 15 * time.Second      // a page that is gone is noticed by then
	pingTime   = 10 * time.Second      // for its answer
	soundBurst = 50                    // messages with sound at once, for a page that was held up
	soundRate  = 60                    // a second; 50 are needed
	textBurst  = 200                   // messages with text at once
	textRate   = 50                    // a second
)

// page is one live page.
type page struct {
	s        *Server
	conn     *websocket.Conn
	session  string
	personal bool
	end      context.CancelCauseFunc
	sound    chan block
	refused  chan string
}

var (
	errReplaced = errors.New("opened in another window")
	errFlood    = errors.New("more than there is time for")
	errOver     = errors.New("the log-in is over")
)

// live serves the WebSocket. It lives no longer than the request's context: one that ends
// for another cause than [context.Canceled] ends because the log-in is over.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(r) {
		s.refused.Add(1)
		http.Error(w, "This page may not be used from another one.", http.StatusForbidden)
		return
	}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	p := &page{s: s, end: end, sound: make(chan block, maxHeard), refused: make(chan string, 4)}
	if s.cfg.Session != nil {
		p.session = s.cfg.Session(r)
	}
	p.personal = s.cfg.Personal != nil && s.cfg.Personal(r)
	if !s.join(p) {
		s.refused.Add(1)
		http.Error(w, "There are enough live pages open. Close one and load this one again.", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(p)
	var err error
	if p.conn, err = websocket.Accept(w, r, nil); err != nil {
		s.refused.Add(1)
		return // Accept has answered
	}
	defer p.conn.CloseNow()
	p.conn.SetReadLimit(maxMessage)
	var wg sync.WaitGroup
	wg.Go(func() { end(p.read()) })
	wg.Go(func() { end(p.ping(ctx)) })
	end(p.write(ctx))
	why := context.Cause(ctx)
	if over := context.Cause(r.Context()); over != nil && !errors.Is(over, context.Canceled) {
		why = errOver
	}
	switch {
	case errors.Is(why, errReplaced), errors.Is(why, errFlood), errors.Is(why, errOver):
		p.send(websocket.MessageText, text("ended", sentence(why))) // and if it does not, it is gone
		// What the page still sends is read for some seconds: with it unread, the end of the
		// connection would overtake the sentence.
		p.conn.Close(websocket.StatusPolicyViolation, "")
	case !gone(why):
		s.lost.Add(1)
		s.cfg.Log.Info("simulator page lost", "why", why)
	}
	p.conn.CloseNow()
	wg.Wait()
}

// gone tells whether a page went as pages do.
func gone(why error) bool {
	switch websocket.CloseStatus(why) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return true
	}
	return errors.Is(why, context.Canceled)
}

// sameOrigin tells whether a WebSocket is asked for by a page of this host, or by what
// is no browser and says no origin.
func sameOrigin(r *http.Request) bool {
	o := r.Header.Get("Origin")
	if o == "" {
		return true
	}
	u, err := url.Parse(o)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// join counts a page in. The older page of the same log-in goes.
func (s *Server) join(p *page) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := 0
	for o := range s.pages {
		if p.session != "" && o.session == p.session {
			o.end(errReplaced)
			continue
		}
		others++
	}
	if s.closed || others >= MaxPages || len(s.pages) >= 2*MaxPages {
		return false
	}
	s.pages[p] = struct{}{}
	s.done.Add(1)
	return true
}

// leave takes a page off everything that it held.
func (s *Server) leave(p *page) {
	for i, c := range s.channels {
		if c.presses(p, false) && i < s.phones {
			s.cfg.World.Set(i).KeyUp()
		}
		c.listen(p, false)
	}
	s.mu.Lock()
	delete(s.pages, p)
	s.mu.Unlock()
	s.done.Done()
}

// Close ends all live pages and waits until they hold nothing any more. Forms and pages
// without life go on.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for p := range s.pages {
		p.end(context.Canceled)
	}
	s.mu.Unlock()
	s.done.Wait()
}

// offer hands 20 ms to the page. It is called by the tap and does not wait.
func (p *page) offer(b *block) { p.s.dropped.Add(push(p.sound, *b)) }

// read takes what the page sends until the connection ends.
func (p *page) read() error {
	sounds, texts := allowance{burst: soundBurst, rate: soundRate}, allowance{burst: textBurst, rate: textRate}
	var pcm [blockLen]int16
	for {
		kind, b, err := p.conn.Read(context.Background())
		switch {
		case err != nil:
			return err
		case kind == websocket.MessageBinary && !sounds.take(time.Now()), kind == websocket.MessageText && !texts.take(time.Now()):
			p.s.refused.Add(1)
			return errFlood
		case kind == websocket.MessageBinary && len(b) == soundLen && int(b[0]) < len(p.s.channels):
			for i := range pcm {
				pcm[i] = int16(binary.LittleEndian.Uint16(b[soundHeader+2*i:]))
			}
			p.s.channels[b[0]].hear(p, &pcm)
		case kind == websocket.MessageText:
			var m struct{ To, Do string }
			if err = json.Unmarshal(b, &m); err != nil {
				err = errUnknown
			} else {
				err = p.s.act(p, m.To, m.Do)
			}
			if err != nil {
				p.refuse(err)
			}
		default:
			p.refuse(errUnknown)
		}
	}
}

// refuse counts what was not done and tells the page, if it can be told.
func (p *page) refuse(err error) {
	p.s.refused.Add(1)
	select {
	case p.refused <- sentence(err):
	default:
	}
}

// write sends the state with each change, and sound as it comes.
func (p *page) write(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	changed := p.s.cfg.World.Changed()
	last, err := p.tell(nil)
	var msg [soundLen]byte
	for err == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b := <-p.sound:
			err = p.send(websocket.MessageBinary, b.put(&msg))
		case why := <-p.refused:
			err = p.send(websocket.MessageText, text("refused", why))
		case <-tick.C:
			select {
			case <-changed:
				changed = p.s.cfg.World.Changed()
				last, err = p.tell(last)
			default:
			}
		}
	}
	return err
}

// tell sends the state if it is another one than last.
func (p *page) tell(last []byte) ([]byte, error) {
	b, err := json.Marshal(map[string]state{"state": p.s.look(p.personal)})
	if err != nil || bytes.Equal(b, last) {
		return last, err
	}
	return b, p.send(websocket.MessageText, b)
}

func (p *page) send(kind websocket.MessageType, b []byte) error {
	ctx, done := context.WithTimeout(context.Background(), writeTime)
	defer done()
	return p.conn.Write(ctx, kind, b)
}

// text makes a message of one word and what it says.
func text(word, says string) []byte {
	b, _ := json.Marshal(map[string]string{word: says}) // of strings it cannot fail
	return b
}

// ping notices that a page went away without a word.
func (p *page) ping(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		answer, done := context.WithTimeout(ctx, pingTime)
		err := p.conn.Ping(answer)
		done()
		if err != nil {
			return err
		}
	}
}

// put writes a block as a message.
func (b *block) put(m *[soundLen]byte) []byte {
	m[0], m[1] = b.channel, 0
	binary.LittleEndian.PutUint16(m[2:], b.seq)
	for i, v := range b.pcm {
		binary.LittleEndian.PutUint16(m[soundHeader+2*i:], uint16(v))
	}
	return m[:]
}

// allowance is a token bucket.
type allowance struct {
	burst, rate float64
	used        float64
	at          time.Time
}

func (a *allowance) take(now time.Time) bool {
	if d := now.Sub(a.at); d > 0 {
		a.used = max(0, a.used-a.rate*d.Seconds())
		a.at = now
	}
	if a.used+1 > a.burst {
		return false
	}
	a.used++
	return true
}

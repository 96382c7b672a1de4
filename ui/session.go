package ui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"sotto/storage"
)

const (
	cookieName   = "__Host-sotto"
	maxSessions  = 64
	maxOwn       = 8 // of one account
	sessionIdle  = 30 * time.Minute
	sessionLimit = 12 * time.Hour
	sweepEvery   = time.Minute
)

// session is one log-in. It lives in memory: a restart ends all.
type session struct {
	key      sessionKey
	account  storage.Account
	began    time.Time
	seen     time.Time // the last request but those of live views
	look     look
	asked    *asked          // an erasure or a copy that waits for the password; nil: none
	imported *imported       // users that wait to be confirmed; nil: none
	ctx      context.Context // ends with the session
	end      context.CancelFunc
}

// look is how the person wants pages to look.
type look struct {
	Theme string // "light", "dark", or empty: as the device has it
	Still bool   // lamps do not move
}

// sessionKey is the SHA-256 of a session's id: the id itself is with the browser alone.
type sessionKey [sha256.Size]byte

type sessions struct {
	mu    sync.Mutex
	byKey map[sessionKey]*session
}

func (s *sessions) init() { s.byKey = map[sessionKey]*session{} }

// start begins a session and gives its id, 256 random bits. With too many, the one that
// was idle for longest ends: of the same account if that has its share, so that nobody
// logs others out by logging in.
func (s *sessions) start(a storage.Account, now time.Time) (id string) {
	var raw [32]byte
	rand.Read(raw[:])
	id = base64.RawURLEncoding.EncodeToString(raw[:])
	x := &session{key: sha256.Sum256([]byte(id)), account: a, began: now, seen: now}
	x.ctx, x.end = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.room(maxOwn, func(y *session) bool { return y.account.ID == a.ID })
	s.room(maxSessions, func(*session) bool { return true })
	s.byKey[x.key] = x
	return id
}

// room makes room for one more of those that are meant, most of which there may be at once.
func (s *sessions) room(most int, meant func(*session) bool) {
	n := 0
	var oldest *session
	for _, y := range s.byKey {
		if !meant(y) {
			continue
		}
		if n++; oldest == nil || y.seen.Before(oldest.seen) {
			oldest = y
		}
	}
	if n >= most {
		s.drop(oldest)
	}
}

// find gives a copy of the session of id, if it still runs, and notes that it was seen if
// that is use of it.
func (s *sessions) find(id string, now time.Time, use bool) (session, bool) {
	if len(id) > 64 {
		return session{}, false
	}
	key := sessionKey(sha256.Sum256([]byte(id)))
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[key]
	if x == nil {
		return session{}, false
	}
	if x.over(now) {
		s.drop(x)
		return session{}, false
	}
	if use {
		x.seen = now
	}
	return *x, true
}

func (x *session) over(now time.Time) bool {
	return now.Sub(x.seen) >= sessionIdle || now.Sub(x.began) >= sessionLimit
}

// setLook notes how pages are to look in the session key.
func (s *sessions) setLook(key sessionKey, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byKey[key]; x != nil {
		x.look = l
	}
}

// stop ends the session key.
func (s *sessions) stop(key sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byKey[key]; x != nil {
		s.drop(x)
	}
}

// stopAccount ends all sessions of an account: its password or its role changed.
func (s *sessions) stopAccount(id storage.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.byKey {
		if x.account.ID == id {
			s.drop(x)
		}
	}
}

// ask notes what waits for the password, in place of an earlier one; nil: none.
func (s *sessions) ask(key sessionKey, a *asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byKey[key]; x != nil {
		x.asked = a
	}
}

// keep notes users that wait to be confirmed, in place of earlier ones; nil: none.
func (s *sessions) keep(key sessionKey, i *imported) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byKey[key]; x != nil {
		x.imported = i
	}
}

// stopGone ends the sessions of accounts that there are no more.
func (s *sessions) stopGone(there func(storage.AccountID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.byKey {
		if !there(x.account.ID) {
			s.drop(x)
		}
	}
}

func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.byKey {
		s.drop(x)
	}
}

func (s *sessions) drop(x *session) {
	delete(s.byKey, x.key)
	x.end()
}

func (s *sessions) sweep(now time.Time) {
	for _, x := range s.byKey {
		if x.over(now) {
			s.drop(x)
		}
		if x.asked != nil && x.asked.over(now) {
			x.asked = nil
		}
		if x.imported != nil && x.imported.over(now) {
			x.imported = nil
		}
	}
}

// sweepUntil ends sessions whose time is over, so that their streams end too.
func (s *sessions) sweepUntil(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			s.mu.Lock()
			s.sweep(now)
			s.mu.Unlock()
		}
	}
}

func (s *sessions) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byKey)
}

// cookie is the one cookie: for this host alone, over TLS alone, unseen by scripts and
// never sent by pages of others (RFC 6265bis).
func cookie(id string) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if id == "" {
		c.MaxAge = -1
	}
	return c
}

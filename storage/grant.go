package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// A grant shows one masked party of one call record whole, to one account, for some minutes.
// Who asks gives a reason; by the settings a second person agrees before anything is shown.
// The user whose call it is finds a notice of it.
//
// A grant runs by the clock that counts running time and that nobody sets, and ends with the
// run of the program: neither a clock that is set back nor a restart makes it longer. What was
// asked, agreed and shown stays, without the grant, for the term of the audit trail.

// GrantID names a request to see a number, and the grant that became of it: 1, 2, 3 … in the
// order of asking.
type GrantID uint64

// End is one end of a call.
type End uint8

const (
	Caller End = iota + 1
	Called
)

// GrantState says what has become of a request.
type GrantState uint8

const (
	Waiting    GrantState = iota + 1 // for somebody who agrees
	Lasting                          // the number is shown
	Over                             // it was shown
	Refused                          // or taken back by who asked
	Unanswered                       // for a day, and can be answered no more
)

func (s GrantState) String() string {
	return [...]string{"no request", "waiting", "lasting", "over", "refused", "unanswered"}[s%6]
}

// Grant is a request to see a number and what became of it, as who asked may see it. It names
// nobody.
type Grant struct {
	ID     GrantID
	Record RecordID
	End    End
	State  GrantState
	Asked  time.Time // in UTC
	Until  time.Time // when it ends or ended, if it was granted; else zero
}

// Request is a request that waits for a second person. It logs and prints number and state
// only.
type Request struct {
	Grant
	Account AccountID  // who asks; empty if the account is gone
	Name    string     // of the account
	Role    Role       // who asked then was
	Reason  string     // empty if what was kept of the person was erased since
	Call    RecordView // masked as the viewer's role asks; its ID is 0 if the record is no longer kept
}

// Notice tells a user that a number of one of the user's own calls was shown to somebody. It
// logs and prints its number only.
type Notice struct {
	ID      GrantID
	At      time.Time     // when it was granted, in UTC
	For     time.Duration // it was to be shown
	Role    Role          // of who asked
	Agreed  Role          // of who agreed; 0: nobody had to
	Reason  string        // empty if nothing is kept of that person any more, and so no reason either
	Unread  bool
	Record  RecordID
	End     End
	CallAt  time.Time // when the call began, in UTC; zero if its record is no longer kept
	Outward bool      // the call went out
}

// String gives number and state.
func (q Request) String() string { return fmt.Sprintf("request %d (%v)", q.ID, q.State) }

// GoString is String, so that %#v shows no more than %v.
func (q Request) GoString() string { return q.String() }

// LogValue implements [slog.LogValuer].
func (q Request) LogValue() slog.Value { return slog.StringValue(q.String()) }

// String gives the number.
func (n Notice) String() string { return fmt.Sprintf("notice %d", n.ID) }

// GoString is String, so that %#v shows no more than %v.
func (n Notice) GoString() string { return n.String() }

// LogValue implements [slog.LogValuer].
func (n Notice) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MinReason and MaxReason bound the reason of a request, in characters.
const (
	MinReason = 10
	MaxReason = 500
)

const (
	maxRequests = 20     // requests of an account that wait or last
	maxGrants   = 10_000 // requests that are kept; more are refused
	answerTime  = 24 * time.Hour
)

// Errors of grants.
var (
	// ErrReason says that a reason cannot be used.
	ErrReason = errors.New("a reason has 10 to 500 characters that can be printed, in one line")

	// ErrNoRecord says that there is no such call record, or no longer.
	ErrNoRecord = errors.New("this call record is not kept, or no longer")

	// ErrNothingMasked says that a party has no number that the viewer does not see.
	ErrNothingMasked = errors.New("nothing is masked there")

	// ErrDigitsGone says that a number is no longer kept whole: nobody can see it any more.
	ErrDigitsGone = errors.New("the last digits of this number are no longer kept")

	// ErrPersonGone says that the person was erased: nobody can see the number any more.
	ErrPersonGone = errors.New("what was kept of this person was erased")

	// ErrTooManyRequests says that an account has as many requests open as it may.
	ErrTooManyRequests = errors.New("you have as many requests and numbers open as you may: wait until one has ended")

	// ErrNoRequest says that no such request waits for an answer.
	ErrNoRequest = errors.New("no such request waits for an answer")

	// ErrSamePerson says that somebody else must agree to a request than who asked.
	ErrSamePerson = errors.New("somebody else must agree to this request")
)

// AskUnmask asks to see the number of one end of a call record, and returns once that is
// noted. If the settings ask for no second person it is granted at once, else it waits for
// [Reader.AgreeUnmask], for a day at most. Who has asked for the same already gets the grant
// that waits or lasts, and nothing is noted.
//
// The viewer needs the rights policy.AskUnmask and policy.SeeRecords and an account, else
// [ErrNotAllowed]. Other errors are [ErrReason], [ErrNoRecord], [ErrNothingMasked],
// [ErrDigitsGone], [ErrPersonGone] and [ErrTooManyRequests]: 20 may be open at a time. It does
// not need Run.
func (r *Reader) AskUnmask(ctx context.Context, id RecordID, end End, reason string) (Grant, error) {
	s, see := r.s, r.s.sees(r.v)
	if s.isDown() {
		return Grant{}, fmt.Errorf("ask to unmask: %w", ErrDown)
	}
	own, ok := s.asks(r.v)
	if !ok || see.blind() || see.numbers == policy.None {
		return Grant{}, ErrNotAllowed
	}
	if reason = strings.TrimSpace(reason); !isReason(reason) {
		return Grant{}, ErrReason
	}
	if see.numbers == policy.Whole {
		return Grant{}, ErrNothingMasked
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return Grant{}, err
	}
	g, err := s.maskedPart(id, end)
	if err != nil {
		return Grant{}, fmt.Errorf("ask to unmask: %w", err)
	}
	all := s.grants.load()
	open := 0
	for _, old := range all.list {
		if st := old.state(s.clock()); old.by == own && (st == Waiting || st == Lasting) {
			if open++; old.Record == id && old.Part == g.Part {
				return old.public(s.clock()), nil
			}
		}
	}
	if open >= maxRequests || len(all.list) >= maxGrants {
		return Grant{}, ErrTooManyRequests
	}
	g.id, g.by, g.Role, g.since, g.Asked = all.newest+1, own, r.v.Role, time.Now(), s.clock().UnixMilli()
	note := look{viewer: r.v, what: "ask to see a number", rows: 1, about: []keyring.Subject{g.about}, after: "waits"}
	if g.State = Waiting; !s.policy().Unmask.Second {
		note.after = g.grant(s)
	}
	if err := s.putGrant(g, reason, note); err != nil {
		return Grant{}, fmt.Errorf("ask to unmask: %w", err)
	}
	return g.public(s.clock()), nil
}

// grant makes a request one that lasts from now on, and gives that in words.
func (g *grant) grant(s *Store) string {
	g.State, g.Minutes = Lasting, s.policy().Unmask.Minutes
	g.Answered, g.granted = s.clock().UnixMilli(), time.Now()
	return fmt.Sprintf("shown for %d minutes", g.Minutes)
}

// AgreeUnmask answers a request, and returns once that is noted: with yes, the number is shown
// to who asked for the minutes of the settings from now on. It needs the right policy.AgreeUnmask
// and an account, else [ErrNotAllowed]: whoever is at the terminal may be who asked. It needs
// another account than the one that asked, else [ErrSamePerson]; who asked may say no, and takes
// it back. [ErrNoRequest] if it does not wait any more; of what is no longer kept the errors are
// those of [Reader.AskUnmask], and only no is an answer then. It does not need Run.
func (r *Reader) AgreeUnmask(ctx context.Context, id GrantID, yes bool) (Grant, error) {
	s := r.s
	if s.isDown() {
		return Grant{}, fmt.Errorf("answer a request to unmask: %w", ErrDown)
	}
	own, ok := s.ownAccount(r.v)
	if agrees := s.may(r.v, policy.AgreeUnmask); !ok || !agrees && (yes || !s.may(r.v, policy.AskUnmask)) {
		return Grant{}, ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return Grant{}, err
	}
	old := s.grants.load().byID(id)
	switch {
	case old == nil, old.state(s.clock()) != Waiting, old.by != own && !s.may(r.v, policy.AgreeUnmask):
		return Grant{}, ErrNoRequest
	case old.by == own && yes:
		return Grant{}, ErrSamePerson
	}
	g := *old
	g.agreed, g.AgreedRole, g.Answered = own, r.v.Role, s.clock().UnixMilli()
	note := look{viewer: r.v, what: "answer a request to see a number", rows: 1, about: []keyring.Subject{g.about}, before: "waits"}
	if g.State, note.after = Refused, "refused"; g.by == own {
		note.after = "taken back"
	}
	if yes {
		if _, err := s.maskedPart(g.Record, g.End); err != nil {
			return Grant{}, fmt.Errorf("agree to unmask: %w", err)
		}
		note.after = g.grant(s)
	}
	reason, err := s.reasonOf(id)
	if err == nil {
		err = s.putGrant(&g, reason, note)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("answer a request to unmask: %w", err)
	}
	return g.public(s.clock()), nil
}

// ownAccount gives the subject of a viewer's account; false without one.
func (s *Store) ownAccount(v Viewer) (own keyring.Subject, ok bool) {
	if v.Account == "" || s.accounts.Load().byID(v.Account) == nil {
		return own, false
	}
	return s.ring.Lookup(keyring.Admin, string(v.Account))
}

// asks is ownAccount of a viewer who may ask to see numbers.
func (s *Store) asks(v Viewer) (own keyring.Subject, ok bool) {
	if !s.may(v, policy.AskUnmask) || !s.may(v, policy.SeeRecords) {
		return own, false
	}
	return s.ownAccount(v)
}

// isReason tells whether a reason can be used.
func isReason(text string) bool {
	n := utf8.RuneCountInString(text)
	return n >= MinReason && n <= MaxReason && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shows tells whether a grant shows a viewer the party of part i of a call record whole.
func (s *Store) shows(v Viewer, parts *parts, i int) bool {
	lasting := s.grants.load().lasting
	if len(lasting) == 0 || string(parts.bucket) != string(bucketRecords) {
		return false
	}
	own, ok := s.asks(v)
	for _, g := range lasting {
		if ok && g.by == own && g.Record == idOf(parts.key) && g.Part == i && g.state(s.clock()) == Lasting {
			return true
		}
	}
	return false
}

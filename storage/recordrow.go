package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/e164"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// A call record is a row in parts: the box's, then for each party one of class Calls and,
// if there is a number, one of class Digits with its last digits. So the digits can be kept
// for a shorter time than the call.

// callJSON is the box's part of a call record: what is about nobody. Times are in
// milliseconds.
type callJSON struct {
	Began     int64       `json:"b"` // since 1970
	Rang      int64       `json:"r,omitempty"`
	Talked    int64       `json:"t,omitempty"`
	Outcome   pbx.Outcome `json:"o"`
	Cause     pbx.Cause   `json:"c"`
	Held      bit         `json:"h,omitempty"`
	Emergency bit         `json:"e,omitempty"`
	FromLine  string      `json:"fl,omitempty"`
	ToLine    string      `json:"tl,omitempty"`
	From      int         `json:"f,omitempty"` // number of the caller's part of class Calls; 0: nobody known
	To        int         `json:"g,omitempty"` // of the called party's
	Outside   bit         `json:"x,omitempty"` // it was to go out and got no line
	Private   bit         `json:"p,omitempty"` // a party was not to be kept
	Code      string      `json:"a,omitempty"` // accounting code, by its name

	FromQuality *quality `json:"fq,omitempty"`
	ToQuality   *quality `json:"tq,omitempty"`
}

// bit is a truth value as JSON has it here: 1 or nothing.
type bit uint8

func bitOf(b bool) bit {
	if b {
		return 1
	}
	return 0
}

// partyJSON is a person's part of class Calls. Who the person is, the keyring knows.
type partyJSON struct {
	Ext    plan.Ext `json:"e,omitempty"`
	Number string   `json:"n,omitempty"` // without its last digits
	Place  string   `json:"p,omitempty"` // where the telephone stood
}

// splitNumber gives a number without its last digits, and these: so many as cut says, or all
// of a short one.
func splitNumber(n string, cut int) (front, last string) {
	if len(n) <= 6 {
		return "", n
	}
	return n[:len(n)-cut], n[len(n)-cut:]
}

// recordRow is the row of a call record and where the indexes have it.
type recordRow struct {
	row
	subjects []keyring.Subject // each once
	lines    []string          // each once
}

// side is one end of a call as rows have it.
type side struct {
	known   bool // whose it is; else there is nothing to keep
	subject keyring.Subject
	data    []byte // JSON of a partyJSON
	last    []byte // the last digits, none if there is no number
}

// parts gives the side as parts of a row, none if nobody is known.
func (e *side) parts(class keyring.Class) (list []part) {
	if e.known {
		list = append(list, part{class, e.subject, e.data})
	}
	if len(e.last) > 0 {
		list = append(list, part{keyring.Digits, e.subject, e.last})
	}
	return list
}

// wipe takes what is plain out of memory.
func (e *side) wipe() {
	clear(e.data)
	clear(e.last)
}

// sides gives both ends of a call, cut being the digits of a number that go first. Persons met for the first time get a key, which the next
// commit of the ring makes durable.
func (s *Store) sides(r *pbx.Record, cut int) (from, to side, err error) {
	if from, err = s.sideOf(r.From, r.From.Number, cut); err == nil {
		to, err = s.sideOf(r.To, s.called(r), cut)
	}
	return from, to, err
}

// sideOf gives the end of a party who is known by the number as, if not as a user.
func (s *Store) sideOf(p pbx.Party, as number.Number, cut int) (e side, err error) {
	digits := p.Number.Reveal()
	p.Number = as
	e.subject, e.known, err = s.subjectOf(&p)
	if errors.Is(err, keyring.ErrFull) { // strangers can bring that about: it costs the party, not the record
		if s.nameless.Add(1) == 1 {
			s.log.Error("the keyring is full: call records are kept without the parties that are new")
		}
		return side{}, nil
	}
	if err != nil || !e.known {
		return side{}, err
	}
	front, last := splitNumber(digits, cut)
	if e.data, err = json.Marshal(partyJSON{p.Ext, front, p.Place}); err != nil {
		return side{}, errors.New("a party cannot be encoded")
	}
	e.last = []byte(last)
	return e, nil
}

// sealRecord makes the row of a record from both ends of the call. The error wraps
// [keyring.ErrAged] if a chain has gone past the day.
func (s *Store) sealRecord(id RecordID, day keyring.Day, r *pbx.Record, from, to *side) (recordRow, error) {
	c := callJSON{
		Began: r.Began.UnixMilli(), Rang: r.Rang.Milliseconds(), Talked: r.Talked.Milliseconds(), Outcome: r.Outcome, Cause: r.Cause,
		Held: bitOf(r.Held), Emergency: bitOf(r.Emergency), FromLine: r.From.Line, ToLine: r.To.Line, Outside: bitOf(noLine(r)),
		Private: bitOf(r.Private), Code: r.Code,
		FromQuality: (*quality)(r.FromQuality), ToQuality: (*quality)(r.ToQuality),
	}
	out := recordRow{row: row{key: keyOf(uint64(id))}}
	list := make([]part, 1, 5)
	list[0].class = keyring.Calls
	if from.known {
		c.From = len(list)
		list = append(list, from.parts(keyring.Calls)...)
		out.subjects = append(out.subjects, from.subject)
	}
	if to.known {
		c.To = len(list)
		list = append(list, to.parts(keyring.Calls)...)
		if !from.known || to.subject != from.subject {
			out.subjects = append(out.subjects, to.subject)
		}
	}
	if c.FromLine != "" {
		out.lines = append(out.lines, c.FromLine)
	}
	if c.ToLine != "" && c.ToLine != c.FromLine {
		out.lines = append(out.lines, c.ToLine)
	}
	var err error
	if list[0].data, err = json.Marshal(&c); err != nil {
		return out, fmt.Errorf("encode call record: %w", err)
	}
	out.value, err = s.sealRow(bucketRecords, out.key, day, list)
	clear(list[0].data)
	if err == nil && len(out.value) > maxRecord {
		err = errTooLong
	}
	return out, err
}

// noLine tells of a call that was to go out and got no line.
func noLine(r *pbx.Record) bool {
	return r.To.Line == "" && r.To.User == "" && !r.To.Number.IsZero() && r.Outcome != pbx.Unobtainable
}

// between gives the direction of a call.
func between(fromLine, toLine string, emergency, noLine bool) Direction {
	switch {
	case fromLine != "":
		return Incoming
	case toLine != "", emergency, noLine:
		return Outgoing
	}
	return Internal
}

// isRecorded tells whether a call makes a call record, by the settings.
func isRecorded(choice *policy.Record, r *pbx.Record) bool {
	switch {
	case r.Emergency:
		return true
	case r.Outcome != pbx.Answered && r.Outcome != pbx.AnswerUnknown && !choice.Failed:
		return false
	}
	switch between(r.From.Line, r.To.Line, r.Emergency, noLine(r)) {
	case Incoming:
		return choice.Incoming
	case Outgoing:
		return choice.Outgoing
	}
	return choice.Internal
}

// maxRecord is more than any record needs; a longer one is a damaged page.
const maxRecord = 64 << 10

// subjectOf tells whose the fields of a party are: the user's, else the number's. An
// extension without a user is an outside party known by what was dialled.
func (s *Store) subjectOf(p *pbx.Party) (subject keyring.Subject, known bool, err error) {
	switch {
	case p.User != "":
		subject, err = s.ring.Subject(keyring.User, string(p.User))
	case !p.Number.IsZero():
		subject, err = s.ring.Subject(keyring.Outside, s.normal(p.Number.Reveal()))
	case p.Ext != "":
		subject, err = s.ring.Subject(keyring.Outside, string(p.Ext))
	default:
		return subject, false, nil
	}
	return subject, true, err
}

// called gives the number by which a called party is known: what the exchange was sent, if
// a rule made that of what was dialled and it is a whole number, so that who is called by a
// short code is who calls. What nobody has may have the digit for outside calls before it.
func (s *Store) called(r *pbx.Record) number.Number {
	if !r.Sent.IsZero() && strings.HasPrefix(s.normal(r.Sent.Reveal()), "+") {
		return r.Sent
	}
	if r.Outcome == pbx.Unobtainable && r.To.Line == "" {
		if rest := behindPrefix(&s.plan.Load().plan, r.To.Number.Reveal()); strings.HasPrefix(s.normal(rest), "+") {
			if n, err := number.Parse(rest); err == nil {
				return n
			}
		}
	}
	return r.To.Number
}

// behindPrefix gives what was dialled without the digit for outside calls and the # at the end.
func behindPrefix(p *plan.Plan, dialled string) string {
	return strings.TrimSuffix(strings.TrimPrefix(dialled, p.OutsidePrefix), "#")
}

// normal gives the one text under which an outside number is known, in whatever form it
// was dialled or shown, by the country and area of the plan of today.
func (s *Store) normal(digits string) string {
	p := &s.plan.Load().plan
	return s.normals.of(p.Country, p.AreaCode, digits)
}

// normals remembers normal forms, because finding one costs more than all else of a record.
type normals struct {
	mu            sync.Mutex
	country, area string
	forms         map[string]string
}

const maxNormals = 512

func (n *normals) of(country, area, digits string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.country != country || n.area != area || len(n.forms) >= maxNormals {
		n.country, n.area = country, area
		clear(n.forms)
	}
	form, ok := n.forms[digits]
	if !ok {
		if n.forms == nil {
			n.forms = map[string]string{}
		}
		form = e164.Normal(country, area, digits)
		n.forms[digits] = form
	}
	return form
}

// forget is for when somebody is erased.
func (n *normals) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.forms)
}

// splitRecord takes the row of a record apart; errRow if its day is not known.
func (s *Store) splitRecord(r row) (parts, error) {
	day, ok := s.dayOf(idOf(r.key))
	if !ok || len(r.value) > maxRecord {
		return parts{}, errRow
	}
	parts, err := splitRow(bucketRecords, r.key, day, r.value)
	if err == nil && parts.list[0].class != keyring.Calls {
		err = errRow // of another class it would count as aged
	}
	return parts, err
}

// party opens what is kept of one party. cut tells that the last digits of the number have
// aged. Errors are those of openPart.
func (s *Store) party(r *parts, i int, line string) (p pbx.Party, cut bool, err error) {
	var j partyJSON
	if i < 1 || i >= len(r.list) || r.list[i].class != r.list[0].class { // Calls in a record, Journal in a journal
		return p, false, errRow
	}
	if err := s.openJSON(r, i, &j); err != nil {
		return p, false, err
	}
	p.Ext, p.Line, p.Place = j.Ext, line, j.Place
	kind, text, ok := s.ring.Name(r.list[i].subject)
	if !ok {
		return p, false, errErased
	}
	if kind == keyring.User {
		p.User = plan.UserID(text)
	}
	digits := j.Number
	if i+1 < len(r.list) && r.list[i+1].class == keyring.Digits && r.list[i+1].subject == r.list[i].subject {
		last, err := s.openPart(r, i+1)
		switch {
		case err == nil:
			digits += string(last)
		case errors.Is(err, errAged):
			cut = true
		case errors.Is(err, errErased):
			return p, false, err // in this moment
		default:
			return p, false, errRow
		}
	}
	if p.Number, err = number.Parse(digits); err != nil && !cut { // "+" alone is no number
		return p, false, errRow
	}
	return p, cut, nil
}

func (c *callJSON) began() time.Time { return time.UnixMilli(c.Began).UTC() }

func (c *callJSON) ended() time.Time { return time.UnixMilli(c.Began + c.Rang + c.Talked).UTC() }

func (c *callJSON) direction() Direction {
	return between(c.FromLine, c.ToLine, c.Emergency != 0, c.Outside != 0)
}

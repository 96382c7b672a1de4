package storage

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// A line on the medium is
//
//	link(32) day(4) row in parts: one, class Audit of the box
//
// The link is HMAC-SHA256 over the link of the line before, the number of the line (8), its day
// and its row, with a key of the box. FORMAT.md has every byte.

// link is what chains a line to those before it; that before the first is zero.
type link [sha256.Size]byte

// The bounds of a line. What is longer is cut.
const (
	lineHead = len(link{}) + 4
	maxWhat  = 64
	maxText  = 500
	maxAbout = 64
	maxLine  = 8 << 10 // a longer value is damaged
)

// Actor is the kind of somebody who looked or changed something.
type Actor uint8

const (
	ByAccount  Actor = iota + 1 // somebody who was logged in
	ByBox                       // the box itself
	ByTerminal                  // somebody at the terminal, with a sub-command
	ByStranger                  // somebody who was not logged in
)

// lineJSON is the row of a line.
type lineJSON struct {
	At     int64    `json:"t"` // ms since 1970
	By     Actor    `json:"k"`
	Who    string   `json:"w,omitempty"` // the subject of an account
	Role   Role     `json:"r,omitempty"`
	What   string   `json:"a"`
	Rows   int      `json:"n,omitempty"`
	More   int      `json:"m,omitempty"`
	About  []string `json:"s,omitempty"`
	Others int      `json:"x,omitempty"` // more of About than there is room for
	Before string   `json:"b,omitempty"`
	After  string   `json:"c,omitempty"`
}

func (s *Store) lineOf(l *look) lineJSON {
	j := lineJSON{At: s.clock().UnixMilli(), Role: l.viewer.Role, What: cutText(l.what, maxWhat), Rows: l.rows, More: l.more,
		Before: cutText(l.before, maxText), After: cutText(l.after, maxText)}
	switch {
	case l.stranger:
		j.By, j.Role = ByStranger, 0
	case l.viewer.Account != "":
		j.By = ByAccount
		if subject, ok := s.ring.Lookup(keyring.Admin, string(l.viewer.Account)); ok {
			j.Who = subject.String()
		}
	case l.viewer.Role == 0:
		j.By = ByBox
	default:
		j.By = ByTerminal
	}
	for i, subject := range l.about {
		if i == maxAbout {
			j.Others = len(l.about) - maxAbout
			break
		}
		j.About = append(j.About, subject.String())
	}
	return j
}

// cutText gives at most so many bytes of a text, whole characters.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// auditRows are lines on their way into a transaction, and the trail as it is after it.
type auditRows struct {
	rows   []row
	newest uint64
	link   link
	base   checkpoint
}

// sealLines makes the rows of looks, of the newest day; the day is a new one if the date has
// changed. It is under wmu.
func (s *Store) sealLines(looks []look) (auditRows, error) {
	a := auditRows{newest: s.trail.newest, link: s.trail.link, base: s.trail.base}
	if len(looks) == 0 {
		return a, nil
	}
	if s.putting == nil {
		days, err := s.dayToWrite(keyring.Audit)
		if err != nil {
			return a, err
		}
		s.putting = days
	}
	for i := range looks {
		plain, err := json.Marshal(s.lineOf(&looks[i]))
		if err != nil {
			return a, errors.New("a line of the audit trail cannot be encoded")
		}
		a.newest++
		key, today := keyOf(a.newest), keyring.Day(len(s.putting)-1)
		sealed, err := s.sealRow(bucketAudit, key, today, []part{{keyring.Audit, keyring.Subject{}, plain}})
		if err != nil {
			return a, err
		}
		value := make([]byte, len(link{}), lineHead+len(sealed))
		value = binary.BigEndian.AppendUint32(value, uint32(today))
		value = append(value, sealed...)
		a.link = nextLink(&s.trail.key, a.link, a.newest, value)
		copy(value, a.link[:])
		a.rows = append(a.rows, row{key, value})
	}
	return a, nil
}

// putLines writes lines, and makes room for them if there are too many.
func (s *Store) putLines(tx *bbolt.Tx, a *auditRows) error {
	if len(a.rows) == 0 {
		return nil
	}
	if err := putNext(tx, bucketAudit, a.rows); err != nil {
		return err
	}
	return s.dropFull(tx, a)
}

// tookLines makes a the trail once it is durable.
func (s *Store) tookLines(a *auditRows) {
	if len(a.rows) == 0 {
		return
	}
	t := &s.trail
	t.newest, t.link, t.owed = a.newest, a.link, nil
	s.tookBase(a.base)
}

// owe has the next transaction write a line about what the box itself has found.
func (s *Store) owe(what string) { s.trail.owed = append(s.trail.owed, look{what: what}) }

// whatCutEnd is what the box notes at a start that finds the newest lines gone.
const whatCutEnd = "newest lines of the audit trail missing"

// loadAudit reads where the trail begins and ends. end is the end by the count, nil if that is
// damaged.
func (s *Store) loadAudit(tx *bbolt.Tx, end []byte) {
	t := &s.trail
	t.key, t.base = s.linkKey(), s.readCheckpoint(tx)
	k, v := tx.Bucket(bucketAudit).Cursor().Last()
	last := uint64(idOf(k))
	if end == nil {
		t.lostEnd = true
		t.newest = max(last, t.base.Last)
		if t.link = t.base.link(); last > t.base.Last {
			t.link, _, _, _ = splitLine(v)
		}
		s.owe("end of the audit trail lost")
	} else {
		t.newest = binary.BigEndian.Uint64(end)
		copy(t.link[:], end[8:])
	}
	switch first := max(last, t.base.Last); {
	case first < t.newest:
		s.doubt = true
		s.unreadable.Add(t.newest - first)
		s.log.Error("the newest lines of the audit trail are missing", "missing", t.newest-first)
		s.owe(whatCutEnd)
	case last > t.newest:
		s.doubt = true
		s.log.Error("the audit trail has lines that the box has not written")
		s.owe("lines of the audit trail that the box has not written")
	}
	if t.base.damaged {
		s.doubt = true
		s.unreadable.Add(1)
		s.log.Error("the checkpoint of the audit trail is damaged")
		s.owe("checkpoint of the audit trail damaged")
	}
	s.auditLines.Store(t.newest - min(t.base.Last, t.newest))
	s.auditEarly.Store(t.base.Early)
}

// linkKey gives the key of the links.
func (s *Store) linkKey() (k seal.Key) {
	box := s.ring.Box()
	defer clear(box[:])
	derived, err := hkdf.Expand(sha256.New, box[:], "sotto audit 1", len(k))
	if err != nil {
		panic(err) // for lengths alone
	}
	copy(k[:], derived)
	clear(derived)
	return k
}

// nextLink gives the link of a line that follows one with the link prev. value is the line's,
// with whatever for its link.
func nextLink(k *seal.Key, prev link, number uint64, value []byte) (l link) {
	h := hmac.New(sha256.New, k[:])
	h.Write(prev[:])
	h.Write(keyOf(number))
	h.Write(value[len(link{}):])
	h.Sum(l[:0])
	return l
}

// splitLine takes a value apart and copies nothing; the error is errRow.
func splitLine(value []byte) (l link, n keyring.Day, sealed []byte, err error) {
	if len(value) < lineHead || len(value) > maxLine {
		return l, 0, nil, errRow
	}
	copy(l[:], value)
	return l, keyring.Day(binary.BigEndian.Uint32(value[len(link{}):])), value[lineHead:], nil
}

// openLine opens a line as if it were that of key. The error is errAged or errRow.
func (s *Store) openLine(key, value []byte) (j lineJSON, err error) {
	_, day, sealed, err := splitLine(value)
	if err != nil {
		return j, err
	}
	r, err := splitRow(bucketAudit, key, day, sealed)
	if err == nil && (len(r.list) != 1 || r.list[0].class != keyring.Audit) {
		err = errRow
	}
	if err == nil {
		err = s.openJSON(&r, 0, &j)
	}
	if err != nil && err != errAged {
		err = errRow
	}
	return j, err
}

func (l link) short() string {
	text := hex.EncodeToString(l[:])
	return text[:4] + "…" + text[len(text)-4:]
}

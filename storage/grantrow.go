package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// grantJSON is the box's part of a request. The reason is the part of who is to be seen, so
// that it goes with that person.
type grantJSON struct {
	Record RecordID   `json:"r"`
	End    End        `json:"e"`
	Part   int        `json:"p"` // of the record: the party's
	Asked  int64      `json:"a"` // ms since 1970
	By     string     `json:"b"` // subject of the account, in hexadecimal
	Role   Role       `json:"br"`
	User   string     `json:"u,omitempty"` // subject of the user whose call it is
	State  GrantState `json:"s"`           // Waiting, Lasting once it was granted, Refused

	Answered   int64  `json:"d,omitempty"` // ms since 1970
	Agreed     string `json:"g,omitempty"` // subject of the account
	AgreedRole Role   `json:"gr,omitempty"`
	Minutes    int    `json:"m,omitempty"`
	Read       bit    `json:"n,omitempty"` // the user has read the notice
}

// grant is a request and what has become of it. It is not changed once published.
type grant struct {
	grantJSON
	id               GrantID
	day              keyring.Day     // whose keys the row has
	about            keyring.Subject // who is to be seen; zero once nothing is kept of that person
	by, user, agreed keyring.Subject

	since   time.Time // of asking, or of the start since then: running time counts from it
	granted time.Time // in this run, else zero
}

// state tells what has become of a request at a time of the box's clock. A request waits no
// longer than a day by the clock, and by running time.
func (g *grant) state(now time.Time) GrantState {
	switch {
	case g.State == Waiting && (time.Since(g.since) >= answerTime || now.Sub(time.UnixMilli(g.Asked)) >= answerTime):
		return Unanswered
	case g.State == Lasting && time.Since(g.granted) >= g.lasts(): // or of an earlier run
		return Over
	}
	return g.State
}

func (g *grant) lasts() time.Duration { return time.Duration(g.Minutes) * time.Minute }

func (g *grant) public(now time.Time) Grant {
	p := Grant{ID: g.id, Record: g.Record, End: g.End, State: g.state(now), Asked: time.UnixMilli(g.Asked).UTC()}
	if g.State == Lasting {
		p.Until = time.UnixMilli(g.Answered).Add(g.lasts()).UTC()
	}
	return p
}

// grants are all requests that are kept. The table is in memory without reasons; it is changed
// under wmu, and never once published.
type grants struct{ now atomic.Pointer[grantTable] }

type grantTable struct {
	list    []*grant // by id
	lasting []*grant // of the list: granted in this run, and not over when it was published
	newest  GrantID  // ever given
}

func (g *grants) load() *grantTable {
	if t := g.now.Load(); t != nil {
		return t
	}
	return &grantTable{}
}

func (t *grantTable) byID(id GrantID) *grant {
	if i, ok := slices.BinarySearchFunc(t.list, id, func(g *grant, id GrantID) int { return int(int64(g.id) - int64(id)) }); ok {
		return t.list[i]
	}
	return nil
}

// publish makes list the table.
func (g *grants) publish(list []*grant, newest GrantID, now time.Time) {
	t := &grantTable{list: list, newest: newest}
	for _, x := range list {
		if x.state(now) == Lasting {
			t.lasting = append(t.lasting, x)
		}
	}
	g.now.Store(t)
}

// maskedPart begins a request for one end of a call record. The error tells why there is
// nothing to be seen.
func (s *Store) maskedPart(id RecordID, end End) (*grant, error) {
	if s.closed || s.broken {
		return nil, ErrDown
	}
	row, ok, err := s.recordByID(id)
	if err != nil {
		return nil, err
	}
	var c callJSON
	parts, perr := s.splitRecord(row)
	if !ok || perr != nil || s.openJSON(&parts, 0, &c) != nil {
		return nil, ErrNoRecord
	}
	g := &grant{grantJSON: grantJSON{Record: id, End: end}}
	other, line := 0, ""
	switch end {
	case Caller:
		g.Part, other, line = c.From, c.To, c.FromLine
	case Called:
		g.Part, other, line = c.To, c.From, c.ToLine
	}
	if g.Part == 0 {
		return nil, ErrNothingMasked
	}
	p, cut, err := s.party(&parts, g.Part, line)
	switch {
	case errors.Is(err, errErased):
		return nil, ErrPersonGone
	case errors.Is(err, errAged), cut:
		return nil, ErrDigitsGone
	case err != nil:
		return nil, ErrNoRecord
	case p.Number.IsZero() && (p.User != "" || p.Ext == ""):
		return nil, ErrNothingMasked
	}
	g.about = parts.list[g.Part].subject
	for _, i := range []int{other, g.Part} {
		if kind, _, ok := s.ring.Name(parts.list[i].subject); i > 0 && ok && kind == keyring.User && g.user == (keyring.Subject{}) {
			g.user = parts.list[i].subject
		}
	}
	return g, nil
}

// recordByID reads the row of a record; false if there is none.
func (s *Store) recordByID(id RecordID) (r row, ok bool, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketRecords)
			if b == nil {
				return ErrDamaged
			}
			key := keyOf(uint64(id))
			r = row{key, bytes.Clone(b.Get(key))}
			ok = r.value != nil
			return nil
		})
	})
	return r, ok, err
}

// putGrant makes a request durable, in place of what it was before, with its line of the audit
// trail, and publishes it. It is under wmu. The reason is empty if nothing is kept of who is to
// be seen any more.
func (s *Store) putGrant(g *grant, reason string, note look) error {
	newest := s.grants.load().newest
	var days []day
	if g.id > newest {
		var err error
		if days, err = s.dayToWrite(keyring.Audit); err != nil {
			return err
		}
		g.day, newest = keyring.Day(len(days)-1), g.id
	}
	r, err := s.sealGrant(g, reason)
	if err != nil {
		return err
	}
	s.pend(note)
	s.putting = days
	if err := s.commit(func(tx *bbolt.Tx) error {
		return putGrants(tx, []row{r}, newest)
	}); err != nil {
		return err
	}
	s.publishGrants(newest, g)
	return nil
}

func putGrants(tx *bbolt.Tx, rows []row, newest GrantID) error {
	b := tx.Bucket(bucketGrants)
	if b == nil {
		return ErrDamaged
	}
	for _, r := range rows {
		if err := b.Put(r.key, r.value); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(newest))
}

// publishGrants puts changed or new requests into the table.
func (s *Store) publishGrants(newest GrantID, changed ...*grant) {
	list := slices.Clone(s.grants.load().list)
	for _, g := range changed {
		if i := slices.IndexFunc(list, func(old *grant) bool { return old.id == g.id }); i >= 0 {
			list[i] = g
		} else {
			list = append(list, g)
		}
	}
	s.grants.publish(list, newest, s.clock())
}

// sealGrant makes the row of a request: the day, then the row in parts.
func (s *Store) sealGrant(g *grant, reason string) (row, error) {
	hexOf := func(subject keyring.Subject) string {
		if subject == (keyring.Subject{}) {
			return ""
		}
		return subject.String()
	}
	g.By, g.User, g.Agreed = hexOf(g.by), hexOf(g.user), hexOf(g.agreed)
	data, err := json.Marshal(&g.grantJSON)
	if err != nil {
		return row{}, errors.New("a request cannot be encoded")
	}
	list := []part{{class: keyring.Audit, data: data}}
	if reason != "" {
		list = append(list, part{keyring.Audit, g.about, []byte(reason)})
	}
	key := keyOf(uint64(g.id))
	value, err := s.sealRow(bucketGrants, key, g.day, list)
	if err != nil {
		return row{}, err
	}
	return row{key, append(binary.BigEndian.AppendUint32(nil, uint32(g.day)), value...)}, nil
}

// splitGrant takes the row of a request apart.
func splitGrant(key, value []byte) (parts, error) {
	if len(key) != 8 || len(value) < 4 {
		return parts{}, errRow
	}
	p, err := splitRow(bucketGrants, key, keyring.Day(binary.BigEndian.Uint32(value)), value[4:])
	if err == nil && (len(p.list) > 2 || p.list[0].class != keyring.Audit) {
		err = errRow
	}
	return p, err
}

// openGrant opens a row, but for the reason.
func (s *Store) openGrant(key, value []byte) (*grant, error) {
	p, err := splitGrant(key, value)
	if err != nil {
		return nil, err
	}
	g := &grant{id: GrantID(idOf(key)), day: p.day, since: time.Now()}
	if err := s.openJSON(&p, 0, &g.grantJSON); err != nil {
		return nil, err
	}
	if len(p.list) == 2 {
		g.about = p.list[1].subject
	}
	for _, x := range []struct {
		text string
		to   *keyring.Subject
	}{{g.By, &g.by}, {g.User, &g.user}, {g.Agreed, &g.agreed}} {
		if n, err := hex.Decode(x.to[:], []byte(x.text)[:min(len(x.text), 2*len(x.to))]); err != nil || n != len(x.to) && n > 0 {
			return nil, errRow
		}
	}
	return g, nil
}

// loadGrants reads the requests. One that does not open is counted and left out.
func (s *Store) loadGrants(b *bbolt.Bucket) {
	if b == nil {
		return
	}
	var list []*grant
	newest := GrantID(b.Sequence())
	b.ForEach(func(key, value []byte) error {
		g, err := s.openGrant(key, value)
		switch {
		case errors.Is(err, errAged):
		case err != nil:
			s.unreadable.Add(1)
		default:
			list = append(list, g)
			newest = max(newest, g.id)
		}
		return nil
	})
	s.grants.publish(list, newest, s.clock())
}

// reasonOf reads why somebody asked; nothing if nothing is kept of who is to be seen.
func (s *Store) reasonOf(id GrantID) (reason string, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketGrants)
			if b == nil {
				return ErrDamaged
			}
			key := keyOf(uint64(id))
			reason, err = s.openReason(key, b.Get(key))
			return err
		})
	})
	return reason, err
}

func (s *Store) openReason(key, value []byte) (string, error) {
	p, err := splitGrant(key, value)
	if err != nil || len(p.list) < 2 {
		return "", err
	}
	plain, err := s.openPart(&p, 1)
	if errors.Is(err, errErased) {
		return "", nil
	}
	return string(plain), err
}

// dropAgedGrants removes requests whose time is over, 500 at most, in one transaction, and tells
// how many. Call it again, with a pause, until it has dropped none. It is under wmu.
func (s *Store) dropAgedGrants() (dropped int, err error) {
	var aged [][]byte
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketGrants)
			if b == nil {
				return ErrDamaged
			}
			c := b.Cursor()
			for key, value := c.First(); key != nil && len(aged) < sweepRows; key, value = c.Next() {
				p, err := splitGrant(key, value)
				if err != nil {
					continue
				}
				k, err := s.openKey(keyring.Subject{}, keyring.Audit, p.day)
				if clear(k[:]); errors.Is(err, errAged) {
					aged = append(aged, bytes.Clone(key))
				} else {
					break // the days of those that follow are not older
				}
			}
			return nil
		})
	}); err != nil || len(aged) == 0 {
		return 0, err
	}
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketGrants)
		if b == nil {
			return ErrDamaged
		}
		for _, key := range aged {
			if err := b.Delete(key); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	t, last := s.grants.load(), GrantID(idOf(aged[len(aged)-1]))
	s.grants.publish(slices.DeleteFunc(slices.Clone(t.list), func(g *grant) bool { return g.id <= last }), t.newest, s.clock())
	return len(aged), nil
}

// grantsOf gives the rows that hold a reason that is of a subject, without that.
func grantsOf(tx *bbolt.Tx, subject keyring.Subject) (rows []row) {
	b := tx.Bucket(bucketGrants)
	if b == nil {
		return nil
	}
	b.ForEach(func(k, v []byte) error {
		if len(v) < 4 {
			return nil
		}
		if without, changed, err := removePart(v[4:], subject); err == nil && changed {
			rows = append(rows, row{bytes.Clone(k), append(bytes.Clone(v[:4]), without...)})
		}
		return nil
	})
	return rows
}

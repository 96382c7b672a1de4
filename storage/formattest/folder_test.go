package formattest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// folder is what FORMAT.md lets a reader see of a data folder.
type folder struct {
	ring     *ring
	bolt     *boltFile
	buckets  map[string]*bucket
	claimed  bool
	count    uint64 // of transactions
	oldest   uint64 // record that there should be
	days     []day
	records  []record
	plans    []revision
	erased   map[id]tombstone
	secrets  map[id]secret
	bindings map[id][]binding
	accounts map[id]account
	page     []byte
	audio    map[id][]byte
	cut      map[id]bool
	index    map[id][]uint64      // bySubject
	lines    map[[8]byte][]uint64 // byLine

	newestLine uint64 // of audit
	newestLink []byte
	entries    []entryRow
	byFar      map[string]bool
	counts     map[uint32][][5]int64
	quiet      map[id]bool // who wants no journal
	checkpoint checkpoint
	trail      []trailLine
	ledger     []ledgerRow
	grants     []grantRow
	settings   []byte // JSON of package policy; nil: never saved
	spare      []byte // the copy of it
	state      *stateRow
	canaries   map[uint32][6]bool    // by day: by class, whether it opens
	proofs     map[int64][]proofLine // by date
}

type day struct {
	Date  int64  `json:"d"`
	First uint64 `json:"f"`
	Entry uint64 `json:"j"`
	Most  int64  `json:"l"`
	Later int64  `json:"b"`
}

type revision struct {
	n     uint64
	plan  map[string]any
	users map[id]map[string]any
	gone  []id // whose keys are gone
}

type tombstone struct {
	At      int64  `json:"at"`
	Kind    string `json:"kind"`
	Rows    int    `json:"rows"`
	Entries int    `json:"entries"`
	Plans   int    `json:"plans"`
	Items   int    `json:"items"`
	Left    int    `json:"left"`
	Of      string `json:"of"`
	Done    int    `json:"done"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Gen     uint64 `json:"gen"`
}

type secret struct {
	Ext    string `json:"ext"`
	MD5    []byte `json:"md5"`
	SHA256 []byte `json:"sha256"`
}

type binding struct {
	User     string   `json:"user"`
	Contact  string   `json:"contact"`
	Proto    string   `json:"proto"`
	Remote   string   `json:"remote"`
	Local    string   `json:"local"`
	Instance string   `json:"instance"`
	RegID    int      `json:"reg_id"`
	CallID   string   `json:"call_id"`
	CSeq     int64    `json:"cseq"`
	Expires  string   `json:"expires"`
	Agent    string   `json:"agent"`
	Path     []string `json:"path"`
}

type account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role int    `json:"role"`
	User string `json:"user"`
	Hash struct {
		M, T, P   int
		Salt, Sum []byte
	} `json:"hash"`
}

// strict decodes JSON and refuses what FORMAT.md does not name.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errFormat, err)
	}
	return nil
}

// readFolder reads a data folder with the root's file; the passphrase is empty for a key file.
func readFolder(dir, rootFile, passphrase string) (*folder, error) {
	slots, err := readRoot(rootFile, passphrase)
	if err != nil {
		return nil, err
	}
	f := &folder{erased: map[id]tombstone{}, secrets: map[id]secret{}, bindings: map[id][]binding{}, accounts: map[id]account{},
		audio: map[id][]byte{}, cut: map[id]bool{}, index: map[id][]uint64{}, lines: map[[8]byte][]uint64{},
		byFar: map[string]bool{}, counts: map[uint32][][5]int64{}, quiet: map[id]bool{},
		canaries: map[uint32][6]bool{}, proofs: map[int64][]proofLine{}}
	if f.ring, err = readRing(dir, slots); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "sotto.db"))
	if err != nil {
		return nil, err
	}
	if f.bolt, err = openBolt(b); err != nil {
		return nil, err
	}
	if f.buckets, err = f.bolt.buckets(); err != nil {
		return nil, err
	}
	for _, read := range []func() error{f.readFormat, f.readDays, f.readRecords, f.readPlans, f.readPersons, f.readIndexes, f.readJournals, f.readCounts,
		f.readAudit, f.readLedger, f.readGrants, f.readTerms, func() error { return f.readMessages(dir) }} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *folder) rows(bucket string) []element {
	if b := f.buckets[bucket]; b != nil {
		return b.rows
	}
	return nil
}

// boxed opens a value under the box's own key.
func (f *folder) boxed(bucket string, e element) ([]byte, error) {
	return unseal(f.ring.box.own, e.value, bucket, e.key, nil)
}

func (f *folder) readFormat() error {
	for _, e := range f.rows("format") {
		if string(e.key) == "version" {
			if !bytes.Equal(e.value, []byte{2}) {
				return fmt.Errorf("%w: version %x", errFormat, e.value)
			}
			continue
		}
		b, err := f.boxed("format", e)
		switch {
		case err != nil:
			return fmt.Errorf("format %s: %w", e.key, err)
		case string(e.key) == "count" && len(b) == 64:
			f.newestLine, f.newestLink = binary.BigEndian.Uint64(b[24:]), b[32:]
			f.count, f.oldest = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
			n, frames := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
			if now := uint32(f.ring.n); now < n || now == n && f.ring.frames < int(frames) {
				return fmt.Errorf("%w: the keyring is older than the database", errFormat)
			}
		case string(e.key) == "audit": // a checkpoint
		case string(e.key) == "check" && (string(b) == "sotto.db" || string(b) == "sotto.db claimed"):
			f.claimed = len(b) > 8
		default:
			return fmt.Errorf("%w: key %q of bucket format", errFormat, e.key)
		}
	}
	for _, e := range f.rows("box") {
		b, err := f.boxed("box", e)
		if err != nil {
			return fmt.Errorf("box %s: %w", e.key, err)
		}
		switch string(e.key) {
		case "page":
			f.page = b
		case "privacy":
			f.spare = b
		default:
			return fmt.Errorf("box %q: %w", e.key, errFormat)
		}
	}
	return nil
}

func (f *folder) readDays() error {
	for i, e := range f.rows("days") {
		var d day
		if len(e.key) != 4 || int(binary.BigEndian.Uint32(e.key)) != i {
			return fmt.Errorf("%w: gap in days", errFormat)
		}
		b, err := f.boxed("days", e)
		if err == nil {
			err = strict(b, &d)
		}
		if err != nil {
			return fmt.Errorf("day %d: %w", i, err)
		}
		f.days = append(f.days, d)
	}
	if b := f.buckets["days"]; b != nil && b.sequence != uint64(len(f.days)) {
		return fmt.Errorf("%w: %d days, the sequence says %d", errFormat, len(f.days), b.sequence)
	}
	return nil
}

func (f *folder) readPlans() error {
	for _, e := range f.rows("plans") {
		v := revision{n: binary.BigEndian.Uint64(e.key), users: map[id]map[string]any{}}
		r, err := parseRow(e.value)
		if err != nil {
			return fmt.Errorf("plan %d: %w", v.n, err)
		}
		for n, p := range r.parts {
			b, err := f.partOf(r, n, "plans", e.key, 0)
			if err == errErased {
				v.gone = append(v.gone, p.who)
				continue
			}
			var m map[string]any
			if err == nil {
				err = json.Unmarshal(b, &m)
			}
			if err != nil {
				return fmt.Errorf("plan %d: %w", v.n, err)
			}
			if n == 0 {
				v.plan = m
			} else {
				v.users[p.who] = m
			}
		}
		f.plans = append(f.plans, v)
	}
	return nil
}

func (f *folder) readPersons() error {
	read := func(bucket string, row func(who id, b []byte) error) error {
		for _, e := range f.rows(bucket) {
			if len(e.key) != 16 {
				return fmt.Errorf("%w: key of %d bytes in %s", errFormat, len(e.key), bucket)
			}
			who := id(e.key)
			k, subject := f.ring.box.own, []byte(nil)
			if bucket != "erased" {
				var err error
				if k, err = f.ring.key(who, own, 0); err != nil {
					return fmt.Errorf("%s: %w", bucket, err)
				}
				subject = who[:]
			}
			b, err := unseal(k, e.value, bucket, e.key, subject)
			if err == nil {
				err = row(who, b)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", bucket, err)
			}
		}
		want := len(f.rows(bucket))
		if bucket == "erased" {
			want = 0
			for _, v := range f.erased {
				want += v.Left
			}
		}
		if b := f.buckets[bucket]; b != nil && b.sequence != uint64(want) {
			return fmt.Errorf("%w: %s has %d rows that count, the sequence says %d", errFormat, bucket, want, b.sequence)
		}
		return nil
	}
	if err := read("erased", func(who id, b []byte) error { var v tombstone; err := strict(b, &v); f.erased[who] = v; return err }); err != nil {
		return err
	}
	if err := read("secrets", func(who id, b []byte) error { var v secret; err := strict(b, &v); f.secrets[who] = v; return err }); err != nil {
		return err
	}
	if err := read("bindings", func(who id, b []byte) error { var v []binding; err := strict(b, &v); f.bindings[who] = v; return err }); err != nil {
		return err
	}
	if err := read("people", func(who id, b []byte) error {
		var v struct {
			NoJournal int `json:"j"`
		}
		err := strict(b, &v)
		f.quiet[who] = v.NoJournal == 1
		return err
	}); err != nil {
		return err
	}
	return read("accounts", func(who id, b []byte) error { var v account; err := strict(b, &v); f.accounts[who] = v; return err })
}

func (f *folder) readIndexes() error {
	for _, e := range f.rows("bySubject") {
		if len(e.key) != 24 || len(e.value) != 0 {
			return fmt.Errorf("%w: key of %d bytes in bySubject", errFormat, len(e.key))
		}
		f.index[id(e.key)] = append(f.index[id(e.key)], binary.BigEndian.Uint64(e.key[16:]))
	}
	for _, e := range f.rows("byLine") {
		if len(e.key) != 16 || len(e.value) != 0 {
			return fmt.Errorf("%w: key of %d bytes in byLine", errFormat, len(e.key))
		}
		f.lines[[8]byte(e.key)] = append(f.lines[[8]byte(e.key)], binary.BigEndian.Uint64(e.key[8:]))
	}
	return nil
}

// lineTag is what byLine has for a line.
func (f *folder) lineTag(name string) [8]byte {
	return [8]byte(expand(f.ring.box.own, "sotto line 1"+name, 8))
}

func (f *folder) readMessages(dir string) error {
	l, err := os.ReadDir(filepath.Join(dir, "messages"))
	if os.IsNotExist(err) {
		return nil
	}
	for _, d := range l {
		name, err := hex.DecodeString(d.Name())
		if err != nil || len(name) != 16 {
			return fmt.Errorf("%w: file in messages", errFormat)
		}
		e := f.ring.all[id(name)]
		if e == nil || e.kind != 'M' {
			return fmt.Errorf("audio: %w", errErased)
		}
		b, err := os.ReadFile(filepath.Join(dir, "messages", d.Name()))
		if err != nil {
			return err
		}
		if f.audio[id(name)], f.cut[id(name)], err = readAudio(e.own, id(name), b); err != nil {
			return fmt.Errorf("audio: %w", err)
		}
	}
	return err
}

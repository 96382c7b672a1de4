package formattest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// trailLine is a line of the audit trail.
type trailLine struct {
	n    uint64
	day  uint32
	err  error // errAged
	link []byte
	lineJSON
}

type lineJSON struct {
	At     int64    `json:"t"`
	By     int      `json:"k"`
	Who    string   `json:"w"`
	Role   int      `json:"r"`
	What   string   `json:"a"`
	Rows   int      `json:"n"`
	More   int      `json:"m"`
	About  []string `json:"s"`
	Others int      `json:"x"`
	Before string   `json:"b"`
	After  string   `json:"c"`
}

// checkpoint tells where the trail begins.
type checkpoint struct {
	Last  uint64 `json:"n"`
	Link  []byte `json:"l"`
	Since int64  `json:"f"`
	Early uint64 `json:"p"`
	Bad   uint64 `json:"b"`
}

// ledgerRow is a line of the ledger.
type ledgerRow struct {
	n   uint64
	day uint32
	err error // errAged
	ledgerJSON
}

type ledgerJSON struct {
	At    int64  `json:"t"`
	Kind  string `json:"k"`
	Role  int    `json:"r"`
	By    string `json:"b"`
	To    string `json:"to"`
	What  string `json:"w"`
	Rows  int    `json:"n"`
	Bytes int64  `json:"y"`
	End   int    `json:"e"`
}

// grantRow is a request to see a number.
type grantRow struct {
	n   uint64
	day uint32
	err error // errAged
	grantJSON
	about     id
	reason    string
	reasonErr error // errErased, errAged
	hasReason bool
}

type grantJSON struct {
	Record   uint64 `json:"r"`
	End      int    `json:"e"`
	Part     int    `json:"p"`
	Asked    int64  `json:"a"`
	By       string `json:"b"`
	ByRole   int    `json:"br"`
	User     string `json:"u"`
	State    int    `json:"s"`
	Answered int64  `json:"d"`
	Agreed   string `json:"g"`
	AgrRole  int    `json:"gr"`
	Minutes  int    `json:"m"`
	Read     int    `json:"n"`
}

// stateRow is the state of the terms.
type stateRow struct {
	Clock struct {
		At    int64 `json:"at"`
		Ahead int64 `json:"ahead"`
		Leap  int64 `json:"leap"`
		Ran   int64 `json:"ran"`
	} `json:"clock"`
	Forgot  []uint32          `json:"forgot"`
	Removed map[string]uint32 `json:"removed"`
}

// proofLine is what the proofs of a day say of a kind.
type proofLine struct {
	Kind    string `json:"k"`
	State   string `json:"s"`
	Limit   int64  `json:"l"`
	Oldest  int64  `json:"o"`
	Deleted int    `json:"d"`
	Left    int    `json:"left"`
	Canary  int    `json:"c"`
}

// isSubject tells whether a text is a subject in hexadecimal.
func isSubject(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 16
}

// opensOrAged turns errAged into what is noted beside a row.
func opensOrAged(b []byte, err error, noted *error, v any) error {
	if err == errAged {
		*noted = err
		return nil
	}
	if err == nil {
		err = strict(b, v)
	}
	return err
}

// readAudit opens all lines and holds each link to the one before, the first to the checkpoint
// and the last to the count.
func (f *folder) readAudit() error {
	k := expand(f.ring.box.own, "sotto audit 1", 32)
	before := make([]byte, 32)
	for _, e := range f.rows("format") {
		if string(e.key) != "audit" {
			continue
		}
		b, err := f.boxed("format", e)
		if err == nil {
			err = strict(b, &f.checkpoint)
		}
		if err != nil || len(f.checkpoint.Link) != 32 || f.checkpoint.Last == 0 {
			return fmt.Errorf("%w: checkpoint of the audit trail: %w", errFormat, err)
		}
		before = f.checkpoint.Link
	}
	next := f.checkpoint.Last + 1
	for _, e := range f.rows("audit") {
		l := trailLine{n: binary.BigEndian.Uint64(e.key)}
		if len(e.key) != 8 || len(e.value) < 36 || l.n != next {
			return fmt.Errorf("%w: line %d of the audit trail stands where %d should", errFormat, l.n, next)
		}
		next++
		mac := hmac.New(sha256.New, k)
		mac.Write(before)
		mac.Write(e.key)
		mac.Write(e.value[32:])
		if !bytes.Equal(mac.Sum(nil), e.value[:32]) {
			return fmt.Errorf("%w: link of line %d", errFormat, l.n)
		}
		before, l.link, l.day = e.value[:32], e.value[:32], binary.BigEndian.Uint32(e.value[32:])
		b, err := f.single("audit", e, l.day, e.value[36:], audit)
		if err = opensOrAged(b, err, &l.err, &l.lineJSON); err == nil && l.err == nil && !l.fits() {
			err = fmt.Errorf("%w: %+v", errFormat, l.lineJSON)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n, err)
		}
		f.trail = append(f.trail, l)
	}
	if f.newestLine != next-1 || f.newestLine > 0 && !bytes.Equal(before, f.newestLink) {
		return fmt.Errorf("%w: the audit trail ends with line %d, the newest is said to be %d", errFormat, next-1, f.newestLine)
	}
	if b := f.buckets["audit"]; b != nil && b.sequence != f.newestLine {
		return fmt.Errorf("%w: the sequence of the audit trail is %d, the newest line %d", errFormat, b.sequence, f.newestLine)
	}
	return nil
}

// fits tells whether a line is within the bounds.
func (l *lineJSON) fits() bool {
	for _, s := range l.About {
		if !isSubject(s) {
			return false
		}
	}
	return l.At > 0 && l.By >= 1 && l.By <= 4 && (l.By == 1) == isSubject(l.Who) && l.Role >= 0 && l.Role <= 5 && (l.Role == 0) == (l.By == 2 || l.By == 4) &&
		l.What != "" && len(l.About) <= 64 && (l.Others == 0 || len(l.About) == 64) && len(l.Before) <= 500 && len(l.After) <= 500 &&
		utf8.ValidString(l.Before+l.After)
}

// readLedger opens all lines of the ledger.
func (f *folder) readLedger() error {
	for i, e := range f.rows("ledger") {
		l := ledgerRow{n: binary.BigEndian.Uint64(e.key)}
		if len(e.value) < 4 || i > 0 && l.n != f.ledger[i-1].n+1 {
			return fmt.Errorf("%w: line %d of the ledger", errFormat, l.n)
		}
		l.day = binary.BigEndian.Uint32(e.value)
		b, err := f.single("ledger", e, l.day, e.value[4:], audit)
		if err = opensOrAged(b, err, &l.err, &l.ledgerJSON); err == nil && l.err == nil &&
			(l.At == 0 || l.What == "" || len(l.What) > 200 || len(l.To) > 200 || l.End > 2 || l.By != "" && !isSubject(l.By) || l.End == 0 && l.Rows+int(l.Bytes) != 0) {
			err = fmt.Errorf("%w: %+v", errFormat, l.ledgerJSON)
		}
		if err != nil {
			return fmt.Errorf("line %d of the ledger: %w", l.n, err)
		}
		f.ledger = append(f.ledger, l)
	}
	if n := len(f.ledger); n > 0 && f.ledger[n-1].n != f.buckets["ledger"].sequence {
		return fmt.Errorf("%w: the sequence of the ledger is %d, the newest line %d", errFormat, f.buckets["ledger"].sequence, f.ledger[n-1].n)
	}
	return nil
}

// readGrants opens all requests, and the reasons that there still are.
func (f *folder) readGrants() error {
	for _, e := range f.rows("grants") {
		g := grantRow{n: binary.BigEndian.Uint64(e.key)}
		if len(e.key) != 8 || len(e.value) < 4 || g.n == 0 || g.n > f.buckets["grants"].sequence {
			return fmt.Errorf("%w: request %d, the sequence says %d", errFormat, g.n, f.buckets["grants"].sequence)
		}
		g.day = binary.BigEndian.Uint32(e.value)
		if err := f.readGrant(&g, e); err != nil {
			return fmt.Errorf("request %d: %w", g.n, err)
		}
		f.grants = append(f.grants, g)
	}
	return nil
}

func (f *folder) readGrant(g *grantRow, e element) error {
	r, err := parseRow(e.value[4:])
	if err != nil {
		return err
	}
	if len(r.parts) > 2 || r.parts[0].class != audit {
		return fmt.Errorf("%w: %d parts, the first of class %d", errFormat, len(r.parts), r.parts[0].class)
	}
	b, err := f.partOf(r, 0, "grants", e.key, g.day)
	if err = opensOrAged(b, err, &g.err, &g.grantJSON); err != nil {
		return err
	}
	if g.err == nil && (g.State != 1 && g.State != 2 && g.State != 4 || g.Asked == 0 || !isSubject(g.By) || g.User != "" && !isSubject(g.User) || g.Agreed != "" && !isSubject(g.Agreed) ||
		(g.State == 1) != (g.Answered == 0) || (g.State == 2) != (g.Minutes > 0)) {
		return fmt.Errorf("%w: %+v", errFormat, g.grantJSON)
	}
	if len(r.parts) == 1 {
		return nil
	}
	if r.parts[1].class != audit || r.parts[1].who == (id{}) {
		return fmt.Errorf("%w: the reason is of class %d", errFormat, r.parts[1].class)
	}
	g.hasReason, g.about = true, r.parts[1].who
	b, err = f.partOf(r, 1, "grants", e.key, g.day)
	if g.reason = string(b); err == nil && !utf8.Valid(b) {
		err = errFormat
	}
	if g.reasonErr = err; err == errErased || err == errAged {
		err = nil
	}
	return err
}

// readTerms opens what the box notes of the terms: settings, state, canaries and proofs.
func (f *folder) readTerms() error {
	for _, e := range f.rows("settings") {
		b, err := f.boxed("settings", e)
		switch {
		case err == nil && string(e.key) == "state":
			f.state = &stateRow{}
			if err = strict(b, f.state); err == nil && (len(f.state.Forgot) != 6 || f.state.Clock.At == 0) {
				err = fmt.Errorf("%w: %s", errFormat, b)
			}
			for s := range f.state.Removed {
				if !isSubject(s) {
					err = errFormat
				}
			}
		case err == nil && string(e.key) == "privacy" && json.Valid(b):
			f.settings = b
		case err == nil:
			err = errFormat
		}
		if err != nil {
			return fmt.Errorf("settings %s: %w", e.key, err)
		}
	}
	if b := f.buckets["settings"]; b != nil && (b.sequence > 0) != (f.settings != nil) || !bytes.Equal(f.settings, f.spare) {
		return fmt.Errorf("%w: settings were saved %d times", errFormat, b.sequence)
	}
	for _, e := range f.rows("canary") {
		day := binary.BigEndian.Uint32(e.key)
		r, err := parseRow(e.value)
		if err != nil || len(r.parts) != 5 {
			return fmt.Errorf("canary of day %d: %d parts: %w", day, len(r.parts), err)
		}
		lives := [6]bool{}
		for n, p := range r.parts {
			b, err := f.partOf(r, n, "canary", e.key, day)
			if int(p.class) != n+1 || err != nil && err != errAged || err == nil && string(b) != "canary" {
				return fmt.Errorf("canary of day %d, part %d of class %d: %w", day, n, p.class, err)
			}
			lives[p.class] = err == nil
		}
		f.canaries[day] = lives
	}
	if b := f.buckets["canary"]; b != nil && b.sequence != uint64(len(f.canaries)) {
		return fmt.Errorf("%w: %d canaries, the sequence says %d", errFormat, len(f.canaries), b.sequence)
	}
	for _, e := range f.rows("proofs") {
		var l []proofLine
		b, err := f.boxed("proofs", e)
		if err == nil {
			err = strict(b, &l)
		}
		for _, p := range l {
			if p.State != "pass" && p.State != "waiting" && p.State != "fail" {
				err = fmt.Errorf("%w: %q", errFormat, p.State)
			}
		}
		if err != nil {
			return fmt.Errorf("proofs: %w", err)
		}
		f.proofs[int64(binary.BigEndian.Uint32(e.key))] = l
	}
	return nil
}

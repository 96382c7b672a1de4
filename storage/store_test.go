package storage

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// box is a data folder with its root and log, opened as often as a test likes.
type box struct {
	t    *testing.T
	dir  string
	root keyring.Root
	log  *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newBox checks at the end that the log holds none of the marked names and numbers.
func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: filepath.Join(t.TempDir(), "data"), root: keyring.NewFileRoot(filepath.Join(t.TempDir(), "root.key")), log: &lockedBuffer{}}
	t.Cleanup(func() {
		for _, m := range markers {
			if log := b.log.String(); strings.Contains(log, m) {
				t.Errorf("the log holds a marker:\n%s", log)
			}
		}
	})
	return b
}

func (b *box) tryOpen() (*Store, error) {
	return Open(b.dir, b.root, slog.New(slog.NewTextHandler(b.log, nil)))
}

func (b *box) open() *Store {
	b.t.Helper()
	s, err := b.tryOpen()
	if err != nil {
		b.t.Fatal(err)
	}
	s.keeper.calm = true // the daily sweep has tests of its own, see retain_test.go
	b.t.Cleanup(func() { s.Close() })
	return s
}

// run opens the store with its writer; stop ends both.
func (b *box) run() (s *Store, stop func()) {
	b.t.Helper()
	s = b.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		b.t.Helper()
		cancel()
		<-done
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	}
}

func sync1(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
}

// markers are what must be found nowhere on disk and in no log.
var markers = []string{
	"Zwetschgenbaum", "Ökonomou-Großkreutz", "4930901820", "+49309018", "0203947715", "20394771", "73911", "84062",
	"Quittenkompott", string(bytes.Repeat([]byte{0xd1, 0x5b}, 8)), string(bytes.Repeat([]byte{0xe2, 0x6c}, 16)), "192.0.2.177", "Zwiebelfon",
	"Rhabarberfürst", "Kirschkern & 7 Zwerge", "Apfelmus-Gehilfin",
}

var (
	anna  = plan.UserID("user-anna")
	boris = plan.UserID("user-boris")
)

func testPlan() plan.Plan {
	return plan.Plan{
		Office: "Praxis Zwetschgenbaum", Country: "DE",
		Users: []plan.User{
			{ID: anna, Name: "Anna Zwetschgenbaum", Ext: "73911", Ports: []string{"FXS 1"}},
			{ID: boris, Name: "Boris Ökonomou-Großkreutz", Ext: "84062", Ports: []string{"FXS 2", "FXS 3"}, SIP: true},
		},
		Lines:     []plan.Line{{Name: "Amt Zwetschgenbaum", Port: "FXO 1"}},
		Emergency: []string{"112"},
	}
}

func randomRecord(rnd *rand.Rand) pbx.Record {
	party := func() pbx.Party {
		switch rnd.IntN(6) {
		case 0:
			return pbx.Party{}
		case 1:
			return pbx.Party{User: anna, Ext: "73911"}
		case 2:
			return pbx.Party{User: boris, Ext: "84062", Number: number.Must("+4930901820")}
		case 3:
			return pbx.Party{Line: "Amt Zwetschgenbaum"}
		case 4:
			return pbx.Party{Ext: "84062"}
		default:
			return pbx.Party{Number: number.Must(fmt.Sprint("0203947715", rnd.IntN(50))), Line: "FXO 1"}
		}
	}
	return pbx.Record{
		From: party(), To: party(), FromQuality: randomQuality(rnd), ToQuality: randomQuality(rnd),
		Began:   time.UnixMilli(rnd.Int64N(4e12)).UTC(), // a record is kept to the millisecond
		Rang:    time.Duration(rnd.Int64N(1e5)) * time.Millisecond,
		Talked:  time.Duration(rnd.Int64N(1e7)) * time.Millisecond,
		Outcome: pbx.Outcome(rnd.IntN(8)), Cause: pbx.Cause(rnd.IntN(128)),
		Held: rnd.IntN(2) == 0, Emergency: rnd.IntN(9) == 0,
	}
}

// all reads every record as the owner, oldest first, in pages of odd sizes.
func all(t *testing.T, s *Store) []pbx.Record {
	t.Helper()
	var out []pbx.Record
	var before RecordID
	for {
		page, err := s.As(Viewer{Role: Owner}).Records(t.Context(), Query{Before: before, Limit: 37})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if before != 0 && v.ID >= before {
				t.Fatalf("record %d after %d", v.ID, before)
			}
			before = v.ID
			out = append(out, v.record(t))
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// record is the reverse of what the owner sees.
func (v RecordView) record(t *testing.T) pbx.Record {
	party := func(p PartyView) pbx.Party {
		n, err := number.Parse(p.Number)
		if err != nil {
			t.Fatal(err)
		}
		return pbx.Party{User: p.User, Ext: p.Ext, Number: n, Line: p.Line}
	}
	return pbx.Record{From: party(v.From), To: party(v.To), Began: v.Began, Rang: v.Rang, Talked: v.Talked,
		Outcome: v.Outcome, Cause: v.Cause, Held: v.Held, Emergency: v.Emergency, FromQuality: v.FromQuality, ToQuality: v.ToQuality}
}

// TestModel appends, syncs and opens again at random, against a slice.
func TestModel(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	rnd := rand.New(rand.NewPCG(3, 4))
	var model []pbx.Record
	for range 600 {
		switch rnd.IntN(60) {
		case 0:
			stop()
			s, stop = b.run()
			fallthrough
		case 1:
			sync1(t, s)
			got := all(t, s)
			if len(got) != len(model) {
				t.Fatalf("%d records, want %d", len(got), len(model))
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], model[i]) {
					t.Fatalf("record %d is %+v, want %+v", i, got[i], model[i])
				}
			}
		default:
			r := randomRecord(rnd)
			s.Append(r)
			model = append(model, r)
		}
	}
	h := s.Health()
	if h.Lost+h.Failed+h.Unreadable != 0 || h.Down != nil || h.Lifeline != nil {
		t.Errorf("%+v", h)
	}
	stop()
	s, stop = b.run()
	defer stop()
	if got := all(t, s); !reflect.DeepEqual(got, model) {
		t.Errorf("%d records, want %d", len(got), len(model))
	}
}

// TestFieldsAreKnown fails when something that is stored gains a field: decide
// whose it is, store it, and write it here and in FORMAT.md.
func TestFieldsAreKnown(t *testing.T) {
	known := map[reflect.Type]string{
		reflect.TypeFor[pbx.Record]():   "From To Sent Began Rang Talked Outcome Cause Held Emergency Private Code Missed FromQuality ToQuality", // Sent: only to tell who To is; Missed: only in journals
		reflect.TypeFor[pbx.Party]():    "User Ext Number Line Place",
		reflect.TypeFor[plan.Plan]():    "Office Country Users Lines Rules Emergency Codes Fields CodePrefix OutsidePrefix PrivatePrefix AreaCode RingSeconds", // all but Users: the box's
		reflect.TypeFor[plan.User]():    "ID Name Ext Ports SIP Place Department Email Mobile Protected ShowOnly ReverseOnAnswer",                              // the user's
		reflect.TypeFor[plan.Line]():    "Name Port Rings Pulse Reversal ShowOnly Break",
		reflect.TypeFor[plan.Rule]():    "Name Prefix Digits Strip Prepend Lines Forbid",
		reflect.TypeFor[pbx.Quality]():  "Codec Packets Lost Late Jitter RoundTrip FarLost FarJitter MOS Relayed Intruders Concealed", // the box's
		reflect.TypeFor[pbx.Secret]():   "Ext MD5 SHA256",                                                                             // the user's
		reflect.TypeFor[pbx.Binding]():  "User Contact Proto Remote Local Instance RegID CallID CSeq Expires Agent Path",              // the user's
		reflect.TypeFor[account]():      "ID Name Role User Hash Once",                                                                // the account's; Once: whether the password is to be changed, so it goes with it
		reflect.TypeFor[pbx.PortView](): "Port Kind Label Lamp State Holding Call",                                                    // about nobody: shown as it is, but for Call
		reflect.TypeFor[pbx.CallView](): "ID From To Began Answered Held Emergency FromUnkept ToUnkept",                               // only the parties are masked
	}
	for typ, want := range known {
		var got []string
		for i := range typ.NumField() {
			got = append(got, typ.Field(i).Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v has the fields %q, known are %q", typ, strings.Join(got, " "), want)
		}
	}
}

// TestNoPlaintext looks through the whole folder for every marker, as UTF-8, UTF-16 of
// both orders, BCD of both nibble orders, hexadecimal, base64. lifeline.json may hold extensions.
func TestNoPlaintext(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	var rev Rev
	var hashes [][]byte
	for i := range 4 {
		var err error
		p := testPlan()
		p.Emergency = append(p.Emergency, fmt.Sprint(110+i))
		if rev, err = s.SetPlan(t.Context(), Viewer{Role: Owner}, rev, p); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second in place of the first
		if plain, err := s.MakeSecret(t.Context(), owner, boris, markedSecret); err != nil || plain != markers[8] {
			t.Fatal(plain, err)
		}
		s.SaveBindings(boris, []pbx.Binding{aBinding(7), aBinding(8)})
		s.flush()
	}
	if err := s.Claim(t.Context(), markers[13], markers[14]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAccount(t.Context(), owner, markers[15], markers[14]+" 2", Staff, anna); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PageIdentity(func() ([]byte, error) { return []byte("key: " + markers[8]), nil }); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.accounts.Load().list {
		hashes = append(hashes, a.Hash.Salt, a.Hash.Sum)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		s.Append(randomRecord(rnd))
	}
	sync1(t, s)
	search := func(when string) {
		t.Helper()
		files := 0
		filepath.Walk(b.dir, func(path string, fi os.FileInfo, err error) error {
			if err != nil || fi.IsDir() {
				return err
			}
			files++
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hashes {
				if len(h) < 16 || bytes.Contains(data, h) {
					t.Errorf("%s: %s holds the hash of a password", when, fi.Name())
				}
			}
			for _, m := range markers {
				if fi.Name() == lifelineName && len(m) == 5 {
					if !bytes.Contains(data, []byte(m)) {
						t.Errorf("%s: extension missing from the lifeline", when)
					}
					continue
				}
				for how, pattern := range encodings(m) {
					if bytes.Contains(data, pattern) {
						t.Errorf("%s: %s holds a marker as %s", when, fi.Name(), how)
					}
				}
			}
			return nil
		})
		if files < 4 {
			t.Errorf("%s: only %d files", when, files)
		}
	}
	search("open")
	stop()
	search("closed")
	for how, pattern := range encodings("73911") { // the search can find
		if !bytes.Contains(append([]byte("x"), pattern...), pattern) || len(pattern) < 2 {
			t.Errorf("%s: pattern %x", how, pattern)
		}
	}
}

func encodings(m string) map[string][]byte {
	all := map[string][]byte{"UTF-8": []byte(m), "hex": []byte(fmt.Sprintf("%x", m)), "base64": []byte(base64.RawStdEncoding.EncodeToString([]byte(m)))}
	var le, be []byte
	for _, u := range utf16.Encode([]rune(m)) {
		le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
	}
	all["UTF-16LE"], all["UTF-16BE"] = le, be
	digits := strings.TrimPrefix(m, "+")
	if len(digits) >= 8 && strings.Trim(digits, "0123456789") == "" { // shorter ones are met by chance
		var hi, lo []byte
		for i := 0; i+1 < len(digits); i += 2 {
			a, b := digits[i]-'0', digits[i+1]-'0'
			hi, lo = append(hi, a<<4|b), append(lo, b<<4|a)
		}
		all["BCD"], all["swapped BCD"] = hi, lo
	}
	return all
}

func TestLocked(t *testing.T) {
	b := newBox(t)
	s := b.open()
	if _, err := b.tryOpen(); !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	s.Close()
	b.open()
}

// TestFolderLock holds the lock on the folder alone: the keyring must not be touched.
func TestFolderLock(t *testing.T) {
	b := newBox(t)
	os.MkdirAll(b.dir, 0o700)
	d := must(os.Open(b.dir))
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := b.tryOpen(); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if files := must(os.ReadDir(b.dir)); len(files) != 0 {
		t.Errorf("files were made: %v", files)
	}
}

// TestLockedByTool holds the database alone, as a bbolt tool does.
func TestLockedByTool(t *testing.T) {
	b := newBox(t)
	b.open().Close()
	db, err := bbolt.Open(filepath.Join(b.dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.tryOpen(); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	db.Close()
	b.open()
}

func TestNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	for _, dir := range []string{filepath.Join(file, "data"), file, "/proc/self", "/proc/sotto"} {
		b := newBox(t)
		b.dir = dir
		if _, err := b.tryOpen(); !errors.Is(err, ErrNotWritable) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestFailsClosed takes away or exchanges one part after the other.
func TestFailsClosed(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	s.Append(randomRecord(rand.New(rand.NewPCG(1, 1))))
	if _, err := s.SetPlan(t.Context(), Viewer{Role: Owner}, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	stop()
	other := newBox(t)
	other.open().Close()
	at := func(name string) string { return filepath.Join(b.dir, name) }
	copyFile := func(to, from string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(to, data, 0o600)
	}
	good := b.root
	db, _ := os.ReadFile(at(fileName))
	ring, _ := os.ReadFile(at("keyring"))
	for _, c := range []struct {
		name string
		do   func()
		want error
	}{
		{"key file missing", func() { b.root = keyring.NewFileRoot(at("none")) }, keyring.ErrNoKey},
		{"other key file", func() { b.root = other.root }, keyring.ErrWrongRoot},
		{"keyring missing", func() { os.Remove(at("keyring")) }, keyring.ErrMissing},
		{"keyring damaged", func() { os.WriteFile(at("keyring"), ring[:40], 0o600) }, keyring.ErrDamaged},
		{"other database", func() { copyFile(at(fileName), filepath.Join(other.dir, fileName)) }, ErrStranger},
		{"empty database", func() { os.WriteFile(at(fileName), nil, 0o600) }, ErrDamaged},
		{"noise for a database", func() { os.WriteFile(at(fileName), bytes.Repeat([]byte("x7"), 20000), 0o600) }, ErrDamaged},
		{"cut database", func() { os.WriteFile(at(fileName), db[:9000], 0o600) }, ErrDamaged},
		{"newer format", func() {
			d, err := bbolt.Open(at(fileName), 0o600, &bbolt.Options{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			d.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketFormat).Put(keyVersion, []byte{formatVersion + 1}) })
			d.Close()
		}, ErrNewer},
		{"older format", func() {
			d, err := bbolt.Open(at(fileName), 0o600, &bbolt.Options{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			d.Update(func(tx *bbolt.Tx) error { // as version 1 had it
				for _, name := range [][]byte{bucketDays, bucketBySubject, bucketByLine, bucketErased} {
					tx.DeleteBucket(name)
				}
				return tx.Bucket(bucketFormat).Put(keyVersion, []byte{1})
			})
			d.Close()
		}, ErrOlder},
	} {
		c.do()
		if _, err := b.tryOpen(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if p, err := ReadLifeline(b.dir); err != nil || len(p.Users) != 2 || p.Users[1].Ports[1] != "FXS 3" {
			t.Errorf("%s: lifeline %v, %v", c.name, p, err)
		}
		b.root = good
		os.WriteFile(at(fileName), db, 0o600)
		os.WriteFile(at("keyring"), ring, 0o600)
	}
	s = b.open() // nothing was left locked or changed
	if got := all(t, s); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}

// TestInterruptedCreate leaves what a power cut in the very first start leaves.
func TestInterruptedCreate(t *testing.T) {
	b := newBox(t)
	b.open().Close()
	db := filepath.Join(b.dir, fileName)
	data, _ := os.ReadFile(db)
	os.Rename(db, db+".new")
	os.WriteFile(db+".new", data[:5000], 0o600)
	// A keyring and no database, but mustExist is false: it is the same first start.
	s := b.open()
	if _, err := os.Stat(db + ".new"); err == nil {
		t.Error("the half database is still there")
	}
	if got := all(t, s); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
}

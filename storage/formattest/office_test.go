package formattest

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// office is a data folder with the store that writes it, and what it was given. It runs in
// a bubble of synctest: a day of it takes no time.
type office struct {
	t         *testing.T
	dir, root string
	keys      keyring.Root
	store     *storage.Store
	stop      func()

	day   uint32      // the box's day, counted here
	date  string      // of it
	calls []call      // what was appended, in this order: record ids 1, 2, 3 …
	plan  plan.Plan   // of today, with the ids of users
	plans []plan.Plan // all revisions

	silent map[plan.UserID]bool // who has the journal off
	set    policy.Settings      // what was saved
}

// call is a record as it was given, and the box's day.
type call struct {
	pbx.Record
	day    uint32
	silent map[plan.UserID]bool // who had no journal
}

var owner = storage.Viewer{Role: storage.Owner}

// well is a log that fails the test when anything is wrong.
type well struct {
	slog.Handler
	t *testing.T
}

func (w well) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w well) Handle(_ context.Context, r slog.Record) error {
	w.t.Errorf("the store says: %s", r.Message)
	return nil
}

func newOffice(t *testing.T) *office {
	tmp := t.TempDir()
	o := &office{t: t, dir: filepath.Join(tmp, "data"), root: filepath.Join(tmp, "root")}
	o.keys = keyring.NewFileRoot(o.root)
	o.open()
	o.run()
	t.Cleanup(func() { o.stop() })
	return o
}

// must fails the test.
func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// open opens the store and does not run it: nothing is swept then.
func (o *office) open() {
	o.t.Helper()
	s, err := storage.Open(o.dir, o.keys, slog.New(well{slog.DiscardHandler, o.t}))
	o.must(err)
	s.Bindings() // as at each start
	o.store, o.stop = s, sync.OnceFunc(func() { o.must(s.Close()) })
}

// run has the store write.
func (o *office) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	s := o.store
	go func() { done <- s.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		o.t.Helper()
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			o.t.Error(err)
		}
		o.must(s.Close())
	})
}

// again stops the store and opens it anew.
func (o *office) again() {
	o.t.Helper()
	o.stop()
	o.open()
	o.run()
}

// setPlan makes p the plan.
func (o *office) setPlan(change func(p *plan.Plan)) {
	o.t.Helper()
	p, rev := o.store.CurrentPlan()
	change(&p)
	_, err := o.store.SetPlan(context.Background(), owner, rev, p)
	o.must(err)
	o.plan, _ = o.store.CurrentPlan()
	o.plans = append(o.plans, o.plan.Clone())
}

// keepAll has the office keep everything for as long as can be, and cut four digits.
func (o *office) keepAll() {
	o.t.Helper()
	o.setSettings(func(set *policy.Settings) {
		set.Cut = 4
		for kind := range set.Keep {
			if kind != policy.Traces { // never for long
				set.Keep[kind] = 9999
			}
		}
	})
}

// setSettings saves settings.
func (o *office) setSettings(change func(*policy.Settings)) {
	o.t.Helper()
	set, rev, err := o.store.As(owner).Settings(context.Background())
	o.must(err)
	change(&set)
	_, _, err = o.store.SetSettings(context.Background(), owner, rev, set)
	o.must(err)
	o.set = set
}

// user is a party of the plan.
func (o *office) user(x plan.Ext) pbx.Party {
	o.t.Helper()
	for _, u := range o.plan.Users {
		if u.Ext == x {
			return pbx.Party{User: u.ID, Ext: x}
		}
	}
	o.t.Fatal("no such user")
	return pbx.Party{}
}

func outside(digits, line string) pbx.Party {
	return pbx.Party{Number: number.Must(digits), Line: line}
}

// call appends a record that began now, and waits until it is durable.
func (o *office) call(l ...pbx.Record) {
	o.t.Helper()
	for _, r := range l {
		if d := time.Now().UTC().Format(time.DateOnly); d != o.date {
			if o.date != "" {
				o.day++
			}
			o.date = d
		}
		if r.Began.IsZero() {
			r.Began = time.Now().UTC().Truncate(time.Millisecond)
		}
		if r.Outcome == 0 {
			r.Outcome, r.Cause, r.Rang, r.Talked = pbx.Answered, pbx.NormalClearing, 3210*time.Millisecond, time.Minute
		}
		o.store.Append(r)
		o.calls = append(o.calls, call{r, o.day, maps.Clone(o.silent)})
	}
	o.must(o.store.Sync(context.Background()))
}

// nextDay sleeps into the box's next day.
func (o *office) nextDay() { time.Sleep(24 * time.Hour) }

func (o *office) secret(x plan.Ext) (s pbx.Secret) {
	o.t.Helper()
	_, err := o.store.MakeSecret(context.Background(), owner, o.user(x).User, func() (string, pbx.Secret) {
		s.Ext = x
		for i := range s.SHA256 {
			s.SHA256[i] = byte(i) ^ x[0]
			s.MD5[i%16] = byte(7 * i)
		}
		return "plain", s
	})
	o.must(err)
	return s
}

func (o *office) binding(x plan.Ext) pbx.Binding {
	b := pbx.Binding{User: o.user(x).User, Contact: "sip:" + string(x) + "@192.0.2.7:5062", Proto: "udp", Remote: "192.0.2.7:5062", Local: "192.0.2.1:5060",
		Instance: "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>", RegID: 1, CallID: "1j9FpLxk3uxtm8tn@192.0.2.7", CSeq: 1_826,
		Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second), Agent: "Desk 7", Path: []string{"<sip:192.0.2.9;lr>"}}
	o.store.SaveBindings(b.User, []pbx.Binding{b})
	time.Sleep(2 * time.Second)
	return b
}

func (o *office) audio(voice []byte, end bool, about ...pbx.Party) keyring.Item {
	o.t.Helper()
	w, err := o.store.NewAudio(about...)
	o.must(err)
	for i := 0; i < len(voice); i += 800 { // a tenth of a second
		_, err = w.Write(voice[i:min(i+800, len(voice))])
		o.must(err)
	}
	if end {
		o.must(w.Close())
	}
	return w.Item()
}

// copyTo copies the files of the folder and the root, as a thief would.
func (o *office) copyTo(dir string) (folder, root string) {
	o.t.Helper()
	folder, root = filepath.Join(dir, "data"), filepath.Join(dir, "root")
	o.must(os.CopyFS(folder, os.DirFS(o.dir)))
	b, err := os.ReadFile(o.root)
	o.must(err)
	o.must(os.WriteFile(root, b, 0o600))
	return folder, root
}

// firstPlan is an office in Berlin with names that are not plain ASCII.
func firstPlan(p *plan.Plan) {
	*p = plan.Plan{Office: "Praxis am Zoo", Country: "DE", OutsidePrefix: "0", AreaCode: "30", PrivatePrefix: "*67",
		Users: []plan.User{
			{Name: "Annelore Öllinger-Groß", Ext: "47110", Ports: []string{"FXS 1"}, SIP: true},
			{Name: "Björn Strauß", Ext: "102", Ports: []string{"FXS 2"}},
			{Name: "Zoë Łukasiewicz", Ext: "103", SIP: true, ReverseOnAnswer: true},
			{Name: "Empfang", Ext: "104", Ports: []string{"FXS 3"}, ShowOnly: true},
		},
		Lines: []plan.Line{{Name: "Amt 1", Port: "FXO 1", Rings: []plan.Ext{"104"}}, {Name: "Amt 2", Port: "FXO 2", Reversal: true}},
		Rules: []plan.Rule{{Name: "Ausland", Prefix: "00", Lines: []string{"Amt 2"}}},
	}
}

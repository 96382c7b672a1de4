package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/root"
)

// running is a box in a bubble that is told words as time goes by.
type running struct {
	t        *testing.T
	began    time.Time
	words    *io.PipeWriter
	out, log lockedBuffer
	done     chan error
}

func runs(t *testing.T, args ...string) *running {
	t.Helper()
	in, words := io.Pipe()
	r := &running{t: t, began: time.Now(), words: words, done: make(chan error)}
	go func() {
		r.done <- run(t.Context(), append(args, "-sip", "off", "-page", "off", "-no-control"), in, &r.out, &r.log)
	}()
	return r
}

// says has words done, and is over when they are.
func (r *running) says(words string) {
	for l := range strings.SplitSeq(words+" ; wait 1ms", ";") {
		fmt.Fprintln(r.words, strings.TrimSpace(l))
	}
	synctest.Wait()
}

// until lets time go by until d after the start.
func (r *running) until(d time.Duration) {
	time.Sleep(d - time.Since(r.began))
	synctest.Wait()
}

func (r *running) ends() {
	r.t.Helper()
	fmt.Fprintln(r.words, "quit")
	if err := <-r.done; err != nil {
		r.t.Errorf("%v\n%s\n%s", err, r.out.String(), r.log.String())
	}
	r.words.Close()
}

// TestKeyComesLate: the key file lies on a medium that is mounted late. There is dial tone
// at once. A call that is up when the key comes goes on, and of it and of one that was
// begun to dial nothing is recorded; of the next one it is.
func TestKeyComesLate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	if err := os.Rename(dir+".key", dir+".away"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := runs(t, "-data", dir)
		r.says("101 lifts ; 101 hears dial within 500ms ; 101 dials 102 ; 102 rings ; 102 lifts ; 101 and 102 talk")
		r.until(3*againEvery - time.Second) // the board comes up in between, so that the next look is later
		if strings.Count(r.log.String(), "ERROR") != 1 || !strings.Contains(r.log.String(), lifeline) {
			t.Errorf("not told once:\n%s", r.log.String())
		}
		if err := os.Rename(dir+".away", dir+".key"); err != nil {
			t.Fatal(err)
		}
		r.says("103 lifts ; 103 hears dial")
		r.until(3*againEvery + 3*time.Second)
		if !strings.Contains(r.log.String(), "the store is open") || strings.Contains(r.log.String(), "from now on") {
			t.Errorf("with 103 off the hook:\n%s", r.log.String())
		}
		r.says("103 dials 104 ; 104 rings ; 104 lifts ; 103 and 104 talk ; 101 and 102 talk ; wait 1s")
		if !strings.Contains(r.log.String(), "calls that begin from now on are recorded") {
			t.Errorf("nothing is recorded:\n%s", r.log.String())
		}
		r.says("103 hangs up ; 104 hangs up ; wait 2s ; 103 lifts ; 103 hears dial ; 103 dials 104 ; 104 rings ; 104 lifts ; 103 and 104 talk ; 103 hangs up ; 104 hangs up")
		r.says("record 103 -> 104 answered ; 101 hangs up ; 102 hangs up ; wait 2s")
		r.ends()
		if n := strings.Count(r.out.String(), "record "); n != 1 {
			t.Errorf("%d records:\n%s", n, r.out.String())
		}
		if !strings.Contains(r.log.String(), "calls were not recorded: there is no store\" count=2") {
			t.Error(r.log.String())
		}
	})
	s := mustOpen(t, dir)
	defer s.Close()
	if h := s.Health(); h.Newest != 1 || h.Lost != 0 {
		t.Errorf("%+v", h)
	}
}

// TestHelpWhileUnlocked: a call to an emergency number is up when the key comes.
func TestHelpWhileUnlocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	os.Rename(dir+".key", dir+".away")
	synctest.Test(t, func(t *testing.T) {
		r := runs(t, "-data", dir)
		r.says("101 lifts ; 101 hears dial ; 101 dials 112 ; line 1 hears 112 ; line 1 answers ; 101 and line 1 talk")
		os.Rename(dir+".away", dir+".key")
		r.says("wait 15m ; 101 and line 1 talk")
		if !strings.Contains(r.log.String(), "from now on") {
			t.Error(r.log.String())
		}
		r.says("101 hangs up ; wait 2s")
		r.ends()
	})
}

// TestDamageIsNotWaitedFor: what does not pass is told once and not looked at again; a key
// that comes but is another's is told when it changes.
func TestDamageIsNotWaitedFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	key, err := os.ReadFile(dir + ".key")
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir+".key", "rubbish")
	synctest.Test(t, func(t *testing.T) {
		r := runs(t, "-data", dir)
		r.says("wait 5s")
		mustWrite(t, dir+".key", string(key))
		r.says("wait 60s ; 101 lifts ; 101 hears dial ; 101 hangs up")
		r.ends()
		if strings.Count(r.log.String(), "ERROR") != 1 || strings.Contains(r.log.String(), "the store is open") {
			t.Error(r.log.String())
		}
	})
	os.Remove(dir + ".key")
	synctest.Test(t, func(t *testing.T) {
		r := runs(t, "-data", dir)
		r.says("wait 5s")
		mustWrite(t, dir+".key", "rubbish")
		r.says("wait 60s")
		mustWrite(t, dir+".key", string(key))
		r.says("wait 60s ; 101 lifts ; 101 hears dial ; 101 hangs up")
		r.ends()
		if strings.Count(r.log.String(), "still cannot be opened") != 1 || strings.Contains(r.log.String(), "the store is open") {
			t.Error(r.log.String())
		}
	})
}

// TestUnlock: one passphrase after the other, without a terminal and a page.
func TestUnlock(t *testing.T) {
	top := t.TempDir()
	word := mustWrite(t, filepath.Join(top, "word"), aPassphrase)
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", filepath.Join(top, "data")}
	starts(t, "wait 1s", append(args, "-passphrase-file", word)...)
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var text lockedBuffer
	log, queue := newLog(&text)
	defer queue.flush()
	off, err := openOffice(t.Context(), o, person{}, log)
	if err != nil || off.store != nil || !off.locked.byPassphrase() {
		t.Fatalf("%+v, %v", off, err)
	}
	if _, err := storage.Open(o.data, keyring.NewFileRoot(word), log); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("a locked box does not keep others off its data: %v", err)
	}
	typed := []byte(another)
	if err := off.locked.unlock(typed); !errors.Is(err, root.ErrPassphrase) || strings.Trim(string(typed), "\x00") != "" {
		t.Errorf("%v, %q is left", err, typed)
	}
	db := filepath.Join(o.data, "sotto.db")
	os.Rename(db, db+".away")
	if err := off.locked.unlock([]byte(aPassphrase)); !errors.Is(err, errNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	if storage.Made(o.data) {
		t.Error("a database was made")
	}
	os.Rename(db+".away", db)
	for range 2 {
		if err := off.locked.unlock([]byte(aPassphrase)); err != nil {
			t.Error(err)
		}
	}
	got := off.locked.await(t.Context())
	off.close(log)
	if got == nil || got.store == nil || len(got.numbers.Plan.Users) == 0 {
		t.Fatal("not open")
	}
	got.close(log)
	queue.flush()
	if strings.Contains(text.String(), "horse") {
		t.Error(text.String())
	}
}

// TestUnlockOnThePage goes the way of a person in the morning after a power cut: telephones
// work; the page takes the passphrase; then there are the page as it was, SIP telephones
// and records.
func TestUnlockOnThePage(t *testing.T) {
	top := t.TempDir()
	word := mustWrite(t, filepath.Join(top, "word"), aPassphrase)
	dir, addr := filepath.Join(top, "data"), freePort(t)
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-page", "127.0.0.1:0"}
	b := startOnNet(t, dir, addr, append(args, "-passphrase-file", word)...)
	_, _, mark, _ := pageOf(t, b)
	secret := regexp.MustCompile(`(?m)^SIP telephone of 201: .* password (\S+) `).FindStringSubmatch(b.text())
	b.stop()

	b = startOnNet(t, dir, addr, args...)
	base, setup, other, browser := pageOf(t, b)
	if setup != "" || other == mark || secret == nil {
		t.Errorf("locked: link %q, certificate %s, was %s", setup, other, mark)
	}
	fmt.Fprintln(b.in, "101 lifts ; 101 hears dial ; 101 dials 102 ; 102 rings ; 102 lifts ; 101 and 102 talk")
	b.waits("101 and 102 talk")
	post := func(word, want string, status int) {
		t.Helper()
		res, err := browser.PostForm(base+"/unlock", url.Values{"passphrase": {word}})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != status || !strings.Contains(string(text), want) || strings.Contains(string(text), "horse") || strings.Contains(string(text), "Demo") || res.TLS.Version != 0x0304 {
			t.Errorf("%d\n%s", res.StatusCode, text)
		}
	}
	post(another, "The passphrase is wrong. 2 more tries", 422)
	post(aPassphrase, "The box is unlocked", 200)
	b.waits(mark)
	b.waits("SIP telephones register at")
	p := b.phone("201", secret[1], 0, 3)
	if err := p.Register(300); err != nil {
		t.Fatalf("%v\n%s", err, b.log.String())
	}
	for limit := time.After(30 * time.Second); !strings.Contains(b.log.String(), "from now on"); {
		select {
		case <-limit:
			t.Fatal(b.log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Fprintln(b.in, "103 lifts ; 103 hears dial ; 103 dials 201")
	in := p.Incoming(0, 10*time.Second)
	if in == nil {
		t.Fatalf("no call\n%s\n%s", b.text(), b.log.String())
	}
	in.Answer()
	if !in.Hears(2, 5*time.Second) {
		t.Error("no sound")
	}
	in.Hang()
	b.waits("record 103 -> 201 answered")
	fmt.Fprintln(b.in, "101 and 102 talk ; 101 hangs up ; quit")
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s\n%s", err, b.text(), b.log.String())
	}
	if strings.Contains(b.text()+b.log.String(), "horse") || strings.Contains(b.text(), "record 101") {
		t.Errorf("%s\n%s", b.text(), b.log.String())
	}
}

// TestNetworkThatCouldNotBeOpened: a plan with SIP telephones, and none can be reached.
func TestNetworkThatCouldNotBeOpened(t *testing.T) {
	n := &network{}
	var told []pbx.Event
	n.join(nil, func(e pbx.Event) bool { told = append(told, e); return true }, nil)
	a, b := n.phones().Ring(pbx.Invite{}), n.phones().Ring(pbx.Invite{})
	if a == b || a.Port() != pbx.NoPort || a.Quality() != nil {
		t.Error("two telephones are one")
	}
	for i, r := range []pbx.Remote{a, b} {
		r.Ring()
		r.Answer(0)
		r.Release(pbx.NormalClearing)
		if p := told[i].Phone; p == nil || p.Leg != r || p.Kind != pbx.PhoneRefuses || p.Cause != pbx.OutOfOrder {
			t.Errorf("%+v", told[i])
		}
	}
}

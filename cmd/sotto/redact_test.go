package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/storage"
)

// The redaction scenario: a day of calls on a whole box, and then all that each role can reach, searched
// for what that role must not see; and for what it is to see, so that a box that shows nothing to
// anybody does not pass.
//
// Columns: owner, admin, privacy officer, installer, staff 101, staff 102, not logged in.
// W the whole, F all but the last digits, - nothing, . does not matter.
var redaction = []struct {
	mark, sees string
	why        string
}{
	{"anna", "WWW-WW-", "names of users: not for who fits lines; of colleagues those whom one has telephoned with"},
	{"bert", "WWW-WW-", ""},
	{"protected", "WWW----", "never telephoned with 101 or 102"},
	{"netty", "WWW--W-", "has telephoned with 102"},
	{"left", "WW-----", "has left the plan: for who erases and hands over what is kept of users"},
	{"erased user", "-------", "erased by somebody at the terminal"},
	{"place", "WWW-W--", "what the plan has of a user: for who sees the plan, and the user"},
	{"department", "WWW-W--", ""},
	{"e-mail", "WWW-W--", ""},
	{"mobile", "WWW-W--", "is a number, but of a user: it is in the plan as a name is"},
	{"code of anna", "WWW-W--", "names of clients: for who sees the calls, and who dials the code"},
	{"code of bert", "WWW--W-", ""},
	{"code of nobody", "WWW----", ""},

	{"out of anna", "WFF-W--", "outside numbers: cut by role, and whole to whose call it is"},
	{"out of bert", "WFF--W-", ""},
	{"international", "WFF--W-", ""},
	{"busy", "WFF-W--", "a call that failed is one of the caller's"},
	{"in to anna", "WFF-W--", ""},
	{"in to bert", "WFF--W-", ""},
	{"missed", "WFF-W--", ""},
	{"of netty", "WFF----", ""},
	{"of left", "WFF----", ""},
	{"live of anna", "WFF-W--", "goes on while all is looked at"},
	{"live of netty", "WFF----", ""},
	{"ringing in", "WFF-W--", ""},
	{"shown to admin", "WWF--W-", "the admin asked, and the officer agreed"},
	{"private", "-------", "dialled behind the prefix for private calls: not kept"},
	{"protected out", "-------", "of a protected user: not kept"},
	{"aged", "FFF-F--", "the last digits are gone for good"},
	{"too old", "-------", "the time of the record is over"},
	{"erased number", "-------", "erased"},
	{"of erased user", "WFF----", "the user was erased, and not whom the user called"},
	{"live protected", "-------", "of a protected user: not even while the call lasts, but to the user"},

	{"owner", "W------", "who has an account: for who looks after accounts, and for oneself"},
	{"admin", "WWW----", "the officer learns who asks"},
	{"officer", "W-W----", ""},
	{"installer", "W--W---", ""},
	{"account of anna", "W---W--", ""},
	{"account of bert", "W----W-", ""},
	{"reason shown", "...--W-", "why a number was shown: for whose call it was; the others had it before them when they agreed"},
	{"reason waiting", "W.W----", "for who may agree"},
	{"password", "-------", "for nobody, and nowhere"},
	{"wrong password", "-------", ""},
	{"secret", "-------", ""},
	{"typed name", ".......", "comes back to who typed it, and goes nowhere else"},
	{"typed number", ".......", ""},
}

// search finds the marks, once the secret of a telephone is one.
var search *searcher

var columns = []string{"owner", "admin", "officer", "installer", "account of anna", "account of bert", ""}

// onlyReader are marks that no page shows to somebody who may see them, and why that is right.
var onlyReader = map[string]string{
	"ringing in":     "the simulated exchange sends no numbers of who calls",
	"code of nobody": "no page shows the plan as it is",
	"department":     "",
	"e-mail":         "",
	"mobile":         "",
	"place":          "",
}

func TestRedaction(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var log tape
	pastOf(t, dir, &log)
	b := openOn(t, dir, &log)
	marks["secret"].text = regexp.MustCompile(`password (\S{20,}) `).FindStringSubmatch(b.prints("certificate SHA-256 "))[1]
	search = newSearcher(marks)
	base := printed.FindStringSubmatch(b.out.String())[1]
	b.day(base)
	b.unmask()
	b.erase()

	get, post := routesOf(t)
	viewers := b.viewers()
	surfers := map[string]*surfer{}
	for _, who := range columns {
		s := newSurfer(t, base)
		if who != "" {
			s.logIn(marks[who].text)
		}
		surfers[who] = s
		s.walk(get)
	}
	for i, who := range columns {
		shown := reached(t, b.store, viewers[who])
		judge(t, "the pages as "+whoIs(who), i, surfers[who].docs, onlyReader)
		judge(t, "readers as "+whoIs(who), i, shown, nil)
		if who == "" {
			for _, v := range []storage.Viewer{{Role: storage.Staff}, {Role: 99}, {Account: "x"}, {Role: storage.Staff, User: "x"}} {
				judge(t, fmt.Sprintf("readers as %+v", v), i, reached(t, b.store, v), nil)
			}
		}
	}
	guard := storage.Viewer{Role: storage.Staff, User: userOf(b.store, "103").ID}
	if !slices.ContainsFunc(reached(t, b.store, guard), func(d *doc) bool { return search.sees(d, marks["live protected"]) == whole }) {
		t.Error("a protected user does not see whom the own call is with")
	}
	// Who may change most comes last.
	for i, who := range slices.Backward(columns) {
		s := surfers[who]
		before := len(s.docs)
		s.push()
		docs := s.docs[before:]
		judge(t, "the forms as "+whoIs(who), i, docs, everywhere)
		if who != "" && !slices.ContainsFunc(docs, func(d *doc) bool { return strings.HasSuffix(d.from, ": data.json") }) {
			t.Errorf("the forms as %s: no archive of the own data", who)
		}
	}
	for i, who := range slices.Backward(columns) {
		s := surfers[who]
		before := len(s.docs)
		s.guess(post)
		judge(t, "wrong words as "+whoIs(who), i, s.docs[before:], everywhere)
	}
	none := func(what string, docs []*doc) {
		t.Helper()
		judge(t, what, len(columns)-1, docs, nil)
		for _, id := range []string{"typed name", "typed number"} {
			for _, d := range docs {
				if !d.typed[id] && search.sees(d, marks[id]) > nothing {
					t.Errorf("%s: %s shows the %s", what, d.from, id)
				}
			}
		}
	}
	none("telephones that are not the office's", b.strangers())
	b.commands(none)
	stack := make([]byte, 4<<20)
	none("a dump of all goroutines", docsOf("stack", stack[:runtime.Stack(stack, true)], false))
	none("files", b.files())
	if err := b.end(); err != nil {
		t.Error(err)
	}
	none("the log", docsOf("log", []byte(log.String()), false))
	none("files of a box that is off", b.files())
}

func whoIs(who string) string {
	if who == "" {
		return "who is not logged in"
	}
	return who
}

// everywhere leaves out of [judge] what is to be seen: forms need not show all.
var everywhere = func() map[string]string {
	m := map[string]string{}
	for id := range marks {
		m[id] = "seen elsewhere"
	}
	return m
}()

// judge holds what somebody got against a column of the table. What is in but need not be there.
func judge(t *testing.T, what string, column int, docs []*doc, but map[string]string) {
	t.Helper()
	for _, row := range redaction {
		may := map[byte]level{'W': whole, 'F': front, '-': nothing, '.': either}[row.sees[column]]
		if may == either {
			continue
		}
		m, most := marks[row.mark], nothing
		if m == nil || m.num == "" && m.text == "" {
			t.Fatalf("%s is no mark", row.mark)
		}
		for _, d := range docs {
			if d.typed[m.id] {
				continue
			}
			sees := search.sees(d, m)
			if most = max(most, sees); sees > may {
				t.Errorf("%s: %s shows %v of the mark %q, may show %v: %s", what, d.from, sees, m.id, may, row.why)
				break
			}
		}
		if _, ok := but[m.id]; !ok && most < may {
			t.Errorf("%s: nothing shows %v of the mark %q: %s", what, may, m.id, row.why)
		}
	}
}

// day goes on with the day, on the network and with calls that last.
func (b *openBox) day(base string) {
	t := b.t
	p := b.phone("201", marks["secret"].text, 0, 3)
	p.Agent = "Zwitscherfon 3"
	if err := p.Register(300); err != nil {
		t.Fatal(err)
	}
	c := p.Call("0" + num("of netty") + "#")
	if !c.Answered(time.Minute) {
		t.Fatalf("not answered: %v\n%s", c.Statuses(), b.out.String())
	}
	c.Hang()
	b.prints("record 201 -> " + num("of netty"))
	c = p.Call("102")
	b.prints("102 rings")
	fmt.Fprintln(b.in, "102 lifts")
	if !c.Answered(time.Minute) {
		t.Fatal(c.Statuses())
	}
	c.Hang()
	b.prints("record 201 -> 102")
	fmt.Fprintln(b.in, "102 hangs up ; line 1 answers after 1 rings")
	for try := 0; try == 0 || !b.goesOn(base, "live of anna"); try++ { // a busy machine may lose digits of a telephone
		if try == 3 {
			t.Fatalf("no call of 101\n%s\n%s", b.out.String(), b.log.String())
		}
		fmt.Fprintln(b.in, "101 hangs up ; wait 3s ; 101 lifts ; wait 2s ; 101 dials 0"+num("live of anna")+"#")
	}
	c = p.Call("0" + num("live of netty") + "#")
	if !c.Answered(time.Minute) || !b.goesOn(base, "live of netty") {
		t.Fatal(c.Statuses())
	}
}

// goesOn tells whether the owner sees a call to a number soon.
func (b *openBox) goesOn(base, id string) bool {
	s := newSurfer(b.t, base)
	s.logIn(marks["owner"].text)
	for range 60 {
		s.get("/")
		if search.sees(s.docs[len(s.docs)-1], marks[id]) == whole {
			return true
		}
		time.Sleep(250 * time.Millisecond)
	}
	return false
}

func (b *openBox) viewers() map[string]storage.Viewer {
	all, err := b.store.As(atTerminal).Accounts(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	m := map[string]storage.Viewer{"": {}}
	for _, a := range all {
		for _, id := range columns {
			if id != "" && marks[id].text == a.Name {
				m[id] = a.Viewer()
			}
		}
	}
	return m
}

// unmask has the admin ask for two numbers, and the officer agree to one.
func (b *openBox) unmask() {
	t, v := b.t, b.viewers()
	ask := func(id, reason string) storage.Grant {
		t.Helper()
		list, err := b.store.As(atTerminal).Records(t.Context(), storage.Query{Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(r storage.RecordView) bool { return r.To.Number == num(id) })
		if i < 0 {
			t.Fatalf("no record of the mark %q", id)
		}
		g, err := b.store.As(v["admin"]).AskUnmask(t.Context(), list[i].ID, storage.Called, marks[reason].text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := ask("shown to admin", "reason shown")
	if _, err := b.store.As(v["officer"]).AgreeUnmask(t.Context(), g.ID, true); err != nil {
		t.Fatal(err)
	}
	ask("of left", "reason waiting")
}

// command runs a sub-command beside the box, as a person does.
func (b *openBox) command(stdin string, args ...string) []*doc {
	var out, log bytes.Buffer
	err := run(b.t.Context(), append(args, "-data", b.dir), strings.NewReader(stdin), &out, &log)
	what := "sotto " + strings.Join(args[:min(2, len(args))], " ")
	docs := docsOf(what, out.Bytes(), false)
	return append(docs, docsOf(what+", beside", []byte(fmt.Sprintln(log.String(), err)), false)...)
}

func (b *openBox) erase() {
	for _, x := range [][]string{{"erase", "-user", "105", "-yes"}, {"erase", "-number", num("erased number"), "-yes"}} {
		docs := b.command("", x...)
		if !strings.Contains(string(docs[0].raw), "The person is erased.") {
			b.t.Fatalf("%s%s", docs[0].raw, docs[1].raw)
		}
		judge(b.t, "an erasure", len(columns)-1, docs, nil)
	}
}

// commands runs all sub-commands. Those that are for nobody's data show no mark; those that are show what the owner may see.
func (b *openBox) commands(none func(string, []*doc)) {
	t := b.t
	file := mustWrite(t, filepath.Join(t.TempDir(), "u.csv"), "Name;Nebenstelle;Mobil\n"+marks["typed name"].text+";10x;"+num("typed number")+"\n"+anna+";101;"+num("mobile")+"\n")
	typed, name, wrong := num("typed number"), marks["typed name"].text, marks["wrong password"].text
	for _, args := range [][]string{
		{"audit", "-n", "5000"}, {"audit", "-n", "5000", "-json"}, {"audit", "-user", "101"}, {"audit", "-number", num("out of anna")}, {"audit", "verify"},
		{"ledger"}, {"ledger", "-json"}, {"ledger", "-sum"}, {"erase", "-list"}, {"erase", "-list", "-json"}, {"terms"}, {"terms", "-json"}, {"terms", "-proofs"}, {"terms", "-set", "records=20"},
		{"papers", "-record"}, {"papers", "-record", "-html"}, {"papers", "-notice"}, {"papers", "-notice", "-html", "-lang", "de"}, {"papers", "-record", "-lang", "de"},
		{"what-if", "101", "102"}, {"what-if", "101", "0" + typed}, {"what-if", "101", "*7142*0" + typed},
		{"users", "import", file, "-preview"}, {"users", "import", file, "-preview", "-json"}, {"users", "import", filepath.Join(filepath.Dir(file), name)},
		{"erase", "-number", typed, "-yes"}, {"erase", "-number", typed + "x"}, {"erase", "-account", name}, {"erase", "-user", name}, {"access", "-number", typed + "x", "-o", "-"}, {"access", "-account", name, "-o", "-"},
		{"export", "-format", typed}, {"export", "-format", "csv", "-from", typed}, {"account", "reset", "-account", name}, {"account", "add", "-account", name, "-role", typed},
		{"audit", "-" + typed}, {"terms", "-set", name + "=" + typed}, {name, typed}, {"ledger", name}, {"papers", "-lang", name, "-record"},
	} {
		docs := b.command(wrong+"\nanother\n", args...)
		if args[0] == "what-if" || args[0] == name { // tells what was asked for
			for _, d := range docs {
				d.typed = map[string]bool{"typed number": true, "typed name": true}
			}
		}
		none("sub-commands that show nobody's data", docs)
	}
	owner := func(what string, only string, docs []*doc) {
		t.Helper()
		judge(t, what, 0, docs, everywhere)
		for _, id := range strings.Split(only, ",") {
			if !slices.ContainsFunc(docs, func(d *doc) bool { return search.sees(d, marks[id]) > nothing }) {
				t.Errorf("%s: the mark %q is not in it", what, id)
			}
		}
	}
	owner("sotto export", "anna,out of anna,in to bert,code of bert,aged", b.command("", "export", "-format", "csv"))
	owner("sotto export", "anna,out of anna,in to bert,code of anna,aged", b.command("", "export", "-format", "json"))
	owner("sotto account list", "owner,installer,account of anna", b.command("", "account", "list"))
	for _, x := range []struct {
		whose []string
		has   string // marks that are to be in it, and all others are not to be
	}{
		{[]string{"-user", "101"}, "anna,bert,place,department,e-mail,mobile,account of anna,out of anna,busy,in to anna,missed,aged"},
		{[]string{"-user", "102"}, "bert,anna,netty,account of bert,out of bert,in to bert,international,shown to admin,reason shown"},
		{[]string{"-user", "103"}, "protected"},
		{[]string{"-number", num("out of bert")}, "out of bert"},
		{[]string{"-account", marks["admin"].text}, "admin"},
	} {
		docs := b.command("", append([]string{"access", "-o", "-"}, x.whose...)...)
		owner("archive", x.has, docs)
		for id, m := range marks {
			for _, d := range docs {
				if !slices.Contains(strings.Split(x.has, ","), id) && search.sees(d, m) > nothing {
					t.Errorf("archive of %s: %s shows the mark %q", x.whose[0], d.from, id)
					break
				}
			}
		}
	}
}

// strangers gives what the box says to telephones on the network that are not the office's, and its certificate.
func (b *openBox) strangers() (docs []*doc) {
	c, err := net.Dial("udp", b.addr.String())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	for i, first := range []string{"OPTIONS sip:box", "OPTIONS sip:201", "REGISTER sip:box", "INVITE sip:101", "INVITE sip:" + num("live of netty"), "SUBSCRIBE sip:201", "MESSAGE sip:101", "BREW sip:1"} {
		method, _, _ := strings.Cut(first, " ")
		fmt.Fprintf(c, "%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:201@x>;tag=%d\r\nTo: <sip:201@x>\r\nCall-ID: stranger-%d\r\nCSeq: 1 %s\r\nContact: <sip:201@%s>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			first, b.addr, c.LocalAddr(), i, i, i, method, c.LocalAddr())
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	for buf := make([]byte, 65536); ; {
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		docs = append(docs, docsOf("answer to a stranger", bytes.Clone(buf[:n]), false)...)
	}
	if len(docs) == 0 {
		b.t.Error("no answers to strangers")
	}
	return docs
}

// files gives all files of the data folder, as they lie there.
func (b *openBox) files() (docs []*doc) {
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		docs = append(docs, docsOf(d.Name(), text, true)...)
		return err
	})
	if err != nil || len(docs) < 4 {
		b.t.Errorf("%d files: %v", len(docs), err)
	}
	return docs
}

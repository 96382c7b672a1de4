package sotto

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The rooms and what each may import, within the project and from others. Imports point
// right: cmd → ui → storage → pbx → board. A row holds for a folder and all below it;
// the longest that matches counts.
var rooms = []struct {
	path  string
	ours  []string // prefixes of our own packages
	third []string // prefixes of modules of others
	why   string
}{
	{"cmd/sotto", []string{"board", "pbx", "storage", "ui"}, nil, "the only composition root: it may see everything of ours and needs nothing of others"},
	{"board", []string{}, nil, "vocabulary: the standard library alone"},
	{"board/pcm", []string{"board"}, nil, "a stream of samples"},
	{"board/si321x", []string{"board"}, []string{"periph.io/x/conn/v3"}, "a driver sees its bus and the vocabulary"},
	{"board/si3050", []string{"board"}, []string{"periph.io/x/conn/v3"}, "a driver sees its bus and the vocabulary"},
	{"board/chipsim", []string{"board", "board/pcm"}, []string{"periph.io/x/conn/v3"}, "models know nothing of the drivers that are tried on them"},
	{"board/office", []string{"board", "board/pcm", "board/si321x", "board/si3050"}, []string{"periph.io/x/conn/v3"}, "assembles drivers; knows nothing of the simulator"},
	{"board/sim", []string{"board"}, nil, "plugs telephones into models on the shipping board; knows nothing of calls"},
	{"board/sim/ear", []string{"board"}, nil, "an independent judge of tones: it shares no code with what makes them"},
	{"board/sim/exchange", []string{"board", "board/chipsim"}, nil, "an independent judge of what is dialled"},
	{"board/sim/display", []string{"board"}, nil, "an independent judge of caller ID"},
	{"board/sim/wav", []string{"board"}, nil, "pure"},
	{"board/boardtest", []string{"board"}, nil, "holds for every board, so it knows none"},
	{"pbx", []string{"board", "pbx"}, nil, "call control sees the vocabulary of the board, never a driver"},
	{"pbx/analog", []string{"board", "pbx/table"}, nil, "pure"},
	{"pbx/table", []string{}, nil, "pure"},
	{"pbx/number", []string{}, nil, "pure; the one type that digits travel in"},
	{"pbx/country", []string{"board", "pbx/media/tone"}, nil, "data; physical terms of the board and tones"},
	{"pbx/plan", []string{"pbx/country"}, nil, "a value and its rules"},
	{"pbx/plan/usercsv", []string{"pbx/plan", "pbx/number"}, nil, "pure; users from a spreadsheet"},
	{"pbx/media", []string{"board", "pbx/media"}, nil, "the voice plane knows nothing of calls"},
	{"pbx/media/fsk", []string{"board", "pbx/country", "pbx/number", "pbx/media/dtmf", "pbx/media/tone"}, nil, "pure; tells a display who calls, in the style of a country"},
	{"pbx/media/tone", []string{"board"}, nil, "pure"},
	{"pbx/media/progress", []string{"board", "pbx/media/tone"}, nil, "pure"},
	{"pbx/loopstart", []string{"board", "pbx/media/progress", "pbx/table"}, nil, "pure"},
	{"ui", []string{"board", "pbx", "storage", "ui"}, nil, "pages; personal data reaches them through storage.As alone"},
	{"ui/simui", []string{"board", "board/sim", "ui"}, []string{"github.com/coder/websocket"}, "the simulator's page: telephones and exchange lines, no data of the box; the home of the websocket library"},
	{"browser", []string{}, []string{"github.com/chromedp"}, "tries the pages in a real browser; tests alone; the home of chromedp"},
	{"pbx/media/dtmf", []string{"board"}, nil, "pure"},
	{"pbx/media/g711", []string{}, nil, "pure"},
	{"pbx/sipline", []string{"pbx"}, []string{"github.com/emiago/sipgo/sip"}, "joins SIP telephones to the switch; the home of sipgo, of which it uses the types of messages alone"},
	{"pbx/sipline/wire", []string{}, nil, "pure; vocabulary of what is below sipline"},
	{"pbx/sipline/edge", []string{"pbx/sipline/wire"}, []string{"github.com/emiago/sipgo/sip"}, "pure; judges bytes and knows nothing of users and calls"},
	{"pbx/sipline/txn", []string{"pbx/sipline/wire", "pbx/table"}, []string{"github.com/emiago/sipgo/sip"}, "pure; transactions know nothing of what they carry"},
	{"pbx/sipline/auth", []string{"pbx", "pbx/plan"}, []string{"github.com/emiago/sipgo/sip"}, "pure; who has shown who he is"},
	{"pbx/sipline/registrar", []string{"pbx", "pbx/plan", "pbx/sipline/wire"}, []string{"github.com/emiago/sipgo/sip"}, "pure; where telephones are"},
	{"pbx/sipline/ua", []string{"pbx", "pbx/table"}, []string{"github.com/emiago/sipgo/sip"}, "pure; one INVITE usage"},
	{"pbx/sipline/sdp", []string{}, nil, "pure"},
	{"pbx/sipline/siptest", []string{"board", "board/sim/ear", "pbx/media/g711"}, nil, "an independent judge of SIP and RTP: it shares no code with them but the codec; for tests only"},
	{"neighbours", []string{}, nil, "tries the box with programs that nobody here wrote; tests alone"},
	{"bench", []string{}, nil, "measures a PBX from outside, so it knows none"},
	{"pbx/scene", []string{"board/sim", "pbx/country", "pbx/media/tone"}, nil, "tells the simulator what a country is"},
	{"pbx/pbxtest", []string{"board", "pbx"}, nil, "runs the exchange on the simulated board; for tests only"},
	{"storage", []string{"pbx", "storage"}, []string{"go.etcd.io/bbolt"}, "the home of bbolt"},
	{"storage/seal", []string{}, []string{"golang.org/x/crypto", "golang.org/x/sys"}, "pure; the home of the ciphers"},
	{"storage/password", []string{}, []string{"golang.org/x/crypto"}, "pure; the home of argon2"},
	{"storage/keyring", []string{"storage/seal", "storage/durable"}, nil, "keys know nothing of what they seal"},
	{"storage/durable", []string{}, nil, "files that survive a power cut"},
	{"storage/root", []string{"storage/keyring", "storage/seal", "storage/durable", "storage/password"}, []string{"github.com/google/go-tpm", "golang.org/x/crypto", "golang.org/x/sys"}, "what keeps the epoch key: a passphrase's file or a TPM; the home of go-tpm"},
	{"storage/papers", []string{"storage/policy"}, nil, "pure; the record of processing and the notice"},
	{"storage/archive", []string{"pbx/media/g711"}, nil, "pure; the files of one person's data"},
	{"storage/policy", []string{}, nil, "pure; what an office sets about personal data"},
	{"storage/e164", []string{}, []string{"github.com/nyaruka/phonenumbers"}, "pure; the home of phonenumbers"},
	{"storage/cuttest", []string{"pbx", "storage"}, []string{"github.com/hanwen/go-fuse/v2"}, "a medium that loses what was not synced, for tests alone; the home of go-fuse"},
	{"storage/formattest", []string{}, []string{"go.etcd.io/bbolt"}, "an independent reader, written from FORMAT.md alone: it shares no code with what writes"},
}

// The packages that may reach the digits of a number, and those that may reach the plan with its
// names without saying for whom. Within package storage a test of its own has the same for files.
var (
	mayReveal = map[string]string{
		"pbx/number":    "defines it",
		"pbx/media/fsk": "sends the number to the display of the telephone that it calls",
		"storage":       "seals numbers, and masks them for those who may not see them",
		"pbx/pbxtest":   "prints records of scenarios; for tests only",
	}
	mayPlan = map[string]string{
		"storage":   "defines it",
		"cmd/sotto": "gives the switch its plan, and shows it to who stands at the box",
	}
)

// What no package of the program imports.
var neverImported = map[string]string{
	"storage/root/swtpm": "for tests only", "storage/root/pty": "for tests only", "storage/cuttest": "for tests only", "storage/formattest": "for tests only",
	"pbx/pbxtest": "for tests only", "board/boardtest": "for tests only", "pbx/sipline/siptest": "for tests only",
}

type goPackage struct {
	ImportPath, Doc, Dir string
	Imports              []string
	GoFiles              []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Dir,Imports,GoFiles", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var l []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 && p.ImportPath != "sotto" {
			l = append(l, p)
		}
	}
	return l
}

// below tells whether path is dir or lies below it.
func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func TestImportsPointRight(t *testing.T) {
	for _, p := range packages(t) {
		self := strings.TrimPrefix(p.ImportPath, "sotto/")
		room := -1
		for i := range rooms {
			if below(self, rooms[i].path) && (room < 0 || len(rooms[i].path) > len(rooms[room].path)) {
				room = i
			}
		}
		if room < 0 {
			t.Errorf("%s is in no room: add a row with its reason", self)
			continue
		}
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, "sotto/")
			in := func(l []string) bool { return slices.ContainsFunc(l, func(d string) bool { return below(ours, d) }) }
			switch {
			case isOurs && neverImported[ours] != "" && neverImported[self] == "":
				t.Errorf("%s imports %s, which is %s", self, ours, neverImported[ours])
			case isOurs && !in(rooms[room].ours):
				t.Errorf("%s may not import %s (%s: %s)", self, ours, rooms[room].path, rooms[room].why)
			case !isOurs && strings.Contains(strings.Split(imp, "/")[0], ".") && !slices.ContainsFunc(rooms[room].third, func(d string) bool { return below(imp, d) }):
				t.Errorf("%s may not import %s (%s: %s)", self, imp, rooms[room].path, rooms[room].why)
			case imp == "C":
				t.Errorf("%s uses cgo", self)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 40 {
			t.Errorf("%s has no package comment to speak of", p.ImportPath)
		}
	}
}

// TestDigitsStayInside finds what reaches digits or names outside the packages that may, and
// packages that no longer need to.
func TestDigitsStayInside(t *testing.T) {
	for _, c := range []struct {
		what, method string
		may          map[string]string
	}{
		{"the digits of a number", ".Reveal", mayReveal},
		{"the plan for nobody in particular", ".CurrentPlan", mayPlan},
	} {
		used := map[string]bool{}
		for _, p := range packages(t) {
			self := strings.TrimPrefix(p.ImportPath, "sotto/")
			for _, f := range p.GoFiles {
				if !strings.Contains(readFile(t, p.Dir+"/"+f), c.method) {
					continue
				}
				if used[self] = true; c.may[self] == "" {
					t.Errorf("%s/%s reaches %s", self, f, c.what)
				}
			}
		}
		for self := range c.may {
			if !used[self] {
				t.Errorf("%s may reach %s and does not: take it out of the table", self, c.what)
			}
		}
	}
}

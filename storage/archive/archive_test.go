package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx/media/g711"
)

var made = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func seq[T any](list ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// sound is audio in memory that ends in an error at bad, if that is not 0.
type sound struct {
	data []byte
	bad  int64
	open *int
}

func (s sound) ReadAt(p []byte, off int64) (int, error) {
	end := int64(len(s.data))
	if s.bad > 0 {
		end = s.bad
	}
	n := copy(p, s.data[min(off, end):end])
	if n < len(p) {
		return n, errors.New("damaged")
	}
	return n, nil
}

func (s sound) Close() error { *s.open--; return nil }

func (s sound) audio(cut bool) Audio {
	return Audio{Size: int64(len(s.data)), Cut: cut, Open: func() (AudioFile, error) { *s.open++; return s, nil }}
}

// full is an archive with something in each place, of hostile text.
func full(open *int) *Content {
	evil := `<script>alert(1)</script>" onload="x' & ]]>`
	tone := make([]byte, 12_345)
	for i := range tone {
		tone[i] = byte(i)
	}
	return &Content{
		Made: made, Office: "Office " + evil, Kind: User, Who: "Who " + evil, Known: true,
		Terms: []Term{{"Call records", 30}, {"Messages", 1}},
		Facts: []Fact{{"Name", "Fact " + evil}}, Former: []Past{{3, []Fact{{"Name", "Former " + evil}}}},
		Accounts: []Login{{"Login " + evil, "staff"}}, Telephones: []Telephone{{"Agent " + evil, "192.0.2.1:5060", "sip:" + evil, made}},
		Recipients: []Recipient{{"Export", "To " + evil, 12_345, made}}, Notices: []Notice{{made, "admin", "", "shown", "Reason " + evil}},
		Calls:   seq(Call{Began: made, Direction: "incoming", Came: true, Own: End{Ext: "11"}, Other: End{Name: "Call " + evil, Number: "+4930…", Line: evil}, RangMS: 4000, TalkedMS: 3_725_000, Outcome: "answered"}),
		Journal: seq(Call{Began: made, Direction: "outgoing", Other: End{Number: "+491", Note: "Journal " + evil}, RangMS: 61_000, Outcome: "no answer"}),
		Others:  seq(Call{Began: made, Own: End{Ext: "12"}, Other: End{Note: "Others " + evil}}),
		Looks:   seq(Look{At: made, By: "owner", What: "Look " + evil, Rows: 2, Before: "Past " + evil, After: "Next " + evil}, Look{At: made, Own: true, What: "plan"}),
		Audio: []Audio{sound{tone, 0, open}.audio(false), sound{tone, 9000, open}.audio(true),
			{Open: func() (AudioFile, error) { return nil, errors.New("gone") }}, sound{nil, 0, open}.audio(false)},
		Rules: []string{"Rule " + evil}, Damaged: func() int { return 7 },
	}
}

func written(t *testing.T, c *Content) (map[string][]byte, []string, Summary) {
	t.Helper()
	var b bytes.Buffer
	sum, err := Write(t.Context(), &b, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Bytes != int64(b.Len()) {
		t.Errorf("%d bytes told, %d written", sum.Bytes, b.Len())
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files, names := map[string][]byte{}, []string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Modified.Equal(made) {
			t.Errorf("%s is of %v", f.Name, f.Modified)
		}
		files[f.Name], names = data, append(names, f.Name)
	}
	return files, names, sum
}

func TestEverythingIsInBothForms(t *testing.T) {
	open := 0
	files, names, sum := written(t, full(&open))
	if want := []string{"audio/0001.wav", "audio/0002.wav", "audio/0004.wav", "data.json", "index.html"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	if open != 0 {
		t.Errorf("%d files of audio are left open", open)
	}
	if sum.Calls != 1 || sum.Journal != 1 || sum.Others != 1 || sum.Looks != 2 || sum.Damaged != 7 || len(sum.Audio) != 4 {
		t.Errorf("summary %+v", sum)
	}
	page := html.UnescapeString(string(files["index.html"]))
	for _, want := range []string{"Office ", "Who ", "Fact ", "Former ", "Login ", "Agent ", "To ", "Reason ", "Call ", "Journal ", "Others ", "Look ", "Past ", "Next ", "Rule ",
		"+4930…", "1:02:05", "rang 1:01", "12,345", "30 days", "1 day<", "7 rows are damaged", `href="audio/0001.wav"`, "4 Mar 2026, 05:06:07",
		"silence after this length", "Could not be opened", "The end is missing", `<html lang="en">`, "the person</td><td>plan"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	var d map[string]any
	if err := json.Unmarshal(files["data.json"], &d); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format", "made", "office", "kind", "who", "known", "rules", "terms", "facts", "former", "accounts", "telephones", "calls",
		"journal", "others", "audio", "looks", "notices", "recipients", "damaged"} {
		if v, ok := d[name]; !ok || v == nil {
			t.Errorf("data.json lacks %s", name)
		}
		if l, ok := d[name].([]any); ok && len(l) == 0 {
			t.Errorf("data.json has nothing in %s", name)
		}
	}
}

// What stands in the data cannot become part of the page.
func TestHostileText(t *testing.T) {
	open := 0
	files, _, _ := written(t, full(&open))
	page := strings.ToLower(string(files["index.html"]))
	for _, bad := range []string{"<script", `" onload`, "http:", "https:", "javascript:", "<img", "src="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if bytes.Contains(files["data.json"], []byte("<script")) {
		t.Error("data.json has a tag that a page could take for its own")
	}
}

func TestWAV(t *testing.T) {
	open := 0
	files, _, sum := written(t, full(&open))
	for i, bad := range map[int]int{0: 12_345, 1: 9000} {
		w := files[fmt.Sprintf("audio/%04d.wav", i+1)]
		if len(w) != 44+2*12_345 || string(w[:4]) != "RIFF" || string(w[8:16]) != "WAVEfmt " || string(w[36:40]) != "data" ||
			binary.LittleEndian.Uint32(w[4:]) != uint32(len(w)-8) || binary.LittleEndian.Uint32(w[40:]) != 2*12_345 ||
			binary.LittleEndian.Uint32(w[24:]) != 8000 || binary.LittleEndian.Uint16(w[34:]) != 16 {
			t.Fatalf("file %d has the header % x", i, w[:44])
		}
		for n := range 12_345 {
			want := g711.ALaw.Decode(byte(n))
			if n >= bad {
				want = g711.ALaw.Decode(g711.ALaw.Silence())
			}
			if got := int16(binary.LittleEndian.Uint16(w[44+2*n:])); got != want {
				t.Fatalf("file %d, sample %d is %d, want %d", i, n, got, want)
			}
		}
	}
	if want := (Heard{File: "audio/0002.wav", Seconds: 1.125, Cut: true, Broken: true}); sum.Audio[1] != want {
		t.Errorf("damaged audio is told as %+v, want %+v", sum.Audio[1], want)
	}
}

func TestNothingKept(t *testing.T) {
	files, names, _ := written(t, &Content{Made: made, Kind: Number, Who: "+4930123", Terms: []Term{{"Call records", 30}}})
	if len(names) != 2 || !strings.Contains(string(files["index.html"]), "Nothing is kept of this person") || strings.Contains(string(files["index.html"]), `id="calls"`) {
		t.Errorf("the page does not say that nothing is kept: %v", names)
	}
	const faded = "cannot be found by the number"
	if !strings.Contains(string(files["index.html"]), faded) {
		t.Error("the page does not say what a number cannot find")
	}
	files, _, _ = written(t, &Content{Made: made, Kind: User, Who: "a user"})
	if page := string(files["index.html"]); strings.Contains(page, faded) || !strings.Contains(page, "Nothing is kept of this person.") {
		t.Error("the page of a user speaks of numbers")
	}
	var d struct {
		Known bool
		Calls []Call
	}
	if err := json.Unmarshal(files["data.json"], &d); err != nil || d.Known || len(d.Calls) != 0 {
		t.Errorf("data.json: %v, %+v", err, d)
	}
}

func TestSameBytesAgain(t *testing.T) {
	var a, b bytes.Buffer
	open := 0
	for _, w := range []io.Writer{&a, &b} {
		if _, err := Write(t.Context(), w, full(&open), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same differ")
	}
}

// short takes so many bytes and then no more.
type short struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("full")

func (s *short) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	s.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// An archive that was broken off at any place does not open.
func TestBrokenOff(t *testing.T) {
	var whole bytes.Buffer
	open := 0
	if _, err := Write(t.Context(), &whole, full(&open), nil); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < whole.Len(); n += 997 {
		w := short{left: n}
		if _, err := Write(t.Context(), &w, full(&open), nil); !errors.Is(err, errFull) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, err := zip.NewReader(bytes.NewReader(w.Bytes()), int64(w.Len())); err == nil {
			t.Fatalf("%d bytes of %d open as an archive", n, whole.Len())
		}
	}
	if open != 0 {
		t.Errorf("%d files of audio are left open", open)
	}
}

func TestEndsEarly(t *testing.T) {
	errSeq := errors.New("no more")
	breaks := func(yield func(Call, error) bool) {
		if yield(Call{}, nil) {
			yield(Call{}, errSeq)
		}
	}
	open := 0
	for name, set := range map[string]func(*Content){
		"calls":     func(c *Content) { c.Calls = breaks },
		"journal":   func(c *Content) { c.Journal = breaks },
		"others":    func(c *Content) { c.Others = breaks },
		"looks":     func(c *Content) { c.Looks = func(yield func(Look, error) bool) { yield(Look{}, errSeq) } },
		"not valid": func(c *Content) { c.Valid = func() error { return errSeq } },
		"the second time": func(c *Content) {
			first, calls := true, c.Calls
			c.Calls = func(yield func(Call, error) bool) {
				if first {
					first = false
					calls(yield)
					return
				}
				breaks(yield)
			}
		},
	} {
		var b bytes.Buffer
		c := full(&open)
		set(c)
		if _, err := Write(t.Context(), &b, c, nil); !errors.Is(err, errSeq) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil {
			t.Errorf("%s: it opens as an archive", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	var b bytes.Buffer
	_, err := Write(ctx, &b, full(&open), func(n int) {
		if steps += n; steps == 4 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || steps > 8 {
		t.Errorf("cancelled: %v after %d steps", err, steps)
	}
}

// The page shows the newest of a long list, and the data has all of it.
func TestLongLists(t *testing.T) {
	const n = MaxShown + 5
	c := &Content{Made: made, Known: true,
		Calls: func(yield func(Call, error) bool) {
			for i := range n {
				if !yield(Call{Began: made, Outcome: fmt.Sprintf("call-%d;", i)}, nil) {
					return
				}
			}
		},
		Looks: func(yield func(Look, error) bool) {
			for i := range n {
				if !yield(Look{At: made, What: fmt.Sprintf("look-%d;", i)}, nil) {
					return
				}
			}
		},
	}
	files, _, sum := written(t, c)
	page, data := string(files["index.html"]), string(files["data.json"])
	if sum.Calls != n || sum.Looks != n || strings.Count(data, "call-") != n || strings.Count(data, "look-") != n {
		t.Errorf("data.json has %d calls and %d lines", strings.Count(data, "call-"), strings.Count(data, "look-"))
	}
	if strings.Count(page, "call-") != MaxShown || !strings.Contains(page, "call-0;") || strings.Count(page, "look-") != MaxShown || strings.Contains(page, "look-4;") ||
		!strings.Contains(page, fmt.Sprintf("look-%d;", n-1)) || strings.Count(page, "the newest 20,000 are shown") != 1 {
		t.Errorf("the page has %d calls and %d lines", strings.Count(page, "call-"), strings.Count(page, "look-"))
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asked runs the sub-command through the program's front door.
func asked(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = run(t.Context(), append([]string{"what-if"}, args...), strings.NewReader(""), &out, &log)
	return out.String(), log.String(), err
}

// holds wants every one of want in got.
func holds(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("not told: %q in\n%s", w, got)
		}
	}
}

const ruledPlan = `{"office": "O", "country": "DE", "outside_prefix": "0",
	"users": [{"name": "Anna Secret", "ext": "71", "ports": ["FXS 1"]}, {"name": "Boris Secret", "ext": "72", "ports": ["FXS 2"], "sip": true}],
	"lines": [{"name": "Secret line", "port": "FXO 1"}, {"name": "Other line", "port": "FXO 2"}],
	"rules": [{"name": "Secret rule", "prefix": "00", "lines": ["Other line"]}]}`

func TestWhatIfOfAPlanFile(t *testing.T) {
	dir := t.TempDir()
	file := mustWrite(t, filepath.Join(dir, "plan.json"), ruledPlan)
	data := filepath.Join(dir, "data")
	for _, c := range []struct {
		dialled []string
		want    []string
	}{
		{[]string{"00044", "20", "7946-0000"}, []string{"By the plan file.\nResult: outside call\n  1. ", "“Secret rule”", "sent 00442079460000", "one line alone: Other line", "for 5 s"}},
		{[]string{"72"}, []string{"Result: extension\n", "FXS 2, telephones on the network"}},
		{[]string{"112"}, []string{"Result: emergency call\n"}},
		{[]string{"305551234"}, []string{"Result: unobtainable\n", "  Hint: ", "0305551234"}},
		{[]string{"\x1b[2J"}, []string{"Result: unobtainable\n", "Character 1 cannot be dialled"}},
	} {
		out, log, err := asked(t, append([]string{"-data", data, "-plan", file, "71"}, c.dialled...)...)
		if err != nil || log != "" {
			t.Errorf("%v: %v %s", c.dialled, err, log)
		}
		holds(t, out, c.want...)
		if strings.Contains(out, "Anna") || strings.Contains(out, "Boris") || strings.Contains(out, "\x1b") {
			t.Errorf("%v: printed:\n%s", c.dialled, out)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a data folder was made")
	}
}

// TestWhatIfPrivate: what is not kept of a call is told, by the lifeline, too, as far as it
// knows.
func TestWhatIfPrivate(t *testing.T) {
	private := strings.Replace(ruledPlan, `"users"`, `"private_prefix": "*67", "users"`, 1)
	private = strings.Replace(private, `"sip": true`, `"sip": true, "protected": true`, 1)
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), private)
	for dialled, want := range map[string][]string{
		"*67 0 30 5551234": {"Result: outside call\n", "The *67 in front makes this a private call: who is called is not kept.", "sent 305551234"},
		"*67112":           {"Result: emergency call\n", "An emergency call is kept with its number all the same."},
		"72":               {"Result: extension\n", "Who is called is protected: who calls is not kept."},
	} {
		out, _, err := asked(t, "-plan", file, "71", dialled)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, out, want...)
	}
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir, "-plan", file)
	if err := os.Remove(filepath.Join(dir, "sotto.db")); err != nil {
		t.Fatal(err)
	}
	out, _, err := asked(t, "-data", dir, "71", "*6772")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "Result: extension\n", "makes this a private call")
	if strings.Contains(out, "protected") {
		t.Errorf("the lifeline knows who is protected:\n%s", out)
	}
}

// TestWhatIfOfTheData: the plan is the one that a box would run on, and a box that runs is
// not disturbed.
func TestWhatIfOfTheData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	out, _, err := asked(t, "-data", dir, "101", "0112")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "There is no plan yet. By the demo office.", "Result: emergency call")
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	starts(t, "wait 1s", "-data", dir, "-plan", mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), ruledPlan))
	if out, _, err = asked(t, "-data", dir, "71", "000442079460000"); err != nil {
		t.Fatal(err)
	}
	holds(t, out, "By the stored plan.", "“Secret rule”", "Other line")
	store := mustOpen(t, dir)
	out, log, err := asked(t, "-data", dir, "71", "000442079460000")
	store.Close()
	if err != nil || log != "" {
		t.Fatal(err, log)
	}
	holds(t, out, "A box runs on the data folder, so this is by the lifeline", "“rule 1”", "FXO 2", "sent 00442079460000")
	if strings.Contains(out, "Secret") {
		t.Errorf("the lifeline knows a name:\n%s", out)
	}
	os.Remove(dir + ".key")
	if out, log, err = asked(t, "-data", dir, "71", "0305551234"); err != nil {
		t.Fatal(err)
	}
	holds(t, out+log, "The store cannot be opened, so this is by the lifeline", "msg=\"the store cannot be opened\"")
	os.Remove(filepath.Join(dir, "lifeline.json"))
	if _, _, err = asked(t, "-data", dir, "71", "0305551234"); err == nil || strings.Contains(err.Error(), "305551234") {
		t.Errorf("without key and lifeline: %v", err)
	}
}

func TestWhatIfOfTheDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for dialled, want := range map[string]string{
		"009001234567":     "forbids such numbers",
		"000442079460000":  "in this order: Exchange B, Exchange A.",
		"0305551234":       "in this order: Exchange A, Exchange B.",
		"201":              "What rings: telephones on the network.",
		"+44 20 7946 0000": "At a telephone with keys one dials 000442079460000.",
	} {
		out, _, err := asked(t, "-data", dir, "101", dialled)
		if err != nil {
			t.Error(err)
		}
		holds(t, out, want)
	}
}

func TestWhatIfRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := mustWrite(t, filepath.Join(dir, "bad.json"), strings.Replace(ruledPlan, "Other line\"]}]", "No line\"]}]", 1))
	data := filepath.Join(dir, "data")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"say who dials and what", nil},
		{"say who dials and what", []string{"-data", data, "101"}},
		{"no user with this extension", []string{"-data", data, "555", "112"}},
		{"flag provided but not defined", []string{"-sip", "off", "101", "112"}},
		{"rules[0].lines[0]: is not the name of a line", []string{"-plan", bad, "71", "112"}},
		{"no such file", []string{"-plan", bad + "x", "71", "112"}},
	} {
		out, _, err := asked(t, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || out != "" || strings.Contains(strings.ReplaceAll(err.Error(), dir, ""), "555") {
			t.Errorf("%q: %v, want %s; printed %q", c.args, err, c.want, out)
		}
	}
	out, _, err := asked(t, "-h")
	if err != nil {
		t.Error(err)
	}
	holds(t, out, "sotto what-if [flags] EXTENSION NUMBER", "-plan file", "-data folder")
}

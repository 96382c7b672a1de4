package txn

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

func TestDiagrams(t *testing.T) {
	for file, m := range map[string]*machine{
		"testdata/invite-client.golden": inviteClient, "testdata/invite-server.golden": inviteServer,
		"testdata/other-client.golden": otherClient, "testdata/other-server.golden": otherServer,
	} {
		got := m.Diagram()
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got:\n%s", file, got)
		}
	}
}

func TestNames(t *testing.T) {
	for s := calling; s < numStates; s++ {
		if s.String() == "" {
			t.Errorf("state %d has no name", s)
		}
	}
	for i := again; i < numInputs; i++ {
		if i.String() == "" {
			t.Errorf("input %d has no name", i)
		}
	}
	for k := Over; k < numKinds; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for f := Opened; f < numFates; f++ {
		if f.String() == "" {
			t.Errorf("fate %d has no name", f)
		}
	}
	if Kind(99).String() != "" || Fate(99).String() != "" {
		t.Error("a name for what there is not")
	}
}

package cuttest

import (
	"strings"
	"testing"
)

// TestIgnoredSyncIsSeen is the control: on a medium that lies about syncs, about all or about
// those of one kind, the rig must find that something acknowledged is lost.
func TestIgnoredSyncIsSeen(t *testing.T) {
	file := func(name string) func(Op) bool {
		return func(o Op) bool { return o.Kind == Sync && o.Name == name }
	}
	folder := func(name string) func(Op) bool {
		return func(o Op) bool { return o.Kind == SyncDir && o.Name == name }
	}
	empty := func(*rig) {}
	started := func(r *rig) { r.run("first", -1, nil) }
	bare := func(r *rig) { // no data folder
		r.disk.remove(rootIno, "data")
		r.disk.syncDir(rootIno)
	}
	for _, c := range []struct {
		what    string
		ignored func(Op) bool
		before  func(*rig) // while the medium still tells the truth
		work    string
		within  int    // the cut comes before so many changes
		not     string // why it cannot be seen
	}{
		{"all", func(Op) bool { return true }, started, "office", 200, ""},
		{"database", file("sotto.db"), started, "office", 200, ""},
		{"new database", file("sotto.db.new"), empty, "first", 40, ""},
		{"tail", func(o Op) bool { return o.Kind == Sync && strings.HasPrefix(o.Name, "keyring.tail-") }, started, "office", 200, ""},
		{"new keyring", file("keyring.new"), started, "erase", 200, ""},
		{"new key file", file("root.key.new"), started, "erase", 200, ""},
		{"new lifeline", file("lifeline.json.new"), started, "office", 200, ""},
		{"recording", func(o Op) bool { return o.Kind == Sync && len(o.Name) == 32 }, started, "record", 40, ""},
		{"data folder", folder("data"), started, "erase", 200, ""},
		{"folder of the key file", folder("key"), started, "erase", 200, ""},
		{"folder of recordings", folder("messages"), started, "record", 40, ""},
		{"folder above", folder(""), bare, "first", 100, ""},

		{"zeros over the old keyring", file("keyring"), started, "erase", 200, "its key is destroyed and it has no name"},
		{"zeros over the old key file", file("root.key"), started, "erase", 200, "it has no name: only who reads the medium itself finds it"},
	} {
		t.Run(c.what, func(t *testing.T) {
			most := 40
			if c.not != "" {
				most = 10
			}
			if testing.Short() && c.not != "" {
				t.Skip("long")
			}
			for cut := range most {
				r := newRig(t, uint64(cut))
				c.before(r)
				r.truth.lied = true
				r.disk.IgnoreSyncs(c.ignored)
				n := r.rnd.IntN(c.within)
				r.run(c.work, n, nil)
				if err := r.survive(outcomesOfCut); err != nil {
					t.Logf("seen at cut %d, after %d changes: %s", cut+1, n, err)
					if c.not != "" {
						t.Errorf("it can be seen, and should not: %s", c.not)
					}
					return
				}
			}
			if c.not == "" {
				t.Errorf("%d cuts lost nothing: the rig does not see it", most)
			}
		})
	}
}

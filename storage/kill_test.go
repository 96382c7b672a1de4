package storage

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sotto/pbx"
	"sotto/storage/keyring"
)

// TestKilled kills a process that appends, registers and makes secrets, and prints what was
// acknowledged, again and again on one folder, and looks for all of it. Each time records
// and the binding go together, so one is as new as the other.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STORAGE_TEST_KILLED"); dir != "" {
		appendForEver(dir)
	}
	b := newBox(t)
	top := t.TempDir()
	b.dir, b.root = filepath.Join(top, "data"), keyring.NewFileRoot(filepath.Join(top, "root.key"))
	rnd := rand.New(rand.NewPCG(9, 9))
	acked, ackedSecret, total := 0, 0, 0
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "STORAGE_TEST_KILLED="+top)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stopAfter := rnd.IntN(60)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &acked, &ackedSecret); err != nil {
				t.Fatalf("child says %q", lines.Text())
			}
			if n == stopAfter {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("child ended: %v", err)
		}
		s := b.open()
		got := all(t, s)
		bindings := s.Bindings()
		secret, ok := s.Secret(boris)
		h := s.Health()
		s.Close()
		if n := len(bindings); len(got) > 0 && (n != 1 || int(bindings[0].CSeq) != len(got)) || len(got) == 0 && n > 0 {
			t.Fatalf("%d records, %d bindings, of another time", len(got), n)
		}
		if made := int(binary.BigEndian.Uint32(secret.SHA256[:])); ok != (made > 0) || made < ackedSecret || made > len(got) {
			t.Fatalf("secret of %d, want one of %d to %d", made, ackedSecret, len(got))
		}
		if len(got) < acked || h.Unreadable > 0 {
			t.Fatalf("%d acknowledged, %d found, %d unreadable", acked, len(got), h.Unreadable)
		}
		for i, r := range got { // numbers go up with the id
			if want := fmt.Sprint(1000000 + i); r.To.Number.Reveal() != want {
				t.Fatalf("record %d names another party", i+1)
			}
		}
		acked, total = len(got), len(got)
	}
	t.Logf("%d records survived 8 kills", total)
}

func appendForEver(top string) {
	s, err := Open(filepath.Join(top, "data"), keyring.NewFileRoot(filepath.Join(top, "root.key")), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if _, rev := s.CurrentPlan(); rev == 0 {
		if _, err := s.SetPlan(context.Background(), owner, 0, testPlan()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
	old, _ := s.Secret(boris)
	made := binary.BigEndian.Uint32(old.SHA256[:])
	for {
		for range 1 + rnd.IntN(4) {
			newest := RecordID(s.Health().Queued) + s.last
			r := aRecord()
			r.To.Number = must(parseNumber(1000000 + int64(newest)))
			s.Append(r)
		}
		s.SaveBindings(boris, []pbx.Binding{aBinding(s.Health().Queued + int(s.last))})
		err := s.flush()
		if err == nil && rnd.IntN(3) == 0 {
			_, err = s.MakeSecret(context.Background(), owner, boris, func() (string, pbx.Secret) {
				made = uint32(s.last)
				secret := pbx.Secret{Ext: "84062"}
				binary.BigEndian.PutUint32(secret.SHA256[:], made)
				return "plain", secret
			})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.last, made)
	}
}

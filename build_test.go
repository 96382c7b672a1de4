package sotto

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStaticBuilds builds the program for each target without cgo.
func TestStaticBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs")
	}
	const limit = 32 << 20 // of the program, in bytes
	for _, target := range []string{"arm/7", "arm64", "amd64"} {
		arch, arm, _ := strings.Cut(target, "/")
		out := filepath.Join(t.TempDir(), "sotto")
		cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/sotto")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM="+arm)
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", target, err, b)
			continue
		}
		st, err := os.Stat(out)
		if err != nil || st.Size() > limit {
			t.Errorf("%s: program of %d bytes, at most %d", target, st.Size(), limit)
		}
		head := readFile(t, out)
		if strings.Contains(head, "/lib/ld-linux") || strings.Contains(head, "ld-linux-armhf") {
			t.Errorf("%s: the program wants a dynamic linker", target)
		}
		t.Logf("%s: %d bytes", target, st.Size())
	}
}

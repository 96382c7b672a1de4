package browser

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long is waited for anything that is to happen.
const patience = 20 * time.Second

var shots = flag.String("shots", "", "`folder` to put pictures of the pages into, at both widths and in both themes")

// axe has the accessibility checks. It is fetched by scripts/axe.sh and not kept here.
const axe = "../tmp/axe/axe.min.js"

// program is where the box was built.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "browser")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "sotto")
		return m.Run()
	}())
}

var build = sync.OnceValue(func() error {
	// go test keeps a result until something changes that the test looked at: this is
	// what the program is made of.
	for _, room := range []string{"board", "cmd", "pbx", "storage", "ui"} {
		if err := filepath.WalkDir(filepath.Join("..", room), func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			return err
		}
	}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "sotto/cmd/sotto").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// box is the box as a process.
type box struct {
	url   string // without a slash at the end
	setup string // path of the set-up link
	pin   string // of the key of the certificate, as Chromium's flag takes it
}

// startBox starts the demo office as a person would, and reads what it prints. With
// -short the test is left out, without Chromium it fails.
func startBox(t *testing.T) *box {
	t.Helper()
	if testing.Short() {
		t.Skip("a real browser in real time")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("%v; say: make packages", err)
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-board", "sim", "-sip", "off", "-page", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "data"))
	var log, rest bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	read := make(chan struct{})
	t.Cleanup(func() {
		io.WriteString(in, "quit\n")
		late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the box ended with %v", err)
		}
		late.Stop()
		if log.Len() > 0 || t.Failed() {
			t.Logf("the box printed:\n%s\nand logged:\n%s", rest.String(), log.String())
		}
	})
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	b, fingerprint := &box{}, ""
	for fingerprint == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			close(read)
			t.Fatalf("the box tells of no page: %v", err)
		}
		rest.WriteString(line)
		if link, ok := strings.CutPrefix(line, "page: https://"); ok {
			host, path, _ := strings.Cut(strings.TrimSpace(link), "/")
			b.url, b.setup = "https://"+host, "/"+path
		}
		if f, ok := strings.CutPrefix(line, "page: certificate SHA-256 "); ok {
			fingerprint = strings.TrimSpace(f)
		}
	}
	go func() { io.Copy(&rest, lines); close(read) }()
	b.pin = pin(t, strings.TrimPrefix(b.url, "https://"), fingerprint)
	return b
}

// pin gives the hash of the key of the box at addr, whose certificate must have the
// fingerprint that was printed.
func pin(t *testing.T, addr, fingerprint string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // the fingerprint is checked
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cert := conn.ConnectionState().PeerCertificates[0]
	if got := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(cert.Raw)), " ", ":"); got != fingerprint {
		t.Fatalf("the certificate has the fingerprint %s, and %s was printed", got, fingerprint)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sotto/ui"
)

var printed = regexp.MustCompile(`(?m)^page: (https://\S+?)(/setup/\S+)?$`)

// pageOf gives the address that a box printed, its set-up link if it has one, the
// fingerprint, and a browser that trusts this certificate and no other.
func pageOf(t *testing.T, b *boxOnNet) (base, setup, mark string, browser *http.Client) {
	t.Helper()
	b.waits("certificate SHA-256 ")
	m := printed.FindStringSubmatch(b.text())
	f := regexp.MustCompile(`certificate SHA-256 (\S+)`).FindStringSubmatch(b.text())
	if m == nil || f == nil {
		t.Fatal(b.text())
	}
	jar, _ := cookiejar.New(nil)
	return m[1], m[2], f[1], &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if ui.Fingerprint(tls.Certificate{Certificate: raw}) != f[1] {
				return errors.New("another certificate than the one printed")
			}
			return nil
		}}}}
}

// TestPage: the link that is printed makes an owner, who sees a handset lifted; after a
// restart the certificate is the same and there is no link.
func TestPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := startOnNet(t, dir, freePort(t), "-sip", "off", "-page", "127.0.0.1:0")
	base, setup, mark, browser := pageOf(t, b)
	if setup == "" {
		t.Fatalf("no set-up link:\n%s", b.text())
	}
	const word = "a password for tests"
	res, err := browser.PostForm(base+setup, url.Values{"name": {"Olga Owner"}, "password": {word}, "again": {word}})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 || res.Request.URL.Path != "/" || !strings.Contains(string(text), "Reception") {
		t.Fatalf("%s %s\n%s", res.Status, res.Request.URL.Path, text)
	}
	live, err := browser.Get(base + "/events")
	if err != nil || live.StatusCode != 200 {
		t.Fatal(live, err)
	}
	defer live.Body.Close()
	fmt.Fprintln(b.in, "101 lifts ; 101 hears dial")
	b.waits("101 hears dial")
	lifted := false
	for sc := bufio.NewReader(live.Body); !lifted; {
		line, err := sc.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		lifted = strings.Contains(line, `class=\"port call\" id=\"box-p1\"`)
	}
	b.stop()
	for _, no := range []string{setup, strings.TrimPrefix(setup, "/setup/"), "Olga", word} {
		if strings.Contains(b.log.String(), no) {
			t.Errorf("the log holds %q:\n%s", no, b.log.String())
		}
	}

	b = startOnNet(t, dir, freePort(t), "-sip", "off", "-page", "127.0.0.1:0")
	base, setup, again, browser := pageOf(t, b)
	if setup != "" || again != mark {
		t.Errorf("after a restart: link %q, certificate %s, was %s", setup, again, mark)
	}
	res, err = browser.PostForm(base+"/login", url.Values{"name": {"Olga Owner"}, "password": {word}})
	if err != nil || res.StatusCode != 200 || res.Request.URL.Path != "/" {
		t.Fatal(res, err)
	}
	res.Body.Close()
	b.stop()
}

// TestPageInTheWay: with the port taken, telephones work.
func TestPageInTheWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := startOnNet(t, filepath.Join(t.TempDir(), "data"), freePort(t), "-sip", "off", "-page", l.Addr().String())
	fmt.Fprintln(b.in, "101 lifts ; 101 hears dial")
	b.waits("101 hears dial")
	b.stop()
	if !strings.Contains(b.log.String(), "there is no admin page") || strings.Contains(b.text(), "page:") {
		t.Errorf("%s\n%s", b.text(), b.log.String())
	}
}

func TestPageFlag(t *testing.T) {
	for _, s := range []string{"8443", "nowhere:1", "127.0.0.1", "224.0.0.1:1", ""} {
		if _, err := parse([]string{"-page", s}, io.Discard); err == nil || !strings.HasPrefix(err.Error(), "-page") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if o, err := parse([]string{"-page", "off"}, io.Discard); err != nil || o.page.IsValid() {
		t.Error(o.page, err)
	}
	if o, err := parse(nil, io.Discard); err != nil || o.page.String() != "127.0.0.1:8443" {
		t.Error(o.page, err)
	}
}

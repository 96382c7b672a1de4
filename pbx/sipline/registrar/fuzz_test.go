package registrar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// FuzzRegister holds that no message breaks the registrar, and what it keeps is bounded,
// can be read again after a restart, and breaks no line of an answer.
func FuzzRegister(f *testing.F) {
	files, err := filepath.Glob("testdata/*.dat")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(register(f, "c", 1, "Contact: *", "Expires: 0").String())
	f.Add(register(f, "c", 2, `Contact: "x" <sip:a:b@[::1]:5070;ob>;+sip.instance="<urn:uuid:1>";reg-id=1;q=0.5;expires=60, <sip:c@h?a=b>`, "Supported: outbound", "Path: <sip:p;lr>").String())
	f.Fuzz(func(t *testing.T, text string) {
		m, err := sip.ParseMessage([]byte(text))
		if err != nil {
			return
		}
		req, ok := m.(*sip.Request)
		if !ok {
			return
		}
		r := New(Config{})
		r.Register(noon, ann, register(t, "before", 1, "Contact: <sip:before@192.0.2.10>"), home)
		res := r.Register(noon, ann, req, home)
		if res.Status != 200 && (res.Changed || res.Save || r.Len() != 1) {
			t.Fatalf("%d, and yet something happened", res.Status)
		}
		for _, h := range res.Headers {
			if strings.ContainsAny(h.Value(), "\r\n\x00") {
				t.Fatalf("header %q", h.String())
			}
		}
		if again, ok := r.Again(noon, ann, req); ok && len(again.Headers) != len(res.Headers) {
			t.Fatalf("%q, then %q", res.Headers, again.Headers)
		}
		saved := r.Bindings(ann)
		if len(saved) > 8 {
			t.Fatalf("%d bindings", len(saved))
		}
		r2 := New(Config{})
		if r2.Restore(saved, noon); r2.Len() != len(saved) || r2.Stats().Unreadable != 0 {
			t.Fatalf("%d of %d restored: %+v", r2.Len(), len(saved), saved)
		}
		for i, c := range r.Contacts(noon, ann) {
			if c.Flow.Remote.Addr() != home.Remote.Addr() || c.URI.Host == "" {
				t.Fatalf("target %d: %+v", i, c)
			}
			if u := c.URI.String(); u != c.Binding.Contact {
				t.Fatalf("registered %q, called %q", c.Binding.Contact, u)
			}
		}
		if r.Expire(noon.Add(2 * time.Hour)); r.Len() != 0 || len(r.users) != 0 || len(r.seen) != 0 {
			t.Fatal("something outlives its time")
		}
	})
}

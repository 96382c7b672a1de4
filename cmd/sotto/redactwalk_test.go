package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// routesOf reads the addresses of the pages out of the program: who adds one need not name it here.
func routesOf(t *testing.T) (get, post []string) {
	t.Helper()
	files, err := filepath.Glob("../../ui/*.go")
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{} // constants
	var f *ast.File
	for _, name := range files {
		x, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) == "routes.go" {
			f = x
		}
		ast.Inspect(x, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				if text, ok := v.Values[0].(*ast.BasicLit); ok {
					paths[v.Names[0].Name], _ = strconv.Unquote(text.Value)
				}
			}
			return true
		})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "routeTable" {
			return true
		}
		for _, row := range v.Values[0].(*ast.CompositeLit).Elts {
			pattern := ""
			ast.Inspect(row.(*ast.CompositeLit).Elts[0], func(n ast.Node) bool {
				switch x := n.(type) {
				case *ast.BasicLit:
					s, _ := strconv.Unquote(x.Value)
					pattern += s
				case *ast.Ident:
					pattern += paths[x.Name]
				}
				return true
			})
			method, path, _ := strings.Cut(pattern, " ")
			path = strings.ReplaceAll(path, "{$}", "")
			if method == http.MethodGet {
				get = append(get, path)
			} else {
				post = append(post, path)
			}
		}
		return false
	})
	if len(get) < 10 || len(post) < 5 {
		t.Fatalf("the table of routes was not understood: %q %q", get, post)
	}
	return get, post
}

// surfer is a browser of somebody, and what it was shown.
type surfer struct {
	t     *testing.T
	base  string
	http  *http.Client
	docs  []*doc
	seen  map[string]bool
	forms map[string]form // by where they go and their fields
	todo  []string

	typing map[string]bool // marks that are sent, and may come back to who sent them
}

type form struct {
	method, action string
	values         url.Values
	typed          []string            // names of fields that take a text
	choices        map[string][]string // of fields that are chosen
}

const maxPages = 400

func newSurfer(t *testing.T, base string) *surfer {
	jar, _ := cookiejar.New(nil)
	s := &surfer{t: t, base: base, seen: map[string]bool{}, forms: map[string]form{}}
	s.http = &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// fetch gets one answer, and makes it ready with its head. Of a stream that does not end it takes what comes first.
func (s *surfer) fetch(req *http.Request) (status int, body []byte) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	res, err := s.http.Do(req.WithContext(ctx))
	if err != nil {
		s.t.Errorf("%s %s: %v", req.Method, req.URL.Path, err)
		return 0, nil
	}
	defer res.Body.Close()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		body = firstOf(res.Body, time.AfterFunc(streamLimit, cancel))
	} else if body, err = io.ReadAll(io.LimitReader(res.Body, 16<<20)); err != nil {
		s.t.Errorf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	var head bytes.Buffer
	res.Header.Write(&head)
	from := fmt.Sprintf("%s %s (%d)", req.Method, req.URL.RequestURI(), res.StatusCode)
	for _, d := range append(docsOf(from+", head", head.Bytes(), false), docsOf(from, body, false)...) {
		d.typed = s.typing
		s.docs = append(s.docs, d)
	}
	return res.StatusCode, body
}

// streamLimit is how long a stream is waited for that tells nothing.
const streamLimit = 10 * time.Second

// firstOf gives what a stream of events tells until it has told all that there is at the moment.
func firstOf(r io.Reader, limit *time.Timer) (text []byte) {
	defer limit.Stop()
	b := bufio.NewReader(r)
	for whole := false; ; {
		line, err := b.ReadBytes('\n')
		text = append(text, line...)
		whole = whole || bytes.HasPrefix(line, []byte("event: swap")) || bytes.HasPrefix(line, []byte("event: state"))
		if err != nil || whole && len(line) == 1 {
			return text
		}
	}
}

func (s *surfer) get(path string) {
	req, err := http.NewRequest(http.MethodGet, s.base+path, nil)
	if err != nil {
		return
	}
	if _, body := s.fetch(req); bytes.Contains(body, []byte("<html")) {
		s.follow(path, string(body))
	}
}

func (s *surfer) post(path string, values url.Values) (int, string) {
	req, err := http.NewRequest(http.MethodPost, s.base+path, strings.NewReader(values.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.typing == nil {
		s.typing = map[string]bool{}
		defer func() { s.typing = nil }()
	}
	for _, list := range values {
		for _, x := range list {
			for id, m := range marks {
				s.typing[id] = s.typing[id] || x != "" && x == m.num
			}
			s.typing["account of anna"] = s.typing["account of anna"] || x == "101" // who hands over all of a user hands over that, too
			s.typing["account of bert"] = s.typing["account of bert"] || x == "102"
		}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := s.fetch(req)
	return status, string(body)
}

// logIn logs in under a marked name.
func (s *surfer) logIn(name string) {
	s.t.Helper()
	if status, body := s.post("/login", url.Values{"name": {name}, "password": {marks["password"].text}}); status != 200 || !strings.Contains(body, "/logout") {
		s.t.Fatalf("log-in: %d\n%s", status, body)
	}
}

var (
	links  = regexp.MustCompile(`(?:href|src|action|data-[a-z]+)="(/[^"#]*)`)
	formed = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	fields = regexp.MustCompile(`(?s)<(input|textarea|button|select)\b([^>]*)>(?:(.*?)</select>)?`)
	chosen = regexp.MustCompile(`<option\b([^>]*)>`)
	attrs  = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
)

func attributes(s string) map[string]string {
	m := map[string]string{}
	for _, a := range attrs.FindAllStringSubmatch(s, -1) {
		m[a[1]] = html.UnescapeString(a[2])
	}
	return m
}

// follow takes links and forms out of a page.
func (s *surfer) follow(path, text string) {
	for _, l := range links.FindAllStringSubmatch(text, -1) {
		s.todo = append(s.todo, html.UnescapeString(l[1]))
	}
	for _, f := range formed.FindAllStringSubmatch(text, -1) {
		a := attributes(f[1])
		x := form{strings.ToUpper(a["method"]), a["action"], url.Values{}, nil, map[string][]string{}}
		if x.action == "" {
			x.action, _, _ = strings.Cut(path, "?")
		}
		actions := []string{x.action}
		for _, field := range fields.FindAllStringSubmatch(f[2], -1) {
			a := attributes(field[2])
			_, checked := a["checked"]
			if to := a["formaction"]; to != "" {
				actions = append(actions, to)
			}
			switch name := a["name"]; {
			case name == "":
			case field[1] == "select":
				for _, o := range chosen.FindAllStringSubmatch(field[3], -1) {
					x.choices[name] = append(x.choices[name], attributes(o[1])["value"])
				}
				x.values.Set(name, append(x.choices[name], "")[0])
			case a["type"] == "hidden", checked:
				x.values.Add(name, a["value"])
			case a["type"] == "radio", a["type"] == "checkbox", field[1] == "button":
				x.choices[name] = append(x.choices[name], a["value"])
			default:
				x.values.Set(name, a["value"])
				x.typed = append(x.typed, name)
			}
		}
		for _, x.action = range actions {
			keys := fmt.Sprint(x.action, x.typed, len(x.choices))
			if _, ok := s.forms[keys]; !ok && x.method == http.MethodPost {
				s.forms[keys] = x
			}
		}
	}
}

// walk goes to all addresses there are, with what stands in for their parts, and all links.
func (s *surfer) walk(routes []string) {
	for _, r := range routes {
		if !strings.Contains(r, "{") {
			s.todo = append(s.todo, r)
			continue
		}
		for _, part := range []string{"phone-1", "line-1", "1", "2", "x"} {
			s.todo = append(s.todo, regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(r, part))
		}
	}
	s.todo = append(s.todo, "/debug/pprof/", "/debug/vars", "/metrics", "/sim/live", "/nope", "/calls?before=9", "/calls?kind=nope&from=x&to=y", "/ports/"+url.PathEscape(marks["typed name"].text))
	for len(s.todo) > 0 && len(s.seen) < maxPages {
		path := s.todo[0]
		s.todo = s.todo[1:]
		if !s.seen[path] {
			s.seen[path] = true
			s.get(path)
		}
	}
	if len(s.todo) > 0 && len(s.seen) >= maxPages {
		s.t.Errorf("there are more than %d pages", maxPages)
	}
}

// lasting are forms that would change what others of the scenario are to see. They are sent with what is wrong alone.
var lasting = regexp.MustCompile(`logout|now|remove|reset|role|password|import|journal|save|unban|requests|accounts|erase/`)

// handing are forms that hand something out: they get the own password.
var handing = regexp.MustCompile(`copy|csv|json|download`)

// push sends the forms of the pages: as they are, with numbers that there are, with each choice,
// and, to those that hand something out, the own password.
func (s *surfer) push() {
	for _, f := range s.sorted() {
		if s.held(f.action) || lasting.MatchString(f.action) && !handing.MatchString(f.action) {
			continue
		}
		s.hand(f, clone(f.values))
		if slices.Contains(f.typed, "number") {
			for _, id := range []string{"out of anna", "in to bert", "shown to admin"} {
				v := clone(f.values)
				v.Set("number", num(id))
				s.hand(f, v)
			}
		}
		for name, list := range f.choices {
			for _, x := range list {
				v := clone(f.values)
				v.Set(name, x)
				s.hand(f, v)
			}
		}
	}
}

// held tells of forms that are not sent: those that end the session, hands at telephones, which would
// end calls, and requests to see a number, for which all words are reasons.
func (s *surfer) held(path string) bool {
	return path == "/logout" || strings.HasPrefix(path, "/sim/") || strings.Contains(path, "/unmask")
}

// guess sends to all forms, and to all addresses that take any, what is wrong: nothing, or words, numbers
// and passwords that are nobody's. Whoever guesses passwords waits, so it comes last.
func (s *surfer) guess(routes []string) {
	for _, f := range s.sorted() {
		if s.held(f.action) {
			continue
		}
		wrong := clone(f.values)
		for _, name := range f.typed {
			wrong.Set(name, pickWord(name))
		}
		s.post(f.action, wrong)
	}
	for _, r := range routes {
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(r, "1")
		if s.held(path) {
			continue
		}
		s.post(path, url.Values{})
		if !lasting.MatchString(path) {
			s.post(path, url.Values{"number": {num("out of bert")}, "user": {"102"}, "id": {"1"}})
		}
	}
}

// hand sends a form, and then those of the answer that hand something out.
func (s *surfer) hand(f form, v url.Values) {
	if !handing.MatchString(f.action) {
		s.post(f.action, v)
		return
	}
	s.typing = map[string]bool{} // for both forms
	defer func() { s.typing = nil }()
	for range 2 {
		if slices.Contains(f.typed, "password") {
			v.Set("password", marks["password"].text)
		}
		had := s.forms
		s.forms = map[string]form{}
		_, text := s.post(f.action, v)
		s.follow(f.action, text)
		next := s.sorted()
		s.forms = had
		i := slices.IndexFunc(next, func(n form) bool { return handing.MatchString(n.action) && n.action != f.action })
		if i < 0 {
			return
		}
		f, v = next[i], next[i].values
	}
}

func (s *surfer) sorted() (l []form) {
	keys := make([]string, 0, len(s.forms))
	for k := range s.forms {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		l = append(l, s.forms[k])
	}
	return l
}

func clone(v url.Values) url.Values {
	c := url.Values{}
	for k, l := range v {
		c[k] = slices.Clone(l)
	}
	return c
}

// pickWord gives something wrong to type: a number, a name or a password that are nobody's.
func pickWord(field string) string {
	switch {
	case strings.Contains(field, "password"), field == "again", field == "current":
		return marks["wrong password"].text
	case field == "number", field == "dialled":
		return num("typed number")
	}
	return marks["typed name"].text
}

package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sotto/storage"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// asset is a file that browsers may keep for ever: its name holds its hash.
type asset struct {
	kind string
	data []byte
}

var assetNames, assets = loadAssets()

// loadAssets gives the public name of each embedded file, and the files by public name.
func loadAssets() (names map[string]string, files map[string]asset) {
	names, files = map[string]string{}, map[string]asset{}
	list, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range list {
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + ext
		names[e.Name()] = "/static/" + name
		files[name] = asset{mime.TypeByExtension(ext), data}
		if ext == ".js" { // as HTML has it, whatever the machine's tables say
			files[name] = asset{"text/javascript; charset=utf-8", data}
		}
	}
	return names, files
}

// Asset gives the address of one of the files that pages share, such as "sotto.css";
// empty if there is none. It changes with the file.
func Asset(name string) string { return assetNames[name] }

func (s *Server) static(q *request) error {
	a, ok := assets[q.r.PathValue("name")]
	if !ok {
		http.NotFound(q.w, q.r)
		return nil
	}
	h := q.w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", strconv.Itoa(len(a.data)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	q.w.Write(a.data)
	return nil
}

// pages are the templates.
type pages struct{ t *template.Template }

func loadPages() *pages {
	t := template.New("").Funcs(template.FuncMap{"t": T, "asset": Asset})
	return &pages{template.Must(t.ParseFS(templateFiles, "templates/*.html"))}
}

// part renders one template.
func (p *pages) part(name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	if err := p.t.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return template.HTML(b.String()), nil
}

// frameView is what stands round every page.
type frameView struct {
	Title, Office, Country, Role, Now string
	Look                              look
	Solo                              bool
	Rail, SimRail                     []railView
	Glyphs                            map[string]bool
	Live                              string // address of events; empty: none
	Styles, Scripts                   []string
	Body                              template.HTML
}

type railView struct {
	Path, Label, ID, Lamp string
	Current               bool
}

var (
	glyphs   = []string{"call", "ring", "ready", "none", "busy", "done", "todo", "warn", "fault"}
	glyphUse = regexp.MustCompile(`href="#g-([a-z]+)"`)
)

// show writes a page: the template name with data, in the frame. title is a key of the
// words, or a title that is ready.
func (s *Server) show(q *request, status int, name, title string, data any) {
	s.showLive(q, status, name, title, "", data)
}

// showLive is show for a page with parts that live, its address of events.
func (s *Server) showLive(q *request, status int, name, title, live string, data any) {
	body, err := s.pages.part(name, data)
	if err == nil {
		err = s.write(q, status, frameView{Title: title, Live: live, Body: body})
	}
	if err != nil {
		s.cfg.Log.Error("a page cannot be drawn", "page", name, "why", err)
		http.Error(q.w, T("wrong.draw"), http.StatusInternalServerError)
	}
}

// write puts the frame round a page and sends it, whole or not at all.
func (s *Server) write(q *request, status int, f frameView) error {
	if word, ok := words[f.Title]; ok {
		f.Title = word
	}
	f.Now = q.now.Format(T("time.foot"))
	f.Solo = q.who == nil
	f.Glyphs = map[string]bool{}
	if q.who != nil {
		f.Look, f.Role = q.who.look, roleWord(q.who.account.Role)
		office, country := s.as(q).Office()
		f.Office, f.Country = office, strings.ToLower(country)
		s.rail(q, &f)
	}
	for _, m := range glyphUse.FindAllStringSubmatch(string(f.Body), -1) {
		f.Glyphs[m[1]] = true
	}
	if f.Live != "" || len(f.Scripts) > 0 {
		for _, g := range glyphs {
			f.Glyphs[g] = true
		}
	}
	var b bytes.Buffer
	if err := s.pages.t.ExecuteTemplate(&b, "frame", f); err != nil {
		return fmt.Errorf("render frame: %w", err)
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	q.w.WriteHeader(status)
	q.w.Write(b.Bytes())
	return nil
}

// rail fills the way to other pages, with what this role may open.
func (s *Server) rail(q *request, f *frameView) {
	if q.who.account.MustChange { // nothing else is open
		f.Rail = []railView{{Path: "/me", Label: T("me.title"), Current: q.r.URL.Path == "/me"}}
		return
	}
	for _, r := range railTable {
		if !slices.Contains(r.roles, q.who.account.Role) {
			continue
		}
		at := q.r.URL.Path
		v := railView{Path: r.path, Label: T(r.label), Current: at == r.path || r.path != "/" && strings.HasPrefix(at, strings.TrimSuffix(r.path, "/")+"/")}
		if r.path == "/" && strings.HasPrefix(at, "/ports/") {
			v.Current = true
		}
		if r.path == simPath {
			if s.cfg.Sim != nil {
				f.SimRail = append(f.SimRail, v)
			}
			continue
		}
		if r.path == "/health" {
			if v = railHealth(s.wrongs(q.r.Context(), q.viewer()), v.Current); v.Lamp != "" {
				f.Glyphs["warn"] = true
			}
		}
		if r.path == "/me" {
			if n := s.as(q).UnreadNotices(); n > 0 {
				v.Lamp, f.Glyphs["warn"] = count("notice.new.one", "notice.new.many", n), true
			}
		}
		if r.path == "/privacy" {
			if n := s.as(q).WaitingRequests(); n > 0 {
				v.Lamp, f.Glyphs["warn"] = count("requests.wait.one", "requests.wait.many", n), true
			}
		}
		f.Rail = append(f.Rail, v)
	}
}

// railHealth is the way to the health page, with a lamp when there is something to see.
func railHealth(l []wrong, current bool) railView {
	v := railView{Path: "/health", Label: T("health.title"), ID: "rail-health", Current: current}
	if len(l) > 0 {
		v.Lamp = needsAttention(len(l))
	}
	return v
}

func roleWord(r storage.Role) string {
	switch r {
	case storage.Owner:
		return T("role.owner")
	case storage.Admin:
		return T("role.admin")
	case storage.PrivacyOfficer:
		return T("role.privacy")
	case storage.Installer:
		return T("role.installer")
	case storage.Staff:
		return T("role.staff")
	}
	return ""
}

// duration gives a time that passed as 4:12 or 1:04:12.
func duration(d time.Duration) string {
	n := int(max(d, 0) / time.Second)
	if n < 3600 {
		return fmt.Sprintf("%d:%02d", n/60, n%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
}

func itoa[T ~int | ~int64 | ~uint64](n T) string {
	// Groups of three, as figures of a page are read.
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

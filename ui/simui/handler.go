package simui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed static/simui.js static/audio.js static/worklet.js static/simui.css
var static embed.FS

var templates = template.Must(template.New("").Parse(pageHTML))

// maxForm bounds the body of a form, in bytes.
const maxForm = 1024

// settle bounds how long a form waits for what it did to take place: a few frames of the
// board.
const settle = 100 * time.Millisecond

// New makes the page of a simulated board. It starts nothing; Close ends the live pages
// that come.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Frame == nil {
		cfg.Frame = alone
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), pages: map[*page]struct{}{}}
	s.phones = len(cfg.World.Telephones())
	for i := range s.phones {
		set := cfg.World.Set(i)
		s.channels = append(s.channels, newChannel(s, len(s.channels), set.VoiceHz(), set.Attach))
	}
	for i := range cfg.World.Lines() {
		far := cfg.World.Far(i)
		s.channels = append(s.channels, newChannel(s, len(s.channels), far.VoiceHz(), far.Attach))
	}
	s.mux.HandleFunc("GET "+Path+"{$}", s.show)
	s.mux.HandleFunc("GET "+Path+"live", s.live)
	s.mux.HandleFunc("POST "+Path+"{to}", s.form)
	for name, kind := range map[string]string{"simui.js": "text/javascript", "audio.js": "text/javascript", "worklet.js": "text/javascript", "simui.css": "text/css"} {
		s.mux.HandleFunc("GET "+Path+name, file(name, kind))
	}
	return s
}

// ServeHTTP serves everything below [Path].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// file serves an embedded file, which changes with the program alone.
func file(name, kind string) http.HandlerFunc {
	b, err := static.ReadFile("static/" + name)
	if err != nil {
		panic("simui: " + err.Error()) // it is embedded: a test would see it
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind+"; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// show writes the page as everything stands now.
func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, http.StatusOK, "")
}

func (s *Server) page(w http.ResponseWriter, r *http.Request, status int, refused string) {
	data := struct {
		state
		Refused string
		At      string
		Path    string
		Pad     []sign
	}{s.look(s.cfg.Personal != nil && s.cfg.Personal(r)), refused, time.Now().Format("15:04:05"), Path, pad}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", data); err != nil {
		s.cfg.Log.Error("simulator page", "why", err)
		http.Error(w, "That did not work, and it is the box's fault.", http.StatusInternalServerError)
		return
	}
	s.cfg.Frame(w, r, Page{Title: "Handsets", Status: status, Country: strings.ToLower(s.cfg.Country), Body: template.HTML(b.String()),
		Styles: []string{Path + "simui.css"}, Scripts: []string{Path + "simui.js"}})
}

// sign is a key of the keypad.
type sign struct{ Key, Name string }

var pad = []sign{{"1", ""}, {"2", ""}, {"3", ""}, {"4", ""}, {"5", ""}, {"6", ""}, {"7", ""}, {"8", ""}, {"9", ""}, {"*", "star"}, {"0", ""}, {"#", "hash"}}

// form does what a form of the page without script asks for.
func (s *Server) form(w http.ResponseWriter, r *http.Request) {
	// A page that sends no referrer says "null" for its origin in a form; Sec-Fetch-Site
	// tells the rest.
	if s.protection.Check(r) != nil {
		s.refused.Add(1)
		http.Error(w, "This page may not be used from another one.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	to, err := r.PathValue("to"), r.ParseForm()
	changed := s.cfg.World.Changed()
	if err == nil {
		what := r.PostForm.Get("do")
		if d, ok := strings.CutPrefix(what, "key "); ok && r.PostForm.Get("rotary") != "" {
			what = "pulse " + d
		}
		err = s.act(nil, to, what)
	} else {
		err = errUnknown
	}
	switch {
	case err == nil:
		select { // the page that follows is to show what was done
		case <-changed:
		case <-time.After(settle):
		case <-r.Context().Done():
		}
		http.Redirect(w, r, Path+"#"+to, http.StatusSeeOther)
	case errors.Is(err, errUnknown):
		s.refused.Add(1)
		s.page(w, r, http.StatusBadRequest, sentence(err))
	case errors.Is(err, errTooMuch):
		s.refused.Add(1)
		s.page(w, r, http.StatusTooManyRequests, sentence(err))
	default:
		s.refused.Add(1)
		s.page(w, r, http.StatusConflict, sentence(err))
	}
}

// sentence gives what the page says of an error.
func sentence(err error) string {
	switch {
	case errors.Is(err, errUnknown):
		return "There is no such key on this page. Load it again."
	case errors.Is(err, errTooMuch):
		return "That was too much at a time. Wait a few seconds."
	case errors.Is(err, errNotFree):
		return "The line is not free: nobody can call in now."
	case errors.Is(err, errNotHeard):
		return "Press Listen first: a person who speaks hears as well."
	case errors.Is(err, errReplaced):
		return "This page was opened in another window and goes on there."
	case errors.Is(err, errFlood):
		return "The browser sent more than there is time for. Load the page again."
	case errors.Is(err, errOver):
		return "You were logged out. Load the page again."
	}
	return "That did not work, and it is the box's fault."
}

// alone is the frame of a page that has none.
func alone(w http.ResponseWriter, _ *http.Request, p Page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	templates.ExecuteTemplate(w, "alone", p) // a browser that went away
}

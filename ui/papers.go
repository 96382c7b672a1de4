package ui

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"sotto/storage/papers"
)

// paperView is one of the papers that follow from the settings.
type paperView struct {
	Title, Intro string
	Path         string // of this page
	Lang         string
	Langs        []choice
	Body         template.HTML
}

func (s *Server) record(q *request) error     { return s.paper(q, papers.Record) }
func (s *Server) notice(q *request) error     { return s.paper(q, papers.Notice) }
func (s *Server) recordText(q *request) error { return s.paperText(q, papers.Record) }
func (s *Server) noticeText(q *request) error { return s.paperText(q, papers.Notice) }

// paper shows a paper in the page's frame, from which it is printed alone.
func (s *Server) paper(q *request, kind papers.Kind) error {
	in, lang, err := s.paperInput(q)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := papers.HTML(&b, kind, lang, in); err != nil {
		return err
	}
	body, err := paperBody(b.String())
	if err != nil {
		return err
	}
	v := paperView{Title: T("paper." + string(kind)), Intro: T("paper.intro." + string(kind)), Path: "/privacy/" + string(kind), Lang: lang, Body: body}
	for _, l := range papers.Languages() {
		v.Langs = append(v.Langs, choice{l, T("paper.lang." + l)})
	}
	part, err := s.pages.part("paper", v)
	if err != nil {
		return err
	}
	return s.write(q, http.StatusOK, frameView{Title: v.Title, Body: part, Styles: []string{Asset("paper.css")}})
}

// paperText hands a paper out as plain text.
func (s *Server) paperText(q *request, kind papers.Kind) error {
	in, lang, err := s.paperInput(q)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := papers.Text(&b, kind, lang, in); err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+string(kind)+"-"+lang+`.txt"`)
	_, err = b.WriteTo(q.w)
	return err
}

// paperInput gathers what a paper follows from, and the language that was asked for.
func (s *Server) paperInput(q *request) (in papers.Input, lang string, err error) {
	if lang = q.r.URL.Query().Get("lang"); !slices.Contains(papers.Languages(), lang) {
		lang = "en"
	}
	r, ctx := s.as(q), q.r.Context()
	settings, _, err := r.Settings(ctx)
	if err != nil {
		return in, lang, err
	}
	facts, err := r.Facts(ctx)
	if err != nil {
		return in, lang, err
	}
	left, err := r.Recipients(ctx)
	if err != nil {
		return in, lang, err
	}
	in = papers.Input{Date: q.now, Settings: settings, Facts: facts, Root: paperRoots[s.cfg.Root.Name]}
	in.Office, in.Country = r.Office()
	for _, x := range left {
		in.Recipients = append(in.Recipients, papers.Recipient{Kind: string(x.Kind), Name: x.To, Role: x.Role, Times: x.Times, Last: x.Last})
	}
	return in, lang, nil
}

// paperRoots are the roots as papers know them, by what the page calls them.
var paperRoots = map[string]papers.Root{"key file": papers.KeyFile, "passphrase": papers.Passphrase, "TPM 2.0": papers.TPM}

var errPaper = errors.New("a paper has not the form that the page knows")

// paperBody takes from a paper what stands in its body. The style that it brings with it is
// not for this page, which lets nothing inline; paper.css has it.
func paperBody(page string) (template.HTML, error) {
	_, rest, ok := strings.Cut(page, "<body>")
	body, _, ends := strings.Cut(rest, "</body>")
	if !ok || !ends {
		return "", errPaper
	}
	// The page has a main element and a heading of the first order already.
	body = strings.NewReplacer("<main>", "", "</main>", "", "<header>", "<div>", "</header>", "</div>", "<h1>", "<h2>", "</h1>", "</h2>", "<h2", "<h3", "</h2>", "</h3>").Replace(body)
	return template.HTML(body), nil
}

package ui

import (
	"cmp"
	"context"
	"encoding/hex"
	"html/template"
	"net/http"

	"sotto/storage"
)

// ctxKey is where a request for the simulator's pages carries its frame.
type ctxKey struct{}

type framed struct {
	s *Server
	q *request
}

func frameOf(ctx context.Context) *framed {
	f, _ := ctx.Value(ctxKey{}).(*framed)
	return f
}

// Page is the content of a page that another package made, of the simulator.
type Page struct {
	Title   string
	Status  int           // of HTTP; 0: 200
	Body    template.HTML // for the main element; escaped by who made it
	Styles  []string      // addresses of style sheets after the common one
	Scripts []string      // addresses of scripts, loaded as modules
}

// WriteFrame writes p with bar, rail and foot of the person who asks. The request is one
// that came through [Config.Sim]; for any other it answers with an error.
func WriteFrame(w http.ResponseWriter, r *http.Request, p Page) {
	f := frameOf(r.Context())
	if f == nil {
		http.Error(w, T("wrong.draw"), http.StatusInternalServerError)
		return
	}
	q := *f.q
	q.w = w
	if err := f.s.write(&q, cmp.Or(p.Status, http.StatusOK), frameView{Title: p.Title, Body: p.Body, Styles: p.Styles, Scripts: p.Scripts}); err != nil {
		f.s.fail(&q, err)
	}
}

// SessionOf names the log-in of a request that came through [Config.Sim], so that two
// requests can be told to be of one; it opens nothing. Empty for any other request.
func SessionOf(r *http.Request) string {
	if f := frameOf(r.Context()); f != nil {
		return hex.EncodeToString(f.q.who.key[:8])
	}
	return ""
}

// MaySeePersons tells whether the one who sent a request that came through [Config.Sim]
// may see names and numbers in full: owners alone may, see [storage.Owner].
func MaySeePersons(r *http.Request) bool {
	f := frameOf(r.Context())
	return f != nil && f.q.who.account.Role == storage.Owner
}

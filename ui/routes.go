package ui

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"sotto/storage"
)

// access says for whom a route is.
type access uint8

const (
	forAll     access = iota // style sheet and script: no data
	forSetUp                 // while there is no owner
	forLogIn                 // nobody is logged in yet
	forMembers               // those of the roles named
)

// route is one address. What is in no row is not served.
type route struct {
	pattern string // method and path, as [http.ServeMux] has them
	access  access
	roles   []storage.Role
	serve   func(*Server, *request) error
}

// who may open what, by role.
var (
	everyone  = []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer, storage.Installer, storage.Staff}
	keepers   = []storage.Role{storage.Owner, storage.Admin}
	onDuty    = []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer, storage.Installer}
	fitters   = []storage.Role{storage.Owner, storage.Admin, storage.Installer}
	guards    = []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer}
	overseers = []storage.Role{storage.Owner, storage.PrivacyOfficer} // of the audit trail, and who may answer a request to see a number
	readers   = []storage.Role{storage.Owner, storage.Admin, storage.PrivacyOfficer, storage.Staff}
	owners    = []storage.Role{storage.Owner}
	users     = []storage.Role{storage.Staff}
)

const simPath = "/sim/"

// routeTable is every address of the box.
var routeTable = []route{
	{"GET /static/{name}", forAll, nil, (*Server).static},
	{"GET /setup", forSetUp, nil, (*Server).setupWhere},
	{"GET /setup/{token}", forSetUp, nil, (*Server).setupForm},
	{"POST /setup/{token}", forSetUp, nil, (*Server).setupDone},
	{"GET /login", forLogIn, nil, (*Server).loginForm},
	{"POST /login", forLogIn, nil, (*Server).login},
	{"POST /logout", forMembers, everyone, (*Server).logout},
	{"GET /{$}", forMembers, everyone, (*Server).frontPanel},
	{"GET /events", forMembers, everyone, (*Server).events},
	{"GET /ports/{port}", forMembers, everyone, (*Server).port},
	{"GET /calls", forMembers, readers, (*Server).calls},
	{"GET /calls.csv", forMembers, readers, (*Server).callsCSV},
	{"GET /calls.json", forMembers, readers, (*Server).callsJSON},
	{"GET /calls/{id}/unmask/{end}", forMembers, guards, (*Server).unmask},
	{"POST /calls/{id}/unmask/{end}", forMembers, guards, (*Server).askUnmask},
	{"GET /people", forMembers, keepers, (*Server).people},
	{"GET " + importPath, forMembers, keepers, (*Server).importForm},
	{"POST " + importPath, forMembers, keepers, (*Server).importPreview},
	{"POST " + importPath + "/now", forMembers, keepers, (*Server).importNow},
	{"GET /accounts", forMembers, owners, (*Server).accounts},
	{"POST /accounts", forMembers, owners, (*Server).addAccount},
	{"GET /accounts/{id}", forMembers, owners, (*Server).account},
	{"POST /accounts/{id}", forMembers, owners, (*Server).changeAccount},
	{"GET /lines", forMembers, fitters, (*Server).lines},
	{"GET /rules", forMembers, keepers, (*Server).rules},
	{"GET /rules/try", forMembers, keepers, (*Server).rulesTry},
	{"POST /rules/try", forMembers, keepers, (*Server).rulesTry},
	{"GET /privacy", forMembers, guards, (*Server).privacy},
	{"POST /privacy/retention", forMembers, keepers, (*Server).termsPreview},
	{"POST /privacy/retention/save", forMembers, keepers, (*Server).termsSave},
	{"GET /privacy/masking", forMembers, guards, (*Server).masking},
	{"GET /privacy/audit", forMembers, overseers, (*Server).audit},
	{"POST /privacy/audit/check", forMembers, overseers, (*Server).auditCheck},
	{"GET /privacy/proofs", forMembers, guards, (*Server).proofs},
	{"GET /privacy/record", forMembers, guards, (*Server).record},
	{"GET /privacy/record/text", forMembers, guards, (*Server).recordText},
	{"GET /privacy/notice", forMembers, guards, (*Server).notice},
	{"GET /privacy/notice/text", forMembers, guards, (*Server).noticeText},
	{"GET /privacy/ledger", forMembers, guards, (*Server).ledger},
	{"GET /privacy/desk", forMembers, guards, (*Server).desk},
	{"POST /privacy/desk/copy", forMembers, guards, (*Server).copyPreview},
	{"POST /privacy/desk/copy/now", forMembers, guards, (*Server).copyNow},
	{"GET /privacy/requests", forMembers, overseers, (*Server).requests},
	{"POST /privacy/requests/{id}", forMembers, overseers, (*Server).answerRequest},
	{"POST /privacy/erase", forMembers, guards, (*Server).erasePreview},
	{"POST /privacy/erase/now", forMembers, guards, (*Server).eraseNow},
	{"POST /privacy/erase/proof", forMembers, guards, (*Server).eraseProof},
	{"GET /health", forMembers, onDuty, (*Server).health},
	{"POST /health/unban", forMembers, keepers, (*Server).unban},
	{"GET /about", forMembers, everyone, (*Server).about},
	{"GET /me", forMembers, everyone, (*Server).me},
	{"POST /me/look", forMembers, everyone, (*Server).setLook},
	{"POST /me/password", forMembers, everyone, (*Server).changePassword},
	{"POST /me/copy", forMembers, everyone, (*Server).ownCopy},
	{"POST /me/notices", forMembers, users, (*Server).readNotices},
	{"POST /me/journal", forMembers, users, (*Server).setJournal},
	{"GET /me/journal/erase", forMembers, users, (*Server).eraseJournalForm},
	{"POST /me/journal/erase", forMembers, users, (*Server).eraseJournal},
	{"GET " + simPath, forMembers, fitters, (*Server).sim},
	{"POST " + simPath, forMembers, fitters, (*Server).sim},
}

// railTable is the way to pages, as the interface page orders it. A role sees what it may
// open, and nothing else.
var railTable = []struct {
	path, label string
	roles       []storage.Role
}{
	{"/", "panel.title", everyone},
	{"/calls", "calls.title", readers},
	{"/people", "people.title", keepers},
	{"/rules", "rules.title", keepers},
	{"/lines", "lines.title", fitters},
	{"/privacy", "privacy.title", guards},
	{"/accounts", "accounts.title", owners},
	{"/health", "health.title", onDuty},
	{"/me", "me.rail", users},
	{simPath, "sim.title", fitters}, // under a heading of its own
}

// routes gives the pages behind their checks.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routeTable {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
			q := &request{w: w, r: r, now: time.Now()}
			if !s.admit(q, &rt) {
				return
			}
			if err := rt.serve(s, q); err != nil {
				s.fail(q, err)
			}
		})
	}
	// Nobody who is not logged in learns which addresses there are.
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		q := &request{w: w, r: r, now: time.Now()}
		if !s.admit(q, &route{access: forMembers, roles: everyone}) {
			return
		}
		if m := s.methods(mux, r); m != "" {
			w.Header().Set("Allow", m)
			s.problem(q, http.StatusMethodNotAllowed, "wrong.address")
			return
		}
		s.fail(q, errNotFound)
	})
	return mux
}

// methods lists the methods that there are for the path of r.
func (s *Server) methods(mux *http.ServeMux, r *http.Request) string {
	var l []string
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		try := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, p := mux.Handler(try); strings.HasPrefix(p, m) {
			l = append(l, m)
		}
	}
	return strings.Join(l, ", ")
}

// admit tells whether a request may go on to its page, and answers it if not.
func (s *Server) admit(q *request, rt *route) bool {
	if rt.access == forAll {
		return true
	}
	store := s.cfg.Store
	if store == nil {
		s.lifeline(q)
		return false
	}
	if !store.Claimed() {
		if rt.access != forSetUp {
			redirect(q, "/setup")
			return false
		}
		return true
	}
	logIn := "/login"
	if c, err := q.r.Cookie(cookieName); err == nil {
		logIn += "?" + overMark
		if who, ok := s.sessions.find(c.Value, q.now, !live(q.r)); ok {
			// The role is the one of now: a change works at once.
			if a, ok := store.Account(who.account.ID); ok {
				who.account = a
				q.who = &who
			} else {
				s.sessions.stop(who.key)
			}
		}
	}
	switch {
	case rt.access == forSetUp, rt.access == forLogIn && q.who != nil:
		redirect(q, "/")
	case rt.access == forLogIn:
		return true
	case q.who == nil:
		redirect(q, logIn)
	case q.who.account.MustChange && !slices.Contains(untilChanged, q.r.Method+" "+q.r.URL.Path):
		redirect(q, "/me")
	case !slices.Contains(rt.roles, q.who.account.Role):
		s.fail(q, storage.ErrNotAllowed)
	default:
		return true
	}
	return false
}

// untilChanged is all that is open to who has to change the password first.
var untilChanged = []string{"GET /me", "HEAD /me", "POST /me/look", "POST /me/password", "POST /logout"}

// live tells whether a page asks for its live parts: it does so by itself, again and again.
func live(r *http.Request) bool {
	return r.URL.Path == "/events" || r.URL.Path == simPath+"live"
}

// redirect sends the browser to another page with GET.
func redirect(q *request, to string) { http.Redirect(q.w, q.r, to, http.StatusSeeOther) }

var errSessionOver = errors.New("the session is over")

// sim hands a request to the simulator's pages. Its context ends with the session, and so
// do its streams; the cause is another one than [context.Canceled] then.
func (s *Server) sim(q *request) error {
	if s.cfg.Sim == nil {
		return errNotFound
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(q.r.Context(), ctxKey{}, &framed{s, q}))
	defer cancel(nil)
	defer context.AfterFunc(q.who.ctx, func() { cancel(errSessionOver) })()
	s.cfg.Sim.ServeHTTP(q.w, q.r.WithContext(ctx))
	return nil
}

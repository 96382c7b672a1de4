package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	ownerName     = "Anna"
	ownerPassword = "correct horse battery"
)

// claim makes the owner by the set-up link, which ends at the front panel.
func (p *tab) claim() {
	p.t.Helper()
	p.open(p.b.box.setup)
	p.fill("#u", ownerName)
	p.fill("#p", ownerPassword)
	p.fill("#a", ownerPassword)
	p.click("form .go")
	p.says("Front panel")
}

func (p *tab) logIn(password string) {
	p.t.Helper()
	p.fill("#u", ownerName)
	p.fill("#p", password)
	p.run("log in", chromedp.Evaluate("window.old = true", nil))
	p.click("form.sheet .go")
	p.wait("the next page", "!window.old && document.readyState === 'complete'")
}

// TestSetUpAndLogIn: the printed link makes the owner, once; then a password opens the
// page, and three wrong ones close it for a time.
func TestSetUpAndLogIn(t *testing.T) {
	t.Parallel()
	p := startBrowser(t, startBox(t)).tab(t)
	p.open("/")
	p.says("This box has no owner yet.")
	p.claim()
	p.wait("the front panel", "location.pathname === '/' && document.querySelectorAll('a.port').length === 6")

	p.click("form[action='/logout'] button")
	p.wait("the log-in", "location.pathname === '/login'")
	p.open("/calls")
	p.wait("the log-in", "location.pathname === '/login'")
	p.open(p.b.box.setup)
	p.wait("the log-in, for there is an owner", "location.pathname === '/login'")
	p.logIn(ownerPassword)
	p.wait("the front panel", "location.pathname === '/'")

	p.click("form[action='/logout'] button")
	p.wait("the log-in", "location.pathname === '/login'")
	p.expect(422)
	p.logIn("wrong horse battery")
	p.says("Name and password do not go together. 2 more tries")
	p.logIn("wrong horse battery")
	p.says("One more try")
	p.logIn("wrong horse battery")
	p.says("The next try can be made in")
	p.expect(429)
	p.logIn(ownerPassword)
	p.says("There were too many failed tries.")
	p.wait("the log-in", "location.pathname === '/login'")
}

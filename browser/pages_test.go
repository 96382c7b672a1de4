package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// looks are the widths and themes that every page is tried in.
var looks = []struct {
	width int64
	theme string
}{{1280, "light"}, {1280, "dark"}, {390, "dark"}, {390, "light"}}

// fits checks the page as it stands, in every look: nothing to scroll sideways, no word
// cut, no finding of axe. It takes a picture of each.
func (p *tab) fits(name string) {
	p.t.Helper()
	p.run("axe", chromedp.Evaluate(p.axe(), nil))
	for _, l := range looks {
		p.look(l.width, l.theme)
		look := fmt.Sprintf("%s-%d-%s", name, l.width, l.theme)
		p.wait("the page at this width", fmt.Sprintf("innerWidth >= %d && matchMedia('(prefers-color-scheme: %s)').matches", l.width, l.theme))
		var wide []string
		p.run("measure "+look, chromedp.Evaluate(fmt.Sprintf(`document.documentElement.scrollWidth <= %d ? [] : [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > %[1]d + 1).map(e => e.outerHTML.slice(0, 120)).slice(0, 5).concat("")`, l.width), &wide))
		if len(wide) > 0 {
			p.t.Errorf("%s scrolls sideways: %q", look, wide)
		}
		var found []string
		p.run("axe on "+look, chromedp.Evaluate(`Promise.allSettled(document.getAnimations().map(a => a.effect.getTiming().iterations === Infinity || a.finished)).then(() => axe.run(document, {resultTypes: ["violations"]}))
			.then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")))`, &found,
			func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
		for _, f := range found {
			p.t.Errorf("%s: axe: %s", look, f)
		}
		p.shot(look)
	}
	p.look(1280, "light")
	p.fine()
}

// axe gives the script that checks.
func (p *tab) axe() string {
	p.t.Helper()
	b, err := os.ReadFile(axe)
	if err != nil {
		p.t.Fatalf("%v; say: make axe", err)
	}
	return string(b) + "; null"
}

// TestPages: every page that a person can open, in every look.
func TestPages(t *testing.T) {
	p := startBrowser(t, startBox(t)).tab(t)
	p.open("/setup")
	p.fits("setup-where")
	p.expect(404)
	p.open("/setup/AAAAAAAAAAAAAAAAAAAAAAAAAA")
	p.fits("setup-wrong")
	p.open(p.b.box.setup)
	p.fits("setup")
	p.expect(422)
	p.fill("#u", ownerName)
	p.fill("#p", ownerPassword)
	p.fill("#a", "another "+ownerPassword)
	p.click("form .go")
	p.says("The two passwords are not the same.")
	p.fits("setup-refused")
	p.expect(0)
	p.claim()

	// Something to see: a call inside, one from outside that rings, a number in the records.
	p.handsets()
	p.hook("p3")
	p.hears("p3", 425)
	p.press("p3", "102")
	p.bell("p2", "on")
	p.hook("p2")
	p.click("#l2 [data-act=call]")
	p.bell("p1", "on")
	p.hook("p1")
	p.talk("l2", "p1")
	p.click(`#l2 button[value="end break"]`)
	p.hears("p1", 425)
	p.hook("p1")
	p.click("#l1 [data-act=call]")
	p.bell("p1", "on")
	p.fits("handsets")
	p.open("/")
	p.says("Live")
	p.fits("front-panel")
	for _, path := range []string{"/calls", "/lines", "/rules", "/rules/try", "/health", "/about", "/me", "/ports/phone-1", "/ports/line-1"} {
		p.open(path)
		p.wait("a page", "document.querySelector('h1')")
		p.fits(slug(path))
	}
	p.open("/calls?kind=missed&from=2020-01-01&to=2020-01-02")
	p.says("No call is recorded that fits.")
	p.fits("calls-none")
	p.open("/rules/try")
	p.fill("#n", "0004412345678")
	p.click("form.filter .go")
	p.says("The call goes out.")
	p.fits("what-if")
	p.expect(404)
	p.open("/ports/line-9")
	p.says("There is no such page.")
	p.fits("wrong-address")
	p.expect(422)
	p.open("/me")
	p.fill("#c", "wrong horse battery")
	p.fill("#p", ownerPassword)
	p.fill("#a", ownerPassword)
	p.click("form[action='/me/password'] .key")
	p.says("Nothing was changed.")
	p.fits("me-refused")

	p.click("form[action='/logout'] button")
	p.wait("the log-in", "location.pathname === '/login'")
	p.fits("login")
	p.logIn("wrong horse battery")
	p.fits("login-refused")
}

// slug makes a name of a file of a path.
func slug(path string) string { return strings.ReplaceAll(path[1:], "/", "-") }

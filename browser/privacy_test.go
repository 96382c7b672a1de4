package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestErase: somebody outside is called, is in the records, asks to be forgotten, and is;
// then a user. Every page on the way is tried in every look.
func TestErase(t *testing.T) {
	t.Parallel()
	p := startBrowser(t, startBox(t)).tab(t)
	p.claim()
	p.open("/privacy/desk")
	p.says("Nobody was erased yet.")
	p.fits("desk")

	p.handsets()
	p.hook("p2")
	p.hears("p2", 425)
	p.press("p2", "00309876543#")
	p.wait("the number at the exchange", `document.querySelector("#l1 [data-is=said]").textContent.includes("dialled 0309876543")`)
	p.talk("p2", "l1")
	p.hook("p2")
	p.word("l1", "Nobody calls")
	p.open("/calls")
	p.says("0309876543")

	// By the number as a letter has it.
	p.erase("", "+49 30 / 987 65 43")
	p.says("Who it was, in 1 call record")
	p.unsaid("9876543", "987 65 43", "0309")
	p.fits("erase-number")
	p.expect(422)
	p.fill("#p", "wrong horse battery")
	p.send("form[action='/privacy/erase/now'] .now")
	p.says("This is not your password. Nothing was erased.")
	p.unsaid("9876543", "987 65 43", "0309")
	p.fits("erase-refused")
	p.expect(0)
	p.fill("#p", ownerPassword)
	p.send("form[action='/privacy/erase/now'] .now")
	p.says("The person is erased.")
	p.says("The old key was asked for and is gone.")
	p.wait("one pseudonym", `/^[0-9a-f]{32}$/.test(document.querySelector("dd.mono").innerText)`)
	p.unsaid("9876543", "987 65 43", "0309")
	p.wait("nothing in the address", `location.pathname + location.search + location.hash === "/privacy/erase/now" && document.title === "Proof of an erasure – Sotto"`)
	p.fits("erase-proof")
	p.run("print", emulation.SetEmulatedMedia().WithMedia("print"))
	p.wait("the proof alone on paper", `[...document.querySelectorAll("header, nav, footer, h1, [role=status], .key")].every(e => !e.checkVisibility()) && document.querySelector(".paper dl").checkVisibility()`)
	p.look(1280, "light")
	p.open("/calls")
	p.says("erased caller")
	p.unsaid("9876543")
	p.fits("calls-erased")
	p.expect(422)
	p.erase("", "0309876543")
	p.says("The box keeps nothing that this number leads to.")
	p.unsaid("9876543")
	p.wait("an empty field", `document.querySelector("#n").value === ""`)
	p.fits("erase-unknown")
	p.expect(0)

	// A user, whose telephone is nobody's then.
	p.erase("Workshop", "")
	p.says("Type the word erase")
	p.fits("erase-user")
	p.fill("#w", "erase")
	p.fill("#p", ownerPassword)
	p.send("form[action='/privacy/erase/now'] .now")
	p.says("The person is erased.")
	p.unsaid("Workshop")
	for _, path := range []string{"/calls", "/", "/people", "/privacy/desk", "/rules/try", "/sim/"} {
		p.open(path)
		p.wait("a page", "document.querySelector('h1')")
		if path != "/sim/" { // which the simulator calls its telephones is its own
			p.unsaid("Workshop")
		}
	}
	p.open("/privacy/desk")
	p.wait("two erasures", `document.querySelectorAll("section[aria-labelledby=h-erased] tbody tr").length === 2`)
	p.fits("desk-erased")
	p.send("section[aria-labelledby=h-erased] tbody tr:last-child button")
	p.says("Proof of an erasure")
	p.says("number outside")

	// What the switch goes by is the plan without the user.
	p.handsets()
	p.hook("p1")
	p.hears("p1", 425)
	p.press("p1", "102")
	p.wait("nobody has this number", `/unobtainable|Number/i.test(document.querySelector("#p1 [data-is=word]").textContent)`)
	p.hook("p1")
}

// erase fills in the form that begins an erasure, for the user with this name or for a
// number, and sends it.
func (p *tab) erase(user, number string) {
	p.t.Helper()
	p.open("/privacy/desk")
	p.wait("the form", "document.querySelector('#n')")
	p.run("choose", chromedp.Evaluate(fmt.Sprintf(`(u => u.selectedIndex = [...u.options].findIndex(o => o.text.startsWith(%q)))(document.querySelector("#u"))`, user), nil))
	p.fill("#n", number)
	p.send("form[action='/privacy/erase'] .key:not([formaction])")
}

// send presses a key of a form and waits for the page that answers.
func (p *tab) send(sel string) {
	p.t.Helper()
	p.run("mark", chromedp.Evaluate("window.old = true", nil))
	p.click(sel)
	p.wait("the next page", "!window.old && document.readyState === 'complete'")
}

// unsaid makes sure that none of the words is in the page, shown or not.
func (p *tab) unsaid(words ...string) {
	p.t.Helper()
	var html string
	p.run("read the page", chromedp.OuterHTML("html", &html))
	for _, w := range words {
		if strings.Contains(html, w) {
			p.t.Errorf("%q is in the page", w)
		}
	}
}

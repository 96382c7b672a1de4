package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestTerms: an owner looks at what is kept and who looked, makes terms shorter and longer,
// and prints what has to be in writing. Every page on the way is tried in every look.
func TestTerms(t *testing.T) {
	t.Parallel()
	p := startBrowser(t, startBox(t)).tab(t)
	p.claim()
	p.handsets()
	p.hook("p2")
	p.hears("p2", 425)
	p.press("p2", "00309876543#")
	p.talk("p2", "l1")
	p.hook("p2")
	p.word("l1", "Nobody calls")

	p.open("/privacy")
	p.says("How long things are kept")
	p.says("looked at this trail")
	p.unsaid("9876543", "0309")
	p.fits("terms")
	p.expect(422)
	p.fill("#s-keep-records", "4")
	p.fill("#s-keep-audit", "many")
	p.send("form[action='/privacy/retention'] .go")
	p.says("Last digits must not be longer than call records are kept")
	p.wait("what was typed", `document.querySelector("#s-keep-audit").value === "many" && document.querySelector("#s-keep-records").value === "4"`)
	p.fits("terms-refused")
	p.expect(0)

	p.open("/privacy")
	p.fill("#s-keep-records", "60")
	p.fill("#s-keep-digits", "3")
	p.send("form[action='/privacy/retention'] .go")
	p.says("Call records are kept 60 days instead of 30.")
	p.says("The last digits of outside numbers are kept 3 days instead of 7.")
	p.says("Nothing is deleted now")
	p.fits("terms-change")
	p.expect(422)
	p.fill("#p", "wrong horse battery")
	p.send("form[action='/privacy/retention/save'] .key")
	p.says("This is not your password. Nothing was changed.")
	p.fits("terms-notme")
	p.expect(0)
	p.fill("#p", ownerPassword)
	p.send("form[action='/privacy/retention/save'] .key")
	p.says("Saved.")
	p.wait("the new terms", `location.pathname === "/privacy" && document.querySelector("#s-keep-records").value === "60" && document.body.innerText.includes("From day 61")`)

	p.open("/privacy/masking")
	p.fits("masking")
	p.click("#s-cut-3")
	p.click("#s-record-internal")
	p.send("form[action='/privacy/retention'] .go")
	p.says("Calls between users no longer make a call record.")
	p.fits("masking-change")
	p.fill("#p", ownerPassword)
	p.send("form[action='/privacy/retention/save'] .key")
	p.says("Saved.")
	p.wait("what was chosen", `document.querySelector("#s-cut-3").checked && !document.querySelector("#s-record-internal").checked`)

	p.open("/privacy/audit")
	p.says("changed what is kept or who sees it")
	p.says("became the owner by the set-up link")
	p.unsaid("9876543", "Workshop")
	p.fits("audit")
	p.send("form[action='/privacy/audit/check'] .key")
	p.says("Nothing is cut and nothing is changed.")
	p.wait("the link", `/^[0-9a-f]{64}$/.test(document.querySelector("dd .mono").innerText)`)
	p.fits("audit-check")
	p.open("/privacy/proofs")
	p.says("Proof, day by day")
	p.fits("proofs")
	p.open("/privacy/ledger")
	p.says("What left the box")
	p.fits("ledger")

	for _, x := range []struct{ path, says, name string }{
		{"/privacy/record", "Article 30", "record"}, {"/privacy/notice?lang=de", "Artikel 13", "notice-de"},
	} {
		p.open(x.path)
		p.says(x.says)
		p.unsaid("9876543", "Workshop")
		p.fits(x.name)
		p.run("print", emulation.SetEmulatedMedia().WithMedia("print"))
		p.wait("the paper alone", `[...document.querySelectorAll("header, nav, footer, h1, .key")].every(e => !e.checkVisibility()) && document.querySelector(".paper h2").checkVisibility()`)
		p.look(1280, "light")
	}
}

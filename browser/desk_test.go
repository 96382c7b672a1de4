package browser

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// TestDesk: a call from outside, and what each role does about it: an owner adds people and
// log-ins and hands over a copy, an admin asks to see the number, a privacy officer agrees, and
// the user whose call it was learns of it. Every page on the way is tried in every look.
func TestDesk(t *testing.T) {
	t.Parallel()
	p := startBrowser(t, startBox(t)).tab(t)
	p.claim()
	p.handsets()
	p.hook("p2")
	p.hears("p2", 425)
	p.press("p2", "00309876543#")
	p.wait("the number at the exchange", `document.querySelector("#l1 [data-is=said]").textContent.includes("dialled 0309876543")`)
	p.talk("p2", "l1")
	p.hook("p2")
	p.word("l1", "Nobody calls")

	// People, and a list of them.
	p.open("/people")
	p.says("Workshop")
	p.fits("people")
	p.open("/people/import")
	p.fits("import")
	p.expect(422)
	p.upload("name,extension\nWorkshop,102\nNora,10x\n,105\n")
	p.says("Not imported: something is wrong.")
	p.fits("import-wrong")
	p.expect(0)
	p.open("/people/import")
	p.click("input[name=others]")
	p.upload("name,extension\nReception,101\nWorkshop,102\nOffice and stores,103\nNora,105\n")
	p.says("1 added, 1 changed, 2 as they are, 0 wrong, 5 leave.")
	p.says("Softphone 204")
	p.fits("import-look")
	p.fill("#p", ownerPassword)
	p.send("form[action='/people/import/now'] .now")
	p.says("The list is imported.")
	p.says("Nora")

	// Log-ins.
	words := map[string]string{}
	for _, x := range []struct{ name, role, user string }{{"Bert", "admin", ""}, {"Dora", "privacy", ""}, {"Carla", "staff", "102"}} {
		p.open("/accounts")
		p.fill("#name", x.name)
		p.set("#role", x.role)
		p.set("#user", x.user)
		p.fill("#own", ownerPassword)
		p.send("form[action='/accounts'] .go")
		p.says("It is kept nowhere.")
		var word string
		p.run("read the password", chromedp.Text("dd.mono", &word, chromedp.ByQuery))
		words[x.name] = word
	}
	p.fits("once")
	p.open("/accounts")
	p.says("Must choose a password")
	p.fits("accounts")
	p.expect(422)
	p.fill("#name", "Bert")
	p.fill("#own", ownerPassword)
	p.send("form[action='/accounts'] .go")
	p.says("A log-in of staff is for a user of the office")
	p.fits("accounts-refused")
	p.expect(0)
	p.open("/accounts")
	p.send("tbody tr:nth-child(2) a")
	p.says("Remove this log-in")
	p.fits("account")

	// The desk.
	p.open("/privacy/desk")
	p.says("Kitchen 104, goes ")
	p.fits("desk-former")
	p.fill("#n", "+49 30 / 987 65 43")
	p.send("form[action='/privacy/erase'] [formaction]")
	p.says("Make the archive")
	p.unsaid("9876543", "987 65 43", "0309")
	p.fits("copy")
	p.expect(422)
	p.fill("#p", "wrong horse battery")
	p.send("form[action='/privacy/desk/copy/now'] .go")
	p.says("This is not your password.")
	p.unsaid("9876543", "987 65 43", "0309")
	p.fits("copy-refused")
	p.expect(0)
	p.fill("#p", ownerPassword)
	z, err := zip.OpenReader(p.download("form[action='/privacy/desk/copy/now'] .go"))
	if err != nil {
		t.Fatalf("the archive: %v", err)
	}
	if _, err := z.Open("index.html"); err != nil {
		t.Error(err)
	}
	z.Close()

	// The admin, who has a password to choose first, asks.
	p.leave()
	p.logInAs("Bert", words["Bert"])
	p.says("Somebody has made this password for you.")
	p.fits("me-must")
	p.choose(words["Bert"])
	p.open("/calls")
	p.says("Unmask")
	p.unsaid("9876543")
	p.fits("calls-admin")
	p.send("td a.key")
	p.says("Ask to unmask")
	p.fits("unmask")
	p.fill("#why", "a complaint about a bill")
	p.send("form .go")
	p.says("Waits for somebody who agrees")
	p.unsaid("9876543")
	p.fits("unmask-waits")

	// The privacy officer agrees.
	p.leave()
	p.logInAs("Dora", words["Dora"])
	p.choose(words["Dora"])
	p.open("/privacy/requests")
	p.says("a complaint about a bill")
	p.unsaid("9876543")
	p.fits("requests")
	p.expect(422)
	p.send("button[value=agree]")
	p.says("This is not your password.")
	p.fits("requests-refused")
	p.expect(0)
	p.fill("input[type=password]", ownerPassword)
	p.send("button[value=agree]")
	p.says("The number is shown from now on.")
	p.fits("requests-none")

	// The admin sees it.
	p.leave()
	p.logInAs("Bert", ownerPassword)
	p.open("/calls")
	p.says("0309876543")
	p.says("Whole until")
	p.fits("calls-whole")
	p.send("td a.key")
	p.says("The whole number is shown")
	p.fits("unmask-shown")

	// The user learns of it.
	p.leave()
	p.logInAs("Carla", words["Carla"])
	p.choose(words["Carla"])
	p.open("/me")
	p.says("Admin was shown the whole number of your call of")
	p.says("0309876543")
	p.fits("me-staff")
	p.send("form[action='/me/notices'] button")
	p.wait("no new notice", "!document.querySelector('form[action=\"/me/notices\"]')")
	p.send("form[action='/me/journal'] [value=off]")
	p.says("It starts then; nothing from before comes back.")
	p.send("a[href='/me/journal/erase']")
	p.fits("journal-erase")
	p.fill("#p", ownerPassword)
	p.send("form[action='/me/journal/erase'] .now")
	p.says("Your journal is erased.")
	p.unsaid("9876543")
	p.fits("me-empty")
}

// upload chooses a table in the form of the page, and sends it.
func (p *tab) upload(table string) {
	p.t.Helper()
	name := filepath.Join(p.t.TempDir(), "users.csv")
	if err := os.WriteFile(name, []byte(table), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("choose a file", chromedp.SetUploadFiles("#f", []string{name}, chromedp.ByQuery))
	p.send("form[action='/people/import'] button")
}

// set chooses in a list.
func (p *tab) set(sel, value string) {
	p.t.Helper()
	p.run("choose in "+sel, chromedp.SetValue(sel, value, chromedp.ByQuery))
}

// download presses a key that gives a file, and gives the file once it is whole.
func (p *tab) download(sel string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	c := chromedp.FromContext(p.b.ctx)
	if err := cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(dir).Do(cdp.WithExecutor(p.b.ctx, c.Browser)); err != nil {
		p.t.Fatal(err)
	}
	p.click(sel)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if l, _ := filepath.Glob(filepath.Join(dir, "*.zip")); len(l) == 1 {
			return l[0]
		}
	}
	p.t.Fatalf("no file came; the page says:\n%s", p.text())
	return ""
}

// leave logs out.
func (p *tab) leave() {
	p.t.Helper()
	p.click("form[action='/logout'] button")
	p.wait("the log-in", "location.pathname === '/login'")
}

func (p *tab) logInAs(name, password string) {
	p.t.Helper()
	p.fill("#u", name)
	p.fill("#p", password)
	p.send("form.sheet .go")
}

// choose chooses the password of all in this test in place of one that was made.
func (p *tab) choose(current string) {
	p.t.Helper()
	p.fill("#c", current)
	p.fill("#p", ownerPassword)
	p.fill("#a", ownerPassword)
	p.send("form[action='/me/password'] .go")
	p.says("The password is changed.")
}

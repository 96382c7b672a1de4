package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Test voices, in Hz, by what is drawn: each telephone and far party has its own.
var voices = map[string]int{"p1": 2700, "p2": 2740, "p3": 2780, "p4": 2820, "l1": 2860, "l2": 2900}

// handsets opens the simulator's page.
func (p *tab) handsets() {
	p.t.Helper()
	p.open("/sim/")
	p.wait("live handsets", "document.documentElement.dataset.sim === 'live'")
}

func (p *tab) hook(telephone string) {
	p.t.Helper()
	p.click("#" + telephone + " [data-is=hook]")
}

// hears waits until a frequency, in Hz, comes out of the loudspeaker for a telephone or a
// far party, loud enough to be it. The page plays up to 0.5 % fast or slow, to keep step
// with the box; voices are 1.4 % apart.
func (p *tab) hears(end string, hz int) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%d Hz at %s", hz, end), heard(end, hz))
}

// heard is the expression for hears.
func heard(end string, hz int) string {
	return fmt.Sprintf(`(d => d.level > -35 && d.tone.split(" ").some(hz => Math.abs(hz / %d - 1) < 0.007))(document.getElementById(%q).dataset)`, hz, end)
}

// talk lets the test voice of each of two be heard at the other.
func (p *tab) talk(a, b string) {
	p.t.Helper()
	for _, end := range []string{a, b} {
		if is, _ := p.is(fmt.Sprintf(`document.querySelector("#%s [data-sound=listen]").ariaPressed === "false"`, end)); is {
			p.click("#" + end + " [data-sound=listen]")
		}
	}
	for _, w := range [][2]string{{a, b}, {b, a}} {
		voice := fmt.Sprintf(`document.querySelector("#%s [data-sound=voice]")`, w[0])
		// It speaks for two seconds, which a busy machine may miss.
		p.wait(fmt.Sprintf("the voice of %s at %s", w[0], w[1]), fmt.Sprintf(`%s || (Date.now() - (%s.said ?? 0) > 3000 && (%[2]s.said = Date.now(), %[2]s.click()), false)`, heard(w[1], voices[w[0]]), voice))
	}
}

func (p *tab) bell(telephone, is string) {
	p.t.Helper()
	p.wait("bell of "+telephone+" "+is, fmt.Sprintf(`document.getElementById(%q).dataset.bell === %q`, telephone, is))
}

func (p *tab) word(end, word string) {
	p.t.Helper()
	p.wait(end+" "+word, fmt.Sprintf(`document.querySelector("#%s [data-is=word]").textContent.includes(%q)`, end, word))
}

// port waits for the words of a port on the front panel, drawn and as a tile, in the page
// as it was loaded.
func (p *tab) port(id, word string) {
	p.t.Helper()
	p.wait(id+" "+word, fmt.Sprintf(`window.mark && [document.getElementById("box-%s").ariaLabel, document.getElementById("tile-%[1]s").innerText].every(s => s.toLowerCase().includes(%q))`, id, strings.ToLower(word)))
}

// TestCalls: calls between drawn telephones and over an exchange line, heard in the
// browser, with the front panel in another tab that is never loaded again.
func TestCalls(t *testing.T) {
	b := startBrowser(t, startBox(t))
	p := b.tab(t)
	p.claim()
	p.handsets()
	panel := b.tab(t)
	panel.open("/")
	panel.run("mark", chromedp.Evaluate("window.mark = true", nil))
	panel.says("Live")
	panel.port("p1", "Ready")

	// Inside.
	p.hook("p1")
	p.hears("p1", 425) // dial tone of DE
	p.word("p1", "Dial tone")
	panel.port("p1", "Dialling")
	p.press("p1", "102")
	p.bell("p2", "on")
	panel.port("p2", "Ringing")
	p.word("p1", "Ringback tone")
	p.hears("p1", 425)
	p.hook("p2")
	p.bell("p2", "off")
	p.talk("p1", "p2")
	panel.port("p1", "In a call")
	panel.port("p2", "In a call")
	panel.wait("the call", `(s => s.includes("Reception") && s.includes("Workshop") && s.includes("Talking"))(document.getElementById("calls").innerText)`)
	p.wait("silence", `document.getElementById("p1").dataset.level === ""`)
	p.click("#p2 [data-sound=speak]") // into the browser's own microphone, which beeps
	p.wait("the microphone", `document.querySelector("#p2 [data-sound=speak]").ariaPressed === "true" && document.getElementById("p1").dataset.level > -45`)
	p.hook("p1")
	p.hears("p2", 425) // busy
	p.hook("p2")
	panel.port("p2", "Ready")
	panel.says("No call is up.")

	// From outside; the exchange breaks the loop at the end.
	p.click("#l1 [data-act=call]")
	p.bell("p1", "on")
	panel.port("l1", "Ringing")
	p.hook("p1")
	p.talk("l1", "p1")
	panel.port("l1", "In a call")
	p.click(`#l1 button[value="end break"]`)
	p.hears("p1", 425)
	p.hook("p1")
	panel.port("l1", "Ready")

	// To the outside, where somebody waits before answering.
	p.click(`#l1 [data-way=wait]`)
	p.hook("p2")
	p.hears("p2", 425)
	p.press("p2", "00309876543#")
	p.word("l1", "Is called")
	p.wait("the number at the exchange", `document.querySelector("#l1 [data-is=said]").textContent.includes("dialled 0309876543")`)
	p.click("#l1 [data-act=answer]")
	p.talk("p2", "l1")
	panel.wait("the call", `(s => s.includes("Workshop") && s.includes("0309876543") && s.includes("Exchange A"))(document.getElementById("calls").innerText)`)
	p.hook("p2")
	p.word("l1", "Nobody calls")
	panel.port("l1", "Ready")
	panel.says("No call is up.")

	// What is left of them: an owner may see whole numbers.
	p.open("/calls")
	p.says("Outside numbers are shown in full.")
	for i, want := range [][]string{{"Workshop", "0309876543", "Exchange A"}, {"Reception", "Exchange A", "Answered"}, {"Reception", "Workshop", "inside", "Answered"}} {
		for _, w := range want {
			p.wait(fmt.Sprintf("%s in record %d", w, i+1), fmt.Sprintf(`[...document.querySelectorAll("section[aria-labelledby=h-rec] tbody tr")][%d]?.innerText.includes(%q)`, i, w))
		}
	}
	p.wait("three records", `document.querySelectorAll("section[aria-labelledby=h-rec] tbody tr").length === 3`)
}

// TestWithoutScript: what needs no script works without one: the page that tells what a
// number would do, and a call between handsets by forms.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	p := startBrowser(t, startBox(t)).tab(t)
	p.run("no script", emulation.SetScriptExecutionDisabled(true))
	p.claim()
	for _, c := range []struct{ dialled, says string }{
		{"102", "Workshop"},
		{"0004412345678", "Abroad"},
		{"00900123456", "a rule forbids it"},
		{"112", "An emergency call."},
		{"999", "Nobody has this number."},
	} {
		p.open("/rules/try")
		p.run("choose", chromedp.Evaluate(`document.querySelector("#who").selectedIndex = [...document.querySelector("#who").options].findIndex(o => o.text.includes("101"))`, nil))
		p.fill("#n", c.dialled)
		p.click("form.filter .go")
		p.wait(c.dialled+" "+c.says, fmt.Sprintf(`document.querySelector("section[aria-labelledby=h-try]")?.innerText.includes(%q)`, c.says))
	}
	p.open("/sim/")
	p.wait("no live page", "!document.documentElement.dataset.sim && document.querySelector('#p1 [data-is=sound]').hidden")
	p.hook("p1")
	p.word("p1", "Off the hook")
	for _, key := range "102" {
		p.run("mark", chromedp.Evaluate("window.old = true", nil))
		p.click(fmt.Sprintf(`#p1 button[value="key %c"]`, key))
		p.wait("the next page", "!window.old && document.readyState === 'complete'")
	}
	p.wait("p2 rings", `document.querySelector("#p2 [data-is=word]").textContent === "Ringing" || (location.reload(), false)`)
	p.hook("p2")
	p.wait("p2 is lifted", `document.querySelector("#p2 [data-is=hook]").textContent === "Put down"`)
}

package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium of one test, with one box to look at.
type browser struct {
	box *box
	ctx context.Context
}

// startBrowser starts a Chromium that takes the certificate of b and no other one.
func startBrowser(t *testing.T, b *box) *browser {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"),
		chromedp.Flag("ignore-certificate-errors-spki-list", b.pin),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.WSURLReadTimeout(2*patience))
	alloc, end := chromedp.NewExecAllocator(context.Background(), flags...) // the test's context ends too early
	ctx, _ := chromedp.NewContext(alloc, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // and waits until it is gone
		end()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &browser{box: b, ctx: ctx}
}

// tab is a page that somebody looks at.
type tab struct {
	t   *testing.T
	b   *browser
	ctx context.Context

	mu     sync.Mutex
	wrong  []string // what the browser complained of
	accept string   // part of a complaint that is expected
}

// tab opens an empty tab, in a window of its own: a tab behind another one is not seen.
// At the end of the test nothing may be wrong in it.
func (b *browser) tab(t *testing.T) *tab {
	t.Helper()
	id, err := target.CreateTarget("about:blank").WithNewWindow(true).Do(cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser))
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	p := &tab{t: t, b: b, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	t.Cleanup(func() {
		p.fine()
		end()
	})
	p.run("open a tab", log.Enable(), runtime.Enable(), audits.Enable())
	p.look(1280, "light")
	return p
}

// listen notes what is wrong with a page: errors and warnings on the console, exceptions,
// resources that do not come, reports of the content security policy.
func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.note("exception: " + e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			text := string(e.Type)
			for _, a := range e.Args {
				text += " " + string(a.Value)
			}
			p.note("console: " + text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.note(fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			p.note(fmt.Sprintf("content security policy: %s stops %s", d.ViolatedDirective, d.BlockedURL))
		}
	}
}

func (p *tab) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accept == "" || !strings.Contains(what, p.accept) {
		p.wrong = append(p.wrong, what)
	}
}

// fine fails the test if the browser complained of anything so far.
func (p *tab) fine() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.wrong {
		p.t.Error(w)
	}
	p.wrong = nil
}

// expect sets what the browser will complain of and is to: answers with this status, from
// now on; 0 for none.
func (p *tab) expect(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accept = ""; status != 0 {
		p.accept = fmt.Sprintf("status of %d ", status)
	}
}

func (p *tab) run(what string, actions ...chromedp.Action) {
	p.t.Helper()
	if p.ctx.Err() == nil {
		ctx, end := context.WithTimeout(p.ctx, patience)
		defer end()
		if chromedp.FromContext(p.ctx).Target == nil {
			ctx = p.ctx // the tab is made, and must live on
		}
		if err := chromedp.Run(ctx, actions...); err != nil {
			p.fine()
			p.t.Fatalf("%s: %v; the page says:\n%s", what, err, p.text())
		}
	}
}

// open goes to a path of the box.
func (p *tab) open(path string) {
	p.t.Helper()
	p.run("open "+path, chromedp.Navigate(p.b.box.url+path))
}

// is tells whether an expression of JavaScript is true now.
func (p *tab) is(js string) (bool, error) {
	var is bool
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	err := chromedp.Run(ctx, chromedp.Evaluate("!!("+js+")", &is))
	return is, err
}

// wait waits until an expression is true. A page that is just being loaded is waited for.
func (p *tab) wait(what, js string) {
	p.t.Helper()
	var is bool
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is, err = p.is(js); is {
			return
		}
	}
	p.fine()
	p.t.Fatalf("never came: %s (%v); the page says:\n%s", what, err, p.text())
}

// says waits until the page says something.
func (p *tab) says(text string) {
	p.t.Helper()
	p.wait(text, "document.body.innerText.includes("+strconv.Quote(text)+")")
}

// text gives what the page says.
func (p *tab) text() (text string) {
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	if err := chromedp.Run(ctx, chromedp.Evaluate("location.pathname + '\\n' + document.body.innerText", &text)); err != nil {
		return err.Error()
	}
	return text
}

// click presses what a selector finds first, with the mouse.
func (p *tab) click(sel string) {
	p.t.Helper()
	p.run("click "+sel, chromedp.Click(sel, chromedp.ByQuery, chromedp.NodeEnabled))
}

// fill writes into a field in place of what is there.
func (p *tab) fill(sel, text string) {
	p.t.Helper()
	p.run("fill "+sel, chromedp.Evaluate("document.querySelector("+strconv.Quote(sel)+").value = ''", nil), chromedp.SendKeys(sel, text, chromedp.ByQuery))
}

// press holds a key of a keypad down for as long as a finger does.
func (p *tab) press(telephone string, keys string) {
	p.t.Helper()
	const finger = 120 * time.Millisecond
	for _, k := range keys {
		sel := fmt.Sprintf(`#%s button[value="key %c"]`, telephone, k)
		p.run("scroll to "+sel, chromedp.ScrollIntoView(sel, chromedp.ByQuery))
		var at [2]float64
		p.run("find "+sel, chromedp.Evaluate(fmt.Sprintf(`(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector(%s).getBoundingClientRect())`, strconv.Quote(sel)), &at))
		mouse := func(what input.MouseType) chromedp.Action {
			return chromedp.MouseEvent(what, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1))
		}
		p.run("press "+sel, mouse(input.MousePressed), chromedp.Sleep(finger), mouse(input.MouseReleased), chromedp.Sleep(finger))
	}
}

// look sets the width of the window, 390 for a telephone's, and the theme.
func (p *tab) look(width int64, theme string) {
	p.t.Helper()
	height, phone := int64(800), width < 600
	if phone {
		height = 844
	}
	p.run("look", emulation.SetDeviceMetricsOverride(width, height, 1, phone), emulation.SetTouchEmulationEnabled(phone),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
}

// shot takes a picture, if there is a folder for it.
func (p *tab) shot(name string) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	var png []byte
	p.run("picture", chromedp.FullScreenshot(&png, 100))
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Package browser tries the pages of the box in a real browser: the program is started as
// a person would start it, and Chromium goes through set-up, log-in, calls between drawn
// telephones, calls over exchange lines, and every page there is, at the widths of a desk
// and of a hand, light and dark. What is heard is recognised at the end of the browser's
// own sound chain; the certificate is the one whose fingerprint was printed. Nothing may
// be on the console, scroll sideways, be stopped by the content security policy or be
// found by axe-core. There are tests here and nothing else, which need Chromium and
// scripts/axe.sh and fail without them. -short leaves them out; -shots FOLDER keeps a
// picture of every page.
package browser

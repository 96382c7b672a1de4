// Package browser tries the pages of the box in a real browser: the program is started as
// a person would start it, and Chromium goes through set-up, log-in, calls between drawn
// telephones and the front panel. What is heard is recognised at the end of the browser's
// own sound chain. There are tests here and nothing else; they skip where there is no
// Chromium.
package browser

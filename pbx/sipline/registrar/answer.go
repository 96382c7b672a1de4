package registrar

import (
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

// answer is the 200 (RFC 3261 section 10.3 step 8).
func (r *Registrar) answer(now time.Time, u *user, in *request) Result {
	var list []*binding
	if u != nil {
		list = u.bindings
	}
	h := make([]sip.Header, 0, len(list)+len(in.path)+3)
	for _, b := range list {
		if left := b.Expires.Sub(now); left > 0 {
			h = append(h, sip.NewHeader("Contact", b.shown+decimal(left)))
		}
	}
	outbound := false
	for i := range in.contacts[:in.n] {
		outbound = outbound || in.contacts[i].regID != 0 && in.contacts[i].expires > 0
	}
	for _, p := range in.path {
		h = append(h, sip.NewHeader("Path", p)) // RFC 3327 section 5.3
	}
	if outbound && in.outbound {
		h = append(h, sip.NewHeader("Require", "outbound")) // RFC 5626 section 6
	}
	h = append(h, sip.NewHeader("Supported", "path, outbound"))
	// Telephones set their clock by it; better none than one of 1970.
	if sec := now.Unix(); now.Year() >= 2025 {
		if sec != r.dateAt {
			r.dateAt, r.date = sec, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		}
		h = append(h, sip.NewHeader("Date", r.date))
	}
	return Result{Status: sip.StatusOK, Reason: "OK", Headers: h}
}

// show gives a Contact value up to the seconds.
func show(b *binding) string {
	s := "<" + b.Contact + ">"
	if b.q < 1000 {
		s += ";q=0." + strconv.Itoa(1000 + int(b.q))[1:]
	}
	if b.Instance != "" {
		s += `;+sip.instance="` + b.Instance + `"`
	}
	if b.RegID != 0 {
		s += ";reg-id=" + strconv.Itoa(b.RegID)
	}
	return s + ";expires="
}

// decimal gives whole seconds, rounded up: a binding that lives has one left.
func decimal(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

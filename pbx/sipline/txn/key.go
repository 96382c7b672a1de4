package txn

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// key is what a message is matched by: 128 bits of hashes with seeds that nobody outside
// knows, so that two that differ do not meet, not even on purpose. It costs 16 bytes a
// transaction where the parts themselves would cost a hundred and an allocation a look.
type key [2]uint64

// hasher gathers the parts of a key.
type hasher struct{ h [2]maphash.Hash }

func (l *Layer) hasher() (h hasher) {
	h.h[0].SetSeed(l.seeds[0])
	h.h[1].SetSeed(l.seeds[1])
	return h
}

// text adds one part; its length goes before it, so that parts cannot run together.
func (h *hasher) text(s string) {
	h.number(uint64(len(s)))
	h.h[0].WriteString(s)
	h.h[1].WriteString(s)
}

func (h *hasher) number(n uint64) {
	var b [8]byte
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	h.h[0].Write(b[:])
	h.h[1].Write(b[:])
}

func (h *hasher) sum() key { return key{h.h[0].Sum64(), h.h[1].Sum64()} }

// Kinds of keys, so that none is taken for one of another kind.
const (
	keyServer = iota + 1
	keyServer2543
	keyClient
	keyMerged
)

// cookie begins every branch that is unique by itself (RFC 3261 section 8.1.1.7).
const cookie = sip.RFC3261BranchMagicCookie

// ident is what of a request tells it from others.
type ident struct {
	via     *sip.ViaHeader
	branch  string // empty: none that is unique
	fromTag string
	toTag   string
	callID  string
	cseq    uint32
}

// identify reads a request; false: something is missing without which it cannot be
// answered.
func identify(req *sip.Request) (id ident, ok bool) {
	if req == nil {
		return id, false
	}
	via, from, to, callID, cseq := req.Via(), req.From(), req.To(), req.CallID(), req.CSeq()
	if via == nil || from == nil || to == nil || callID == nil || cseq == nil {
		return id, false
	}
	id.via, id.callID, id.cseq = via, string(*callID), cseq.SeqNo
	if b, _ := param(via.Params, "branch"); len(b) > len(cookie) && strings.HasPrefix(b, cookie) {
		id.branch = b
	}
	id.fromTag, _ = param(from.Params, "tag")
	id.toTag, _ = param(to.Params, "tag")
	return id, true
}

// param gives a parameter; names are in any case (RFC 3261 section 7.3.1).
func param(ps sip.HeaderParams, name string) (string, bool) {
	for i := range ps {
		if len(ps[i].K) == len(name) && strings.EqualFold(ps[i].K, name) {
			return ps[i].V, true
		}
	}
	return "", false
}

// serverKey is what a request finds its transaction by, looked for as method (INVITE for
// an ACK): branch, sent-by and method; without a branch that is unique, what RFC 2543 had
// (RFC 3261 section 17.2.3).
//
// Beyond the RFC it takes the protocol and the address, not the port, that the request
// came from. Honest repetitions come from there too, and a CANCEL is only to be believed
// from the hop that sent the INVITE (section 22.1): so a stranger who learned a branch can
// neither cancel a call nor have his request taken for a repetition, and two telephones
// with the same private sent-by and poor branches do not meet.
func (l *Layer) serverKey(req *sip.Request, id *ident, method sip.RequestMethod, flow wire.Flow) key {
	h := l.hasher()
	if id.branch != "" {
		h.number(keyServer)
		h.text(id.branch)
	} else {
		h.number(keyServer2543)
		h.text(req.Recipient.String())
		h.text(id.fromTag)
		h.text(id.callID)
		h.number(uint64(id.cseq))
		for _, p := range id.via.Params {
			if p.K != "received" && p.K != "rport" { // filled in on receipt
				h.text(p.K)
				h.text(p.V)
			}
		}
	}
	h.text(id.via.Host)
	h.number(uint64(sentByPort(id.via, flow.Proto)))
	h.text(string(method))
	h.number(uint64(flow.Proto))
	h.address(flow.Remote.Addr())
	return h.sum()
}

func (h *hasher) address(a netip.Addr) {
	b := a.As16()
	h.h[0].Write(b[:])
	h.h[1].Write(b[:])
}

// mergeKey is what requests have in common that reached us by several ways (RFC 3261
// section 8.2.2.2).
func (l *Layer) mergeKey(id *ident, method sip.RequestMethod) key {
	h := l.hasher()
	h.number(keyMerged)
	h.text(id.fromTag)
	h.text(id.callID)
	h.number(uint64(id.cseq))
	h.text(string(method))
	return h.sum()
}

// clientKey is what a response finds its transaction by: branch and method (RFC 3261
// section 17.1.3).
func (l *Layer) clientKey(branch string, method sip.RequestMethod) key {
	h := l.hasher()
	h.number(keyClient)
	h.text(branch)
	h.text(string(method))
	return h.sum()
}

// tagHash shortens a tag for comparison.
func (l *Layer) tagHash(tag string) uint64 { return maphash.String(l.seeds[0], tag) }

// tagOf makes a To tag for what is answered without a transaction: the same each time
// that the request comes (RFC 3261 section 8.2.7), and by a seed of its own, so that it
// tells nothing of the key.
func (l *Layer) tagOf(k key) string {
	return strconv.FormatUint(maphash.Comparable(l.seeds[2], k), 36)
}

// sentByPort gives the port of a Via, the protocol's own if it has none; 0 if it is
// none.
func sentByPort(via *sip.ViaHeader, p wire.Proto) uint16 {
	switch {
	case via.Port == 0 && p == wire.TLS:
		return 5061
	case via.Port == 0:
		return 5060
	case via.Port < 0 || via.Port > 65535:
		return 0
	}
	return uint16(via.Port)
}

// replyFlow gives where responses to a request go (RFC 3261 section 18.2.2, RFC 3581
// section 4): on a stream, back over its connection and no other. Over UDP to the address
// that the request came from, whatever maddr, received or host name its Via has, so that
// nobody is sent what he did not ask for; to the port that it came from if the Via has
// rport, else to that of sent-by.
func replyFlow(via *sip.ViaHeader, flow wire.Flow) wire.Flow {
	if flow.Proto.Reliable() {
		return flow
	}
	if _, ok := param(via.Params, "rport"); ok {
		return flow
	}
	if port := sentByPort(via, flow.Proto); port != 0 {
		flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), port)
	}
	return flow
}

package txn

import (
	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// Known tells whether a request repeats one whose transaction is kept: [Layer.Request]
// would absorb it. It changes nothing. Whoever asks for credentials asks this first, for a
// repetition shows credentials that were used.
func (l *Layer) Known(req *sip.Request, flow wire.Flow) bool {
	who, ok := identify(req)
	if !ok {
		return false
	}
	return l.servers[l.serverKey(req, &who, req.Method, flow)] != nil
}

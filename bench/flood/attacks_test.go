package flood

import (
	"net"
	"sync"
	"time"
)

// attacks are the parts.
func (r *run) attacks(wild *namespace) []attack {
	messages := func(rate, from int, m func(uint32) []byte) func() sent {
		return func() sent { return r.s.flood(rate, from, *length, m, nil) }
	}
	invite, guess := request("INVITE", "202", "", offer), request("INVITE", "202", bogus, offer)
	register, options := request("REGISTER", "201", "", ""), request("OPTIONS", "202", "", "")
	spray := rtp()
	var open []net.Conn
	return []attack{
		{name: "INVITE, 1 source", run: messages(20000, 1, invite.next)},
		{name: "INVITE, 10,000 sources", run: messages(5000, sources, invite.next)},
		{name: "INVITE, wrong credentials", run: messages(5000, sources, guess.next)},
		{name: "REGISTER, 10,000 sources", run: messages(20000, sources, register.next)},
		{name: "OPTIONS, 1 source", run: messages(20000, 1, options.next)},
		{name: "garbage, 10,000 sources", run: messages(20000, sources, garbage())},
		{name: "RTP to all ports", run: func() sent { return r.s.flood(10000, 1, *length, spray, eachPort) }},
		{name: "RTP, from the LAN", run: func() sent { return r.sprayLAN(spray) }},
		{name: "INVITE, a telephone's", run: func() sent { return r.infected(invite) }, own: true},
		{name: "REGISTER, 8 telephones", run: r.registers, own: true, grow: maxRegisterGrowth},
		{name: "10,000 connections", run: func() (s sent) {
			began := time.Now()
			var err error
			if open, err = connections(wild, 10000); err != nil {
				r.t.Error(err)
			}
			time.Sleep(*length - time.Since(began))
			return sent{messages: len(open), lasted: time.Since(began)}
		}, over: func() {
			for _, c := range open {
				c.Close()
			}
		}},
	}
}

// sprayLAN sprays from an address in the telephones' own network.
func (r *run) sprayLAN(message func(uint32) []byte) sent {
	return pace(10000, *length, func(n uint32) int {
		to := net.UDPAddr{IP: boxSIP.Addr().AsSlice(), Port: eachPort(n)}
		k, _ := r.s.other.WriteTo(message(n), &to)
		return k
	})
}

// infected floods from the port of a telephone that is registered.
func (r *run) infected(message *template) sent {
	p := r.phones[infected]
	return pace(20000, *length, func(n uint32) int {
		b := message.next(n)
		p.Raw(b)
		return len(b)
	})
}

// registers has telephones register as fast as they are answered.
func (r *run) registers() sent {
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for i := regFirst; i <= regLast; i++ {
		wg.Go(func() {
			for time.Since(began) < *length {
				if err := r.phones[i].Register(3600); err != nil {
					r.t.Errorf("register: %v", err)
					return
				}
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return sent{messages: n, lasted: time.Since(began)}
}

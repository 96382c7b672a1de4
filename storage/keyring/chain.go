package keyring

import "sotto/storage/seal"

// A chain gives a key for each day from the one it stands on, and none for a day before.
// It stands on day n, keeps two keys, D and R, and only goes forward:
//
//	rung r (32 days)        rung r+1                 rung r+2
//	D ─ D ─ D ─ … ─ D       D ─ D ─ D ─ … ─ D        D ─ …
//	│   │   │       │       ↑   │   │                ↑
//	key key key     key     R ─ key key ── … ──────→ R ─ …
//
// Every arrow is one HKDF-Expand (RFC 5869 §2.3) and has no way back. The rungs make a far
// day cheap: ten years are 114 rungs and at most 31 days.
//
// This file is pure: no state, no lock, no clock.

// Class says what kind of thing the keys of a chain seal. Each class is kept for a time of
// its own, so each has a chain of its own.
type Class uint8

const (
	Own     Class = 0 // the own key, of no chain: for what stays as long as the person is known
	Calls   Class = 1 // the facts of call records
	Digits  Class = 2 // the last digits of the outside number of a call record or an entry of a journal
	Counts  Class = 3 // how many calls there were on a day; the box's alone
	Journal Class = 4 // entries of journals
	Audit   Class = 5 // lines of the audit trail, requests to unmask and the ledger; the box's, and of whom a reason is
)

// Day is the box's own count of days, from 0. It never goes back, whatever the clock does.
type Day uint32

const (
	rungDays = 32
	maxAhead = Day(1 << 20) // days from where a chain stands; more is an error of the caller

	infoStep  = "sotto step 1"
	infoStart = "sotto start 1"
	infoRung  = "sotto rung 1"
	infoDay   = "sotto day 1"
)

type chain struct {
	class Class
	day   Day      // n, the first that it still opens
	link  seal.Key // D of day n
	rung  seal.Key // R of the rung after that of n
}

func newChain(c Class, d Day) chain {
	return chain{class: c, day: d, link: seal.NewKey(), rung: seal.NewKey()}
}

// holds tells whether the chain can give the key of day d.
func (c *chain) holds(d Day) bool { return d >= c.day && d-c.day <= maxAhead }

// at gives the chain as it stands on day d, which it must hold.
func (c *chain) at(d Day) chain {
	n := *c
	if r := d / rungDays; r > n.day/rungDays {
		for i := n.day/rungDays + 1; i < r; i++ {
			n.rung = n.rung.Derive(infoRung)
		}
		n.link, n.rung = n.rung.Derive(infoStart), n.rung.Derive(infoRung)
		n.day = r * rungDays
	}
	for ; n.day < d; n.day++ {
		n.link = n.link.Derive(infoStep)
	}
	return n
}

// key gives the key that seals on day d, which the chain must hold.
func (c *chain) key(d Day) seal.Key {
	n := c.at(d)
	k := n.link.Derive(infoDay)
	n.wipe()
	return k
}

func (c *chain) wipe() {
	clear(c.link[:])
	clear(c.rung[:])
}

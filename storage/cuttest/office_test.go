package cuttest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
)

// What the workload stores is told by few numbers, so that whoever looks at it later can
// tell right from wrong: a record by its id and the plan it was made under, a plan by its
// number, a secret by its count.

var (
	owner  = storage.Viewer{Role: storage.Owner}
	asAnna = storage.Viewer{Role: storage.Staff, User: anna}
)

// firstBegan is when record 0 would begin, in ms since 1970; the others follow each second.
const firstBegan = 1_700_000_000_000

// anna stays in every plan, and so does her secret.
const anna = plan.UserID("user-anna")

// guest is the user whom plan number k has beside anna.
func guest(k int) plan.UserID { return plan.UserID(fmt.Sprintf("user-guest-%d", k)) }

// planOf gives plan number k, from 1; gone: the guest was erased from it.
func planOf(k int, gone bool) plan.Plan {
	p := plan.Plan{
		Office: fmt.Sprintf("Office %d", k), Country: "DE",
		Users: []plan.User{
			{ID: anna, Name: fmt.Sprintf("Anna %d", k), Ext: "201", Ports: []string{"FXS 1"}, SIP: true},
			{ID: guest(k), Name: fmt.Sprintf("Guest %d", k), Ext: plan.Ext(fmt.Sprint(300 + k%100)), Ports: []string{"FXS 2"}, SIP: true},
		},
		Lines:     []plan.Line{{Name: "Line", Port: "FXO 1"}},
		Emergency: []string{"112"},
	}
	if gone {
		p.Users = p.Users[:1]
	}
	return p
}

// planNumber is the reverse; 0 for a plan that is not of the workload.
func planNumber(p *plan.Plan) (k int) {
	fmt.Sscanf(p.Office, "Office %d", &k)
	return k
}

// caller gives outside number i.
func caller(i int) string { return fmt.Sprintf("0203%06d", i) }

// recordOf gives record number id as it is made under plan k. Of the outside numbers some
// come often and some once.
func recordOf(id, k int) pbx.Record {
	rnd := rand.New(rand.NewPCG(uint64(id), uint64(k)))
	i := rnd.IntN(12)
	if rnd.IntN(3) == 0 {
		i = 1000 + id
	}
	outside := pbx.Party{Number: number.Must(caller(i)), Line: "Line"}
	inside := pbx.Party{User: anna, Ext: "201"}
	if rnd.IntN(3) == 0 {
		inside = pbx.Party{User: guest(k), Ext: planOf(k, false).Users[1].Ext}
	}
	r := pbx.Record{
		From: outside, To: inside, Outcome: pbx.Answered, Cause: pbx.Cause(rnd.IntN(100)), Held: rnd.IntN(2) == 0,
		Began: time.UnixMilli(firstBegan + int64(id)*1000).UTC(), Talked: time.Duration(k) * time.Millisecond,
		Rang: time.Duration(rnd.IntN(60000)) * time.Millisecond,
	}
	switch rnd.IntN(5) {
	case 4: // both were rung, and nobody answered
		r.To, r.Outcome, r.Missed = pbx.Party{}, pbx.NoAnswer, []plan.UserID{anna, guest(k)}
	case 0:
		r.From, r.To = inside, outside
	case 1:
		r.From, r.To = inside, pbx.Party{User: anna, Ext: "201"}
	}
	return r
}

// personOf names whom a party is, for messages between parent and child: "" for nobody.
func personOf(p pbx.Party) string {
	if p.User != "" {
		return string(p.User)
	}
	return p.Number.Reveal()
}

// person is the reverse.
func person(name string) storage.Person {
	if n, err := number.Parse(name); err == nil {
		return storage.Person{Number: n}
	}
	return storage.Person{User: plan.UserID(name)}
}

// secretOf gives anna's secret number n.
func secretOf(n int) pbx.Secret {
	s := pbx.Secret{Ext: "201"}
	binary.BigEndian.PutUint32(s.SHA256[:], uint32(n))
	return s
}

func secretNumber(s pbx.Secret) int { return int(binary.BigEndian.Uint32(s.SHA256[:])) }

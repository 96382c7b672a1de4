package storage

import (
	"math/rand/v2"
	"testing"

	"go.etcd.io/bbolt"
)

// TestSwappedPairs exchanges two rows, or a part of one for a part of another, a thousand
// times: none shows as anything but damaged.
func TestSwappedPairs(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	const records, tries = 300, 1000
	for i := range records {
		switch i % 3 {
		case 0:
			s.Append(callFrom(callerShown, anna))
		case 1:
			s.Append(callFrom(otherCaller, boris))
		default:
			s.Append(aRecord())
		}
	}
	s.flush()
	rows := make([][]byte, records+1)
	if err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketRecords).ForEach(func(k, v []byte) error {
			rows[idOf(k)] = append([]byte(nil), v...)
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	// opens tells whether anything of the value shows under the id.
	at := s.plan.Load()
	opens := func(id RecordID, value []byte) (box bool, parties int) {
		parts, err := s.splitRecord(row{keyOf(uint64(id)), value})
		if err != nil {
			return false, 0
		}
		var c callJSON
		box = s.openJSON(&parts, 0, &c) == nil
		for i := 1; i < len(parts.list); i++ {
			if v := s.As(owner).party(&parts, i, "", false, at); v.State != Unsealed {
				parties++
			}
		}
		return box, parties
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range tries {
		a, b := RecordID(1+r.IntN(records)), RecordID(1+r.IntN(records))
		if a == b {
			continue
		}
		if box, parties := opens(a, rows[b]); box || parties > 0 {
			t.Fatalf("row %d in the place of row %d shows: %v, %d parties", b, a, box, parties)
		}
		one := must(splitRow(bucketRecords, keyOf(uint64(a)), 0, rows[a]))
		two := must(splitRow(bucketRecords, keyOf(uint64(b)), 0, rows[b]))
		i, j := r.IntN(len(one.list)), r.IntN(len(two.list))
		list := append([]part(nil), one.list...)
		list[i] = two.list[j]
		box, parties := opens(a, one.join(list...))
		if box && i == 0 {
			t.Fatalf("the box's part of row %d is taken for that of row %d", b, a)
		}
		if i > 0 {
			if v := partAlone(s, a, one.join(list...), i); v {
				t.Fatalf("part %d of row %d is taken for part %d of row %d", j, b, i, a)
			}
		}
		if box && parties == len(list)-1 {
			t.Fatalf("row %d with part %d of row %d shows whole", a, j, b)
		}
	}
	if box, parties := opens(1, rows[1]); !box || parties == 0 {
		t.Error("an unchanged row does not open") // the control
	}
}

// partAlone tells whether one part of a value opens.
func partAlone(s *Store, id RecordID, value []byte, i int) bool {
	parts, err := s.splitRecord(row{keyOf(uint64(id)), value})
	if err != nil || i >= len(parts.list) {
		return false
	}
	_, err = s.openPart(&parts, i)
	return err == nil
}

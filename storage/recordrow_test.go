package storage

import (
	"sotto/pbx"
	"sotto/storage/keyring"
)

// sealAlone is sealRecord for a record of which nothing is known before.
func (s *Store) sealAlone(id RecordID, day keyring.Day, r *pbx.Record) (recordRow, error) {
	from, to, err := s.sides(r, s.policy().Cut)
	if err != nil {
		return recordRow{}, err
	}
	return s.sealRecord(id, day, r, &from, &to)
}

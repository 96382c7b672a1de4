package policy

import (
	"encoding/json"
	"errors"
)

var sightNames = [...]string{None: "none", Masked: "masked", Whole: "whole"}

func (s Sight) String() string {
	if s > Whole {
		return "unknown"
	}
	return sightNames[s]
}

// MarshalText implements [encoding.TextMarshaler].
func (s Sight) MarshalText() ([]byte, error) {
	if s > Whole {
		return nil, errors.New("no such sight")
	}
	return []byte(sightNames[s]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Sight) UnmarshalText(b []byte) error {
	for i, name := range sightNames {
		if string(b) == name {
			*s = Sight(i)
			return nil
		}
	}
	return errors.New("must be none, masked or whole")
}

// Sights is a sight for some roles. In JSON the roles have their names: {"admin": "none"}.
// [Role] itself is a number in JSON, as accounts on disk have it.
type Sights map[Role]Sight

// MarshalJSON implements [json.Marshaler].
func (m Sights) MarshalJSON() ([]byte, error) {
	named := make(map[string]Sight, len(m))
	for r, s := range m {
		named[r.String()] = s
	}
	return json.Marshal(named)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *Sights) UnmarshalJSON(b []byte) error {
	var named map[string]Sight
	if err := json.Unmarshal(b, &named); err != nil {
		return err
	}
	*m = nil
	for name, s := range named {
		r, ok := RoleNamed(name)
		if !ok {
			return errors.New("no such role")
		}
		if *m == nil {
			*m = Sights{}
		}
		(*m)[r] = s
	}
	return nil
}

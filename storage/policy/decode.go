package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
)

// MaxSize is the size of settings in JSON that [Decode] takes at most, in bytes.
const MaxSize = 16 << 10

// ErrSize says that settings are longer than [MaxSize].
var ErrSize = errors.New("settings: longer than 16 KiB")

// Decode reads settings from JSON, strictly: an unknown field, a wrong type, text after the end
// and more than [MaxSize] bytes are errors. What is left out is as in the preset of the country
// that they name. The error is [Problems] when they can be read and are wrong.
func Decode(b []byte) (Settings, error) {
	if len(b) > MaxSize {
		return Settings{}, ErrSize
	}
	var begun struct {
		Country string `json:"country"`
	}
	if err := json.Unmarshal(b, &begun); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if string(bytes.TrimSpace(b)) == "null" { // which encoding/json takes for any value
		return Settings{}, errors.New("settings: nothing given")
	}
	s := Preset(begun.Country)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Settings{}, errors.New("settings: text after the end")
	}
	if s.Keep == nil { // null
		s.Keep = Preset(begun.Country).Keep
	}
	if err := s.Validate(); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// Clone gives a copy that shares nothing with s.
func (s *Settings) Clone() Settings {
	c := *s
	c.Keep, c.Numbers = maps.Clone(s.Keep), maps.Clone(s.Numbers)
	return c
}

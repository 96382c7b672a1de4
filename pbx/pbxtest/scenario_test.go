package pbxtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// TestScenarios plays every .call file, in every country that it names.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.call")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".call"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, words, err := ParseScene(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if set.Long && underRace {
				t.Skip("too long for the race detector")
			}
			if set.Abroad == nil {
				synctest.Test(t, func(t *testing.T) { Play(t, set, words).Stop(t) })
			}
			for i, code := range set.Abroad {
				if underRace && i > 0 {
					break // one country is enough for the race detector
				}
				set.Country = code
				t.Run(code, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { Play(t, set, words).Stop(t) })
				})
			}
		})
	}
}

package pbxtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// TestScenarios plays every .call file.
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
			synctest.Test(t, func(t *testing.T) {
				o := Run(t, string(text))
				o.Stop(t)
			})
		})
	}
}

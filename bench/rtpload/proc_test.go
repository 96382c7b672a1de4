package main

import (
	"os"
	"testing"
)

func TestUsageOfThisProcess(t *testing.T) {
	u := usageOf(os.Getpid())
	if u.rss <= 0 || u.pss <= 0 || u.pss > u.rss || u.threads < 1 || u.fds < 3 || !alive(os.Getpid()) {
		t.Errorf("%+v", u)
	}
	if before := selfCPU(); before > cpuOnly(os.Getpid()) || usageOf(0) != (usage{}) || cpuOnly(0) != 0 {
		t.Error("time went back, or no process took something")
	}
}

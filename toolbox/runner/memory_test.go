package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMemoryLimitIsThereFromTheStart(t *testing.T) {
	c := connect(t)
	for more, want := range map[string]string{"": "536870912", `,"memoryBytes":100000000`: "100000000"} {
		for range 10 {
			c.run("a", []string{"cat", "/proc/self/limits"}, more)
			end := c.end("a")
			for _, line := range []string{"Max address space " + want + " " + want, "Max core file size 0 0", "Max open files 1024 1024"} {
				if !strings.Contains(strings.Join(strings.Fields(end.out), " "), line) {
					t.Fatalf("no %q in %s %v", line, end.out, end)
				}
			}
		}
	}
}

func TestMemoryLimitEndsAnEater(t *testing.T) {
	c := connect(t)
	c.run("a", []string{"sh", "-c", "head -c 300000000 /dev/zero | tail -c 300000000 | head -c 0"}, `,"memoryBytes":67108864`)
	c.run("b", []string{"tail", "/dev/zero"}, `,"memoryBytes":67108864`)
	end := c.end("b")
	if end.EndCause != "exited" || *end.ExitCode == 0 || !strings.Contains(end.err, "memory") || end.PeakMemoryBytes > 67108864 {
		t.Errorf("%q %v", end.err, end)
	}
}

// The counter is a file of the test's; in a container it is the kernel's.
func TestKillForMemoryIsOom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.events")
	c := connect(t, "RUNNER_OOM_FILE="+file)
	c.run("a", []string{"sh", "-c", "kill -KILL $$"}, "")
	if end := c.end("a"); end.EndCause != "exited" || end.signal() != "SIGKILL" || end.Killed {
		t.Errorf("killed, but not for memory: %v", end)
	}
	c.run("a", []string{"sh", "-c", "printf 'low 0\\noom 1\\noom_kill 1\\n' > " + file + "; kill -KILL $$"}, "")
	if end := c.end("a"); end.EndCause != "oom" || end.signal() != "SIGKILL" {
		t.Error(end)
	}
	c.run("a", []string{"sh", "-c", "kill -KILL $$"}, "")
	if end := c.end("a"); end.EndCause != "exited" {
		t.Errorf("an earlier kill was counted again: %v", end)
	}
}

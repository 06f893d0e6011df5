package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// finish reports the run's end: the tool has ended, no descendant of it is left, and its output has been sent or given up.
func (r *run) finish(exited <-chan exit) {
	e := <-exited
	strays := r.server.family.sweep()
	r.stdout.lastCall()
	r.stderr.lastCall()
	<-r.stdout.done
	<-r.stderr.done

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, timer := range append(r.planned, r.killer) {
		if timer != nil {
			timer.Stop()
		}
	}
	r.over = true
	report := ended{
		ID: r.id, Killed: r.killed, Stdout: r.stdout.summary(), Stderr: r.stderr.summary(), Strays: strays,
		Millis: time.Since(r.started).Milliseconds(), PeakMemoryBytes: e.usage.Maxrss << 10,
	}
	report.EndCause = r.endCause(e.status, report.Stdout.Whole && report.Stderr.Whole)
	if e.status.Signaled() {
		name := signalName(e.status.Signal())
		report.Signal = &name
	} else {
		code := e.status.ExitStatus()
		report.ExitCode = &code
	}
	r.server.mu.Lock()
	delete(r.server.runs, r.id)
	r.server.mu.Unlock()
	r.server.out.event(report)
}

// endCause: a stop that found the tool ended did nothing, unless output was given up for it.
func (r *run) endCause(status syscall.WaitStatus, whole bool) string {
	if r.cause != "" && !(r.late && whole) {
		return r.cause
	}
	if status.Signaled() && status.Signal() == syscall.SIGKILL && !r.killed && oomKills() > r.oomKills {
		return "oom"
	}
	return "exited"
}

// The files of cgroup v2 and v1 that count the container's processes killed by the kernel for memory.
var oomFiles = []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}

func oomKills() (n int64) {
	for _, path := range oomFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
				return n
			}
		}
	}
	return 0
}

var signalNames = map[syscall.Signal]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1",
	11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}

func signalName(signal syscall.Signal) string {
	if name := signalNames[signal]; name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}

package main

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

func TestRunReportsOutputAndExit(t *testing.T) {
	c := connect(t)
	c.run("a", []string{"sh", "-c", `printf 'x\000y'; echo e >&2; exit 3`}, "")
	end := c.end("a")
	if end.out != "x\x00y" || end.err != "e\n" || *end.ExitCode != 3 || end.EndCause != "exited" || end.Killed ||
		!end.Stdout.Whole || !end.Stderr.Whole || end.PeakMemoryBytes < 1<<20 {
		t.Fatal(end)
	}
	c.run("a", []string{"sh", "-c", "kill -SEGV $$"}, "")
	if end := c.end("a"); end.signal() != "SIGSEGV" || end.ExitCode != nil || end.EndCause != "exited" {
		t.Fatal(end)
	}
}

func TestRunPassesArgumentsUnchanged(t *testing.T) {
	c := connect(t)
	arguments := []string{"", "a\nb", "$(id)", "ä€👩‍👩‍👧", "\x01\x1b[31m\x7f", `{"do":"stop"}` + "\n", strings.Repeat("x", 131_000)}
	c.run("a", append([]string{"printf", "%s|"}, arguments...), "")
	if end := c.end("a"); end.out != strings.Join(arguments, "|")+"|" {
		t.Fatalf("%.300q", end.out)
	}
}

func TestRunPassesStdinAndOutputOfAnyBytes(t *testing.T) {
	c := connect(t)
	random := rand.New(rand.NewSource(1))
	for _, size := range []int{1, 4095, 65_535, 65_536, 65_537, maxPayload} {
		input := make([]byte, size)
		random.Read(input)
		c.run("a", []string{"cat"}, "", input...)
		if end := c.end("a"); end.out != string(input) || !end.Stdout.Whole {
			t.Errorf("%d bytes: %v", size, end)
		}
	}
	c.run("a", []string{"cat"}, "")
	if end := c.end("a"); end.out != "" || *end.ExitCode != 0 {
		t.Errorf("without a payload stdin is empty: %v", end)
	}
}

func TestRunStartsCleanly(t *testing.T) {
	c := connect(t)
	c.run("a", []string{"true"}, "", make([]byte, 1_000_000)...)
	if end := c.end("a"); *end.ExitCode != 0 {
		t.Errorf("stdin that nobody reads: %v", end)
	}
	c.run("b", []string{"sh", "-c", "kill -PIPE $$; echo ignored"}, "")
	if end := c.end("b"); end.signal() != "SIGPIPE" {
		t.Errorf("a tool does not start with default signals: %v", end)
	}
	c.run("c", []string{"env"}, "")
	if end := c.end("c"); end.out != "PATH="+searchPath+"\nLANG=C.UTF-8\nHOME=/\n" {
		t.Errorf("%q", end.out)
	}
	scratched := connect(t, "RUNNER_SCRATCH=yes")
	scratched.run("c", []string{"env"}, "")
	if end := scratched.end("c"); !strings.Contains(end.out, "TMPDIR=/dev/shm\n") {
		t.Errorf("%q", end.out)
	}
}

func TestRunRefusesWhatIsNotAllowed(t *testing.T) {
	c := connect(t)
	for request, code := range map[string]string{
		`"argv":["rm","x"],"seconds":5`:                                               "not-allowed",
		`"argv":["/bin/sh"],"seconds":5`:                                              "not-allowed",
		`"argv":[""],"seconds":5`:                                                     "not-allowed",
		`"argv":["sh"],"seconds":5,"tty":{"rows":1,"cols":1}`:                         "not-allowed",
		`"argv":[],"seconds":5`:                                                       "bad-request",
		`"argv":["true"]`:                                                             "bad-request",
		`"argv":["true"],"seconds":1e300`:                                             "bad-request",
		`"argv":["true"],"seconds":5,"grace":-1`:                                      "bad-request",
		`"argv":["true"],"seconds":5,"stopAfterSeconds":0`:                            "bad-request",
		`"argv":["true"],"seconds":5,"window":-1`:                                     "bad-request",
		`"argv":["true","a\u0000b"],"seconds":5`:                                      "bad-request",
		`"argv":["true","\ud800"],"seconds":5`:                                        "bad-request",
		"\"argv\":[\"true\",\"\xff\"],\"seconds\":5":                                  "bad-request",
		`"argv":["true"],"seconds":5,"limits":{"stderr":2000000}`:                     "bad-request",
		`"argv":["true"],"seconds":5,"limits":{"stdout":-1}`:                          "bad-request",
		`"argv":["true"],"seconds":5,"memoryBytes":1000`:                              "bad-request",
		fmt.Sprintf(`"argv":["true","%s"],"seconds":5`, strings.Repeat("x", 131_072)): "not-started",
	} {
		c.send(`{"do":"run","id":"a",%s}`, request)
		if end := c.end("a"); end.Code != code || end.Request != "run" {
			t.Errorf("%.80s: %v", request, end)
		}
	}
}

func TestRunsKeepTheirNumberAndTheirIds(t *testing.T) {
	c := connect(t)
	for i := range maxRuns {
		c.run(fmt.Sprint("r", i), []string{"sleep", "8"}, "")
	}
	for range maxRuns {
		c.next()
	}
	c.run("r0", []string{"true"}, "")
	if e := c.next(); e.Code != "duplicate-id" || *e.Error != "r0" {
		t.Fatal(e)
	}
	c.run("one more", []string{"true"}, "")
	if e := c.next(); e.Code != "bad-request" || *e.Error != "" {
		t.Fatal(e)
	}
	c.run("more", []string{"true"}, "")
	if e := c.next(); e.Code != "too-many-runs" {
		t.Fatal(e)
	}
}

func TestFiftyWaitAtOnce(t *testing.T) {
	c := connect(t)
	begun := time.Now()
	for i := range 50 {
		c.run(fmt.Sprint("r", i), []string{"sleep", "1"}, "")
	}
	for left := 50; left > 0; {
		if e := c.next(); e.Ended != "" {
			if left--; *e.ExitCode != 0 {
				t.Error(e)
			}
		}
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("50 that wait 1 s took %v", took)
	}
}

func TestManyRunsAtOnceLoseNothing(t *testing.T) {
	c := connect(t)
	for range 3 {
		for i := range 60 {
			c.run(fmt.Sprint("r", i), []string{"head", "-c", fmt.Sprint(i * 3333), "/dev/urandom"}, `,"seconds":30`)
		}
		for left := 60; left > 0; {
			e := c.next()
			if e.Ended == "" {
				continue
			}
			left--
			want := int64(0)
			_, _ = fmt.Sscanf(e.Ended, "r%d", &want)
			if e.Stdout.Bytes != want*3333 || !e.Stdout.Whole {
				t.Errorf("want %d: %v", want*3333, e)
			}
		}
	}
}

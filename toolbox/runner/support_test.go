package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The tests talk to a real serve: this test binary, executed again.
func TestMain(m *testing.M) {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "confine":
		confine(os.Args[2:])
	case "hold":
		idle, _ := time.ParseDuration(os.Args[2])
		hold(idle)
	case "serve":
		serveForTest()
	}
	os.Exit(m.Run())
}

func serveForTest() {
	tools := map[string]tool{}
	for _, name := range []string{"sh", "bash", "cat", "head", "sleep", "tail", "true", "printf", "env", "tcpdump"} {
		if path, err := exec.LookPath(name); err == nil {
			tools[name] = tool{path: path, free: os.Getenv("RUNNER_CONFINED") == "", scratch: os.Getenv("RUNNER_SCRATCH") == "yes"}
		}
	}
	if file := os.Getenv("RUNNER_OOM_FILE"); file != "" {
		oomFiles = []string{file}
	}
	if file := os.Getenv("RUNNER_HOSTS"); file != "" {
		resolverFiles["hosts"] = file
	}
	silence, _ := time.ParseDuration(os.Getenv("RUNNER_SILENCE"))
	serve(silence, tools, os.Getenv("RUNNER_SHELL") == "yes")
}

type event struct {
	Hello           *hello
	Started, Output string
	Pong            json.RawMessage
	Pid, Holder     int
	Closed          bool
	Error           *string
	Request, Code   string
	Stream          string
	Bytes           int
	Ended           string
	ExitCode        *int
	Signal          *string
	EndCause        string
	Killed          bool
	Stdout, Stderr  streamSummary
	Strays          int
	Millis          int64
	PeakMemoryBytes int64
	payload         []byte
}

func (e event) String() string {
	e.payload = nil
	text, _ := json.Marshal(e)
	return string(text)
}

func (e event) signal() string {
	if e.Signal == nil {
		return ""
	}
	return *e.Signal
}

type client struct {
	t       *testing.T
	in      io.WriteCloser
	out     *bufio.Reader
	command *exec.Cmd
	hello   hello
}

func connect(t *testing.T, environment ...string) *client {
	t.Helper()
	command := exec.Command(os.Args[0], "serve")
	command.Env = append(append(os.Environ(), "RUNNER_SILENCE=1m"), environment...)
	command.Stderr = os.Stderr
	in, _ := command.StdinPipe()
	out, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, in: in, out: bufio.NewReader(out), command: command}
	t.Cleanup(func() { in.Close(); _ = command.Wait() })
	first := c.next()
	if first.Hello == nil {
		t.Fatalf("no hello: %v", first)
	}
	c.hello = *first.Hello
	return c
}

func (c *client) send(format string, arguments ...any) { fmt.Fprintf(c.in, format+"\n", arguments...) }

// run sends a run of argv with 9 seconds; more is other fields of the request, as JSON text.
func (c *client) run(id string, argv []string, more string, payload ...byte) {
	line, _ := json.Marshal(argv)
	if !strings.Contains(more, `"seconds"`) {
		more += `,"seconds":9`
	}
	if len(payload) > 0 {
		more += fmt.Sprintf(`,"bytes":%d`, len(payload))
	}
	c.send(`{"do":"run","id":%q,"argv":%s%s}`, id, line, more)
	_, _ = c.in.Write(payload)
}

func (c *client) next() (e event) {
	c.t.Helper()
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		c.t.Fatalf("the channel ended: %v", err)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		c.t.Fatalf("%v: %q", err, line)
	}
	if e.Output != "" {
		e.payload = make([]byte, e.Bytes)
		if _, err := io.ReadFull(c.out, e.payload); err != nil {
			c.t.Fatal(err)
		}
	}
	return e
}

// outcome is all that was received of one run, and what other runs put out meanwhile.
type outcome struct {
	event
	out, err, others string
}

// end reads until the run's end and proves its bytes and hashes.
func (c *client) end(id string) (o outcome) {
	c.t.Helper()
	for {
		o.event = c.next()
		switch e := o.event; {
		case e.Ended == id:
			prove(c.t, e.Stdout, o.out)
			prove(c.t, e.Stderr, o.err)
			return o
		case e.Error != nil && *e.Error == id:
			return o
		case e.Output == id && e.Stream == "stdout":
			o.out += string(e.payload)
		case e.Output == id:
			o.err += string(e.payload)
		default:
			o.others += string(e.payload)
		}
	}
}

func prove(t *testing.T, stated streamSummary, received string) {
	t.Helper()
	sum := sha256.Sum256([]byte(received))
	if stated.SHA256 != hex.EncodeToString(sum[:]) || stated.Bytes != int64(len(received)) {
		t.Fatalf("%+v does not describe the %d bytes that came", stated, len(received))
	}
}

// waitGone waits until no process of this machine has the mark on its command line.
func waitGone(t *testing.T, mark string, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		alive := ""
		for _, p := range processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
			if strings.Contains(string(line), mark) && p.pid != os.Getpid() {
				alive += fmt.Sprintf("%d %q\n", p.pid, line)
			}
		}
		if alive == "" {
			return
		}
		if time.Now().After(end) {
			t.Errorf("still alive:\n%s", alive)
			return
		}
	}
}

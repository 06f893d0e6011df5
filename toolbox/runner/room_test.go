package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Writes numbered records, as tcpdump with -U does, until TERM; then says how many. Bash interrupts a write that waits, and loses it.
const recorder = `trap 'over=1' TERM
for ((n = 0; ; n++)); do [ -z "$over" ] || break; printf '%0999d\n' $n; done
echo "wrote $n" >&2`

func TestStopLosesNothingOfAToolThatWaitsForItsPipe(t *testing.T) {
	for _, cause := range []string{"finished", "shutdown", "cancelled"} {
		c := connect(t)
		c.run("a", []string{"bash", "-c", recorder}, `,"window":0`)
		if e := c.next(); e.Started != "a" {
			t.Fatal(e)
		}
		time.Sleep(500 * time.Millisecond) // by now it waits: nothing is taken
		c.send(`{"do":"stop","id":"a","cause":%q,"grace":5}`, cause)
		time.Sleep(200 * time.Millisecond)
		c.send(`{"do":"credit","id":"a","bytes":100000000}`)
		end := c.end("a")
		records := strings.Count(end.out, "\n")
		if end.EndCause != cause || end.Killed || !end.Stdout.Whole || len(end.out) != records*1000 {
			t.Errorf("%s: %d bytes, %v", cause, len(end.out), end)
		}
		if !strings.Contains(end.err, fmt.Sprintf("wrote %d\n", records)) || strings.Contains(end.err, "error") {
			t.Errorf("%s: %d records arrived: %s", cause, records, end.err)
		}
	}
}

func TestStopInTheMiddleOfAFlood(t *testing.T) {
	for range 5 {
		c := connect(t)
		c.run("a", []string{"bash", "-c", recorder}, `,"stopAfterSeconds":0.3,"grace":5,"window":100000000000`)
		c.next()
		end := c.end("a")
		if records := strings.Count(end.out, "\n"); end.EndCause != "finished" || !strings.Contains(end.err, fmt.Sprintf("wrote %d\n", records)) {
			t.Errorf("%d records arrived: %s %v", records, end.err, end)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

const (
	maxSeconds   = 86400.0
	maxGrace     = 600.0
	maxAmount    = 1 << 50 // of a window, of credit, of a limit
	maxStderr    = 1 << 20 // small, because stderr needs no credit
	minMemory    = 16 << 20
	maxMemory    = 1 << 40
	defaultGrace = 2 * time.Second
)

// request is what the service asks for; README.md describes the fields.
type request struct {
	Do               string          `json:"do"`
	ID               string          `json:"id"`
	Argv             []string        `json:"argv"`
	Seconds          float64         `json:"seconds"`
	StopAfterSeconds *float64        `json:"stopAfterSeconds"`
	Grace            *float64        `json:"grace"`
	Window           *int64          `json:"window"`
	Limits           limits          `json:"limits"`
	MemoryBytes      uint64          `json:"memoryBytes"`
	Live             bool            `json:"live"`
	Terminal         *terminalSize   `json:"tty"`
	Bytes            int64           `json:"bytes"`
	Cause            string          `json:"cause"`
	Name             string          `json:"name"`
	N                json.RawMessage `json:"n"`
}

type limits struct {
	Stdout int64 `json:"stdout"`
	Stderr int64 `json:"stderr"`
}

type terminalSize struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

var (
	validID    = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	stopCauses = map[string]bool{"finished": true, "cancelled": true, "shutdown": true}
)

// check refuses values out of their range, whatever the request is.
func (r request) check() error {
	wrong := ""
	switch {
	case r.Do == "ping":
		if len(r.N) > 1024 {
			wrong = "n"
		}
	case r.Do == "close":
	case !validID.MatchString(r.ID):
		wrong = "id"
	case r.Grace != nil && (*r.Grace < 0 || *r.Grace > maxGrace):
		wrong = "grace"
	case r.Terminal != nil && (r.Terminal.Rows == 0 || r.Terminal.Cols == 0):
		wrong = "tty"
	case r.Do == "run":
		wrong = r.wrongInRun()
	case r.Do == "credit" && (r.Bytes < 1 || r.Bytes > maxAmount):
		wrong = "bytes"
	case r.Do == "stop" && !stopCauses[r.Cause]:
		wrong = "cause"
	case r.Do == "resize" && r.Terminal == nil:
		wrong = "tty"
	}
	if wrong == "" {
		return nil
	}
	return refusal{"bad-request", fmt.Sprintf("%q is missing or out of its range", wrong)}
}

func (r request) wrongInRun() string {
	switch {
	case len(r.Argv) == 0:
		return "argv"
	case r.Seconds <= 0 || r.Seconds > maxSeconds:
		return "seconds"
	case r.StopAfterSeconds != nil && (*r.StopAfterSeconds <= 0 || *r.StopAfterSeconds > maxSeconds):
		return "stopAfterSeconds"
	case r.Window != nil && (*r.Window < 0 || *r.Window > maxAmount):
		return "window"
	case r.Limits.Stdout < 0 || r.Limits.Stdout > maxAmount:
		return "limits.stdout"
	case r.Limits.Stderr < 0 || r.Limits.Stderr > maxStderr:
		return "limits.stderr"
	case r.MemoryBytes != 0 && (r.MemoryBytes < minMemory || r.MemoryBytes > maxMemory):
		return "memoryBytes"
	case r.Terminal != nil && r.Bytes > 0:
		return "bytes"
	}
	for _, argument := range r.Argv {
		if strings.ContainsAny(argument, "\x00\uFFFD") { // the decoder writes U+FFFD for what is not valid: never run something else
			return "argv"
		}
	}
	return ""
}

// graceOr is how long the tool may take to end after TERM; other where the request does not say.
func (r request) graceOr(other time.Duration) time.Duration {
	if r.Grace == nil {
		return other
	}
	return inSeconds(*r.Grace)
}

func inSeconds(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

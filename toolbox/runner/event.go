package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

const (
	headRoom  = 192               // room for an output frame's line in front of its payload
	blockSize = 64<<10 - headRoom // output is gathered into frames of at most 64 KiB in all
)

type ended struct {
	ID              string        `json:"ended"`
	ExitCode        *int          `json:"exitCode"`
	Signal          *string       `json:"signal"`
	EndCause        string        `json:"endCause"`
	Killed          bool          `json:"killed"`
	Stdout          streamSummary `json:"stdout"`
	Stderr          streamSummary `json:"stderr"`
	Strays          int           `json:"strays"`
	Millis          int64         `json:"millis"`
	PeakMemoryBytes int64         `json:"peakMemoryBytes"`
}

type streamSummary struct {
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Dropped int64  `json:"dropped"`
	Whole   bool   `json:"whole"`
}

// eventWriter writes frames whole, one after the other. A broken channel needs no error here: it shows as the end of stdin.
type eventWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *eventWriter) event(event any) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err) // only a type of ours that can't be JSON
	}
	w.write(append(line, '\n'))
}

func (w *eventWriter) started(id string, pid int) {
	w.event(map[string]any{"started": id, "pid": pid})
}

// failure answers a request that can't be served. An id that is not valid is not repeated.
func (w *eventWriter) failure(req request, code, message string) {
	id := req.ID
	if !validID.MatchString(id) {
		id = ""
	}
	w.event(map[string]any{"error": id, "request": fmt.Sprintf("%.20s", req.Do), "code": code, "message": fmt.Sprintf("%.400s", message)})
}

// output sends block[start:], with the frame's line written over the headRoom before it: one write, no copy.
func (w *eventWriter) output(id, stream string, block []byte, start int) {
	line := fmt.Appendf(nil, `{"output":"%s","stream":"%s","bytes":%d}`+"\n", id, stream, len(block)-start)
	frame := block[start-len(line):]
	copy(frame, line)
	w.write(frame)
}

func (w *eventWriter) write(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.out.Write(frame)
}

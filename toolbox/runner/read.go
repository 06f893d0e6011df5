package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// The pod's resolver files: what read may name, and where it lies.
var resolverFiles = map[string]string{
	"resolv.conf": "/etc/resolv.conf", "hosts": "/etc/hosts", "nsswitch.conf": "/etc/nsswitch.conf", "host.conf": "/etc/host.conf",
}

// read answers with one of the resolver files, in the form of a run that put it out.
func (s *server) read(req request) error {
	path, known := resolverFiles[req.Name]
	if !known {
		return refusal{"not-allowed", fmt.Sprintf("%.100q is not a file that can be read", req.Name)}
	}
	begun := time.Now()
	content, size, err := readRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refusal{"not-found", err.Error()}
	case err != nil:
		return refusal{"unreadable", err.Error()}
	}
	s.out.started(req.ID, 0)
	block := make([]byte, headRoom+blockSize)
	for rest := content; len(rest) > 0; {
		n := copy(block[headRoom:], rest)
		s.out.output(req.ID, "stdout", block[:headRoom+n], headRoom)
		rest = rest[n:]
	}
	code := 0
	report := ended{
		ID: req.ID, ExitCode: &code, EndCause: "exited", Stdout: summaryOf(content), Stderr: summaryOf(nil),
		Millis: time.Since(begun).Milliseconds(),
	}
	if dropped := size - int64(len(content)); dropped > 0 {
		report.EndCause, report.Stdout.Dropped, report.Stdout.Whole = "limit", dropped, false
	}
	s.out.event(report)
	return nil
}

// readRegular returns at most maxPayload bytes of a file, and its size. It never waits: the file may be anything in another image.
func readRegular(path string) (content []byte, size int64, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	content, err = io.ReadAll(io.LimitReader(file, maxPayload))
	return content, max(info.Size(), int64(len(content))), err
}

func summaryOf(content []byte) streamSummary {
	sum := sha256.Sum256(content)
	return streamSummary{Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Whole: true}
}

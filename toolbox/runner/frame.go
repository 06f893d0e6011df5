package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	maxLine    = 2 << 20
	maxPayload = 1 << 20
)

// refusal answers one request; the channel goes on.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.message }

// badFrame is the end of a channel: where the next frame begins is unknown, and what follows may be anybody's bytes.
type badFrame struct{ reason string }

func (b badFrame) Error() string { return b.reason }

// readFrame returns the next request and its payload. The error is a refusal, a badFrame, or io.EOF where the service has closed the
// channel; with a refusal the request holds what could be read of it.
func readFrame(in *bufio.Reader) (request, []byte, error) {
	line, err := readLine(in)
	if err != nil {
		return request{}, nil, err
	}
	var head struct {
		Bytes json.RawMessage `json:"bytes"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return request{}, nil, badFrame{"not a JSON object: " + err.Error()}
	}
	size := uint64(0)
	if head.Bytes != nil {
		if size, err = strconv.ParseUint(string(head.Bytes), 10, 62); err != nil {
			return request{}, nil, badFrame{fmt.Sprintf("bytes: %.40q is not a number from 0", head.Bytes)}
		}
	}
	var req request
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	malformed := decoder.Decode(&req) // fields that it can't read are left out, the others are there
	if req.Do == "credit" {
		size = 0 // an amount, no payload
	}
	payload, err := readPayload(in, size)
	if err == nil && malformed != nil {
		err = refusal{"bad-request", malformed.Error()}
	}
	return req, payload, err
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, badFrame{fmt.Sprintf("a line of more than %d bytes", maxLine)}
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, io.EOF // what is there of a line is no request
		}
	}
}

func readPayload(in *bufio.Reader, size uint64) ([]byte, error) {
	if size > maxPayload {
		if _, err := io.CopyN(io.Discard, in, int64(size)); err != nil {
			return nil, io.EOF
		}
		return nil, refusal{"too-large", fmt.Sprintf("payload of %d bytes, at most %d", size, maxPayload)}
	}
	if size == 0 {
		return nil, nil
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(in, payload); err != nil {
		return nil, io.EOF
	}
	return payload, nil
}

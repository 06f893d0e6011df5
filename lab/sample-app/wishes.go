package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// wishes reads what the query asks for; bytes is -1 where it does not say.
func wishes(r *http.Request) (delay time.Duration, status int, bytes int64, err error) {
	status, bytes = http.StatusOK, -1
	query := r.URL.Query()
	if text := query.Get("delay"); text != "" {
		if delay, err = time.ParseDuration(text); err != nil || delay < 0 || delay > maxDelay {
			return 0, 0, 0, fmt.Errorf("delay %q is no duration up to %s", text, maxDelay)
		}
	}
	if text := query.Get("status"); text != "" {
		if status, err = strconv.Atoi(text); err != nil || status < 200 || status > 599 {
			return 0, 0, 0, fmt.Errorf("status %q is no number from 200 to 599", text)
		}
	}
	if text := query.Get("bytes"); text != "" {
		if bytes, err = strconv.ParseInt(text, 10, 64); err != nil || bytes < 0 || bytes > maxBytes {
			return 0, 0, 0, fmt.Errorf("bytes %q is no number up to %d", text, maxBytes)
		}
	}
	return delay, status, bytes, nil
}

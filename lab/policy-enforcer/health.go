package main

import (
	"net/http"
	"sync/atomic"
)

// health is why the table may not hold what the policies ask for; empty: it does.
type health struct{ reason atomic.Value }

func (h *health) set(reason string) { h.reason.Store(reason) }

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if reason, _ := h.reason.Load().(string); reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
	}
}

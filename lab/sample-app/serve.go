package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	maxDelay = time.Minute
	maxBytes = 1 << 30
)

func serveHTTP(address string) error {
	return newServer(address).ListenAndServe()
}

func serveTLS(address string, names []string, valid time.Duration) error {
	server := newServer(address)
	server.TLSConfig = &tls.Config{GetCertificate: certificates(names, valid)}
	return server.ListenAndServeTLS("", "")
}

func newServer(address string) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answer)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	return &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

// answer obeys the query: ?delay=250ms&status=503&bytes=1000000. Without bytes it tells what it was asked.
func answer(w http.ResponseWriter, r *http.Request) {
	delay, status, bytes, err := wishes(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	if bytes >= 0 {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(bytes, 10))
		w.WriteHeader(status)
		if _, err := io.CopyN(w, zeros{}, bytes); err != nil {
			log.Printf("GET %s: %v", r.URL, err)
		}
		return
	}
	host, _ := os.Hostname()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"host": host, "from": r.RemoteAddr, "to": r.Host, "protocol": r.Proto, "tls": r.TLS != nil,
		"method": r.Method, "path": r.URL.Path, "headers": r.Header,
	})
}

type zeros struct{}

func (zeros) Read(buffer []byte) (int, error) {
	clear(buffer)
	return len(buffer), nil
}

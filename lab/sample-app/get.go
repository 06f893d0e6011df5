package main

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"strings"
	"time"
)

// A new connection for each request, so that traffic shows handshakes; any certificate will do.
var client = &http.Client{
	Timeout: 5 * time.Second,
	Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	},
}

// getEvery fails only where it was to ask once: a client that runs for ever outlives its server's restarts.
func getEvery(ctx context.Context, url string, every time.Duration) error {
	for {
		err := get(ctx, url)
		if every == 0 {
			return err
		}
		if err != nil {
			log.Print(err)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil
		}
	}
}

func get(ctx context.Context, url string) error {
	from := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 300))
	if err != nil {
		return err
	}
	log.Printf("GET %s: %s in %s: %s", url, response.Status, time.Since(from).Round(time.Microsecond), strings.TrimSpace(string(body)))
	return nil
}

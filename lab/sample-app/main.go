// Command sample-app is a small server to be looked into: HTTP, TLS and echo in one static file without a shell.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	httpAddress := flag.String("http", ":8080", "HTTP address; empty: none")
	tlsAddress := flag.String("tls", ":8443", "TLS address (HTTP/1.1 and HTTP/2); empty: none")
	echoAddress := flag.String("echo", ":7007", "TCP and UDP echo address; empty: none")
	names := flag.String("names", "localhost", "names in the certificate, comma-separated")
	days := flag.Int("days", 30, "days that the certificate is valid from now; negative: it has expired")
	get := flag.String("get", "", "instead of serving: GET this URL and print the answer")
	every := flag.Duration("every", 0, "with -get: again and again, at this interval")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *get != "" {
		if err := getEvery(ctx, *get, *every); err != nil {
			log.Fatal(err)
		}
		return
	}

	failed := make(chan error, 4)
	if *httpAddress != "" {
		go func() { failed <- serveHTTP(*httpAddress) }()
	}
	if *tlsAddress != "" {
		go func() { failed <- serveTLS(*tlsAddress, strings.Split(*names, ","), validity(*days)) }()
	}
	if *echoAddress != "" {
		go func() { failed <- echoTCP(*echoAddress) }()
		go func() { failed <- echoUDP(*echoAddress) }()
	}
	log.Printf("serving HTTP on %q, TLS on %q, echo on %q", *httpAddress, *tlsAddress, *echoAddress)
	select {
	case err := <-failed:
		log.Fatal(errors.Join(errors.New("cannot serve"), err))
	case <-ctx.Done():
	}
}

func validity(days int) time.Duration { return time.Duration(days) * 24 * time.Hour }

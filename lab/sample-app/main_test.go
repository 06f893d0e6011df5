package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func ask(t *testing.T, target string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	newServer("").Handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder
}

func TestAnswerObeysTheQuery(t *testing.T) {
	from := time.Now()
	if got := ask(t, "/?delay=50ms&status=503&bytes=100000"); got.Code != 503 || got.Body.Len() != 100_000 {
		t.Errorf("status %d, %d bytes", got.Code, got.Body.Len())
	}
	if took := time.Since(from); took < 50*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
	if got := ask(t, "/healthz"); got.Code != 200 || got.Body.String() != "ok\n" {
		t.Errorf("healthz: %d %q", got.Code, got.Body)
	}
}

func TestAnswerRefusesWishesThatAreNone(t *testing.T) {
	for _, query := range []string{"delay=x", "delay=-1s", "delay=2m", "status=99", "status=600", "bytes=-1", "bytes=1e9", "bytes=2000000000"} {
		if got := ask(t, "/?"+query); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, got.Code)
		}
	}
}

func TestCertificatesAreWhatTheNameAsksFor(t *testing.T) {
	names := []string{"web", "web.shop"}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	server.TLS = &tls.Config{GetCertificate: certificates(names, time.Hour)}
	server.StartTLS()
	defer server.Close()
	peer := func(name string) *x509.Certificate {
		t.Helper()
		connection, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0]
	}
	if good := peer("web.shop"); good.VerifyHostname("web.shop") != nil || time.Now().After(good.NotAfter) {
		t.Errorf("web.shop: %v until %s", good.DNSNames, good.NotAfter)
	}
	if expired := peer("expired.shop"); time.Now().Before(expired.NotAfter) {
		t.Errorf("expired.shop is valid until %s", expired.NotAfter)
	}
	if mismatch := peer("mismatch.shop"); mismatch.VerifyHostname("mismatch.shop") == nil {
		t.Errorf("mismatch.shop is for %v", mismatch.DNSNames)
	}
}

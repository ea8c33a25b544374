package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestProfilesAreForThisComputerAlone(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "localhost:0", "x"} {
		if stop, err := profiles(t.Context(), address, log); err == nil {
			stop()
			t.Errorf("served at %s", address)
		}
	}
	var said strings.Builder
	stop, err := profiles(t.Context(), "127.0.0.1:0", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	_, address, _ := strings.Cut(said.String(), "address=")
	address = strings.TrimSpace(address)
	get := func(host string) (status int, body string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/debug/pprof/goroutine?debug=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(b)
	}
	if status, body := get(address); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := get("evil.example:80"); status != http.StatusForbidden {
		t.Errorf("%d for a page of another site", status)
	}
}

package path

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

func TestTURNNeedsItsCertificate(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	client := TURNClient{Mux: NewMux(), TLS: new(tls.Config), Logger: slog.New(slog.DiscardHandler)} // does not know the authority
	defer func() { must(t, client.Mux.Close()) }()
	servers, err := s.Servers("tls")(t.Context())
	must(t, err)
	if _, err := client.Allocate(t.Context(), servers, nil); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("%v", err)
	}
	if _, err := client.Allocate(t.Context(), []signalling.ICEServer{{URLs: []string{s.URLs["udp"]}}}, nil); err == nil {
		t.Error("an allocation without credentials")
	}
}

func TestTURNWays(t *testing.T) {
	got := turnWays([]signalling.ICEServer{
		{URLs: []string{"turn:a.example", "nonsense", "stun:a.example", "turns:a.example:443?transport=tcp", "turns:a.example?transport=udp"}, Username: "u", Credential: "c"},
		{URLs: []string{"turn:b.example"}},
		{URLs: slices.Repeat([]string{"turn:c.example?transport=tcp"}, 20), Username: "u", Credential: "c"},
	})
	if len(got) != maxTURN || got[0].uri.Host != "a.example" || got[1].uri.Port != 443 || got[2].uri.Host != "c.example" {
		t.Errorf("%d ways: %+v", len(got), got)
	}
}

package turn_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	pion "github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/turn"
)

const (
	patience = 20 * time.Second
	domain   = "relay.example"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// openBoth opens a TURN server and a public relay that passes TLS connections to
// it, and returns the relay's port.
func openBoth(t *testing.T, allow ...netip.Prefix) (*turn.Server, string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := turn.Open(context.Background(), turn.Options{
		Secret: bytes.Repeat([]byte("s"), 32), Realm: domain, Listen: "127.0.0.1:0",
		Public: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, AllowPeers: allow,
		TURN: []string{"turn:" + domain}, Logger: log,
	})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	certificate, err := turn.LoadCertificate()
	must(t, err)
	r, err := relay.Open(context.Background(), relay.Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Domain: domain, Logger: log, Turn: s,
		Pages:          fstest.MapFS{"index.html": {Data: []byte("<p>a page</p>")}},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil },
	})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	base := r.Addresses()[0].Base
	return s, base[strings.LastIndex(base, ":")+1:]
}

// TestWebRTC connects two real peers of which one, then both, have only relayed
// candidates: over UDP, TCP, and TLS at the port of HTTPS.
func TestWebRTC(t *testing.T) {
	for _, both := range []bool{false, true} {
		for _, w := range []string{"udp", "tcp", "tls"} {
			name := w
			if both {
				name += " on both sides"
			}
			t.Run(name, func(t *testing.T) {
				// Two relayed peers meet at the relay's own address, which
				// needs no permission of the laboratory's.
				var allow []netip.Prefix
				if !both {
					allow = append(allow, netip.MustParsePrefix("0.0.0.0/0"))
				}
				s, port := openBoth(t, allow...)
				url := "turn:" + s.Addr().String() + "?transport=" + w
				if w == "tls" {
					url = "turns:127.0.0.1:" + port + "?transport=tcp"
				}
				connect(t, s, url, both)
				if stats := s.Stats(); stats.FromClients.Packets == 0 || stats.ToClients.Packets == 0 {
					t.Errorf("nothing was relayed: %+v", stats)
				}
			})
		}
	}
}

func connect(t *testing.T, s *turn.Server, url string, both bool) {
	t.Helper()
	servers, _, err := s.Credentials("host")
	must(t, err)
	relayedOnly := webrtc.Configuration{
		ICEServers: []webrtc.ICEServer{{
			URLs: []string{url}, Username: servers[0].Username, Credential: servers[0].Credential,
		}},
		ICETransportPolicy: webrtc.ICETransportPolicyRelay,
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICETimeouts(5*time.Second, 25*time.Second, 200*time.Millisecond)
	settings.SetRelayAcceptanceMinWait(0) // candidates of other kinds don't come
	settings.DisableCloseByDTLS(true)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	guest, err := api.NewPeerConnection(relayedOnly)
	must(t, err)
	defer guest.Close()
	hostConfig := webrtc.Configuration{}
	if both {
		hostConfig = relayedOnly
	}
	host, err := api.NewPeerConnection(hostConfig)
	must(t, err)
	defer host.Close()

	answered := make(chan string, 1)
	channel, err := host.CreateDataChannel("chat", nil)
	must(t, err)
	channel.OnOpen(func() { _ = channel.SendText("hello") }) // without the word the test fails
	channel.OnMessage(func(m webrtc.DataChannelMessage) { answered <- string(m.Data) })
	guest.OnDataChannel(func(c *webrtc.DataChannel) {
		c.OnMessage(func(m webrtc.DataChannelMessage) { _ = c.SendText(string(m.Data) + " back") })
	})

	offer, err := host.CreateOffer(nil)
	must(t, err)
	gathered := webrtc.GatheringCompletePromise(host)
	must(t, host.SetLocalDescription(offer))
	wait(t, gathered)
	must(t, guest.SetRemoteDescription(*host.LocalDescription()))
	answer, err := guest.CreateAnswer(nil)
	must(t, err)
	gathered = webrtc.GatheringCompletePromise(guest)
	must(t, guest.SetLocalDescription(answer))
	wait(t, gathered)
	must(t, host.SetRemoteDescription(*guest.LocalDescription()))

	select {
	case text := <-answered:
		if text != "hello back" {
			t.Errorf("%q", text)
		}
	case <-time.After(patience):
		t.Fatalf("not connected: %v, %+v", guest.ICEConnectionState(), s.Stats())
	}
	pair, err := guest.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	must(t, err)
	if pair.Local.Typ != webrtc.ICECandidateTypeRelay {
		t.Errorf("connected by %v", pair)
	}
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("not in time")
	}
}

// TestOnePort checks that HTTPS and TURN share a port, whichever protocol TLS
// agrees on.
func TestOnePort(t *testing.T) {
	s, port := openBoth(t, netip.MustParsePrefix("127.0.0.0/8"))
	at := "127.0.0.1:" + port

	for _, two := range []bool{false, true} {
		transport := &http.Transport{
			TLSClientConfig:   new(tls.Config),
			ForceAttemptHTTP2: two,
		}
		request, err := http.NewRequest(http.MethodGet, "https://"+at+"/", http.NoBody)
		must(t, err)
		request.Host = domain
		response, err := transport.RoundTrip(request)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		transport.CloseIdleConnections()
		if !strings.Contains(string(body), "a page") || (response.ProtoMajor == 2) != two || response.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("HTTP/2 %v: %s, %q", two, response.Proto, body)
		}
	}

	// HTTP without a protocol in TLS.
	conn := dialTLS(t, at)
	_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: " + domain + "\r\nConnection: close\r\n\r\n"))
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("without a protocol: %s", response.Status)
	}

	for _, protocols := range [][]string{nil, {"stun.turn"}, {"stun.nat-discovery"}} {
		conn := dialTLS(t, at, protocols...)
		servers, _, err := s.Credentials("host")
		must(t, err)
		c, err := pion.NewClient(&pion.ClientConfig{
			TURNServerAddr: at, STUNServerAddr: at, Conn: pion.NewSTUNConn(conn),
			Username: servers[0].Username, Password: servers[0].Credential, Realm: domain,
		})
		must(t, err)
		must(t, c.Listen())
		relayed, err := c.Allocate()
		must(t, err)
		if conn.ConnectionState().NegotiatedProtocol != strings.Join(protocols, "") {
			t.Errorf("%v became %q", protocols, conn.ConnectionState().NegotiatedProtocol)
		}
		must(t, relayed.Close())
		c.Close()
	}

	// Neither: bytes that might be STUN, and are not.
	conn = dialTLS(t, at)
	_, err = conn.Write(make([]byte, 20))
	must(t, err)
	if n, err := io.Copy(io.Discard, conn); n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func dialTLS(t *testing.T, at string, protocols ...string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", at, &tls.Config{NextProtos: protocols})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

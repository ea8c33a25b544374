package guest

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

// TestNewServersForTheNextRestart: a connection with expired credentials finds a relayed path with new ones, at a
// real TURN server.
func TestNewServersForTheNextRestart(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(err)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "porch",
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, "porch", "password"), a.Username == "new"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	})
	must(err)
	defer func() { must(server.Close()) }()
	by := func(username string) []signalling.ICEServer {
		url := "turn:" + conn.LocalAddr().String() + "?transport=udp"
		return []signalling.ICEServer{{URLs: []string{url}, Username: username, Credential: "password"}}
	}

	certificate, err := newCertificate()
	must(err)
	api, err := NewAPI()
	must(err)
	o := &Options{API: api, Logger: slog.New(slog.DiscardHandler)}
	found := make(chan signalling.Candidate, 64)
	p, err := newPeer(o, certificate, by("old"), peerEvents{
		candidate: func(c signalling.Candidate) { found <- c },
		connected: func() {}, failed: func() {},
	})
	must(err)
	defer func() { must(p.close()) }()

	host, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	defer func() { must(host.Close()) }()
	_, err = host.CreateDataChannel("porch", nil)
	must(err)

	// negotiate reports whether the guest found a relayed candidate.
	negotiate := func(number uint32, restart bool) (relayed bool) {
		t.Helper()
		offer, err := host.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
		must(err)
		must(host.SetLocalDescription(offer))
		must(p.answer(signalling.Offer{Negotiation: number, SDP: offer.SDP}, func(m signalling.Message) error {
			return host.SetRemoteDescription(webrtc.SessionDescription{
				Type: webrtc.SDPTypeAnswer, SDP: m.(signalling.Answer).SDP,
			})
		}))
		enough := time.After(20 * time.Second)
		for {
			select {
			case c := <-found:
				if c.Candidate == "" {
					return relayed
				}
				relayed = relayed || strings.Contains(c.Candidate, " typ relay ")
			case <-enough:
				t.Fatal("gathers for ever")
			}
		}
	}
	if negotiate(1, false) {
		t.Fatal("a relayed way by expired credentials")
	}
	must(p.use(by("new")))
	if !negotiate(2, true) {
		t.Error("no relayed way by new credentials")
	}
	if err := p.use([]signalling.ICEServer{{URLs: []string{"gopher:x"}}}); err == nil {
		t.Error("takes what is no server")
	}
}

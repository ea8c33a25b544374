package call

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// TestAPairIsNominatedOnceItIsValid has a guest that answers checks and sends none
// of its own, so that only a forced round can nominate a pair at once. Otherwise
// the agent nominates it in its next round.
func TestAPairIsNominatedOnceItIsValid(t *testing.T) {
	const round = 200 * time.Millisecond // pion's time between rounds
	fastest := patience
	for range 5 { // the machine may be busy
		fastest = min(fastest, nomination(t))
		if fastest < round/2 {
			return
		}
	}
	t.Errorf("nominated %v after the first answer, at best", fastest)
}

// newRemoteConn returns a socket on an address of this machine that is not loopback.
func newRemoteConn(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	for _, p := range path.NewMux().Lister() {
		if p.Addr().IsLoopback() {
			continue
		}
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr(), 0)))
		must(t, err)
		t.Cleanup(func() { must(t, conn.Close()) })
		return conn, netip.AddrPortFrom(p.Addr(), conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	}
	t.Skip("no such address here")
	return nil, netip.AddrPort{}
}

// nomination returns the time from the answer to a check of ours until the check
// that nominates.
func nomination(t *testing.T) time.Duration {
	t.Helper()
	conn, remote := newRemoteConn(t)
	c := newTestCall(t, Options{})
	out := newOutbox()
	p, err := c.Join(as("a").profile, out)
	must(t, err)

	pc, err := newGuestAPI(t, nil, nil).NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	defer func() { must(t, pc.GracefulClose()) }()
	var offer signalling.Offer
	for ok := false; !ok; {
		select {
		case m := <-out:
			offer, ok = m.(signalling.Offer)
		case <-time.After(patience):
			t.Fatal("no offer")
		}
	}
	must(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}))
	answer, err := pc.CreateAnswer(nil) // never begins its own checks
	must(t, err)
	must(t, p.Handle(signalling.Answer{Negotiation: offer.Negotiation, SDP: answer.SDP}))
	must(t, p.Handle(signalling.Candidate{Candidate: hostCandidate(remote.Addr().String(), int(remote.Port()))}))

	_, rest, _ := strings.Cut(answer.SDP, "a=ice-pwd:")
	password, _, _ := strings.Cut(rest, "\r\n")
	var answered time.Time
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	for b := make([]byte, 1600); ; {
		n, from, err := conn.ReadFromUDP(b)
		must(t, err)
		check := &stun.Message{Raw: b[:n]}
		if check.Decode() != nil || check.Type != stun.BindingRequest {
			continue
		}
		if ice.UseCandidate().IsSet(check) && !answered.IsZero() {
			return time.Since(answered)
		}
		response, err := stun.Build(check, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.IP, Port: from.Port},
			stun.NewShortTermIntegrity(password), stun.Fingerprint)
		must(t, err)
		_, err = conn.WriteToUDP(response.Raw, &net.UDPAddr{IP: from.IP, Port: from.Port})
		must(t, err)
		if answered.IsZero() {
			answered = time.Now()
		}
	}
}

package call

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/rtp"
	"github.com/pion/stun/v4"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	fullRate = "500kbit"
	fullLate = 50 * time.Millisecond // more than a busy machine needs to answer
)

// fullHost sends much more to a line than it can carry. Meanwhile checks on its own
// computer must be answered. Its events tell what happened there in the last 50 ms.
func fullHost(ctx context.Context) {
	m := path.NewMux()
	var line, own netip.AddrPort
	for _, a := range (path.PeerMux{Mux: m}).GetListenAddresses() {
		switch a := a.(*net.UDPAddr).AddrPort(); {
		case a.Addr().Is4() && a.Addr().IsLoopback():
			own = a
		case a.Addr().Is4():
			line = a
		}
	}
	var dropped atomic.Uint64
	guest := fullMedia(&dropped)
	route := path.PeerMux{Mux: m}.Route(line, netip.MustParseAddrPort("10.78.0.2:9"))
	guest.SetRoute(route)
	var sequence atomic.Uint32
	payload := make([]byte, 1060)
	pictures := guest.Writer(signalling.KindVideo)
	forward := func(packets int) {
		for range packets {
			h := rtp.Header{Version: 2, PayloadType: codec.VideoPayloadType, SSRC: 1, SequenceNumber: uint16(sequence.Add(1))}
			_, err := pictures.Write(&h, payload, nil)
			exitOn(err)
		}
	}
	remote, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	exitOn(err)
	var answers net.PacketConn
	window := path.PeerMux{
		Mux: m, AnsweredBy: func(netip.AddrPort) bool { return true }, Answered: func() {},
		Take: func(b []byte) bool {
			forward(1) // like what the window sends
			_, err := answers.WriteTo(b, remote.LocalAddr())
			exitOn(err)
			return true
		},
	}
	answers, err = window.GetConn("aaaa", net.UDPAddrFromAddrPort(own))
	exitOn(err)
	check, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername("aaaa:theirs"))
	exitOn(err)
	to := net.UDPAddrFromAddrPort(own)
	_, err = remote.WriteToUDP(check.Raw, to)
	exitOn(err)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			m.Cork()
			forward(64)
			m.Uncork()
			time.Sleep(time.Millisecond)
		}
	})
	labSay(labEvent{Event: "ready"})
	question := make([]byte, 100)
	question[0] = 128
	e := labEvent{Event: "count"}
	begin := time.Now()
	for last := begin; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		asked := time.Now()
		_, err := remote.WriteToUDP(question, to)
		exitOn(err)
		if _, err := remote.Read(question); err != nil {
			break
		}
		e.Packets++
		e.Gap = max(e.Gap, time.Since(asked))
		if time.Since(last) > fullLate {
			last = time.Now()
			e.At = time.Since(begin)
			e.Call.Dropped, e.Stalls = dropped.Load(), route.Stalls()
			labSay(e)
			e.Gap = 0
		}
	}
	cancel()
	wg.Wait()
	exitOn(m.Close())
}

// fullMedia returns the media of a guest, as after a handshake in which we were the
// server.
func fullMedia(dropped *atomic.Uint64) *path.SRTPPath {
	suite := uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	var keys path.Secrets
	keys.ServerHello(handshake.MessageServerHello{
		CipherSuiteID: &suite,
		Extensions: []extension.Extension{&extension.UseSRTP{
			ProtectionProfiles: []extension.SRTPProtectionProfile{extension.SRTP_AEAD_AES_128_GCM}}},
	})
	_, err := keys.Write([]byte("CLIENT_RANDOM 0102 0304\n"))
	exitOn(err)
	media, err := path.NewSRTPPath(&keys, dropped)
	exitOn(err)
	return media
}

// TestFullLineStopsNobody checks that an interface that takes nothing for seconds
// does not stop other interfaces, above all the one of the host's own window.
func TestFullLineStopsNobody(t *testing.T) {
	l := newNarrowLab(t)
	l.in("host", "tc qdisc change dev eth0 root tbf rate "+fullRate+" burst 2kb limit 40mb")
	host := l.child(t, "host", "full", labSpec{})
	host.ready(t)
	var slowest time.Duration
	var late, events int
	for begin := time.Now(); time.Since(begin) < 3*time.Second; events++ {
		e, ok := host.until(patience, func(e labEvent) bool { return e.Event == "count" })
		if !ok {
			t.Fatal("nothing is answered any more")
		}
		slowest = max(slowest, e.Gap)
		if e.Gap > fullLate {
			late++
		}
		if events > 20 && e.Call.Dropped == 0 {
			t.Fatal("the line is not full")
		}
		if events > 20 && e.Stalls == 0 {
			t.Fatal("nobody is told that the line is full")
		}
	}
	t.Logf("the slowest answer took %v", slowest)
	if late > 2 || events < 20 {
		t.Errorf("in %d of %d periods something took longer than %v", late, events, fullLate)
	}
}

package door

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// house has doors and one link.
type house struct {
	doors    *Doors
	mux      *path.Mux
	at       netip.AddrPort // the door's address on loopback
	link     sealed.LinkKeys
	secret   sealed.Secret
	identity Identity
	guests   chan switchboard.Frames
	shut     func()
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	mux := path.NewMux()
	mux.Lister = func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")} }
	h := &house{doors: New(Options{Mux: mux}), mux: mux, secret: sealed.NewSecret(), guests: make(chan switchboard.Frames, 64)}
	tb.Cleanup(func() {
		must(tb, h.doors.Close())
		must(tb, mux.Close())
	})
	var err error
	h.link, err = sealed.NewLinkKeys()
	must(tb, err)
	h.identity, err = NewIdentity()
	must(tb, err)
	h.shut, err = h.doors.Open(tb.Context(), h.link, []sealed.Secret{h.secret}, h.identity, func(f switchboard.Frames) { h.guests <- f })
	must(tb, err)
	h.at = mux.OpenSockets()[0]
	return h
}

// ufrag returns a new ufrag for the link and its password.
func (h *house) ufrag(tb testing.TB) (ufrag, password string) {
	tb.Helper()
	k, err := keysOf(h.secret)
	must(tb, err)
	tag, err := k.tag()
	must(tb, err)
	b := make([]byte, 12)
	_, _ = rand.Read(b)
	ufrag = tag + base64.StdEncoding.EncodeToString(b)
	password, err = k.password(ufrag)
	must(tb, err)
	return ufrag, password
}

// page is a guest's page: a peer connection that has written its answer itself.
type page struct {
	pc   *webrtc.PeerConnection
	dc   *webrtc.DataChannel
	open chan struct{}
	said chan webrtc.DataChannelMessage
	over chan struct{}
}

func (h *house) page(tb testing.TB) *page {
	tb.Helper()
	return h.pageBy(tb, fmt.Sprintf("udp 2130706431 %s %d typ host", h.at.Addr(), h.at.Port()))
}

// pageBy returns a page that knows one candidate of the host.
func (h *house) pageBy(tb testing.TB, candidate string) *page {
	tb.Helper()
	ufrag, password := h.ufrag(tb)
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	s.SetDTLSRetransmissionInterval(50 * time.Millisecond)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	must(tb, err)
	p := &page{pc: pc, open: make(chan struct{}), said: make(chan webrtc.DataChannelMessage, 64), over: make(chan struct{})}
	tb.Cleanup(p.close)
	negotiated, id := true, uint16(0)
	p.dc, err = pc.CreateDataChannel("door", &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id})
	must(tb, err)
	p.dc.OnOpen(func() { close(p.open) })
	p.dc.OnClose(func() { close(p.over) })
	p.dc.OnMessage(func(m webrtc.DataChannelMessage) { p.said <- m })
	offer, err := pc.CreateOffer(nil)
	must(tb, err)
	must(tb, pc.SetLocalDescription(offer))
	must(tb, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: h.answer(ufrag, password, candidate)}))
	return p
}

func (h *house) answer(ufrag, password, candidate string) string {
	sum := h.identity.Fingerprint()
	pairs := strings.ToUpper(hex.EncodeToString(sum[:]))
	var colons []string
	for pair := range slices.Chunk([]byte(pairs), 2) {
		colons = append(colons, string(pair))
	}
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=ice-lite",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:0",
		"a=ice-ufrag:" + ufrag, "a=ice-pwd:" + password, "a=fingerprint:sha-256 " + strings.Join(colons, ":"),
		"a=setup:passive", "a=sctp-port:5000", "a=max-message-size:65536",
		"a=candidate:1 1 " + candidate, "a=end-of-candidates", "",
	}, "\r\n")
}

func (p *page) close() { _ = p.pc.Close() }

// await waits for a channel to be closed.
func await(tb testing.TB, what string, c <-chan struct{}) {
	tb.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		tb.Fatalf("%s: not in time", what)
	}
}

func (p *page) next(tb testing.TB) webrtc.DataChannelMessage {
	tb.Helper()
	select {
	case m := <-p.said:
		return m
	case <-time.After(patience):
		tb.Fatal("nothing was said in time")
		panic("not reached")
	}
}

// ask opens the channel to the host and returns the host's end.
func (p *page) ask(tb testing.TB, h *house) switchboard.Frames {
	tb.Helper()
	await(tb, "the channel opens", p.open)
	must(tb, p.dc.SendText(`{"type":"open","payload":{"version":1,"link":"`+string(h.link.ID())+`"}}`))
	m := p.next(tb)
	if key := base64.RawURLEncoding.EncodeToString(h.link.Public()); !m.IsString || !bytes.Contains(m.Data, []byte(key)) {
		tb.Fatalf("%q", m.Data)
	}
	return <-h.guests
}

// frame returns the next whole frame of the host.
func (p *page) frame(tb testing.TB) (frame []byte) {
	tb.Helper()
	for {
		m := p.next(tb)
		if m.IsString {
			tb.Fatalf("%q instead of a frame", m.Data)
		}
		frame = append(frame, m.Data[1:]...)
		if m.Data[0] == partLast {
			return frame
		}
	}
}

func recv(tb testing.TB, f switchboard.Frames) []byte {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	b, err := f.Recv(ctx)
	must(tb, err)
	return b
}

// check returns a connectivity check, signed with password unless that is "".
func check(tb testing.TB, ufrag, password string) []byte {
	tb.Helper()
	setters := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag + ":them"),
		stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{110, 0, 1, 255}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}}
	if password != "" {
		setters = append(setters, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	}
	m, err := stun.Build(setters...)
	must(tb, err)
	return m.Raw
}

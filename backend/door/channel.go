package door

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	partSize   = 16 << 10  // of a frame in one message; receivers take 64 KB (W3C webrtc section 6.1)
	maxMessage = 64 << 10  // that we take
	sendAhead  = 256 << 10 // bytes that wait in the transport at most
	receiveMax = 256 << 10 // SCTP's buffer
	frameRate  = 60        // of a guest, in a second
	frameBurst = 400

	// A message in binary is a part of a frame: one byte says whether more follows.
	partMore, partLast = 1, 0
)

// channel is a connection's data channel.
type channel struct {
	pc   *webrtc.PeerConnection
	dc   *webrtc.DataChannel
	in   chan webrtc.DataChannelMessage
	open chan struct{} // closed when the channel has opened
	room chan struct{} // buffered 1; full means that the transport has room again

	ctx  context.Context // ends with the channel
	lost context.CancelFunc
}

var errLost = errors.New("door: the path is lost")

// connect makes the peer connection that answers a page. The page has written our answer by itself, and we write its
// offer: all that we must know of it is its ufrag.
func (c *conn) connect(held *path.HeldCheck) (*channel, error) {
	s := c.settings(held)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(new(webrtc.MediaEngine)))
	pc, err := api.NewPeerConnection(webrtc.Configuration{Certificates: c.door.identity.dtls()})
	if err != nil {
		return nil, err
	}
	k := &channel{
		pc: pc, in: make(chan webrtc.DataChannelMessage), open: make(chan struct{}), room: make(chan struct{}, 1),
	}
	k.ctx, k.lost = context.WithCancel(c.doors.ctx)
	if err := k.negotiate(c); err != nil {
		k.lost()
		return nil, errors.Join(err, pc.Close())
	}
	return k, nil
}

func (c *conn) settings(held *path.HeldCheck) (s webrtc.SettingEngine) {
	s.LoggerFactory = pionlog.New(c.doors.log)
	s.SetLite(true)
	s.SetICECredentials(c.ufrag, string(c.password))
	s.SetICEUDPMux(path.PeerMux{
		Mux: c.doors.mux, Streams: true, Vouch: c.vouch, First: held,
		Take:       func([]byte) bool { return true }, // there is no media
		AnsweredBy: func(netip.AddrPort) bool { return true },
		Answered:   func() {},
	})
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetICETimeouts(10*time.Second, 20*time.Second, 2*time.Second)
	s.SetPrflxAcceptanceMinWait(0)
	// The guest is proved by the secret in its first frame, and its page makes a certificate for each connection.
	s.DisableCertificateFingerprintVerification(true)
	_ = s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer) // fails for other roles only
	s.SetDTLSInsecureSkipHelloVerify(true)            // the check has proved the address
	s.SetDTLSRetransmissionInterval(50 * time.Millisecond)
	s.SetSCTPMaxReceiveBufferSize(receiveMax)
	s.SetSCTPMaxMessageSize(maxMessage)
	var first atomic.Bool
	// Chromium nominates a pair with its second check, 48 ms later, while its ClientHello waits.
	s.SetICEBindingRequestHandler(func(*stun.Message, ice.Candidate, ice.Candidate, *ice.CandidatePair) bool {
		return !first.Swap(true)
	})
	return s
}

// negotiate makes the data channel and both descriptions. A negotiated channel must be there before SCTP starts, or its
// first message would be taken for one that opens a channel.
func (k *channel) negotiate(c *conn) error {
	negotiated, ordered, id := true, true, uint16(0)
	dc, err := k.pc.CreateDataChannel("door", &webrtc.DataChannelInit{Negotiated: &negotiated, Ordered: &ordered, ID: &id})
	if err != nil {
		return err
	}
	k.dc = dc
	dc.OnOpen(func() { close(k.open) })
	dc.OnClose(k.lost)
	dc.SetBufferedAmountLowThreshold(sendAhead / 2)
	dc.OnBufferedAmountLow(func() {
		select {
		case k.room <- struct{}{}:
		default:
		}
	})
	dc.OnMessage(func(m webrtc.DataChannelMessage) { // what is not read yet holds the guest up
		select {
		case k.in <- m:
		case <-k.ctx.Done():
		}
	})
	k.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
			k.lost()
		}
	})
	if err := k.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offerOf(c.remote)}); err != nil {
		return err
	}
	answer, err := k.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return k.pc.SetLocalDescription(answer)
}

// offerOf returns what a page would have offered. The password is for checks of ours, of which a lite agent sends none.
func offerOf(ufrag string) string {
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:0",
		"a=ice-ufrag:" + ufrag, "a=ice-pwd:" + strings.Repeat("x", 22),
		"a=fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("00:", 32), ":"),
		"a=setup:active", "a=sctp-port:5000", "a=max-message-size:" + strconv.Itoa(maxMessage), "",
	}, "\r\n")
}

// run speaks the whole protocol with a guest.
func (c *conn) run(held *path.HeldCheck) {
	d := c.doors
	k, err := c.connect(held)
	if err != nil {
		d.log.Debug("door: connect", "error", err)
		return
	}
	defer func() {
		k.lost()
		if err := k.pc.Close(); err != nil {
			d.log.Debug("door: close", "error", err)
		}
	}()
	late := time.NewTimer(handshakeWithin)
	defer late.Stop()
	select {
	case <-k.open:
		d.opened.Add(1)
	case <-late.C:
		return
	case <-k.ctx.Done():
		return
	}
	frames, err := c.ask(k)
	if err != nil {
		k.end(switchboard.CloseOf(err), fault.CodeOf(err))
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { k.fromHost(frames) })
	k.fromGuest(frames, func() { d.welcome(c) })
	writer.Wait()
}

// ask answers the guest's question for the host, as a relay does.
func (c *conn) ask(k *channel) (switchboard.Frames, error) {
	m, err := k.next(sayWithin)
	if err != nil {
		return nil, err
	}
	if !m.IsString || len(m.Data) > signalling.MaxRelayMessage {
		return nil, fault.Newf(fault.MessageUnexpected, "not a text message before Open")
	}
	said, err := signalling.DecodeToRelay(m.Data)
	if err != nil {
		return nil, err
	}
	open, ok := said.(signalling.Open)
	if !ok || sealed.LinkID(open.Link) != c.door.id {
		return nil, fault.Newf(fault.MessageUnexpected, "not an Open of this door's link")
	}
	public, frames, err := c.doors.board.Dial(k.ctx, c.door.id, c.doors.remoteOf(c))
	if err != nil {
		return nil, err
	}
	b, err := signalling.Encode(signalling.Opened{PublicKey: base64.RawURLEncoding.EncodeToString(public)})
	if err == nil {
		err = k.dc.SendText(string(b))
	}
	if err != nil {
		frames.Close(signalling.CloseDone)
	}
	return frames, err
}

// next returns the next message.
func (k *channel) next(within time.Duration) (webrtc.DataChannelMessage, error) {
	var late <-chan time.Time
	if within > 0 {
		t := time.NewTimer(within)
		defer t.Stop()
		late = t.C
	}
	select {
	case m := <-k.in:
		return m, nil
	case <-late:
		return webrtc.DataChannelMessage{}, fault.New(fault.TooSlow, nil)
	case <-k.ctx.Done():
		return webrtc.DataChannelMessage{}, errLost
	}
}

// fromGuest passes the guest's frames on until either side ends. It calls spoke when the first has come.
func (k *channel) fromGuest(frames switchboard.Frames, spoke func()) {
	pace := rate.NewLimiter(frameRate, frameBurst)
	stop := context.AfterFunc(k.ctx, func() { frames.Close(signalling.CloseDone) })
	defer stop()
	var frame []byte
	within := sayWithin
	for {
		m, err := k.next(within)
		switch {
		case err != nil:
			frames.Close(switchboard.CloseOf(err))
			return
		case m.IsString:
			frames.Close(endOf(m.Data))
			return
		case len(m.Data) == 0 || m.Data[0] > partMore:
			frames.Close(signalling.CloseRefused)
			return
		case !pace.Allow():
			frames.Close(signalling.CloseTooFast)
			return
		case len(frame)+len(m.Data)-1 > frames.Limit():
			frames.Close(signalling.CloseTooLarge)
			return
		}
		spoke()
		within = 0
		frame = append(frame, m.Data[1:]...)
		if m.Data[0] == partLast {
			_ = frames.Send(frame) // when the channel has ended, fromHost ends the connection
			frame = nil
		}
	}
}

// endOf returns what the guest says of its end: a close code, as a WebSocket has it.
func endOf(text []byte) signalling.CloseCode {
	if string(text) == strconv.Itoa(int(signalling.CloseGone)) {
		return signalling.CloseGone
	}
	return signalling.CloseDone
}

// fromHost writes until the channel ends, and then ends the connection.
func (k *channel) fromHost(frames switchboard.Frames) {
	defer k.lost()
	for {
		frame, err := frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			k.end(switchboard.CloseOf(err), fault.CodeOf(err))
			return
		}
		for len(frame) > 0 {
			n := min(len(frame), partSize)
			part := append(make([]byte, 0, n+1), partMore)
			if n == len(frame) {
				part[0] = partLast
			}
			if part = append(part, frame[:n]...); !k.awaitRoom(sendAhead, takeWithin) || k.dc.Send(part) != nil {
				frames.Close(signalling.CloseTooSlow)
				return
			}
			frame = frame[n:]
		}
	}
}

// awaitRoom waits until at most so many bytes are on their way to the guest.
func (k *channel) awaitRoom(most uint64, within time.Duration) bool {
	if k.dc.BufferedAmount() <= most {
		return true
	}
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		select {
		case <-k.room:
		case <-late.C:
			return false
		case <-k.ctx.Done():
			return false
		}
		if k.dc.BufferedAmount() <= most {
			return true
		}
	}
}

// end tells the guest with which code the channel closes, and waits until it has heard that.
func (k *channel) end(code signalling.CloseCode, reason fault.Code) {
	k.dc.SetBufferedAmountLowThreshold(0)
	if code == signalling.CloseDone || code == signalling.CloseGone {
		reason = ""
	}
	if k.dc.SendText(strings.TrimSpace(strconv.Itoa(int(code))+" "+string(reason))) == nil {
		k.awaitRoom(0, farewellWithin)
	}
}

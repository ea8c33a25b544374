package path

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// srtpPair returns our end of a direct way, and the SRTP contexts of the other
// end.
func srtpPair(tb testing.TB) (s *SRTPPath, in, out *srtp.Context) {
	tb.Helper()
	key, salt := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 12)
	context := func(k byte, o ...srtp.ContextOption) *srtp.Context {
		key[0] = k
		c, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm, o...)
		must(tb, err)
		return c
	}
	s = &SRTPPath{in: context(1, srtp.SRTPReplayProtection(forward.ReplayWindow)), out: context(2), streams: make(map[uint32]struct{}), reports: make(map[uint32]struct{})}
	return s, context(2), context(1)
}

func sealed(tb testing.TB, c *srtp.Context, ssrc uint32, sequence uint16) []byte {
	tb.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: sequence}, Payload: []byte("media")}
	b, err := p.Marshal()
	must(tb, err)
	b, err = c.EncryptRTP(nil, b, nil)
	must(tb, err)
	return b
}

func TestSecureOpensWhatIsAuthentic(t *testing.T) {
	s, _, out := srtpPair(t)
	var traffic Traffic
	s.SetTraffic(&traffic)
	b := sealed(t, out, 1, 1)
	forged := slices.Clone(b)
	forged[len(forged)-1] ^= 1
	if _, err := s.OpenRTP(forged); err == nil {
		t.Error("a forged packet was opened")
	}
	if len(s.streams) != 0 {
		t.Error("a forger takes memory")
	}
	plain, err := s.OpenRTP(slices.Clone(b))
	must(t, err)
	var p rtp.Packet
	must(t, p.Unmarshal(plain))
	if string(p.Payload) != "media" {
		t.Errorf("%q", p.Payload)
	}
	if _, err := s.OpenRTP(b); err == nil {
		t.Error("a replayed packet was opened")
	}
	for n := range 20 {
		if _, err := s.OpenRTP(make([]byte, n)); err == nil {
			t.Errorf("%d zeros were opened", n)
		}
	}
	if want := uint64(len(b) + datagramHeaders); traffic.Received() != want || traffic.Sent() != 0 {
		t.Errorf("%d bytes received and %d sent, want %d and 0", traffic.Received(), traffic.Sent(), want)
	}
}

func TestStreamsOfAPeerAreBounded(t *testing.T) {
	s, _, out := srtpPair(t)
	for ssrc := range uint32(maxStreams) {
		_, err := s.OpenRTP(sealed(t, out, ssrc, 1))
		must(t, err)
	}
	if _, err := s.OpenRTP(sealed(t, out, 1000, 1)); !errors.Is(err, errStreams) {
		t.Errorf("%v", err)
	}
	_, err := s.OpenRTP(sealed(t, out, 0, 2)) // the other streams go on
	must(t, err)
}

func TestReportersOfAPeerAreBounded(t *testing.T) {
	s, _, out := srtpPair(t)
	report := func(ssrc uint32) error {
		b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ssrc}})
		must(t, err)
		b, err = out.EncryptRTCP(nil, b, nil)
		must(t, err)
		_, err = s.OpenRTCP(b)
		return err
	}
	for ssrc := range uint32(maxStreams) {
		must(t, report(ssrc))
	}
	if err := report(1000); !errors.Is(err, errStreams) {
		t.Errorf("%v", err)
	}
	must(t, report(0)) // the other streams go on
	if _, err := s.OpenRTCP([]byte{0x80, 201, 0, 1}); err == nil {
		t.Error("a truncated report was opened")
	}
}

func TestSecureSeals(t *testing.T) {
	s, in, _ := srtpPair(t)
	h := &rtp.Header{Version: 2, SSRC: 5, SequenceNumber: 6}
	w := s.Writer(signalling.KindVideo)
	if _, err := w.Write(h, []byte("x"), nil); !errors.Is(err, errNoRoute) {
		t.Errorf("without a route: %v", err)
	}
	socket := newTestSocket(t, true)
	conn, remote := newRemote(t, socket)
	s.SetRoute(&Route{socket, remote, 0})
	_, err := w.Write(h, []byte("media"), nil)
	must(t, err)
	b, err := in.DecryptRTP(nil, readFrom(t, conn), nil)
	must(t, err)
	var p rtp.Packet
	must(t, p.Unmarshal(b))
	if p.SSRC != 5 || p.SequenceNumber != 6 || string(p.Payload) != "media" {
		t.Errorf("%v", &p)
	}
	must(t, s.WriteRTCP([]byte{0x80, 201, 0, 1, 0, 0, 0, 1}))
	b, err = in.DecryptRTCP(nil, readFrom(t, conn), nil)
	must(t, err)
	if !slices.Equal(b, []byte{0x80, 201, 0, 1, 0, 0, 0, 1}) {
		t.Errorf("%x", b)
	}
	if _, err := w.Write(h, make([]byte, maxDatagram), nil); !errors.Is(err, errTooLong) {
		t.Errorf("a packet that fits no datagram: %v", err)
	}
	if err := s.WriteRTCP(make([]byte, maxDatagram)); !errors.Is(err, errTooLong) {
		t.Errorf("nor RTCP: %v", err)
	}
}

// TestSoundOfAnyPayloadTypeIsSound: the peer chooses the payload types of sound and of
// redundant sound.
func TestSoundOfAnyPayloadTypeIsSound(t *testing.T) {
	s, _, _ := srtpPair(t)
	s.dropped = new(atomic.Uint64)
	socket := newTestSocket(t, true)
	_, remote := newRemote(t, socket)
	s.SetRoute(&Route{socket, remote, 0})
	socket.mux.Cork() // so that what is sent waits in the lists of the two
	defer socket.mux.Uncork()
	for i, c := range []struct {
		kind        signalling.Kind
		payloadType uint8
	}{
		{signalling.KindAudio, codec.AudioPayloadType}, {signalling.KindAudio, codec.RedundantPayloadType}, {signalling.KindAudio, codec.VideoPayloadType},
		{signalling.KindVideo, codec.VideoPayloadType}, {signalling.KindVideo, codec.AudioPayloadType},
	} {
		h := &rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(i), PayloadType: c.payloadType}
		sounds, pictures := len(socket.urgent), len(socket.batch)
		_, err := s.Writer(c.kind).Write(h, []byte("media"), nil)
		must(t, err)
		sounds, pictures = len(socket.urgent)-sounds, len(socket.batch)-pictures
		if sound := c.kind == signalling.KindAudio; sounds != one(sound) || pictures != one(!sound) {
			t.Errorf("%s of payload type %d: %d among sounds, %d among pictures", c.kind, c.payloadType, sounds, pictures)
		}
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSecretsNeedTheWholeHandshake(t *testing.T) {
	suite := uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	hello := handshake.MessageServerHello{
		CipherSuiteID: &suite,
		Extensions: []extension.Extension{&extension.UseSRTP{
			ProtectionProfiles: []extension.SRTPProtectionProfile{extension.SRTP_AEAD_AES_128_GCM}}},
	}
	line := []byte("CLIENT_RANDOM 0102 0304\n")
	s := new(Secrets)
	if _, err := NewSRTPPath(s, new(atomic.Uint64)); err == nil {
		t.Error("keys out of nothing")
	}
	s.ServerHello(hello)
	if _, err := NewSRTPPath(s, new(atomic.Uint64)); err == nil {
		t.Error("keys without a master secret")
	}
	_, err := s.Write(line)
	must(t, err)
	_, err = NewSRTPPath(s, new(atomic.Uint64))
	must(t, err)

	other := new(Secrets) // as DTLS client we see no server hello
	_, err = other.Write(line)
	must(t, err)
	if _, err := NewSRTPPath(other, new(atomic.Uint64)); err == nil {
		t.Error("keys without the server's random bytes")
	}
	if _, err := other.Write([]byte("CLIENT_RANDOM zz 0304\n")); err == nil {
		t.Error("a line that is not hexadecimal")
	}
	if _, err := other.Write([]byte("CLIENT_TRAFFIC_SECRET_0 01 02\n")); err != nil {
		t.Errorf("a line of another protocol: %v", err)
	}
}

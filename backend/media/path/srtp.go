package path

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// SRTPPath is the direct way of a peer's media. Packets are decrypted on the
// goroutine that read them from the socket, and encrypted straight into the
// buffer that the socket sends. Pion's own path would be correct, too, but it
// wakes three goroutines for each packet, which costs more than all other work
// together.
//
// Pion does ICE and DTLS. The SRTP keys are derived from its handshake, as RFC
// 5764 section 4.2 says. Pion's own SRTP contexts, which have the same keys,
// never send anything.
type SRTPPath struct {
	route   atomic.Pointer[Route] // nil while there is no address to send to
	dropped *atomic.Uint64        // counts packets of pictures that were dropped because the line was full
	traffic *Traffic              // nil if nothing is counted; set before the first packet

	inMu    sync.Mutex
	in      *srtp.Context
	inHead  rtp.Header
	streams map[uint32]struct{} // SSRCs that have sent an authentic packet
	reports map[uint32]struct{} // the same for RTCP

	outMu   sync.Mutex
	out     *srtp.Context
	outHead rtp.Header
}

// maxStreams is how many SSRCs one peer may send, in RTP and in RTCP: audio,
// video and its retransmissions, and a few times new ones. Each takes memory for
// as long as the peer is connected.
const maxStreams = 32

// Secrets collects the secrets of one connection's DTLS handshake, if we are its
// server.
type Secrets struct {
	mu           sync.Mutex
	clientRandom []byte
	serverRandom []byte
	master       []byte
	newHash      func() hash.Hash
	profile      srtp.ProtectionProfile
}

// SRTPProfiles are the SRTP profiles that we accept, the best first. AES-GCM is
// several times faster on processors with AES instructions.
var SRTPProfiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

// ServerHello reads the message that we send as server.
func (s *Secrets) ServerHello(m handshake.MessageServerHello) handshake.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	random := m.Random.MarshalFixed()
	s.serverRandom = random[:]
	s.newHash = sha256.New
	if m.CipherSuiteID != nil && sha384Suites[dtls.CipherSuiteID(*m.CipherSuiteID)] {
		s.newHash = sha512.New384
	}
	for _, e := range m.Extensions {
		if u, ok := e.(*extension.UseSRTP); ok && len(u.ProtectionProfiles) == 1 {
			s.profile = srtp.ProtectionProfile(u.ProtectionProfiles[0])
		}
	}
	return &m
}

// sha384Suites are the cipher suites whose PRF uses SHA-384 (RFC 5289); all
// others of DTLS 1.2 use SHA-256.
var sha384Suites = map[dtls.CipherSuiteID]bool{
	dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: true,
	dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:   true,
}

// Write takes a line of pion's key log: "CLIENT_RANDOM", the client's random
// bytes and the master secret, in hexadecimal.
func (s *Secrets) Write(line []byte) (int, error) {
	fields := strings.Fields(string(line))
	if len(fields) != 3 || fields[0] != "CLIENT_RANDOM" {
		return len(line), nil
	}
	random, err1 := hex.DecodeString(fields[1])
	master, err2 := hex.DecodeString(fields[2])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clientRandom, s.master = random, master
	return len(line), errors.Join(err1, err2)
}

var errNoSecrets = errors.New("the handshake was not ours to serve")

// ExportKeyingMaterial implements [srtp.KeyingMaterialExporter] (RFC 5705
// section 4, without a context).
func (s *Secrets) ExportKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	if len(s.clientRandom) == 0 || len(s.serverRandom) == 0 || len(s.master) == 0 || len(context) > 0 {
		return nil, errNoSecrets
	}
	seed := append(append([]byte(label), s.clientRandom...), s.serverRandom...)
	return prf.PHash(s.master, seed, length, s.newHash)
}

// NewSRTPPath returns the direct way. The handshake must be over.
func NewSRTPPath(s *Secrets, dropped *atomic.Uint64) (*SRTPPath, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config := srtp.Config{Profile: s.profile}
	if err := config.ExtractSessionKeysFromDTLS(s, false); err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, s.profile,
		srtp.SRTPReplayProtection(forward.ReplayWindow), srtp.SRTCPReplayProtection(forward.ReplayWindow))
	if err != nil {
		return nil, fmt.Errorf("SRTP of the peer: %w", err)
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, s.profile)
	if err != nil {
		return nil, fmt.Errorf("our SRTP: %w", err)
	}
	return &SRTPPath{in: in, out: out, dropped: dropped, streams: make(map[uint32]struct{}), reports: make(map[uint32]struct{})}, nil
}

// SetTraffic makes t count what crosses the network. It is called before the first packet.
func (s *SRTPPath) SetTraffic(t *Traffic) { s.traffic = t }

// SetRoute sets where packets go from now on. With nil they are not sent.
func (s *SRTPPath) SetRoute(r *Route) { s.route.Store(r) }

var (
	errStreams   = errors.New("too many streams")
	errTruncated = errors.New("packet is truncated")
)

// OpenRTP decrypts an SRTP packet in place.
func (s *SRTPPath) OpenRTP(b []byte) ([]byte, error) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	if len(b) < 12 {
		return nil, errTruncated
	}
	ssrc := uint32(b[8])<<24 | uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11])
	_, known := s.streams[ssrc]
	if !known && len(s.streams) >= maxStreams {
		return nil, errStreams
	}
	plain, err := s.in.DecryptRTP(b, b, &s.inHead)
	if err != nil {
		s.inHead = rtp.Header{} // keeps nothing of what a forger sent
		return nil, err
	}
	if !known {
		s.streams[ssrc] = struct{}{}
	}
	s.traffic.in(len(b))
	return plain, nil
}

// OpenRTCP decrypts an SRTCP packet in place.
func (s *SRTPPath) OpenRTCP(b []byte) ([]byte, error) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	if len(b) < 8 {
		return nil, errTruncated
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	_, known := s.reports[ssrc]
	if !known && len(s.reports) >= maxStreams {
		return nil, errStreams
	}
	plain, err := s.in.DecryptRTCP(b, b, nil)
	if err != nil {
		return nil, err
	}
	if !known {
		s.reports[ssrc] = struct{}{}
	}
	s.traffic.in(len(b))
	return plain, nil
}

// Writer returns what sends media of a kind to the peer. Where a line is full, pictures
// give way to sound. Payload types do not tell which is which, because the peer chooses
// them.
func (s *SRTPPath) Writer(kind signalling.Kind) interceptor.RTPWriter {
	w := &srtpWriter{path: s}
	if kind != signalling.KindAudio {
		w.picture = s.dropped
	}
	return w
}

// srtpWriter sends media of one kind.
type srtpWriter struct {
	path    *SRTPPath
	picture *atomic.Uint64 // see datagram
}

// Write implements [interceptor.RTPWriter]: it encrypts a packet and sends it.
func (w *srtpWriter) Write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	s := w.path
	r := s.route.Load()
	if r == nil {
		return 0, errNoRoute
	}
	buffer, err := s.seal(h, payload)
	if err != nil {
		return 0, err
	}
	s.traffic.out(len(*buffer))
	r.socket.send(datagram{buffer: buffer, to: r.remote, picture: w.picture})
	return h.MarshalSize() + len(payload), nil
}

// seal encrypts a packet into a buffer of the pool.
func (s *SRTPPath) seal(h *rtp.Header, payload []byte) (*[]byte, error) {
	size := h.MarshalSize() + len(payload)
	if size+srtpOverhead > maxDatagram {
		return nil, errTooLong
	}
	buffer := buffers.Get().(*[]byte)
	b := (*buffer)[:maxDatagram]
	n, err := h.MarshalTo(b)
	if err == nil {
		copy(b[n:], payload)
		b, err = s.encryptRTP(b, size)
	}
	if err != nil {
		buffers.Put(buffer)
		return nil, err
	}
	*buffer = b
	return buffer, nil
}

// encryptRTP encrypts the packet at the beginning of b, in place.
func (s *SRTPPath) encryptRTP(b []byte, size int) ([]byte, error) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	return s.out.EncryptRTP(b, b[:size], &s.outHead)
}

func (s *SRTPPath) encryptRTCP(b, compound []byte) ([]byte, error) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	return s.out.EncryptRTCP(b, compound, nil)
}

// WriteRTCP encrypts a compound packet and sends it.
func (s *SRTPPath) WriteRTCP(compound []byte) error {
	r := s.route.Load()
	if r == nil {
		return errNoRoute
	}
	if len(compound)+srtpOverhead > maxDatagram {
		return errTooLong
	}
	buffer := buffers.Get().(*[]byte)
	b, err := s.encryptRTCP((*buffer)[:0], compound)
	if err != nil {
		buffers.Put(buffer)
		return err
	}
	*buffer = b
	s.traffic.out(len(b))
	r.socket.send(datagram{buffer: buffer, to: r.remote})
	return nil
}

// srtpOverhead is the most bytes that SRTP and SRTCP add: authentication tag and
// index.
const srtpOverhead = 32

var (
	errNoRoute = fmt.Errorf("no path is selected: %w", forward.ErrNotSent)
	errTooLong = fmt.Errorf("packet is too long: %w", forward.ErrNotSent)
)

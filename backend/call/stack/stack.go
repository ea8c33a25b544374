// Package stack is what Pion's stack is given in a call: settings, codecs and certificates.
package stack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
)

// Timing of the transports.
const (
	dtlsRetransmission = 50 * time.Millisecond // as browsers; pion waits 1 s
	iceDisconnected    = 4 * time.Second
	iceFailed          = 20 * time.Second
	iceKeepAlive       = 2 * time.Second
	iceRequests        = 25                     // to one pair, 200 ms apart, because the other side may learn of us late
	RelayWait          = 500 * time.Millisecond // before a path through a TURN server is taken

	dataBuffer  = 512 << 10 // bytes of a data channel that wait here to be read
	dataMessage = 64 << 10  // in one message
)

// Settings are those of all connections. net is the network; nil is the machine's own.
func Settings(net transport.Net, logger *slog.Logger) webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.LoggerFactory = pionlog.New(logger)
	s.SetNet(net)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetICEMaxBindingRequests(iceRequests)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepAlive)
	// Browsers that hide their addresses behind mDNS names become known by their
	// checks alone. By default pion would wait a second for a better candidate.
	s.SetPrflxAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(RelayWait)
	s.SetDTLSRetransmissionInterval(dtlsRetransmission)
	s.SetSRTPReplayProtectionWindow(forward.ReplayWindow)
	s.SetSRTPProtectionProfiles(path.SRTPProfiles...)
	s.SetSCTPMaxReceiveBufferSize(dataBuffer)
	s.SetSCTPMaxMessageSize(dataMessage)
	return s
}

// Certificate returns the DTLS certificate of a call. All connections of a
// call share it. No two calls share one.
func Certificate() (webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, err
	}
	c, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return webrtc.Certificate{}, err
	}
	return *c, nil
}

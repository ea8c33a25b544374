package person

import (
	"fmt"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/media/codec"
)

// feedbackEvery is how often Chromium reports what came (transport-wide congestion control).
const feedbackEvery = 62 * time.Millisecond

// mimeRED is the type of redundant sound (RFC 2198).
const mimeRED = "audio/red"

// newAPI returns a stack that answers as Chromium does: transport-wide congestion control where it is offered, REMB where
// only abs-send-time is, and redundant sound (RED). NACK and PLI are the receiver's.
func newAPI(watch *watch, loopback bool) (*webrtc.API, error) {
	return guest.NewAPIWith(func(m *webrtc.MediaEngine, r *interceptor.Registry, s *webrtc.SettingEngine) error {
		if loopback {
			s.SetIPFilter(isLoopback)
		}
		for _, f := range []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "goog-remb"}, {Type: "transport-cc"}} {
			m.RegisterFeedback(f, webrtc.RTPCodecTypeVideo)
		}
		for _, f := range []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "transport-cc"}} {
			m.RegisterFeedback(f, webrtc.RTPCodecTypeAudio)
		}
		err := m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: mimeRED, ClockRate: codec.AudioClockRate, Channels: 2,
				SDPFmtpLine: fmt.Sprintf("%d/%d", codec.AudioPayloadType, codec.AudioPayloadType),
			},
			PayloadType: codec.RedundantPayloadType,
		}, webrtc.RTPCodecTypeAudio)
		if err != nil {
			return err
		}
		for _, e := range []struct {
			uri  string
			kind webrtc.RTPCodecType
		}{
			{sdp.TransportCCURI, webrtc.RTPCodecTypeAudio}, {sdp.TransportCCURI, webrtc.RTPCodecTypeVideo},
			{sdp.ABSSendTimeURI, webrtc.RTPCodecTypeVideo},
		} {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: e.uri}, e.kind); err != nil {
				return err
			}
		}
		if err := webrtc.ConfigureSimulcastExtensionHeaders(m); err != nil {
			return err
		}
		if err := webrtc.ConfigureRTCPReports(r); err != nil {
			return err
		}
		responder, err := nack.NewResponderInterceptor()
		if err != nil {
			return err
		}
		feedback, err := twcc.NewSenderInterceptor(twcc.SendInterval(feedbackEvery))
		if err != nil {
			return err
		}
		numbers, err := twcc.NewHeaderExtensionInterceptor()
		if err != nil {
			return err
		}
		for _, f := range []interceptor.Factory{responder, feedback, numbers, watch} {
			r.Add(f)
		}
		return nil
	})
}

// watch sees all packets of a connection: it counts, reads what the host says to a sender, and sends REMB if browsers
// would.
type watch struct {
	interceptor.NoOp
	capped func(rate int)    // REMB
	lossy  func(share uint8) // what the host lost of our sound, in 1/256

	mu       sync.Mutex // guards what follows
	received Received
	writer   interceptor.RTCPWriter
	estimate estimator
	numbered bool     // packets have numbers of transport-wide congestion control
	streams  []uint32 // of pictures
	audio    uint32   // our sound's SSRC
}

// NewInterceptor implements [interceptor.Factory].
func (w *watch) NewInterceptor(string) (interceptor.Interceptor, error) { return w, nil }

// BindRTCPWriter implements [interceptor.Interceptor].
func (w *watch) BindRTCPWriter(out interceptor.RTCPWriter) interceptor.RTCPWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writer = out
	return out
}

// BindLocalStream implements [interceptor.Interceptor].
func (w *watch) BindLocalStream(info *interceptor.StreamInfo, out interceptor.RTPWriter) interceptor.RTPWriter {
	if info.MimeType == webrtc.MimeTypeOpus {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.audio = info.SSRC
	}
	return out
}

// BindRTCPReader implements [interceptor.Interceptor].
func (w *watch) BindRTCPReader(in interceptor.RTCPReader) interceptor.RTCPReader {
	return interceptor.RTCPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, a, err := in.Read(b, a)
		if err != nil {
			return n, a, err
		}
		if packets, err := rtcp.Unmarshal(b[:n]); err == nil {
			w.hear(packets)
		}
		return n, a, nil
	})
}

func (w *watch) hear(packets []rtcp.Packet) {
	w.mu.Lock()
	audio := w.audio
	w.mu.Unlock()
	reports := func(all []rtcp.ReceptionReport) {
		for _, r := range all {
			if r.SSRC == audio && audio != 0 {
				w.lossy(r.FractionLost)
			}
		}
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.ReceiverEstimatedMaximumBitrate:
			w.capped(int(p.Bitrate))
			w.mu.Lock()
			w.received.REMB = append(w.received.REMB, Estimate{now(), int(p.Bitrate)})
			w.mu.Unlock()
		case *rtcp.ReceiverReport:
			reports(p.Reports)
		case *rtcp.SenderReport:
			reports(p.Reports)
		}
	}
}

// BindRemoteStream implements [interceptor.Interceptor].
func (w *watch) BindRemoteStream(info *interceptor.StreamInfo, in interceptor.RTPReader) interceptor.RTPReader {
	var sendTime, transport uint8
	for _, e := range info.RTPHeaderExtensions {
		switch e.URI {
		case sdp.ABSSendTimeURI:
			sendTime = uint8(e.ID)
		case sdp.TransportCCURI:
			transport = uint8(e.ID)
		}
	}
	if info.MimeType == webrtc.MimeTypeVP8 {
		w.mu.Lock()
		w.streams = append(w.streams, info.SSRC)
		w.mu.Unlock()
	}
	return interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, a, err := in.Read(b, a)
		if err != nil {
			return n, a, err
		}
		w.packet(b[:n], sendTime, transport)
		return n, a, nil
	})
}

// packet counts a packet that arrived. Pion names the header extensions of all sections for each stream, so what a packet
// has tells what was agreed on for its section.
func (w *watch) packet(b []byte, sendTime, transport uint8) {
	var h rtp.Header
	_, err := h.Unmarshal(b)
	at := now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.received.Packets++
	w.received.Bytes += len(b)
	if err != nil || w.numbered || sendTime == 0 {
		return
	}
	if transport != 0 && h.GetExtension(transport) != nil { // browsers send feedback then, and no REMB
		w.numbered = true
		return
	}
	var x rtp.AbsSendTimeExtension
	if x.Unmarshal(h.GetExtension(sendTime)) != nil {
		return
	}
	w.estimate.packet(at, uint32(x.Timestamp), len(b))
	if rate, due := w.estimate.due(at); due && w.writer != nil {
		m := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: float32(rate), SSRCs: w.streams}
		_, _ = w.writer.Write([]rtcp.Packet{m}, nil) // fails when the connection is closed
	}
}

func (w *watch) take() Received {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.received
}

package stack

import (
	"errors"
	"fmt"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/codec"
)

// Codecs registers what offers contain: Opus and VP8 with
// retransmissions, and the header extensions in the order of their ids.
func Codecs() (*webrtc.MediaEngine, error) {
	m := new(webrtc.MediaEngine)
	errs := []error{
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2,
				SDPFmtpLine:  "minptime=10;useinbandfec=1;usedtx=1",
				RTCPFeedback: []webrtc.RTCPFeedback{{Type: "transport-cc"}, {Type: "nack"}},
			},
			PayloadType: codec.AudioPayloadType,
		}, webrtc.RTPCodecTypeAudio),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate,
				RTCPFeedback: []webrtc.RTCPFeedback{
					{Type: "goog-remb"}, {Type: "transport-cc"},
					{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
				},
			},
			PayloadType: codec.VideoPayloadType,
		}, webrtc.RTPCodecTypeVideo),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: codec.VideoClockRate,
				SDPFmtpLine: fmt.Sprintf("apt=%d", codec.VideoPayloadType),
			},
			PayloadType: codec.RetransmissionPayloadType,
		}, webrtc.RTPCodecTypeVideo),
	}
	const up, down = webrtc.RTPTransceiverDirectionRecvonly, webrtc.RTPTransceiverDirectionSendonly
	extend := func(uri string, kind webrtc.RTPCodecType, directions ...webrtc.RTPTransceiverDirection) {
		errs = append(errs, m.RegisterHeaderExtension(
			webrtc.RTPHeaderExtensionCapability{URI: uri}, kind, directions...))
	}
	extend(sdp.AudioLevelURI, webrtc.RTPCodecTypeAudio, up)
	extend(sdp.ABSSendTimeURI, webrtc.RTPCodecTypeVideo, down)
	extend(sdp.TransportCCURI, webrtc.RTPCodecTypeAudio, up, down)
	extend(sdp.TransportCCURI, webrtc.RTPCodecTypeVideo, up, down)
	extend(sdp.SDESMidURI, webrtc.RTPCodecTypeAudio, up)
	extend(sdp.SDESMidURI, webrtc.RTPCodecTypeVideo, up)
	extend(sdp.SDESRTPStreamIDURI, webrtc.RTPCodecTypeVideo, up)
	extend(sdp.SDESRepairRTPStreamIDURI, webrtc.RTPCodecTypeVideo, up)
	return m, errors.Join(errs...)
}

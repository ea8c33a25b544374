// Package slottrack shows a slot to Pion as a track of its own.
package slottrack

import (
	"strconv"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// Track is a slot as Pion sees it.
type Track struct {
	Out    *forward.Outbound // of the slot's receiver
	Slot   *forward.Slot
	Stream string // id of the media stream
}

// Bind implements [webrtc.TrackLocal].
func (t *Track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	mime := webrtc.MimeTypeOpus
	if t.Slot.Kind == signalling.KindVideo {
		mime = webrtc.MimeTypeVP8
	}
	var codec *webrtc.RTPCodecParameters
	var rtx uint8
	codecs := c.CodecParameters()
	for i := range codecs {
		if codecs[i].MimeType == mime {
			codec = &codecs[i]
			break
		}
	}
	if codec == nil {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	if c.SSRCRetransmission() != 0 {
		for i := range codecs {
			if codecs[i].MimeType == webrtc.MimeTypeRTX && codecs[i].SDPFmtpLine == "apt="+strconv.Itoa(int(codec.PayloadType)) {
				rtx = uint8(codecs[i].PayloadType)
			}
		}
	}
	numbers := forward.Numbers{
		SSRC: uint32(c.SSRC()), PayloadType: uint8(codec.PayloadType),
		RTXSSRC: uint32(c.SSRCRetransmission()), RTXPayloadType: rtx,
	}
	for _, x := range c.HeaderExtensions() {
		switch {
		case x.ID <= 0 || x.ID >= 15: // more than one byte of header, RFC 8285
		case x.URI == sdp.ABSSendTimeURI:
			numbers.AbsSendTimeID = uint8(x.ID)
		case x.URI == sdp.TransportCCURI:
			numbers.TransportID = uint8(x.ID)
		}
	}
	if err := t.Out.Reserve(uint32(c.SSRC()), uint32(c.SSRCRetransmission())); err != nil {
		return webrtc.RTPCodecParameters{}, err
	}
	t.Slot.Bind(numbers)
	t.Out.Add(uint32(c.SSRC()), t.Slot)
	return *codec, nil
}

// Unbind implements [webrtc.TrackLocal].
func (t *Track) Unbind(webrtc.TrackLocalContext) error { return nil }

// ID implements [webrtc.TrackLocal].
func (t *Track) ID() string { return t.Stream + "-" + string(t.Slot.Kind) }

// RID implements [webrtc.TrackLocal].
func (t *Track) RID() string { return "" }

// StreamID implements [webrtc.TrackLocal].
func (t *Track) StreamID() string { return t.Stream }

// Kind implements [webrtc.TrackLocal].
func (t *Track) Kind() webrtc.RTPCodecType {
	return webrtc.NewRTPCodecType(string(t.Slot.Kind))
}

package person

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"
)

// attackEvery is the time between two bursts of an attack.
const attackEvery = 20 * time.Millisecond

// attack sends what a hostile guest sends, from some time after begun is closed until ctx ends.
func attack(ctx context.Context, begun <-chan struct{}, a Attack, r *receiver) {
	if a == (Attack{}) {
		return
	}
	select {
	case <-begun:
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(a.After):
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(attackEvery)
	defer ticker.Stop()
	var plis, nacks, reports float64
	count := uint8(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c := r.connection()
		if c == nil {
			continue
		}
		plis += float64(a.PLI) * attackEvery.Seconds()
		nacks += float64(a.NACK) * attackEvery.Seconds()
		reports += float64(a.Feedback) * attackEvery.Seconds()
		var packets []rtcp.Packet
		video := r.videoStreams()
		for ; plis >= 1 && len(video) > 0; plis-- {
			packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: video[rand.IntN(len(video))].ssrc})
		}
		for ; nacks >= 17 && len(video) > 0; nacks -= 17 {
			x := video[rand.IntN(len(video))]
			packets = append(packets, &rtcp.TransportLayerNack{
				MediaSSRC: x.ssrc, Nacks: []rtcp.NackPair{{PacketID: uint16(x.highest) - 17 - uint16(rand.IntN(200)), LostPackets: 0xffff}},
			})
		}
		if a.REMB && len(video) > 0 {
			packets = append(packets, &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1, SSRCs: []uint32{video[0].ssrc}})
		}
		for ; reports >= 1 && len(video) > 0; reports-- {
			count++
			packets = append(packets, &rtcp.TransportLayerCC{
				Header:    rtcp.Header{Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: 5, Padding: true},
				MediaSSRC: video[0].ssrc, BaseSequenceNumber: uint16(rand.Uint32()), PacketStatusCount: 7,
				ReferenceTime: rand.Uint32() & 0xffffff, FbPktCount: count,
				PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{
					Type: rtcp.TypeTCCRunLengthChunk, PacketStatusSymbol: rtcp.TypeTCCPacketNotReceived, RunLength: 7,
				}},
			})
		}
		for len(packets) > 0 { // each compound of at most 20 fits a datagram
			n := min(len(packets), 20)
			_ = c.WriteRTCP(packets[:n]) // fails when the connection is closed
			packets = packets[n:]
		}
	}
}

type stream struct {
	ssrc    uint32
	highest int64
}

func (r *receiver) videoStreams() (all []stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.tracks {
		if x.video && x.ssrc != 0 {
			all = append(all, stream{x.ssrc, x.asks.Highest()})
		}
	}
	return all
}

package siege

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/signalling"
)

// guests are let in, and then attack the call.
func (s *siege) guests() {
	w := s.town
	client := w.client("127.0.10.1")
	// S3: descriptions that are expensive to handle, again and again.
	s.admitted.Add(1)
	s.all.Go(func() {
		in := sync.OnceFunc(s.admitted.Done)
		defer in()
		for i := 0; s.ctx.Err() == nil; i++ {
			name := fmt.Sprint("Describer ", i)
			if _, err := fmt.Fprintln(w.names, name); err != nil {
				return
			}
			if err := s.describe(client, name, in); err != nil {
				s.count("descriptions: stopped")
			} else {
				s.count("descriptions: done")
			}
		}
	})
	// S5, S13: a nonce that should be used twice, endless keyframe requests, chat.
	s.admitted.Add(2)
	s.all.Go(s.leaper)
	// S9: a guest behind a relay that holds a hello back and plays it later.
	s.all.Go(func() {
		if err := s.withheld(w.client("127.0.11.1")); err != nil && s.ctx.Err() == nil {
			s.t.Errorf("behind a lying relay: %v", err)
		}
	})
}

func (s *siege) enter(ctx context.Context, client *http.Client, name string) (*channel, signalling.Admitted, error) {
	c, err := greet(ctx, s.town, client, token())
	if err != nil {
		return nil, signalling.Admitted{}, err
	}
	if err := c.send(ctx, signalling.Knock{Name: name}); err != nil {
		return nil, signalling.Admitted{}, err
	}
	admitted, err := until[signalling.Admitted](ctx, c)
	if err == nil && admitted.Farewell != "" {
		err = c.send(ctx, signalling.Seated{})
	}
	return c, admitted, err
}

func (s *siege) describe(client *http.Client, name string, in func()) error {
	c, _, err := s.enter(s.ctx, client, name)
	in()
	if err != nil {
		return err
	}
	defer func() { _ = c.ws.CloseNow() }()
	offer, err := until[signalling.Offer](s.ctx, c)
	if err != nil {
		return err
	}
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	defer pc.Close()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}); err != nil {
		return err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	before, audio, _ := strings.Cut(answer.SDP, "m=audio")
	audio, after, _ := strings.Cut(audio, "m=video")
	head, rest, _ := strings.Cut(audio, "\r\n")
	sdpText := before + "m=audio" + head + strings.Repeat(" 111", 6000) + "\r\n" +
		rest + strings.Repeat("a=rtcp-fb:111 x\r\n", 3000) + "m=video" + after
	payload := fmt.Sprintf(`{"type":"answer","payload":{"negotiation":%d,"sdp":%q}}`, offer.Negotiation, sdpText)
	if err := c.say(s.ctx, []byte(payload)); err != nil {
		return err
	}
	_, err = until[signalling.Fault](s.ctx, c)
	return err
}

// leaper is a guest whose sequence numbers and transport-wide numbers leap.
func (s *siege) leaper() {
	name := "Leaper"
	if _, err := fmt.Fprintln(s.town.names, name); err != nil {
		return
	}
	m := new(webrtc.MediaEngine)
	if err := m.RegisterDefaultCodecs(); err != nil {
		s.t.Error(err)
		return
	}
	if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}, webrtc.RTPCodecTypeVideo); err != nil {
		s.t.Error(err)
		return
	}
	r := new(interceptor.Registry)
	leaps := new(leaps)
	r.Add(leaps)
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(setting))
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "leaper")
	if err != nil {
		s.t.Error(err)
		return
	}
	var ssrcs sync.Map
	var running sync.WaitGroup
	g, err := guest.Join(s.ctx, s.town.link, guest.Options{
		Name: name, API: api, Tracks: []webrtc.TrackLocal{track}, HTTPClient: s.town.client("127.0.12.1"),
		OnTrack: func(tr *guest.Track) {
			running.Go(func() {
				for {
					p, err := tr.ReadRTP()
					if err != nil {
						return
					}
					ssrcs.Store(p.SSRC, p.SequenceNumber)
				}
			})
		},
	})
	if err != nil {
		s.t.Errorf("the leaper is not in: %v", err)
		s.admitted.Done()
		return
	}
	s.admitted.Done()
	defer running.Wait()
	defer func() { _ = g.Leave() }()
	select {
	case <-g.Connected():
	case <-s.ctx.Done():
		return
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: []byte{
		0x90, 0x80, 0x80, 0x01, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0, 0, // a keyframe's first packet
	}}
	for i := 0; s.ctx.Err() == nil; i++ {
		if i > 0 {
			p.Payload[4] = 0x11
		}
		if i%5000 == 4999 {
			p.Payload[4] = 0x10
			p.SequenceNumber -= 20000 // back to numbers that were used for other packets
		}
		p.SequenceNumber += 8192
		p.Timestamp += 3000
		if track.WriteRTP(&p) == nil {
			leaps.sent.Add(1)
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
		if i%200 == 0 {
			s.wish(g, &ssrcs)
		}
		if i%1000 == 0 {
			_ = g.Restart()
			_ = g.Say(strings.Repeat("ha ", 600))
		}
	}
	s.most("leaps: packets", int(leaps.sent.Load()))
}

// wish asks for packets that were and were not sent, and for keyframes, on all streams.
func (s *siege) wish(g *guest.Guest, ssrcs *sync.Map) {
	pc := g.PeerConnection()
	if pc == nil {
		return
	}
	var packets []rtcp.Packet
	ssrcs.Range(func(ssrc, last any) bool {
		media := ssrc.(uint32)
		nack := &rtcp.TransportLayerNack{MediaSSRC: media}
		for back := range uint16(64) {
			nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: last.(uint16) - 17*back, LostPackets: 0xffff})
		}
		packets = append(packets, nack, &rtcp.PictureLossIndication{MediaSSRC: media},
			&rtcp.FullIntraRequest{MediaSSRC: media, FIR: []rtcp.FIREntry{{SSRC: media, SequenceNumber: uint8(last.(uint16))}}})
		return true
	})
	for _, p := range packets {
		_ = pc.WriteRTCP([]rtcp.Packet{p}) // it may be disconnected
	}
}

// leaps gives each packet a transport-wide number far from the last one.
type leaps struct {
	interceptor.NoOp
	number atomic.Uint32
	sent   atomic.Uint64
}

func (l *leaps) NewInterceptor(string) (interceptor.Interceptor, error) { return l, nil }

func (l *leaps) BindLocalStream(info *interceptor.StreamInfo, writer interceptor.RTPWriter) interceptor.RTPWriter {
	id := uint8(0)
	for _, e := range info.RTPHeaderExtensions {
		if e.URI == sdp.TransportCCURI {
			id = uint8(e.ID)
		}
	}
	if id == 0 {
		return writer
	}
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		_ = h.SetExtension(id, binary.BigEndian.AppendUint16(nil, uint16(l.number.Add(32766)))) // two bytes always fit
		return writer.Write(h, payload, a)
	})
}

// withheld replays a guest's earlier way into the seat, which was held back, after the guest came back by another.
// The guest must stay in.
func (s *siege) withheld(client *http.Client) error {
	const name = "Between"
	ctx := s.ctx
	if _, err := fmt.Fprintln(s.town.names, name); err != nil {
		return err
	}
	c, admitted, err := s.enter(ctx, client, name)
	s.admitted.Done()
	if err == nil {
		err = s.hears(ctx, c) // a seat is held once its guest has taken it
	}
	if err != nil {
		return err
	}
	hello := func(seat string) signalling.Hello {
		return signalling.Hello{Version: signalling.ProtocolVersion, Secret: c.secret.Reveal(), Device: token(), Seat: seat}
	}
	for ctx.Err() == nil {
		_ = c.ws.CloseNow()
		held, err := again(ctx, func() (*channel, error) { return dial(ctx, s.town, client) })
		if err != nil {
			return err
		}
		frame, err := signalling.Encode(hello(admitted.Seat))
		if err == nil {
			frame, err = held.sealed.Seal(frame)
		}
		if err != nil {
			return err
		}
		opening := held.frames[0]
		_ = held.ws.CloseNow() // its opening was sent, and its hello was not

		for back := false; !back; { // strangers may have filled the link, so a page tries again
			if c, err = dial(ctx, s.town, client); err == nil {
				err = c.send(ctx, hello(admitted.Seat))
			}
			var next signalling.Admitted
			if err == nil {
				next, err = until[signalling.Admitted](ctx, c)
			}
			var ended errEnded
			switch {
			case err == nil:
				admitted, back = next, true
			case errors.As(err, &ended) || ctx.Err() != nil:
				return fmt.Errorf("back into the seat: %w", err)
			default:
				s.count("withheld: the way back is full")
				time.Sleep(100 * time.Millisecond)
			}
		}
		if admitted.Farewell != "" {
			if err := c.send(ctx, signalling.Seated{}); err != nil {
				return err
			}
		}
		if err := s.hears(ctx, c); err != nil {
			return err
		}
		late, err := again(ctx, func() (*websocket.Conn, error) {
			ws, _, err := ask(ctx, s.town, client, s.id)
			return ws, err
		})
		if err != nil {
			return err
		}
		for _, b := range [][]byte{opening, frame} {
			if err := late.Write(ctx, websocket.MessageBinary, b); err != nil {
				return err
			}
		}
		for range 2 { // welcome, and the host's answer about the seat, which only the guest can open
			_, _, _ = late.Read(ctx)
		}
		err = s.hears(ctx, c)
		_ = late.CloseNow()
		if err != nil {
			return fmt.Errorf("thrown out: %w", err)
		}
		s.count("withheld: still in")
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

package person

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/lab/clip"
	"github.com/porch-call/porch/backend/signalling"
)

func isLoopback(ip net.IP) bool { return ip.IsLoopback() }

// Run joins, sends and receives until ctx ends, and then writes the report. begun is closed when the call begins to be
// measured. say is called with what happens.
func Run(ctx context.Context, s Spec, begun <-chan struct{}, say func(Event)) error {
	shelf, err := clip.Open(s.Clips, nil)
	if err != nil {
		return err
	}
	p, err := newPublisher(s, shelf)
	if err != nil {
		return err
	}
	w := &watch{capped: p.capped, lossy: p.lossy}
	api, err := newAPI(w, s.Loopback)
	if err != nil {
		return err
	}
	var (
		reading, working sync.WaitGroup
		g                *guest.Guest
		mu               sync.Mutex // guards g until Join has returned
	)
	r := newReceiver(func() *webrtc.PeerConnection {
		mu.Lock()
		defer mu.Unlock()
		if g == nil {
			return nil
		}
		return g.PeerConnection()
	})
	joined, err := guest.Join(ctx, s.Link, guest.Options{
		Name: fmt.Sprintf("Person %d", s.Number), API: api,
		Tracks: []webrtc.TrackLocal{p.audio, p.video}, Muted: s.Talk == TalkMuted, CameraOff: s.Camera.Off,
		OnTrack:           func(t *guest.Track) { reading.Go(func() { r.read(t) }) },
		OnKeyframeRequest: p.wantKeyframe,
		TLS:               &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the sealed channel checks the host's key
	})
	if err != nil {
		return fmt.Errorf("person %d: %w", s.Number, err)
	}
	mu.Lock()
	g = joined
	mu.Unlock()
	report := Report{Number: s.Number, ID: joined.ID(), Joined: now()}
	say(Event{Event: "joined", At: report.Joined})
	select {
	case <-joined.Connected():
	case <-joined.Done():
		return fmt.Errorf("person %d: before media: %w", s.Number, joined.Err())
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), joined.Leave())
	}
	report.Connected = now()
	say(Event{Event: "connected", At: report.Connected})
	if d := joined.PeerConnection().RemoteDescription(); d != nil {
		p.offered(d.SDP)
	}
	sending, stop := context.WithCancel(context.Background())
	working.Go(func() { p.run(sending) })
	working.Go(func() { r.ask(sending) })
	working.Go(func() { attack(sending, begun, s.Attack, r) })
	working.Go(func() { look(sending, begun, s, joined) })
	select {
	case <-ctx.Done():
	case <-joined.Done():
		say(Event{Event: "failed", At: now(), Text: fmt.Sprint(joined.Err())})
		<-ctx.Done()
	}
	stop()
	working.Wait()
	leaving := joined.Leave()
	reading.Wait()
	r.report(&report)
	report.Sent, report.Received = p.take(), w.take()
	f, err := os.Create(s.Report)
	if err != nil {
		return errors.Join(err, leaving)
	}
	err = report.Write(f)
	return errors.Join(err, f.Close())
}

// look says that the person's page is hidden, and later that it looks at everybody, until ctx ends.
func look(ctx context.Context, begun <-chan struct{}, s Spec, g *guest.Guest) {
	if s.Hides == 0 {
		return
	}
	select {
	case <-begun:
	case <-ctx.Done():
		return
	}
	after := func(d time.Duration, v func() signalling.View) {
		select {
		case <-time.After(d):
			_ = g.Look(v()) // without a path there is no call either
		case <-ctx.Done():
		}
	}
	after(s.Hides, func() signalling.View { return signalling.View{Hidden: true} })
	if s.Returns > 0 {
		after(s.Returns-s.Hides, func() (v signalling.View) {
			for _, p := range g.Participants() {
				v.Tiles = append(v.Tiles, signalling.Tile{Participant: p.ID, Height: 360, Kind: signalling.KindVideo})
			}
			return v
		})
	}
}

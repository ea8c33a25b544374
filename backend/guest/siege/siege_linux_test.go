package siege

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	// siegeFor is how long all attackers attack at the same time.
	siegeFor = 12 * time.Second
	// mostMemory is how much each of the two programs may grow, in MiB. The relay's queues alone may use a quarter of
	// it; see docs/relay.md.
	mostMemory = 256
)

// siege is the state that the attackers share.
type siege struct {
	t    *testing.T
	town *town
	ctx  context.Context
	id   sealed.LinkID // of the besieged link
	all  sync.WaitGroup
	// admitted is done when the hostile guests are in. Then the strangers fill the lobby.
	admitted sync.WaitGroup
	mu       sync.Mutex // guards told
	told     map[string]int
}

// count counts the outcome of an attack, for the figures.
func (s *siege) count(what string) {
	s.mu.Lock()
	s.told[what]++
	s.mu.Unlock()
}

// most keeps the largest value of a figure.
func (s *siege) most(what string, n int) {
	s.mu.Lock()
	s.told[what] = max(s.told[what], n)
	s.mu.Unlock()
}

// attack runs f repeatedly until the siege is over. Each try may fail, because the programs defend themselves.
func (s *siege) attack(name, from string, f func(ctx context.Context, client *http.Client) error) {
	client := s.town.client(from)
	s.all.Go(func() {
		defer client.CloseIdleConnections()
		for s.ctx.Err() == nil {
			ctx, cancel := context.WithTimeout(s.ctx, siegeFor)
			if err := f(ctx, client); err != nil {
				s.count(name + ": stopped")
				select { // an attacker that is refused must dial again
				case <-time.After(20 * time.Millisecond):
				case <-s.ctx.Done():
				}
			} else {
				s.count(name + ": done")
			}
			cancel()
		}
	})
}

// TestSiege: hostile guests and strangers attack a running host and a running relay. The honest call of four loses no
// packet, and neither program grows without bound or ends.
func TestSiege(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs and besieges them for a while: make test runs it")
	}
	w := open(t)
	var four []*honest
	for i := range 4 {
		four = append(four, join(t, w, fmt.Sprintf("Honest %d", i+1)))
	}
	eventually(t, "all hear all", func() bool {
		for _, h := range four {
			for _, other := range four {
				if n := other.sent.Load(); h != other && (n < 10 || h.missing(other.ID(), n-6, n-5) > 0) {
					return false
				}
			}
		}
		return true
	})
	relayBefore, _ := w.relay.resident(t)
	hostBefore, _ := w.host.resident(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, id, _, err := sealed.ParseAddress(w.link)
	must(t, err)
	s := &siege{t: t, town: w, id: id, ctx: ctx, told: make(map[string]int)}
	flood := s.queues()
	from := make(map[string]uint64)
	for _, h := range four {
		from[h.ID()] = h.sent.Load()
	}
	s.guests()
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		s.admitted.Wait()
	}()
	select {
	case <-begun:
	case <-time.After(patience):
		t.Error("the hostile guests did not get in")
	}
	time.AfterFunc(siegeFor, cancel)
	flood()
	s.strangers()
	s.owners()
	s.all.Wait()

	to := make(map[string]uint64)
	for _, h := range four {
		to[h.ID()] = h.sent.Load()
	}
	w.relay.alive(t)
	w.host.alive(t)
	var sent uint64
	var lost int
	for late := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) { // retransmissions come later
		sent, lost = 0, 0
		for _, h := range four {
			for _, other := range four {
				if h == other {
					continue
				}
				n := to[other.ID()]
				sent += n - from[other.ID()]
				lost += h.missing(other.ID(), from[other.ID()], n)
			}
		}
		if lost == 0 || time.Now().After(late) {
			break
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d honest packets were lost", lost, sent)
	}
	if sent < 12*uint64(siegeFor/soundEvery)/10 { // a busy computer sends fewer; none are to be lost
		t.Errorf("only %d honest packets in %v", sent, siegeFor)
	}
	relayNow, relayMost := w.relay.resident(t)
	hostNow, hostMost := w.host.resident(t)
	t.Logf("honest packets: %d, lost: %d", sent, lost)
	t.Logf("MiB before, at most, after: porch-relay %d %d %d, porch-headless %d %d %d", relayBefore, relayMost, relayNow, hostBefore, hostMost, hostNow)
	for what, n := range s.told {
		t.Logf("%s %d times", what, n)
	}
	if relayMost-relayBefore > mostMemory || hostMost-hostBefore > mostMemory {
		t.Errorf("more than %d MiB more than before", mostMemory)
	}
	for _, what := range []string{
		"picture: done", "names and pictures: done", "words: done", "queues: frames", "keys: done", "empty ChannelData: sent",
		"TURN noise: done", "descriptions: done", "leaps: packets", "withheld: still in",
	} {
		if s.told[what] == 0 {
			t.Errorf("not once: %s", what)
		}
	}
	for _, h := range four {
		select {
		case <-h.Done():
			t.Errorf("an honest guest is out: %v", h.Err())
		default:
		}
	}
	// A new guest can still join.
	join(t, w, "Honest 5")
}

// strangers have the whole link or only its id, and are not let in.
func (s *siege) strangers() {
	w := s.town
	picture := photo(s.t)
	// S8, S10, S11: sixty guests with pictures come, knock as fast as they may, and go. Each knock would make the
	// host fetch credentials.
	for i := range 60 {
		device := token()
		s.attack("picture", fmt.Sprintf("127.0.1.%d", 1+i%4), func(ctx context.Context, client *http.Client) error {
			c, err := greet(ctx, w, client, device)
			if err != nil {
				return err
			}
			defer func() { _ = c.ws.CloseNow() }()
			if err := c.send(ctx, signalling.Knock{Name: fmt.Sprint("Stranger ", i), Picture: picture}); err != nil {
				return err
			}
			m, err := c.next(ctx)
			if err != nil {
				return err
			}
			if f, ok := m.(signalling.Fault); ok && f.RetryAfter == 0 {
				return fmt.Errorf("siege: %s, and not when to try again", f.Code)
			}
			select {
			case <-time.After(time.Duration(rand.IntN(2000)) * time.Millisecond):
			case <-ctx.Done():
			}
			return nil
		})
	}
	// S10: one device under changing names.
	changeable, tries := token(), 0
	s.attack("names and pictures", "127.0.2.1", func(ctx context.Context, client *http.Client) error {
		c, err := greet(ctx, w, client, changeable)
		if err != nil {
			return err
		}
		defer func() { _ = c.ws.CloseNow() }()
		tries++
		if err := c.send(ctx, signalling.Knock{Name: fmt.Sprint("Changeable ", tries), Picture: picture}); err != nil {
			return err
		}
		m, err := c.next(ctx)
		if f, ok := m.(signalling.Fault); ok && f.Code == string(fault.TooFast) {
			s.count("names and pictures: too fast")
		}
		return err
	})
	// S14, S15 and other things that are no messages: invisible names, names that are commands elsewhere, duplicate
	// keys, and deep nesting.
	for _, text := range []string{
		`{"type":"knock","payload":{"name":"ㅤ"}}`,
		`{"type":"knock","payload":{"name":"󠇰"}}`,
		`{"type":"knock","payload":{"name":"]]>$(calc)` + "`calc`" + `'\"--><script>"}}`,
		`{"type":"knock","payload":{"name":"Honest` + "\u200d" + ` 1"}}`,
		`{"type":"knock","payload":{"name":"A","NAME":"B"}}`,
		`{"type":"` + "\u212a" + `nock","payload":{"` + "ſ" + `dp":"v=0","sdp":"v=0"}}`,
		`{"type":"knock","payload":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`,
		`{"type":"answer","payload":{"negotiation":1,"sdp":"v=0\r\n"}}`,
		"\xff\xfe", "{", "",
	} {
		s.attack("words", "127.0.3.1", func(ctx context.Context, client *http.Client) error {
			c, err := greet(ctx, w, client, token())
			if err != nil {
				return err
			}
			defer func() { _ = c.ws.CloseNow() }()
			if err := c.say(ctx, []byte(text)); err != nil {
				return err
			}
			_, err = c.next(ctx)
			return err
		})
	}
	// S4: one address takes every place at the link that it gets, sends nothing, and keeps it.
	for range 8 {
		s.attack("places", "127.0.4.1", func(ctx context.Context, client *http.Client) error {
			var held []*channel
			defer func() {
				for _, c := range held {
					_ = c.ws.CloseNow()
				}
			}()
			for {
				c, err := dial(ctx, w, client)
				if err != nil {
					return err
				}
				held = append(held, c)
			}
		})
	}
	// A stranger's page that breaks all rules of the sealed channel.
	s.attack("frames", "127.0.5.1", func(ctx context.Context, client *http.Client) error {
		c, err := dial(ctx, w, client)
		if err != nil {
			return err
		}
		defer func() { _ = c.ws.CloseNow() }()
		b := make([]byte, rand.IntN(8<<10))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		if err := c.raw(ctx, b); err != nil {
			return err
		}
		_, err = c.next(ctx)
		return err
	})
}

// owners are hostile hosts at the relay.
func (s *siege) owners() {
	w := s.town
	// S7: a new key each time, each with its credentials.
	s.attack("keys", "127.0.7.1", func(ctx context.Context, client *http.Client) error {
		o, err := register(ctx, w, client)
		if err != nil {
			return err
		}
		defer func() { _ = o.ws.CloseNow() }()
		_, err = o.credentials(ctx)
		return err
	})
	// S2: empty ChannelData over TCP, which consists of frame headers only.
	s.attack("empty ChannelData", "127.0.8.1", func(ctx context.Context, client *http.Client) error {
		o, err := register(ctx, w, client)
		if err != nil {
			return err
		}
		defer func() { _ = o.ws.CloseNow() }()
		server, err := o.credentials(ctx)
		if err != nil {
			return err
		}
		return s.emptyChannelData(ctx, server)
	})
	// The same port, with data that is not TURN.
	s.attack("TURN noise", "127.0.9.1", func(ctx context.Context, _ *http.Client) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", w.turn)
		if err != nil {
			return err
		}
		defer conn.Close()
		b := make([]byte, 4096)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		b[0] = 0x40 // looks like ChannelData
		_, err = conn.Write(b)
		return err
	})
}

// queues prepares S6: a host with links and guests of its own, all from one address, whose guests may send large
// frames. The returned function makes them send while the host does not read.
func (s *siege) queues() (flood func()) {
	w, client := s.town, s.town.client("127.0.6.1")
	o, err := register(s.ctx, w, client)
	must(s.t, err)
	s.t.Cleanup(func() { _ = o.ws.CloseNow() })
	var guests []*websocket.Conn
	for range 2 {
		id, err := o.announce(s.ctx)
		must(s.t, err)
		for range 75 {
			ws, _, err := ask(s.ctx, w, client, id)
			if err != nil {
				break // there was room for no more
			}
			s.t.Cleanup(func() { _ = ws.CloseNow() })
			guests = append(guests, ws)
			g, err := told[signalling.Guest](s.ctx, o)
			must(s.t, err)
			must(s.t, o.say(s.ctx, signalling.Limit{Channel: g.Channel, Bytes: signalling.MaxFrame}))
		}
	}
	s.most("queues: guests", len(guests))
	frame := make([]byte, 250<<10)
	return func() {
		for _, ws := range guests {
			s.all.Go(func() { // until the siege ends, or the relay closes the connection because it has no room
				for ws.Write(s.ctx, websocket.MessageBinary, frame) == nil {
					s.count("queues: frames")
				}
			})
		}
	}
}

func (o *owner) credentials(ctx context.Context) (signalling.ICEServer, error) {
	if err := o.say(ctx, signalling.WantCredentials{Request: 1}); err != nil {
		return signalling.ICEServer{}, err
	}
	c, err := told[signalling.Credentials](ctx, o)
	if err != nil {
		return signalling.ICEServer{}, err
	}
	for _, server := range c.Servers {
		if server.Username != "" {
			return server, nil
		}
	}
	return signalling.ICEServer{}, fmt.Errorf("siege: %s", c.Code)
}

// emptyChannelData binds a channel and floods it with empty packets. The relay accepts peers on this computer only in
// this test (-turn-allow).
func (s *siege) emptyChannelData(ctx context.Context, server signalling.ICEServer) error {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer peer.Close()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.town.turn)
	if err != nil {
		return err
	}
	defer conn.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: s.town.turn, TURNServerAddr: s.town.turn, Conn: turn.NewSTUNConn(conn),
		Username: server.Username, Password: server.Credential, LoggerFactory: pionlog.Silent{},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return err
	}
	relayed, err := client.Allocate()
	if err != nil {
		return err
	}
	defer relayed.Close()
	// The client binds a channel with the first packet, and then uses it.
	b := make([]byte, 64)
	for range 5 {
		if _, err := relayed.WriteTo([]byte("hello"), peer.LocalAddr()); err != nil {
			return err
		}
		if err := peer.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, _, err := peer.ReadFrom(b); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	var flood []byte
	for range 4096 {
		flood = binary.BigEndian.AppendUint16(flood, 0x4000) // the first channel of pion's client
		flood = append(flood, 0, 0)
	}
	for range 8 {
		if _, err := conn.Write(flood); err != nil {
			return err
		}
	}
	s.count("empty ChannelData: sent")
	return nil
}

// again tries until it works or ctx ends, because strangers may have filled the link.
func again[T any](ctx context.Context, try func() (T, error)) (T, error) {
	for {
		got, err := try()
		if err == nil || ctx.Err() != nil {
			return got, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// errEnded is the reason that the host gave for the guest's end.
type errEnded signalling.EndReason

func (e errEnded) Error() string { return "siege: ended, " + string(e) }

// hears waits until the host echoes a message, so that it has handled all messages before it.
func (s *siege) hears(ctx context.Context, c *channel) error {
	if err := c.send(ctx, signalling.Say{Text: "in"}); err != nil {
		return err
	}
	for {
		m, err := c.next(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case signalling.Ended:
			return errEnded(m.Reason)
		case signalling.Chat:
			return nil
		}
	}
}

// photo returns about the largest picture that a knock can carry.
func photo(t *testing.T) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 320, 320))
	for i := range img.Pix {
		img.Pix[i] = uint8((i%320/16)*13 ^ (i/320/16)*7)
	}
	for quality := 95; quality > 0; quality -= 5 {
		var b bytes.Buffer
		must(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}))
		if b.Len() <= signalling.MaxPicture {
			return b64.EncodeToString(b.Bytes())
		}
	}
	t.Fatal("no picture is small enough")
	return ""
}

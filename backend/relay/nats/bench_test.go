package nats

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// porch is a link whose guests come over a relay's real socket.
type porch struct {
	id    sealed.LinkID
	base  string
	bells chan struct{}
}

// newPorch announces a link at the relay of hosts, for guests at the relay of
// guests.
func newPorch(b *testing.B, guests, hosts switchboard.Switchboard) *porch {
	b.Helper()
	open := func(board switchboard.Switchboard) *relay.Server {
		s, err := relay.Open(contextFor(b), relay.Options{
			Dir: b.TempDir(), Listen: "127.0.0.1:0", Switchboard: board, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	at := open(guests)
	from := at
	if hosts != guests {
		from = open(hosts)
	}
	keys := newKeys(b)
	p := &porch{id: keys.ID(), base: at.Addresses()[0].Base, bells: make(chan struct{}, 1)}
	if _, err := from.Announce(contextFor(b), keys, func(f switchboard.Frames) { go p.host(f) }); err != nil {
		b.Fatal(err)
	}
	return p
}

// host answers hello with welcome, and rings the bell at a knock.
func (p *porch) host(f switchboard.Frames) {
	for {
		b, err := f.Recv(context.Background())
		if err != nil {
			return
		}
		if string(b) == "knock" {
			p.bells <- struct{}{}
		} else if f.Send([]byte("welcome")) != nil {
			return
		}
	}
}

// visit opens a socket as a page does, and knocks. It returns the time from the
// first byte to the bell, and from the knock to the bell.
func (p *porch) visit(b *testing.B, n int) (whole, knock time.Duration) {
	ctx := contextFor(b)
	// Each guest has an address of its own, because one address may not have so
	// many.
	from := &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+n/250%250), byte(1+n%250))}
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: from}).DialContext}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	url := strings.Replace(strings.Replace(p.base, "http", "ws", 1), "localhost", "127.0.0.1", 1) + switchboard.SocketPath
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // the library's to close
		Subprotocols: []string{signalling.Subprotocol}, HTTPClient: client,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	question, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(p.id)})
	if err != nil {
		b.Fatal(err)
	}
	write := func(kind websocket.MessageType, what []byte) {
		if err := ws.Write(ctx, kind, what); err != nil {
			b.Fatal(err)
		}
	}
	read := func() []byte {
		_, what, err := ws.Read(ctx)
		if err != nil {
			b.Fatal(err)
		}
		return what
	}
	write(websocket.MessageText, question)
	var answer struct{ Type string }
	if err := json.Unmarshal(read(), &answer); err != nil || answer.Type != "opened" {
		b.Fatalf("%q, %v", answer.Type, err)
	}
	write(websocket.MessageBinary, []byte("hello"))
	read()
	knocked := time.Now()
	write(websocket.MessageBinary, []byte("knock"))
	<-p.bells
	return time.Since(begin), time.Since(knocked)
}

// BenchmarkKnock compares one node with two over a real nats-server, guest by
// guest. The p99 with two may be twice that of one.
func BenchmarkKnock(b *testing.B) {
	many := func(o *Options) { o.PerLink, o.PerAddress = 1000, 1000 }
	nodes := openNodes(b, natstest.Start(b), 2, many)
	memory := switchboard.NewMemory(1000, 1000)
	porches := map[string]*porch{"one": newPorch(b, memory, memory), "two": newPorch(b, nodes[0], nodes[1])}
	wholes, knocks := map[string][]time.Duration{}, map[string][]time.Duration{}
	n := 0
	for b.Loop() {
		for name, p := range porches { // in random order
			whole, knock := p.visit(b, n)
			wholes[name], knocks[name] = append(wholes[name], whole), append(knocks[name], knock)
		}
		n++
	}
	for what, all := range map[string]map[string][]time.Duration{"whole": wholes, "knock": knocks} {
		for name, ds := range all {
			slices.Sort(ds)
			b.ReportMetric(float64(ds[len(ds)/2].Microseconds()), what+"-"+name+"-p50-µs")
			b.ReportMetric(float64(ds[len(ds)*99/100].Microseconds()), what+"-"+name+"-p99-µs")
		}
		b.ReportMetric(float64(all["two"][n*99/100])/float64(all["one"][n*99/100]), what+"-p99-ratio")
	}
}

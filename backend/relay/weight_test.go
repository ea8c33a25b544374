package relay

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"

	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// The bytes of heap and stacks that one idle connection with a link, and one
// waiting guest of such a connection, may cost a relay, over TLS.
const (
	lineWeight  = 32 << 10
	guestWeight = 42 << 10
)

// crowdVariable makes this test binary a crowd of hosts and guests at the relay
// that it names.
const crowdVariable = "PORCH_RELAY_CROWD"

// TestWeight measures what idle hosts and waiting guests cost. PORCH_WEIGHT is
// how many of each: "10000,2000".
func TestWeight(t *testing.T) {
	if os.Getenv(crowdVariable) != "" {
		crowd(t, os.Getenv(crowdVariable))
		return
	}
	if testing.Short() {
		t.Skip("short")
	}
	lines, guests := 400, 400
	if v := os.Getenv("PORCH_WEIGHT"); v != "" {
		if _, err := fmt.Sscanf(v, "%d,%d", &lines, &guests); err != nil {
			t.Fatal(err)
		}
	}
	s := openRelay(t, func(o *Options) {
		o.Hosts = &hosts.Policy{Open: true, PerAddress: hosts.AddressQuotas{Hosts: 1e6, Links: 1e6, Guests: 1e6}}
		o.Capacity = Capacity{
			Connections: 1e6, ConnectionsPerAddress: 1e6, Guests: 1e6, GuestsPerAddress: 1e6, Hosts: 1e6, OpensPerAddress: 1e6,
		}
	})
	c := exec.Command(os.Args[0], "-test.run=^TestWeight$", "-test.v")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s,%d,%d", crowdVariable, s.hostPort(), lines, guests))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := weight()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	await := func(word string) uint64 {
		t.Helper()
		for said.Scan() {
			if strings.Contains(said.Text(), word) {
				return weight()
			}
		}
		t.Fatalf("the crowd never said %q", word)
		return 0
	}
	withLines := await("lines are open")
	goroutines := runtime.NumGoroutine()
	fmt.Fprintln(in)
	withGuests := await("guests wait")
	perLine := int(withLines-before) / lines
	perGuest := int(withGuests-withLines) / guests
	t.Logf("%d lines: %d bytes and %.1f goroutines each; %d guests: %d bytes and %.1f goroutines each", lines, perLine,
		float64(goroutines)/float64(lines), guests, perGuest, float64(runtime.NumGoroutine()-goroutines)/float64(guests))
	fmt.Fprintln(in)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if raceEnabled {
		return
	}
	if perLine > lineWeight {
		t.Errorf("a line weighs %d bytes, more than %d", perLine, lineWeight)
	}
	if perGuest > guestWeight {
		t.Errorf("a guest weighs %d bytes, more than %d", perGuest, guestWeight)
	}
}

// weight returns what the heap and the stacks hold after a collection.
func weight() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// crowd is the other process: "host:port,connections,guests".
func crowd(t *testing.T, what string) {
	part := strings.Split(what, ",")
	lines, _ := strconv.Atoi(part[1])
	guests, _ := strconv.Atoi(part[2])
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // a test
	c := &http.Client{Transport: tr}
	open := func(path, subprotocol string) *websocket.Conn {
		ws, _, err := websocket.Dial(context.Background(), "wss://"+part[0]+path, &websocket.DialOptions{ //nolint:bodyclose // the library's
			HTTPClient: c, Subprotocols: []string{subprotocol},
		})
		if err != nil {
			t.Error(err)
			os.Exit(1)
		}
		return ws
	}
	ids := make([]sealed.LinkID, lines)
	sockets := make([]*websocket.Conn, 0, lines+guests)
	var readers sync.WaitGroup
	for i := range ids {
		h := &rawHost{t, open(switchboard.HostPath, signalling.HostSubprotocol)}
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		h.registered(key)
		keys, _ := sealed.NewLinkKeys()
		h.announces(keys)
		ids[i] = keys.ID()
		sockets = append(sockets, h.ws)
	}
	fmt.Println("lines are open")
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	for _, ws := range sockets { // for pongs, and so that guests find their hosts reading
		readers.Go(func() { drain(ws) })
	}
	for i := range guests {
		ws := open(switchboard.SocketPath, signalling.Subprotocol)
		b, _ := signalling.Encode(signalling.Open{Version: 1, Link: string(ids[i%len(ids)])})
		_ = ws.Write(context.Background(), websocket.MessageText, b)
		if _, _, err := ws.Read(context.Background()); err != nil {
			t.Error(err)
		}
		// An opening, Hello and Knock.
		for _, size := range []int{65, 200, 150} {
			_ = ws.Write(context.Background(), websocket.MessageBinary, make([]byte, size))
		}
		readers.Go(func() { drain(ws) })
		sockets = append(sockets, ws)
	}
	fmt.Println("guests wait")
	_, _ = in.ReadString('\n')
	for _, ws := range sockets {
		_ = ws.CloseNow()
	}
	readers.Wait()
	tr.CloseIdleConnections()
}

func drain(ws *websocket.Conn) {
	for {
		if _, _, err := ws.Read(context.Background()); err != nil {
			return
		}
	}
}

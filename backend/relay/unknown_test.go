package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// TestUnknownIDs asks for 100,000 links that do not exist, from many addresses.
// All get the same answer, and the relay keeps nothing of them.
func TestUnknownIDs(t *testing.T) {
	n, workers := 100_000, 512
	if testing.Short() || raceEnabled {
		n = 2_000
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8 for its own")
	}
	l := publicLimits()
	l.opens, l.openBurst, l.requests, l.requestBurst = 1e6, 1e6, 1e6, 1e6
	l.connectionsPerAddress = 1 << 20
	s := openRelay(t, func(o *Options) { o.limits = &l })
	keys, guests, _ := host(t, s)

	answered := make(map[string]int) // counts by all that does not depend on the id
	var mu sync.Mutex
	all := func(n int) {
		t.Helper()
		next := make(chan int)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range next {
					form, err := askUnknown(s, i)
					if err != nil {
						t.Error(err)
						continue
					}
					mu.Lock()
					answered[form]++
					mu.Unlock()
				}
			})
		}
		for i := range n {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	all(n / 10) // warms up what is made once
	before := weight()
	all(n - n/10)
	after := weight()
	if len(answered) != 1 {
		t.Errorf("%d forms of answers: %v", len(answered), answered)
	}
	for form, times := range answered {
		t.Logf("%d answers %q; %d bytes before, %d after", times, form, before, after)
		if times != n {
			t.Errorf("%d of %d", times, n)
		}
	}
	if after > before+4<<20 {
		t.Errorf("%d bytes are kept of %d questions", after-before, n)
	}
	connect(t, s, keys, guests) // the link that is there opens as before
}

// askUnknown asks once, from one of many addresses, and returns the answer
// without its note.
func askUnknown(s *Server, i int) (form string, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 3, byte(i/20%250), byte(1+i/5000%250))}, Timeout: patience}
	c, err := d.Dial("tcp", s.hostPort())
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		return "", err
	}
	id := sealed.IDOf(binary.BigEndian.AppendUint64(nil, uint64(i)))
	question, err := signalling.Encode(signalling.Open{Version: 1, Link: string(id)})
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(c, "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: porch.v1\r\n\r\n"+
		string(shortFrame(0x81, question)))
	if err != nil {
		return "", err
	}
	r := bufio.NewReaderSize(c, 2048)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	resp.Body.Close() // there is no body: frames follow
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return "", errors.New(resp.Status)
	}
	var answer, end []byte
	if answer, err = readFrame(r); err != nil {
		return "", err
	}
	m, err := signalling.DecodeFromRelay(answer)
	if err != nil {
		return "", err
	}
	u, ok := m.(signalling.Unavailable)
	if !ok {
		return "", fmt.Errorf("an answer of type %q", m.Type())
	}
	if end, err = readFrame(r); err != nil {
		return "", err
	}
	_, err = c.Write(shortFrame(0x88, end)) // confirms the close
	return strings.ReplaceAll(string(answer), u.Note, fmt.Sprint(len(u.Note))) + fmt.Sprintf(" %x", end), err
}

// readFrame reads a frame of fewer than 65,536 bytes from a server.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1])
	if size == 126 {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(head[:]))
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, err
}

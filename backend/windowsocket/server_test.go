package windowsocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

const origin = "wails://wails"

func TestMessagesPassBothWays(t *testing.T) {
	s, conns := listen(t)
	type claims struct{ link string }
	ws, c := window(t, s, conns, claims{"a link"})
	if c.Claims() != (claims{"a link"}) {
		t.Errorf("claims %v", c.Claims())
	}
	if !strings.HasPrefix(s.Grant(nil).URL, "ws://127.0.0.1:") {
		t.Errorf("URL %s", s.Grant(nil).URL)
	}
	if err := c.Send(signalling.Left{ID: "ann"}); err != nil {
		t.Fatal(err)
	}
	kind, b, err := ws.Read(contextFor(t))
	if err != nil || kind != websocket.MessageText {
		t.Fatal(kind, err)
	}
	if m, err := signalling.DecodeFromHost(b, signalling.MaxFrame); err != nil || m != (signalling.Left{ID: "ann"}) {
		t.Errorf("%+v, %v", m, err)
	}
	say(t, ws, "say", map[string]string{"text": "hello"})
	say(t, ws, "keyframeWanted", map[string]string{"participant": "ann"})
	for _, want := range []signalling.Message{signalling.Say{Text: "hello"}, KeyframeWanted{Participant: "ann"}} {
		if m, err := c.Recv(contextFor(t)); err != nil || m != want {
			t.Errorf("Recv = %+v, %v", m, err)
		}
	}

	// Unreadable messages return their fault and do not end the socket.
	for payload, want := range map[string]fault.Code{
		"garbage": fault.MessageMalformed, `{"type":"roster","payload":{}}`: fault.MessageUnknown,
		`{"type":"say","payload":{"text":""}}`:                             fault.ChatInvalid,
		`{"type":"taken","payload":{"index":0,"frames":1}}`:                fault.MessageInvalid,
		`{"type":"taken","payload":{"index":-1}}`:                          fault.MessageMalformed,
		`{"type":"taken","payload":7}`:                                     fault.MessageMalformed,
		`{"type":"enter","payload":{"token":"x"}}`:                         fault.MessageUnexpected,
		`{"type":"keyframeWanted"}`:                                        fault.MessageMalformed,
		`{"type":"keyframeWanted","payload":{}}`:                           fault.MessageInvalid,
		`{"type":"taken","type":"enter","payload":{"index":0,"frames":0}}`: fault.MessageMalformed,
	} {
		if err := ws.Write(contextFor(t), websocket.MessageText, []byte(payload)); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Recv(contextFor(t)); m != nil || fault.CodeOf(err) != want {
			t.Errorf("%s: %+v, %v", payload, m, err)
		}
	}

	if err := c.Send(signalling.Ended{Reason: signalling.EndEnded}); err != nil {
		t.Fatal(err)
	}
	c.Close("")
	c.Close(fault.Internal)
	if err := c.Send(signalling.Mute{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send = %v", err)
	}
	if err := c.SendFrame(VideoFrame{Participant: "x", Payload: []byte("x")}); !errors.Is(err, ErrClosed) {
		t.Errorf("SendFrame = %v", err)
	}
	if _, b, err := ws.Read(contextFor(t)); err != nil || !strings.Contains(string(b), "ended") {
		t.Errorf("%s, %v", b, err)
	}
	if code, reason := closedWith(t, ws); code != websocket.StatusNormalClosure || reason != "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, err := c.Recv(contextFor(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
}

func TestWindowLeaves(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	say(t, ws, "leave", struct{}{})
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Recv(contextFor(t)); err != nil || m != (signalling.Leave{}) {
		t.Errorf("Recv = %+v, %v", m, err)
	}
	if _, err := c.Recv(contextFor(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
}

func TestRecvEndsWithItsContext(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Recv(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv = %v", err)
	}
	say(t, ws, "say", map[string]string{"text": "still here"})
	if m, err := c.Recv(contextFor(t)); err != nil || m != (signalling.Say{Text: "still here"}) {
		t.Errorf("Recv = %+v, %v", m, err)
	}
}

func TestRefusedSockets(t *testing.T) {
	s, _ := listen(t)
	url := s.Grant(nil).URL
	port := s.host[strings.LastIndex(s.host, ":"):]
	for _, tc := range []struct {
		name   string
		url    string
		change func(*websocket.DialOptions)
		status int
	}{
		{"foreign origin", url, func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"http://evil.example"}} }, 403},
		{"own address as origin", url, func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"http://" + s.host}} }, 403},
		{"origin null", url, func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"null"}} }, 403},
		{"no origin", url, func(o *websocket.DialOptions) { o.HTTPHeader = nil }, 403},
		{"two origins", url, func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {origin, origin}} }, 403},
		{"rebound name", url, func(o *websocket.DialOptions) { o.Host = "evil.example" }, 421},
		{"other name", url, func(o *websocket.DialOptions) { o.Host = "localhost" + port }, 421},
		{"other path", "ws://" + s.host + "/", nil, 404},
		{"token in the URL", url + "?token=" + s.Grant(nil).Token, nil, 404},
		{"no subprotocol", url, func(o *websocket.DialOptions) { o.Subprotocols = nil }, 400},
		{"fine", url, nil, 101},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, status, _ := dial(t, tc.url, tc.change); status != tc.status {
				t.Errorf("got %d, want %d", status, tc.status)
			}
		})
	}
}

func TestTooManySockets(t *testing.T) {
	s, conns := listen(t)
	url := s.Grant(nil).URL
	for range maxSockets {
		mustDial(t, url)
	}
	if _, status, _ := dial(t, url, nil); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
	if len(conns) != 0 {
		t.Error("somebody came in")
	}
}

// readFrame reads the next binary frame, and checks that its source was named before it.
func readFrame(t testing.TB, ws *websocket.Conn, names map[uint16]string) (participant string, f VideoFrame) {
	t.Helper()
	for {
		kind, b, err := ws.Read(contextFor(t))
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageText {
			var m struct {
				Type    string
				Payload source
			}
			if err := json.Unmarshal(b, &m); err != nil || m.Type != "source" {
				t.Fatalf("%s, %v", b, err)
			}
			names[m.Payload.Index] = m.Payload.Participant
			continue
		}
		i, f, err := decodeFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if names[i] == "" {
			t.Fatalf("a frame of index %d, which nobody has explained", i)
		}
		return names[i], f
	}
}

func TestPicturesReachTheWindow(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	names := map[uint16]string{}
	sent, taken := uint64(0), uint64(0)
	for i := range 50 {
		for _, who := range []string{"ann", "bob"} {
			payload := []byte(fmt.Sprint(who, i))
			if err := c.SendFrame(VideoFrame{Participant: who, Keyframe: i == 0, Timestamp: uint64(i) * 33_333, Payload: payload}); err != nil {
				t.Fatalf("frame %d of %s: %v", i, who, err)
			}
			sent++
			payload[0] = '?' // SendFrame has copied it
		}
		for _, want := range []string{"ann", "bob"} {
			who, f := readFrame(t, ws, names)
			if who != want || string(f.Payload) != fmt.Sprint(who, i) || f.Timestamp != uint64(i)*33_333 || f.Keyframe != (i == 0) {
				t.Fatalf("%s %+v", who, f)
			}
		}
		taken++
		for index := range 2 {
			say(t, ws, "taken", map[string]any{"index": index, "frames": taken})
		}
		// The backend reads in order, so after this message it has read taken.
		say(t, ws, "restart", struct{}{})
		if _, err := c.Recv(contextFor(t)); err != nil {
			t.Fatal(err)
		}
	}
	if sent != 2*taken || len(names) != 2 {
		t.Errorf("%d sent, %d taken, %d sources", sent, taken, len(names))
	}
	for name, f := range map[string]VideoFrame{
		"empty": {Participant: "ann"}, "large": {Participant: "ann", Payload: make([]byte, MaxPicture+1)},
		"no participant": {Payload: []byte("x")}, "long id": {Participant: strings.Repeat("x", 65), Payload: []byte("x")},
	} {
		if err := c.SendFrame(f); fault.CodeOf(err) != fault.MessageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSlowWindow(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	send := func(keyframe bool) error {
		return c.SendFrame(VideoFrame{Participant: "ann", Keyframe: keyframe, Payload: make([]byte, 1000)})
	}
	if err := send(true); err != nil {
		t.Fatal(err)
	}
	// The window takes no frames.
	n := 1
	for send(false) == nil {
		n++
	}
	if n != MaxOutstanding {
		t.Errorf("%d frames outstanding", n)
	}
	// Messages still pass, and after the window has caught up a keyframe does.
	if err := c.Send(signalling.Left{ID: "bob"}); err != nil {
		t.Fatal(err)
	}
	got, text := uint64(0), false
	for !text {
		kind, b, err := ws.Read(contextFor(t))
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageBinary {
			got++
		}
		text = strings.Contains(string(b), "left")
	}
	for ctx := contextFor(t); ; {
		c.mu.Lock()
		sent, queued := c.pictures.sources[0].sent, c.pictures.sources[0].queued
		c.mu.Unlock()
		if queued == 0 && got == sent {
			break
		}
		if _, _, err := ws.Read(ctx); err != nil {
			t.Fatal(err)
		}
		got++
	}
	say(t, ws, "taken", map[string]any{"index": 0, "frames": got})
	say(t, ws, "restart", struct{}{})
	if _, err := c.Recv(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	if err := send(false); !errors.Is(err, ErrKeyframeWanted) {
		t.Errorf("delta: %v", err)
	}
	if err := send(true); err != nil {
		t.Errorf("keyframe: %v", err)
	}
}

func TestWindowThatReadsNothing(t *testing.T) {
	s, conns := listen(t)
	_, c := window(t, s, conns, nil)
	large := signalling.Fault{Code: "internal", Message: strings.Repeat("x", 400)}
	var err error
	for ctx := contextFor(t); err == nil && ctx.Err() == nil; {
		err = c.Send(large)
	}
	if fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("Send = %v", err)
	}
	if err := c.Send(large); !errors.Is(err, ErrClosed) {
		t.Errorf("Send = %v", err)
	}
	if _, err := c.Recv(contextFor(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
}

func TestBinaryFromTheWindow(t *testing.T) {
	s, conns := listen(t)
	ws, _ := window(t, s, conns, nil)
	if err := ws.Write(contextFor(t), websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if code, reason := closedWith(t, ws); code != closeFault || reason != string(fault.MessageUnexpected) {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestCloseEndsWindows(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	waiting := mustDial(t, s.Grant(nil).URL) // has not sent its token
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if code, reason := closedWith(t, ws); code != closeFault || reason != string(fault.ShuttingDown) {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, _, err := waiting.Read(contextFor(t)); err == nil {
		t.Error("the other socket stays")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Recv(contextFor(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
	if _, _, err := dial(t, s.Grant(nil).URL, nil); err == nil {
		t.Error("the port still answers")
	}
}

// TestHandlerThatPanics: a panic while one window is served ends only its socket.
func TestHandlerThatPanics(t *testing.T) {
	first := true
	s, err := Listen(contextFor(t), Options{
		Origins: func(string) bool { return true },
		Handler: func(c *Conn) {
			if first {
				first = false
				panic("a fault")
			}
			_ = c.Send(signalling.Mute{})
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, ends := range []bool{true, false} {
		ticket := s.Grant(nil)
		ws := mustDial(t, ticket.URL)
		say(t, ws, "enter", map[string]string{"token": ticket.Token})
		if ends {
			closedWith(t, ws)
			continue
		}
		if _, b, err := ws.Read(contextFor(t)); err != nil || !strings.Contains(string(b), "mute") {
			t.Errorf("%s, %v", b, err)
		}
	}
	if s.panics.Count() != 1 {
		t.Errorf("%d panics are counted", s.panics.Count())
	}
}

func TestHandlerThatReturns(t *testing.T) {
	s, err := Listen(contextFor(t), Options{
		Origins: func(string) bool { return true },
		Handler: func(c *Conn) { _ = c.Send(signalling.Mute{}) },
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ticket := s.Grant(nil)
	ws := mustDial(t, ticket.URL)
	say(t, ws, "enter", map[string]string{"token": ticket.Token})
	if _, b, err := ws.Read(contextFor(t)); err != nil || !strings.Contains(string(b), "mute") {
		t.Errorf("%s, %v", b, err)
	}
	if code, _ := closedWith(t, ws); code != websocket.StatusNormalClosure {
		t.Errorf("closed with %d", code)
	}
}

func TestTokensAreNotLogged(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := Listen(contextFor(t), Options{Origins: func(o string) bool { return o == origin }, Handler: func(*Conn) {}, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ticket := s.Grant(nil)
	for range 2 { // refused the second time
		ws := mustDial(t, ticket.URL)
		say(t, ws, "enter", map[string]string{"token": ticket.Token})
		closedWith(t, ws)
	}
	raw, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, _ = io.WriteString(raw, "GET /"+ticket.Token+"\r\n\r\n")
	_, _ = bufio.NewReader(raw).ReadString('\n')
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), ticket.Token) || !strings.Contains(out.String(), "no valid ticket") {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestListenNeedsItsOptions(t *testing.T) {
	if _, err := Listen(contextFor(t), Options{}); err == nil {
		t.Error("a server for everybody")
	}
}

func FuzzDecodeWindow(f *testing.F) {
	for _, s := range []string{
		`{"type":"enter","payload":{"token":"x"}}`, `{"type":"taken","payload":{"index":65535,"frames":18446744073709551615}}`,
		`{"type":"keyframeWanted","payload":{"participant":"ann"}}`, `{"type":"say","payload":{"text":"hi"}}`,
		`{"type":"leave"}`, `{"type":"taken","payload":null}`, `{"Type":"enter","payload":{"token":"x"}}`, "", "null", "[]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeWindow(b)
		if err != nil {
			if m != nil {
				t.Error("a message with an error")
			}
			if code := fault.CodeOf(err); code == fault.Internal {
				t.Errorf("no fault: %v", err)
			}
			return
		}
		if err := m.Validate(); err != nil {
			t.Errorf("%+v is not valid: %v", m, err)
		}
		again, err := signalling.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		m2, err := decodeWindow(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		once, err1 := json.Marshal(m)
		twice, err2 := json.Marshal(m2)
		if err1 != nil || err2 != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}

package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

func TestRefusedSockets(t *testing.T) {
	s := openRelay(t, nil)
	for _, tc := range []struct {
		name   string
		change func(*websocket.DialOptions)
		status int
	}{
		{"foreign origin", func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"https://evil.example"}} }, 403},
		{"origin null", func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"null"}} }, 403},
		{"other scheme", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"https://" + s.hostPort()}}
		}, 403},
		{"two origins", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"http://" + s.hostPort(), "https://evil.example"}}
		}, 403},
		{"rebound name", func(o *websocket.DialOptions) {
			o.Host = "evil.example"
			o.HTTPHeader = http.Header{"Origin": {"http://evil.example"}}
		}, 421},
		{"no subprotocol", func(o *websocket.DialOptions) { o.Subprotocols = nil }, 400},
		{"other subprotocol", func(o *websocket.DialOptions) { o.Subprotocols = []string{"porch.v0"} }, 400},
		{"own origin", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"http://" + s.hostPort()}}
		}, 101},
		{"no origin", nil, 101},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, got, _ := dial(t, s, tc.change); got.status != tc.status {
				t.Errorf("got %d, want %d", got.status, tc.status)
			}
		})
	}
}

func TestBadFirstMessages(t *testing.T) {
	s := openRelay(t, nil)
	for _, tc := range []struct {
		name   string
		kind   websocket.MessageType
		b      string
		code   signalling.CloseCode
		reason fault.Code
	}{
		{"garbage", websocket.MessageText, "garbage", signalling.CloseRefused, fault.MessageMalformed},
		{"nothing", websocket.MessageText, "", signalling.CloseRefused, fault.MessageMalformed},
		{"binary", websocket.MessageBinary, "\x00\x01", signalling.CloseRefused, fault.MessageUnexpected},
		{"hello", websocket.MessageText, `{"type":"hello","payload":{}}`, signalling.CloseRefused, fault.MessageUnknown},
		{"no id", websocket.MessageText, `{"type":"open","payload":{"version":1,"link":"x"}}`, signalling.CloseRefused, fault.LinkMalformed},
		{"other version", websocket.MessageText, `{"type":"open","payload":{"version":999,"link":"AAAAAAAAAAAAAAAAAAAAAA"}}`, signalling.CloseRefused, fault.VersionUnsupported},
		{"oversize", websocket.MessageText, strings.Repeat(" ", 5000), signalling.CloseTooLarge, fault.FrameTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ws := mustDial(t, s)
			write(t, ws, tc.kind, []byte(tc.b))
			if code, reason := closedWith(t, ws); code != tc.code || reason != string(tc.reason) {
				t.Errorf("closed with %d %q", code, reason)
			}
		})
	}
}

func TestBadFramesEndTheirChannelOnly(t *testing.T) {
	flood := func(size int) func(*testing.T, *websocket.Conn, switchboard.Frames) {
		return func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			for ws.Write(contextFor(t), websocket.MessageBinary, make([]byte, size)) == nil {
			}
		}
	}
	for _, tc := range []struct {
		name   string
		limits func(*limits)
		do     func(t *testing.T, ws *websocket.Conn, f switchboard.Frames)
		code   signalling.CloseCode
	}{
		{"text after Opened", nil, func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			write(t, ws, websocket.MessageText, []byte("{}"))
		}, signalling.CloseRefused},
		{"oversize", nil, func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			write(t, ws, websocket.MessageBinary, make([]byte, f.Limit()+1))
		}, signalling.CloseTooLarge},
		{"frames in a flood", nil, flood(1), signalling.CloseTooFast},
		{"bytes in a flood", func(l *limits) { l.fill = time.Hour }, flood(1000), signalling.CloseTooFast},
		{"a host that does not read", func(l *limits) { l.fill = time.Microsecond }, flood(16 << 10), signalling.CloseTooSlow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := defaultLimits
			if tc.limits != nil {
				tc.limits(&l)
			}
			s := openRelay(t, func(o *Options) { o.limits = &l })
			keys, guests, _ := host(t, s)
			good, goodEnd := connect(t, s, keys, guests)
			ws, f := connect(t, s, keys, guests)
			// Reading must go on while the guest writes, as in a browser.
			code := make(chan signalling.CloseCode, 1)
			go func() {
				_, _, err := ws.Read(context.Background())
				code <- signalling.CloseCode(websocket.CloseStatus(err))
			}()
			tc.do(t, ws, f)
			if got := <-code; got != tc.code {
				t.Errorf("closed with %d, want %d", got, tc.code)
			}
			select {
			case <-f.Done():
			case <-contextFor(t).Done():
				t.Error("the host's end is open")
			}
			write(t, good, websocket.MessageBinary, []byte("fine"))
			if b := recv(t, goodEnd); string(b) != "fine" {
				t.Errorf("the other guest: %q", b)
			}
		})
	}
}

// TestEndsOfAGuestsSocket: the host hears the last frame, and whether the browser
// has unloaded the page, also while the host speaks.
func TestEndsOfAGuestsSocket(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	for _, tc := range []struct {
		name string
		end  func(*websocket.Conn)
		code signalling.CloseCode
	}{
		{"closed by a script", func(ws *websocket.Conn) { _ = ws.Close(websocket.StatusNormalClosure, "") }, signalling.CloseDone},
		{"unloaded", func(ws *websocket.Conn) { _ = ws.Close(websocket.StatusGoingAway, "") }, signalling.CloseGone},
		{"another code", func(ws *websocket.Conn) { _ = ws.Close(4000, "") }, signalling.CloseDone},
		{"cut", func(ws *websocket.Conn) { _ = ws.CloseNow() }, signalling.CloseDone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 20 {
				ws, f := connect(t, s, keys, guests)
				write(t, ws, websocket.MessageBinary, []byte("last"))
				if b := recv(t, f); string(b) != "last" {
					t.Fatalf("%q", b)
				}
				for range 8 {
					_ = f.Send([]byte("word")) // the end shows at Recv
				}
				go func() { // as a browser, which reads all the time
					for {
						if _, _, err := ws.Read(context.Background()); err != nil {
							return
						}
						_ = f.Send([]byte("word"))
					}
				}()
				tc.end(ws)
				var closed switchboard.Closed
				if _, err := f.Recv(contextFor(t)); !errors.As(err, &closed) || closed.Code != tc.code {
					t.Fatalf("Recv = %v, want the end with %d", err, tc.code)
				}
			}
		})
	}
}

func TestLargerFramesAfterAdmission(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	ws, f := connect(t, s, keys, guests)
	f.SetLimit(signalling.MaxFrame)
	large := bytes.Repeat([]byte("sdp"), signalling.MaxFrame/3)
	write(t, ws, websocket.MessageBinary, large)
	if b := recv(t, f); !bytes.Equal(b, large) {
		t.Errorf("%d bytes of %d", len(b), len(large))
	}
}

func TestSlowGuestIsCutAlone(t *testing.T) {
	quick := defaultTimes
	quick.write, quick.close = 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	good, goodEnd := connect(t, s, keys, guests)

	raw := rawSocket(t, s)
	raw.open(t, keys.ID())
	f := <-guests
	// The guest reads nothing: the system's buffers fill, then the queue.
	frame := make([]byte, 200<<10)
	deadline := contextFor(t)
	for {
		if err := f.Send(frame); err != nil {
			if fault.CodeOf(err) != fault.TooSlow {
				t.Errorf("Send = %v", err)
			}
			break
		}
		if deadline.Err() != nil {
			t.Fatal("the queue never fills")
		}
	}
	if _, err := f.Recv(deadline); fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("Recv = %v", err)
	}
	if err := goodEnd.Send([]byte("fine")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := good.Read(deadline); err != nil || string(b) != "fine" {
		t.Errorf("the other guest: %q, %v", b, err)
	}
}

func TestSilentSocketsAreClosed(t *testing.T) {
	quick := defaultTimes
	quick.open, quick.firstByte, quick.header = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	t.Run("no Open", func(t *testing.T) {
		if code, reason := closedWith(t, mustDial(t, s)); code != signalling.CloseTooSlow {
			t.Errorf("closed with %d %q", code, reason)
		}
	})
	t.Run("no first frame", func(t *testing.T) {
		keys, guests, _ := host(t, s)
		ws, _ := connect(t, s, keys, guests)
		if code, _ := closedWith(t, ws); code != signalling.CloseTooSlow {
			t.Errorf("closed with %d", code)
		}
	})
	for name, sent := range map[string]string{
		"no byte": "", "half a request line": "GET /j/", "headers without end": "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
		"half a TLS record": "\x16\x03\x01\x02\x00\x01", "neither": "\x00\x01\x02",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", s.hostPort())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
}

func TestGuestThatDoesNotAnswerPings(t *testing.T) {
	quick := defaultTimes
	quick.ping, quick.pong, quick.close = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	raw := rawSocket(t, s)
	raw.open(t, keys.ID())
	f := <-guests
	if _, err := f.Recv(contextFor(t)); fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("Recv = %v", err)
	}
	if _, err := io.Copy(io.Discard, raw.r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays")
	}
}

func TestMessageThatNeverEnds(t *testing.T) {
	quick := defaultTimes
	quick.frame, quick.close = 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	for name, head := range map[string][]byte{
		"a terabyte":          {0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 'x'},
		"fragments":           {0x02, 0x81, 1, 2, 3, 4, 'x'},
		"a negative length":   {0x82, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 'x'},
		"without a mask":      {0x82, 0x05, 'x'},
		"a control too large": {0x89, 0xfe, 0x01, 0x00, 1, 2, 3, 4},
		"reserved bits":       {0xf2, 0x81, 1, 2, 3, 4, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawSocket(t, s)
			raw.open(t, keys.ID())
			f := <-guests
			if _, err := raw.c.Write(head); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Recv(contextFor(t)); err == nil {
				t.Error("a frame came through")
			}
			if _, err := io.Copy(io.Discard, raw.r); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
}

package windowsocket

import (
	"bytes"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
)

func TestFilesPassBothWays(t *testing.T) {
	s, conns := listen(t)
	ws, c := window(t, s, conns, nil)
	if err := ws.Write(contextFor(t), websocket.MessageBinary, []byte{fileVersion, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	say(t, ws, "saveFile", map[string]int{"line": 7})
	m, err := c.Recv(contextFor(t))
	if f, ok := m.(FileFrame); err != nil || !ok || !bytes.Equal(f.Bytes, []byte{1, 2, 3}) {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := c.Recv(contextFor(t)); err != nil || m != (SaveFile{Line: 7}) {
		t.Errorf("%+v, %v", m, err)
	}
	if err := c.SendFile([]byte{4, 5}); err != nil {
		t.Fatal(err)
	}
	kind, b, err := ws.Read(contextFor(t))
	if err != nil || kind != websocket.MessageBinary || !bytes.Equal(b, []byte{fileVersion, 4, 5}) {
		t.Errorf("%v %v %v", kind, b, err)
	}
}

func TestAWindowThatReadsNoFiles(t *testing.T) {
	s, conns := listen(t)
	_, c := window(t, s, conns, nil)
	frame := make([]byte, 1<<20)
	var err error
	for range 64 {
		if err = c.SendFile(frame); err != nil {
			break
		}
	}
	if fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("%v", err)
	}
}

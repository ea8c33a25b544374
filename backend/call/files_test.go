package call

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/files"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Kinds of frames; see package files.
const (
	frameWant, framePart, frameGot, frameStop = 1, 2, 3, 4
)

// fileGuest is a guest whose page passes files.
type fileGuest struct {
	*guest
	dc *webrtc.DataChannel

	// Guarded by the guest's lock.
	own   map[uint64][]byte // what it offers, by chat line
	got   map[uint64][]byte
	asked int // bytes that the host has asked for
	stops map[uint64]files.Why
	over  map[uint64]string
	deaf  bool // it never says what it has read
	wrong func(frame []byte) []byte
	fault []string
}

func numbers(kind byte, line uint64, of ...uint32) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind, 0}, uint32(line))
	for _, n := range of {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func joinFiles(t *testing.T, c *Call, id string) *fileGuest {
	t.Helper()
	g := &fileGuest{
		own: make(map[uint64][]byte), got: make(map[uint64][]byte),
		stops: make(map[uint64]files.Why), over: make(map[uint64]string),
	}
	o := as(id)
	o.wrap = func(out Outbox) Outbox { return fileOutbox{out, g} }
	g.guest = newGuest(t, c, o)
	negotiated, stream := true, uint16(0)
	var err error
	g.dc, err = g.pc.CreateDataChannel("files", &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &stream})
	must(t, err)
	g.dc.OnMessage(func(m webrtc.DataChannelMessage) { g.frame(m.Data) })
	p, err := c.Join(o.profile, o.wrap(g.out))
	must(t, err)
	g.p = p
	g.start()
	return g
}

// fileOutbox notes what is said of files.
type fileOutbox struct {
	Outbox
	g *fileGuest
}

func (o fileOutbox) Send(m signalling.Message) error {
	switch m := m.(type) {
	case signalling.FileOver:
		o.g.update(func() { o.g.over[m.Line] = m.Why })
	case signalling.Fault:
		o.g.update(func() { o.g.fault = append(o.g.fault, m.Code) })
	}
	return o.Outbox.Send(m)
}

func (g *fileGuest) frame(b []byte) {
	line := uint64(binary.BigEndian.Uint32(b[2:]))
	switch b[0] {
	case frameWant:
		from, to := int(binary.BigEndian.Uint32(b[6:])), int(binary.BigEndian.Uint32(b[10:]))
		g.mu.Lock()
		content, wrong := g.own[line], g.wrong
		g.mu.Unlock()
		g.update(func() { g.asked += to - from })
		for content != nil && from < to {
			n := min(to-from, files.MaxPart)
			part := append(numbers(framePart, line, uint32(from)), content[from:from+n]...)
			if wrong != nil {
				part = wrong(part)
			}
			if part != nil {
				_ = g.dc.Send(part) // the host may have closed it
			}
			from += n
		}
	case framePart:
		var read int
		deaf := false
		g.update(func() {
			g.got[line] = append(g.got[line], b[10:]...)
			read, deaf = len(g.got[line]), g.deaf
		})
		if !deaf {
			_ = g.dc.Send(numbers(frameGot, line, uint32(read)))
		}
	case frameStop:
		g.update(func() { g.stops[line] = files.Why(b[6]) })
	}
}

// offer offers a file and returns its chat line.
func (g *fileGuest) offer(name string, content []byte) uint64 {
	g.t.Helper()
	must(g.t, g.p.Handle(signalling.Attach{Name: name, Size: int64(len(content))}))
	var line uint64
	g.until("its own line", func() bool {
		for _, l := range g.chat {
			if l.Participant == g.p.ID() && l.File != nil && g.own[l.ID] == nil {
				line = l.ID
			}
		}
		if line != 0 {
			g.own[line] = content
		}
		return line != 0
	})
	return line
}

func (g *fileGuest) takes(line uint64) error {
	return g.p.Handle(signalling.Take{Line: line, On: true})
}

func someBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return b
}

func filesCall(t *testing.T) *Call {
	t.Helper()
	c := newTestCall(t, Options{Spool: filepath.Join(t.TempDir(), "files")})
	c.engine.filePatience = 2 * time.Second
	return c
}

// withPatience is a call in which files that do not move are given up soon.
func withPatience(t *testing.T) *Call {
	t.Helper()
	e, err := NewEngine(Options{Spool: filepath.Join(t.TempDir(), "files")})
	must(t, err)
	e.filePatience = time.Second
	t.Cleanup(func() { must(t, e.Close()) })
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(t, err)
	return c
}

func TestAFileGoesToThoseWhoAskForIt(t *testing.T) {
	c := filesCall(t)
	ann, ben, cleo := joinFiles(t, c, "ann"), joinFiles(t, c, "ben"), joinFiles(t, c, "cleo")
	content := someBytes(1<<20 + 333)
	line := ann.offer("../tea\u202egnp.pdf", content)
	ben.until("the line", func() bool { return len(ben.chat) == 1 })
	if f := ben.chat[0].File; f.Name != "teagnp.pdf" || f.Size != int64(len(content)) || f.Kind != signalling.FileOther {
		t.Errorf("the file is said to be %+v", *f)
	}
	ann.until("an offer", func() bool { return ann.offers > 0 })
	if strings.Contains(ann.pc.RemoteDescription().SDP, "m=application") {
		t.Error("a data channel was offered before anybody needed one")
	}

	must(t, ben.takes(line))
	ben.until("the whole file", func() bool { return len(ben.got[line]) == len(content) })
	must(t, cleo.takes(line))
	cleo.until("the whole file", func() bool { return len(cleo.got[line]) == len(content) })
	for _, g := range []*fileGuest{ben, cleo} {
		if !bytes.Equal(g.got[line], content) {
			t.Errorf("%s has got other bytes", g.p.ID())
		}
	}
	if ann.asked != len(content) {
		t.Errorf("the sender was asked for %d bytes of %d", ann.asked, len(content))
	}
	// Media is negotiated on beside it.
	dan := join(t, c, as("dan"))
	defer dan.send().stop()
	ben.until("Dan's picture", func() bool { return ben.heard(signalling.KindVideo)["dan"] > 2 })
	codeIs(t, dan.p.Handle(signalling.Take{Line: line, On: true}), fault.FileGone) // said before he came

	must(t, ann.p.Handle(signalling.TakeBack{Line: line}))
	cleo.until("its end", func() bool { return cleo.over[line] == signalling.OverTakenBack })
	codeIs(t, cleo.takes(line), fault.FileGone)
	codeIs(t, ben.p.Handle(signalling.Attach{Name: "a", Size: signalling.MaxFile + 1}), fault.FileInvalid)
	for range 8 {
		_ = ben.p.Handle(signalling.Attach{Name: "a", Size: 1})
	}
	codeIs(t, ben.p.Handle(signalling.Attach{Name: "a", Size: 1}), fault.TooFast)
}

func TestTheHostSavesAndSends(t *testing.T) {
	c := filesCall(t)
	host, err := c.Join(Profile{ID: "host", Name: "Host", Host: true}, newOutbox())
	must(t, err)
	defer host.Leave("")
	ann := joinFiles(t, c, "ann")
	content := someBytes(300_000)
	line := ann.offer("a.bin", content)
	var saved bytes.Buffer
	var told int64
	must(t, c.SaveFile(t.Context(), line, "host", &saved, func(n int64) { told = n }))
	if !bytes.Equal(saved.Bytes(), content) || told != int64(len(content)) {
		t.Errorf("%d bytes were saved, %d told", saved.Len(), told)
	}
	must(t, host.Handle(signalling.Attach{Name: "b", Size: 5}))
	ann.until("the host's line", func() bool { return len(ann.chat) == 2 })
	theirs := ann.chat[1].ID
	must(t, ann.takes(theirs))
	window := make(windowPipe, 8)
	c.Files().Connect("host", window)
	if want := <-window; !bytes.Equal(want, numbers(frameWant, theirs, 0, 5)) {
		t.Fatalf("the window was asked %v", want)
	}
	must(t, c.Files().Handle("host", window, append(numbers(framePart, theirs, 0), "hello"...)))
	ann.until("the host's file", func() bool { return string(ann.got[theirs]) == "hello" })
}

type windowPipe chan []byte

func (w windowPipe) Send(b []byte) error {
	select {
	case w <- b:
		return nil
	default:
		return io.ErrShortWrite
	}
}

func (w windowPipe) Close() {}

func TestWhatWasNotOfferedIsRefused(t *testing.T) {
	content := someBytes(100_000)
	tests := map[string]struct {
		name   string
		broken bool // the protocol, too
		wrong  func([]byte) []byte
	}{
		"more than was asked for": {"a.txt", true, func(b []byte) []byte { return append(b, 1) }},
		"another place":           {"a.txt", true, func(b []byte) []byte { b[9]++; return b }},
		"a program":               {"a.txt", false, func(b []byte) []byte { copy(b[10:], "MZ"); return b }},
		"no picture":              {"a.png", false, func(b []byte) []byte { return b }},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			c := filesCall(t)
			ann, ben := joinFiles(t, c, "ann"), joinFiles(t, c, "ben")
			ann.wrong = test.wrong
			line := ann.offer(test.name, content)
			must(t, ben.takes(line))
			ben.until("the refusal", func() bool {
				return ben.over[line] == signalling.OverRefused
			})
			if test.broken {
				ann.until("a fault", func() bool { return len(ann.fault) == 1 && ann.fault[0] == string(fault.FileRefused) })
			} else { // another file may follow
				ann.update(func() { ann.wrong = nil })
				line = ann.offer("b.txt", content)
				must(t, ben.takes(line))
				ben.until("the next file", func() bool { return bytes.Equal(ben.got[line], content) })
			}
			defer ann.send().stop()
			ben.until("Ann's picture", func() bool { return ben.heard(signalling.KindVideo)["ann"] > 2 })
		})
	}
}

func TestGarbageEndsTheChannelAlone(t *testing.T) {
	c := filesCall(t)
	ann, ben := joinFiles(t, c, "ann"), joinFiles(t, c, "ben")
	line := ann.offer("a.txt", someBytes(100))
	must(t, ben.takes(line))
	ben.until("the file", func() bool { return len(ben.got[line]) == 100 })
	must(t, ben.dc.Send([]byte("what is this")))
	ben.until("a fault", func() bool { return len(ben.fault) > 0 && ben.fault[0] == string(fault.MessageMalformed) })
	defer ben.send().stop()
	ann.until("Ben's picture", func() bool { return ann.heard(signalling.KindVideo)["ben"] > 2 })
}

func TestWhoeverNeverReadsIsGivenUp(t *testing.T) {
	c := withPatience(t)
	ann, ben, cleo := joinFiles(t, c, "ann"), joinFiles(t, c, "ben"), joinFiles(t, c, "cleo")
	content := someBytes(4 << 20)
	line := ann.offer("a.bin", content)
	ben.update(func() { ben.deaf = true })
	must(t, ben.takes(line))
	must(t, cleo.takes(line))
	cleo.until("the whole file", func() bool { return bytes.Equal(cleo.got[line], content) })
	ben.until("the end", func() bool { return ben.stops[line] == files.WhySlow })
	if n := len(ben.got[line]); n > 256<<10 {
		t.Errorf("%d bytes were sent to whoever says nothing of having read them", n)
	}
	defer ann.send().stop()
	ben.until("Ann's picture", func() bool { return ben.heard(signalling.KindVideo)["ann"] > 2 })
}

func TestASenderThatStops(t *testing.T) {
	c := withPatience(t)
	ann, ben, cleo := joinFiles(t, c, "ann"), joinFiles(t, c, "ben"), joinFiles(t, c, "cleo")
	content := someBytes(1 << 20)
	sent := 0
	ann.wrong = func(b []byte) []byte {
		if sent += len(b); sent > 100_000 {
			return nil
		}
		return b
	}
	line := ann.offer("a.bin", content)
	must(t, ben.takes(line))
	ben.until("the end", func() bool { return ben.stops[line] == files.WhyStopped })
	must(t, cleo.takes(line))
	ann.p.Leave("")
	cleo.until("the end", func() bool {
		return cleo.over[line] == signalling.OverGone
	})
}

func TestAnotherDataChannelIsRefused(t *testing.T) {
	c := filesCall(t)
	ann, ben := joinFiles(t, c, "ann"), joinFiles(t, c, "ben")
	line := ann.offer("a.txt", someBytes(100))
	must(t, ben.takes(line))
	ben.until("the file", func() bool { return len(ben.got[line]) == 100 })
	_, err := ben.pc.CreateDataChannel("mine", nil)
	must(t, err)
	ben.until("the end", func() bool { return ben.ended == signalling.EndFault })
	ann.until("Ben to be out", func() bool { _, there := ann.roster["ben"]; return !there })
}

// A page that agrees to a data channel and then does not speak SCTP holds up itself alone, and not the end of the call.
func TestAChannelThatNeverOpens(t *testing.T) {
	c := filesCall(t)
	ann := joinFiles(t, c, "ann")
	o := as("ben")
	agreed := make(chan struct{}, 4)
	o.alter = func(answer string) string {
		if strings.Contains(answer, "m=application 9") {
			agreed <- struct{}{}
		}
		return answer
	}
	ben := joinWithoutData(t, c, o, agreed)
	line := ann.offer("a.txt", someBytes(100))
	must(t, ben.p.Handle(signalling.Take{Line: line, On: true}))
	<-agreed
	defer ben.send().stop()
	ann.until("Ben's picture", func() bool { return ann.heard(signalling.KindVideo)["ben"] > 2 })
}

// joinWithoutData joins a guest who answers an offer of a data channel without giving it to its stack.
func joinWithoutData(t *testing.T, c *Call, o guestOptions, agreed chan struct{}) *guest {
	t.Helper()
	g := newGuest(t, c, o)
	p, err := c.Join(o.profile, silentData{g, agreed})
	must(t, err)
	g.p = p
	g.start()
	return g
}

// silentData passes a guest all offers but those of a data channel, which it answers itself as the one before was, with
// the data channel agreed to.
type silentData struct {
	g      *guest
	agreed chan struct{}
}

func (s silentData) Send(m signalling.Message) error {
	o, ok := m.(signalling.Offer)
	if !ok || !strings.Contains(o.SDP, "m=application") {
		return s.g.out.Send(m)
	}
	go func() {
		answer := s.g.pc.LocalDescription().SDP
		_, section, _ := strings.Cut(o.SDP, "m=application")
		_, mid, _ := strings.Cut(section, "a=mid:")
		mid, _, _ = strings.Cut(mid, "\r\n")
		answer += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\na=sctp-port:5000\r\n"
		_ = s.g.p.Handle(signalling.Answer{Negotiation: o.Negotiation, SDP: answer}) // the call may be over
		s.agreed <- struct{}{}
	}()
	return nil
}

func TestFilesLeaveNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "1.spool"), []byte("left by a crash"), 0o600))
	e, err := NewEngine(Options{Spool: dir})
	must(t, err)
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(t, err)
	ann, ben := joinFiles(t, c, "ann"), joinFiles(t, c, "ben")
	content := bytes.Repeat([]byte("to be read by nobody else"), 4000)
	line := ann.offer("a.txt", content)
	must(t, ben.takes(line))
	ben.until("the file", func() bool { return bytes.Equal(ben.got[line], content) })
	found, err := os.ReadDir(dir)
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("%d files wait", len(found))
	}
	path := filepath.Join(dir, found[0].Name())
	kept, err := os.ReadFile(path)
	must(t, err)
	if info, err := found[0].Info(); err != nil || info.Mode().Perm() != 0o600 || bytes.Contains(kept, []byte("nobody")) {
		t.Errorf("the file that waits can be read: %v", err)
	}
	must(t, e.Close())
	if found, err = os.ReadDir(dir); err != nil || len(found) != 0 {
		t.Errorf("%d files are left, %v", len(found), err)
	}
}

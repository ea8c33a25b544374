package call

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/mediatest"
)

// impatience makes an engine report after 200 ms that media finds no path.
func impatience(e *Engine) { e.mediaPatience = 200 * time.Millisecond }

// seesNoMedia waits until g is told that a member's media finds no path, for this
// reason.
func (g *guest) seesNoMedia(id string, code fault.Code) {
	g.t.Helper()
	g.until("no media of "+id+": "+string(code), func() bool {
		p, in := g.roster[id]
		return in && p.NoMedia == string(code)
	})
}

func TestWhoseMediaFindsNoWayIsToldSo(t *testing.T) {
	c := newReachedCall(t, Options{}, ICEConfig{}, impatience)
	o := as("a")
	o.setting = func(s *webrtc.SettingEngine) { // a browser that opens no UDP socket
		s.SetIPFilter(func(net.IP) bool { return false })
		s.SetIncludeLoopbackCandidate(false)
	}
	a, b, d := join(t, c, o), join(t, c, as("b")), join(t, c, as("d"))
	b.send()
	a.seesNoMedia("a", fault.MediaBlocked)
	b.seesNoMedia("a", fault.MediaBlocked)
	d.untilSees("b") // no other participant is disturbed
	b.seesNoMedia("b", "")
}

func TestMediaThatComesLateIsNoLongerMissed(t *testing.T) {
	c := newReachedCall(t, Options{}, ICEConfig{}, impatience)
	b := join(t, c, as("b"))
	a := newGuest(t, c, as("a"))
	p, err := c.Join(as("a").profile, a.out)
	must(t, err)
	a.p = p
	b.seesNoMedia("a", fault.MediaBlocked) // it has not answered yet
	a.start()
	b.seesNoMedia("a", "")
	a.send()
	b.untilSees("a")

	// A path that is lost while messages still arrive is the same case.
	must(t, a.pc.Close())
	b.seesNoMedia("a", fault.MediaBlocked)
}

// records keeps what is logged.
type records struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(b)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// withoutUDP makes the system refuse sockets as long as refuse is true.
func withoutUDP(refuse *atomic.Bool) func(*Engine) {
	return func(e *Engine) {
		impatience(e)
		open := e.mux.Listen
		e.mux.Listen = func(a *net.UDPAddr) (*net.UDPConn, error) {
			if refuse.Load() {
				return nil, errors.New("operation not permitted")
			}
			return open(a)
		}
	}
}

func TestAHostWithoutUDPSaysSo(t *testing.T) {
	var refuse atomic.Bool
	refuse.Store(true)
	log := new(records)
	c := newReachedCall(t, Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, ICEConfig{}, withoutUDP(&refuse))
	if c.engine.HasUDP() {
		t.Error("there is UDP without a socket")
	}
	if text := log.String(); !strings.Contains(text, "udp-unavailable") || !strings.Contains(text, "operation not permitted") {
		t.Errorf("log: %s", text)
	}
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	a.seesNoMedia("a", fault.UDPUnavailable)
	a.seesNoMedia("b", fault.UDPUnavailable)

	refuse.Store(false) // the user has told the security software to allow it
	b.untilSees("a")
	b.seesNoMedia("a", "")
}

func TestAHostWithoutUDPUsesTURN(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	var refuse atomic.Bool
	refuse.Store(true)
	c := newReachedCall(t, Options{TLS: s.TLS}, ICEConfig{Servers: s.Servers("tcp")}, withoutUDP(&refuse))
	a, b := join(t, c, onlyRelayed(as("a"))), join(t, c, onlyRelayed(as("b")))
	a.send()
	b.untilSees("a")
	b.seesNoMedia("a", "")
}

func TestWhoMayUseTURNOnlyIsToldThatThereIsNone(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	s.Refuse.Store(true)
	c := newReachedCall(t, Options{TLS: s.TLS}, ICEConfig{Servers: s.Servers("tcp"), RelayOnly: true}, impatience)
	a := join(t, c, as("a"))
	a.seesNoMedia("a", fault.TurnUnavailable)
}

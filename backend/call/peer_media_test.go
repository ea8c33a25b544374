package call

import (
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

// TestMediaGoesTheDirectWay has two guests with their own stacks, whose answers are
// like those of browsers.
func TestMediaGoesTheDirectWay(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	for id, g := range map[string]*guest{"a": a, "b": b} {
		g.until("feedback", func() bool { return g.twcc > 0 && g.reports > 0 && g.srs > 0 })
		if c.member(id).connection.Load().direct.Load() == nil {
			t.Errorf("%s: pion's way", id)
		}
	}
	must(t, b.p.Handle(signalling.Leave{}))
	a.until("b has left", func() bool { return len(a.roster) == 1 })
}

// TestNoGuestServesTheHandshake has a guest that insists on being the DTLS server,
// which would bypass the bound on streams.
func TestNoGuestServesTheHandshake(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	o := as("b")
	o.setting = func(s *webrtc.SettingEngine) { must(t, s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer)) }
	b := join(t, c, o)
	b.until("it is told why", func() bool { return b.ended == signalling.EndFault })
	a.until("it is gone", func() bool { return len(a.roster) == 1 })
}

package host

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// raw seals bytes that need not be a message.
func (v *visitor) raw(b []byte) []byte {
	v.f.t.Helper()
	frame, err := v.channel.Seal(b)
	v.f.must(err)
	return frame
}

// hello is an honest Hello of the link.
func (f *fixture) hello(l hoststate.LinkView, v *visitor) signalling.Hello {
	_, secret := secretOf(f.t, l)
	return signalling.Hello{Version: signalling.ProtocolVersion, Secret: secret.Reveal(), Device: v.device}
}

func encode(t *testing.T, m signalling.Message) []byte {
	t.Helper()
	b, err := signalling.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHostileBeforeWelcome drops every channel that does not begin as it must,
// unseen: not one frame goes back.
func TestHostileBeforeWelcome(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.knock(l, "Ada") // undisturbed throughout
	stranger, err := sealed.NewLinkKeys()
	f.must(err)

	cases := []struct {
		name  string
		code  fault.Code
		close signalling.CloseCode
		send  func(v *visitor) [][]byte
	}{
		{"an empty opening", fault.FrameTruncated, signalling.CloseRefused, func(*visitor) [][]byte { return [][]byte{{}} }},
		{"a short opening", fault.FrameTruncated, signalling.CloseRefused, func(v *visitor) [][]byte { return [][]byte{v.opening[:64]} }},
		{"a long opening", fault.FrameTooLarge, signalling.CloseTooLarge, func(v *visitor) [][]byte {
			return [][]byte{append(slices.Clone(v.opening), 0)}
		}},
		{"no point of the curve", fault.SealBroken, signalling.CloseRefused, func(*visitor) [][]byte {
			return [][]byte{bytes.Repeat([]byte{4}, sealed.OpeningSize)}
		}},
		{"an opening for other keys", fault.SealBroken, signalling.CloseRefused, func(v *visitor) [][]byte {
			opening, channel, err := sealed.OpenGuest(stranger.Public(), stranger.ID())
			f.must(err)
			v.channel = channel
			return [][]byte{opening, v.raw(encode(t, f.hello(l, v)))}
		}},
		{"an opening of another channel", fault.SealBroken, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{f.dial(l).opening, v.raw(encode(t, f.hello(l, v)))}
		}},
		{"a truncated frame", fault.FrameTruncated, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw(encode(t, f.hello(l, v)))[:7]}
		}},
		{"a frame with a bit flipped", fault.SealBroken, signalling.CloseRefused, func(v *visitor) [][]byte {
			frame := v.raw(encode(t, f.hello(l, v)))
			frame[len(frame)-1] ^= 1
			return [][]byte{v.opening, frame}
		}},
		{"a frame out of order", fault.FrameOutOfOrder, signalling.CloseRefused, func(v *visitor) [][]byte {
			frame := v.raw(encode(t, f.hello(l, v)))
			frame[7] = 3
			return [][]byte{v.opening, frame}
		}},
		{"the wrong secret", fault.SecretWrong, signalling.CloseRefused, func(v *visitor) [][]byte {
			h := f.hello(l, v)
			h.Secret = sealed.NewSecret().Reveal()
			return [][]byte{v.opening, v.raw(encode(t, h))}
		}},
		{"another link's secret", fault.SecretWrong, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw(encode(t, f.hello(f.link(), v)))}
		}},
		{"a knock before hello", fault.MessageUnexpected, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw(encode(t, signalling.Knock{Name: "Mal"}))}
		}},
		{"no JSON", fault.MessageMalformed, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw([]byte("hello"))}
		}},
		{"a message of the host's", fault.MessageUnknown, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw([]byte(`{"type":"admitted","payload":{}}`))}
		}},
		{"a hello without a device", fault.MessageInvalid, signalling.CloseRefused, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw([]byte(`{"type":"hello","payload":{"version":1,"secret":"AAAAAAAAAAAAAAAAAAAAAA","device":""}}`))}
		}},
		{"a large hello", fault.FrameTooLarge, signalling.CloseTooLarge, func(v *visitor) [][]byte {
			return [][]byte{v.opening, v.raw(bytes.Repeat([]byte{' '}, signalling.MaxFrameBefore+1))}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := f.dial(l)
			for _, frame := range c.send(v) {
				if err := v.frames.Send(frame); err != nil {
					t.Fatalf("send: %v", err)
				}
			}
			answer, err := v.frames.Recv(f.ctx)
			var closed switchboard.Closed
			if !errors.As(err, &closed) {
				t.Fatalf("answered with %d bytes, %v", len(answer), err)
			}
			if closed.Code != c.close {
				t.Errorf("closed with %d, want %d", closed.Code, c.close)
			}
			if !f.refused.has(c.code) {
				t.Errorf("%s was not logged", c.code)
			}
		})
	}
	f.admit("Ada")
	ada.seated()
}

// TestAnotherVersion tells a page of another version so, whatever its secret:
// it would wait in vain.
func TestAnotherVersion(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.dial(l)
	hello := encode(t, f.hello(l, v))
	hello = bytes.Replace(hello, []byte(`"version":1`), []byte(`"version":2`), 1)
	f.must(v.frames.Send(v.opening))
	f.must(v.frames.Send(v.raw(hello)))
	m, err := v.next()
	f.must(err)
	if told, ok := m.(signalling.Fault); !ok || told.Code != string(fault.VersionUnsupported) {
		t.Errorf("told %+v", m)
	}
	if reason := expect[signalling.Ended](v).Reason; reason != signalling.EndFault {
		t.Errorf("ended: %s", reason)
	}
	v.closed(signalling.CloseRefused)
}

// TestSilentChannels closes those who say nothing, or only half of it.
func TestSilentChannels(t *testing.T) {
	f := start(t, setup{timing: Timing{Hello: 20 * time.Millisecond}})
	l := f.link()
	nothing := f.dial(l)
	nothing.closed(signalling.CloseTooSlow)
	half := f.dial(l)
	_ = half.frames.Send(half.opening)
	half.closed(signalling.CloseTooSlow)
	if !f.refused.has(fault.TooSlow) {
		t.Error("not logged")
	}
}

// TestHostileAfterWelcome ends a guest who breaks the protocol before
// admission, and says how; nobody else notices.
func TestHostileAfterWelcome(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.knock(l, "Ada")
	f.request("Ada")

	message := func(m signalling.Message) func(*visitor) []byte {
		return func(v *visitor) []byte { return v.raw(encode(t, m)) }
	}
	text := func(s string) func(*visitor) []byte {
		return func(v *visitor) []byte { return v.raw([]byte(s)) }
	}
	sdp := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	cases := []struct {
		name    string
		code    fault.Code
		waiting bool // sent while waiting, instead of before the knock
		frame   func(*visitor) []byte
	}{
		{"a second hello", fault.MessageUnexpected, false, func(v *visitor) []byte { return v.raw(encode(t, f.hello(l, v))) }},
		{"an answer before the knock", fault.MessageUnexpected, false, message(signalling.Answer{Negotiation: 1, SDP: sdp})},
		{"an answer while waiting", fault.MessageUnexpected, true, message(signalling.Answer{Negotiation: 1, SDP: sdp})},
		{"a candidate while waiting", fault.MessageUnexpected, true, message(signalling.Candidate{})},
		{"chat while waiting", fault.MessageUnexpected, true, message(signalling.Say{Text: "let me in"})},
		{"a restart while waiting", fault.MessageUnexpected, true, message(signalling.Restart{})},
		{"an act while waiting", fault.MessageUnexpected, true, message(signalling.Act{Deed: signalling.DeedAdmit, Of: "x"})},
		{"a move while waiting", fault.MessageUnexpected, true, message(signalling.Move{})},
		{"a second hello while waiting", fault.MessageUnexpected, true, func(v *visitor) []byte { return v.raw(encode(t, f.hello(l, v))) }},
		{"no JSON", fault.MessageMalformed, true, text("{")},
		{"a key twice", fault.MessageMalformed, true, text(`{"type":"leave","type":"knock","payload":{}}`)},
		{"two messages", fault.MessageMalformed, true, text(`{"type":"leave"}{"type":"leave"}`)},
		{"an unknown message", fault.MessageUnknown, true, text(`{"type":"admitMe","payload":{}}`)},
		{"the host's message", fault.MessageUnknown, true, text(`{"type":"admitted","payload":{}}`)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := f.greet(l, nil)
			if c.waiting {
				v.send(signalling.Knock{Name: "Mal"})
				expect[signalling.Waiting](v)
			}
			if err := v.frames.Send(c.frame(v)); err != nil {
				t.Fatal(err)
			}
			if m, err := v.next(); err != nil || m.Type() != "fault" || m.(signalling.Fault).Code != string(c.code) {
				t.Fatalf("%+v, %v; want fault %s", m, err, c.code)
			}
			if m, err := v.next(); err != nil || m != (signalling.Ended{Reason: signalling.EndFault}) {
				t.Fatalf("%+v, %v; want ended", m, err)
			}
			v.closed(signalling.CloseRefused)
		})
	}

	t.Run("a slip is told and forgiven", func(t *testing.T) {
		v := f.greet(l, nil)
		f.must(v.frames.Send(v.raw([]byte(`{"type":"knock","payload":{"name":"  "}}`))))
		if m, err := v.next(); err != nil || m.Type() != "fault" || m.(signalling.Fault).Code != string(fault.NameInvalid) {
			t.Fatalf("%+v, %v", m, err)
		}
		v.send(signalling.Knock{Name: "Nell"})
		expect[signalling.Waiting](v)
		v.send(signalling.Leave{})
		v.closed(signalling.CloseDone)
	})
	t.Run("a replayed frame", func(t *testing.T) {
		v := f.greet(l, nil)
		frame := v.raw(encode(t, signalling.Knock{Name: "Mal"}))
		f.must(v.frames.Send(bytes.Clone(frame)))
		expect[signalling.Waiting](v)
		f.must(v.frames.Send(frame))
		v.closed(signalling.CloseRefused)
		if !f.refused.has(fault.FrameReplayed) {
			t.Error("not logged")
		}
	})
	t.Run("reordered frames", func(t *testing.T) {
		v := f.greet(l, nil)
		first, second := v.raw(encode(t, signalling.Knock{Name: "Mal"})), v.raw(encode(t, signalling.Leave{}))
		f.must(v.frames.Send(second))
		_ = v.frames.Send(first)
		v.closed(signalling.CloseRefused)
		if !f.refused.has(fault.FrameOutOfOrder) {
			t.Error("not logged")
		}
	})
	t.Run("an oversized frame", func(t *testing.T) {
		v := f.greet(l, nil)
		_ = v.frames.Send(v.raw(bytes.Repeat([]byte{' '}, signalling.MaxFrame)))
		v.closed(signalling.CloseTooLarge)
	})
	t.Run("a flood", func(t *testing.T) {
		v := f.greet(l, nil)
		for range 2 * burstBefore {
			if v.trySend(signalling.MediaState{}) != nil {
				break
			}
		}
		v.closed(signalling.CloseTooFast)
		if !f.refused.has(fault.TooFast) {
			t.Error("not logged")
		}
	})

	f.until("only Ada waits", func(s hoststate.State) bool {
		return len(s.Requests) == 1 || slices.ContainsFunc(s.Requests, func(q hoststate.RequestView) bool { return q.Away })
	})
	f.admit("Ada")
	ada.seated()
}

// TestHostileInTheCall tells a guest in the call what they did wrong, and ends
// those who can't be understood.
func TestHostileInTheCall(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	mal := f.enter(l, "Mal")
	mal.send(signalling.Knock{Name: "Mal"})
	if m := untilFault(mal); m.Code != string(fault.MessageUnexpected) {
		t.Fatalf("%+v", m)
	}
	f.must(mal.frames.Send(mal.raw([]byte(`{"type":"say","payload":{"text":""}}`))))
	if m := untilFault(mal); m.Code != string(fault.ChatInvalid) {
		t.Fatalf("%+v", m)
	}
	f.must(mal.frames.Send(mal.raw([]byte(`{"type":"nonsense"}`))))
	if m := untilFault(mal); m.Code != string(fault.MessageUnknown) {
		t.Fatalf("%+v", m)
	}
	mal.closed(signalling.CloseRefused)

	ada.send(signalling.Say{Text: "quiet again"})
	if c := expect[signalling.Chat](ada); c.Line.Text != "quiet again" {
		t.Fatalf("%+v", c)
	}
}

// TestNothingOfACallIsLogged takes guests through a call, and out of it, and
// looks for what they wrote and for the link in all that was logged.
func TestNothingOfACallIsLogged(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	id, secret := secretOf(t, l)
	f.must(f.host.RenameLink(f.ctx, l.ID, "Quixotic Rendezvous"))
	ada := f.enter(l, "Zebedee Quux")
	ada.send(signalling.Say{Text: "the purple walrus sings"})
	expect[signalling.Chat](ada)
	mal := f.enter(l, "Mallory Moth")
	mal.send(signalling.Answer{Negotiation: 1, SDP: "v=0\r\no=- 1 1 walrus IP4 0.0.0.0\r\n"})
	untilFault(mal)
	mal.ended(signalling.EndFault)
	odd := f.greet(l, nil)
	f.must(odd.frames.Send(odd.raw([]byte(`{"type":"walrus","payload":{"walrus":1}}`))))
	odd.closed(signalling.CloseRefused)
	f.knock(l, "Eve Eft")
	f.must(f.host.Block(f.ctx, f.request("Eve Eft").ID))
	f.must(f.host.EndCall(f.ctx, l.ID))
	ada.ended(signalling.EndEnded)
	f.close()

	said := f.refused.text.String()
	if !strings.Contains(said, string(fault.SDPInvalid)) || !strings.Contains(said, string(fault.MessageUnknown)) {
		t.Fatal("what must be logged is not")
	}
	for _, never := range []string{
		string(id), secret.Reveal(), "Quixotic", "Zebedee", "Mallory", "Eve", "walrus", ada.device, ada.seat.Seat,
	} {
		if strings.Contains(said, never) {
			t.Errorf("the log holds %q", never)
		}
	}
}

// untilFault waits for a Fault and passes over what tells of the call.
func untilFault(v *visitor) signalling.Fault {
	v.f.t.Helper()
	for {
		m, err := v.next()
		if err != nil {
			v.f.t.Fatalf("waiting for a fault: %v", err)
		}
		if m, ok := m.(signalling.Fault); ok {
			return m
		}
	}
}

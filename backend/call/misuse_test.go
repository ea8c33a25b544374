package call

import (
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

func TestUnusableAnswersEndTheirOwnerOnly(t *testing.T) {
	for name, answer := range map[string]func(offer string) string{
		"garbage": func(string) string { return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=nonsense\r\n" },
		"an offer's own text": func(offer string) string {
			return strings.ReplaceAll(offer, "a=setup:actpass", "a=setup:active")
		},
		"no sections": func(string) string { return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" },
		"no codec of ours": func(offer string) string {
			return strings.NewReplacer("VP8", "VP9", "opus", "speex", "a=setup:actpass", "a=setup:active").Replace(offer)
		},
		"no fingerprint": func(offer string) string {
			return strings.ReplaceAll(offer, "a=fingerprint", "a=finger")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCall(t, Options{})
			a, b := join(t, c, as("a")), join(t, c, as("b"))
			a.send()
			out := newOutbox()
			p, err := c.Join(Profile{ID: "hostile"}, out)
			must(t, err)
			offer := nextOf[signalling.Offer](t, out)
			must(t, p.Handle(signalling.Answer{Negotiation: offer.Negotiation + 1, SDP: "v=0\r\n"})) // stale: ignored
			if err := p.Handle(signalling.Answer{Negotiation: offer.Negotiation, SDP: answer(offer.SDP)}); err == nil {
				if name != "an offer's own text" { // that one is merely an answer that never connects
					nextOf[signalling.Fault](t, out)
					if e := nextOf[signalling.Ended](t, out); e.Reason != signalling.EndFault {
						t.Errorf("%+v", e)
					}
					b.until("it is gone", func() bool { return len(b.roster) == 2 && b.roster["hostile"].ID == "" })
				}
			} else {
				codeIs(t, err, fault.SDPInvalid)
			}
			b.forget()
			b.untilSees("a")
		})
	}
}

// nextOf waits for a message of one type.
func nextOf[M signalling.Message](t *testing.T, out outbox) M {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-out:
			if m, ok := m.(M); ok {
				return m
			}
		case <-deadline:
			var zero M
			t.Fatalf("no %s", zero.Type())
		}
	}
}

func TestFloodOfCandidatesIsRefused(t *testing.T) {
	c := newTestCall(t, Options{})
	out := newOutbox()
	p, err := c.Join(Profile{ID: "flood"}, out)
	must(t, err)
	for range 10_000 {
		err := p.Handle(signalling.Candidate{Candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host"})
		if code := fault.CodeOf(err); err != nil && code != fault.TooFast {
			t.Fatal(err)
		}
	}
	nextOf[signalling.Offer](t, out) // and it still works
	p.Leave("")
}

func TestMessagesOfTheWrongKindAreRefused(t *testing.T) {
	c := newTestCall(t, Options{})
	g := join(t, c, as("g"))
	codeIs(t, g.p.Handle(signalling.Knock{Name: "again"}), fault.MessageUnexpected)
	l, err := c.JoinLocal(Profile{ID: "l"}, new(sink), newOutbox())
	must(t, err)
	codeIs(t, l.Handle(signalling.Restart{}), fault.MessageUnexpected)
	codeIs(t, c.Mute("nobody"), fault.ParticipantGone)
}

package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/bits"
	"testing"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// browser is a browser that keeps a key for the host.
type browser struct {
	device string
	key    *ecdsa.PrivateKey
}

func newBrowser(f *fixture) browser {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.must(err)
	return browser{device: token(), key: key}
}

// prove signs for a channel, as a page does.
func (b browser) prove(v *visitor, k signalling.Knock) signalling.Knock {
	v.f.t.Helper()
	sum := sha256.Sum256(append([]byte("porch browser v1"), v.channel.Binding()...))
	r, s, err := ecdsa.Sign(rand.Reader, b.key, sum[:])
	v.f.must(err)
	public, err := b.key.PublicKey.Bytes()
	v.f.must(err)
	k.Key = base64.RawURLEncoding.EncodeToString(public)
	k.Proof = base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	return k
}

// id is how the host knows the browser.
func (b browser) id(f *fixture) string {
	f.t.Helper()
	public, err := b.key.PublicKey.Bytes()
	f.must(err)
	return acquaintances.Browser(public)
}

// knock comes to a link under a name.
func (b browser) knock(f *fixture, l hoststate.LinkView, name string) *visitor {
	f.t.Helper()
	v := f.greet(l, func(h *signalling.Hello) { h.Device = b.device })
	v.send(b.prove(v, signalling.Knock{Name: name, Takes: []string{signalling.TakesWord}}))
	return v
}

func TestBrowsersAreKnownByTheirKey(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	host := f.enter(l, "Stays") // so that the link is not spent
	ann := newBrowser(f)
	v := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	if q := f.request("Ann"); q.Known != hoststate.KnownFirst || q.Familiar {
		t.Errorf("the first time: %+v", q)
	}
	f.admit("Ann")
	v.seated()
	v.send(signalling.Leave{})
	f.untilLink(l.ID, "Ann has left", func(l hoststate.LinkView) bool { return l.InCall == 1 && len(l.Visitors) == 2 })

	cleared := browser{device: token(), key: ann.key} // its other storage was cleared
	v = cleared.knock(f, l, "Boss")
	expect[signalling.Waiting](v)
	if q := f.request("Boss"); q.Known != hoststate.KnownReturning || q.TimesLetIn != 1 || q.SameAs != "Ann" || !q.Familiar {
		t.Errorf("the same browser under another name: %+v", q)
	}
	v.send(signalling.Leave{})

	thief := newBrowser(f)
	v = thief.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	if q := f.request("Ann"); q.Known != hoststate.KnownName || q.Familiar || q.SameAs != "" {
		t.Errorf("another browser under a known name: %+v", q)
	}
	v.send(signalling.Leave{})

	// A proof of another channel is of no use, nor is one by another key.
	first, second := f.greet(l, nil), f.greet(l, nil)
	second.send(ann.prove(first, signalling.Knock{Name: "Ann"}))
	if got := expect[signalling.Fault](second); got.Code != string(fault.MessageInvalid) {
		t.Errorf("a proof from elsewhere: %+v", got)
	}
	forged := ann.prove(first, signalling.Knock{Name: "Ann"})
	forged.Proof = thief.prove(first, forged).Proof
	first.send(forged)
	if got := expect[signalling.Fault](first); got.Code != string(fault.MessageInvalid) {
		t.Errorf("a proof by another key: %+v", got)
	}
	host.send(signalling.Leave{})
}

// One live request for each browser: its second page takes the place of the first, also with another device.
func TestOneRequestForEachBrowser(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ann := newBrowser(f)
	first := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](first)
	second := browser{device: token(), key: ann.key}.knock(f, l, "Ann")
	expect[signalling.Waiting](second)
	first.ended(signalling.EndReplaced)
	if n := len(f.host.Snapshot().Requests); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestAlwaysLetIn(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	l, other := f.link(), f.link()
	f.enter(l, "Stays")
	ann := newBrowser(f)
	v := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	if code := fault.CodeOf(f.host.AlwaysLetIn(f.ctx, f.request("Ann").ID, true)); code != fault.RequestGone {
		t.Errorf("a stranger is always let in: %v", code)
	}
	f.admit("Ann")
	v.seated()
	v.send(signalling.Leave{})
	f.untilLink(l.ID, "Ann has left", func(l hoststate.LinkView) bool { return l.InCall == 1 && len(l.Visitors) == 2 })

	v = ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	f.must(f.host.AlwaysLetIn(f.ctx, f.request("Ann").ID, false))
	v.seated()
	f.untilLink(l.ID, "Ann is in", func(l hoststate.LinkView) bool { return l.InCall == 2 })
	v.send(signalling.Leave{})
	f.untilLink(l.ID, "Ann has left", func(l hoststate.LinkView) bool { return l.InCall == 1 })

	v = ann.knock(f, l, "Ann")
	v.seated()
	s := f.until("the host is told", func(s hoststate.State) bool { return s.Arrival != nil })
	if s.Arrival.Name != "Ann" || s.Arrival.LinkID != l.ID || s.Enter != nil && s.Enter.LinkID == other.ID {
		t.Errorf("%+v", s.Arrival)
	}
	v.send(signalling.Leave{})

	for name, at := range map[string]hoststate.LinkView{"Boss": l, "Ann": other} {
		v := ann.knock(f, at, name)
		expect[signalling.Waiting](v) // under another name, or at another link, the host is asked
		v.send(signalling.Leave{})
	}
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	v = ann.knock(f, l, "Ann")
	v.ended(signalling.EndLocked)
	f.must(f.host.LockCall(f.ctx, l.ID, false))
	if views := f.host.Snapshot().Standings; len(views) != 1 || views[0].Name != "Ann" || views[0].LinkID != l.ID {
		t.Errorf("%+v", views)
	}
	f.close()

	f = start(t, setup{dir: dir})
	v = ann.knock(f, l, "Ann")
	v.seated() // the decision stands after a restart
	f.must(f.host.StopAlways(f.ctx, f.host.Snapshot().Standings[0].Browser, l.ID))
	again := browser{device: token(), key: ann.key}.knock(f, l, "Ann")
	expect[signalling.Waiting](again)
	f.must(f.host.Block(f.ctx, f.request("Ann").ID))
	again.ended(signalling.EndBlocked)
	later := browser{device: token(), key: ann.key}.knock(f, l, "Nobody")
	later.ended(signalling.EndBlocked) // the key is blocked, whatever the device says
}

// Lock, and the second decline, hold across a restart.
func TestRefusalsHoldAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	l, locked := f.link(), f.link()
	device := token()
	for i := range 2 {
		v := f.greet(l, func(h *signalling.Hello) { h.Device = device })
		v.send(signalling.Knock{Name: "Eve"})
		expect[signalling.Waiting](v)
		f.must(f.host.Decline(f.ctx, f.request("Eve").ID))
		if d := expect[signalling.Declined](v); d.MayRetry != (i == 0) {
			t.Errorf("declined %d times: %+v", i+1, d)
		}
	}
	f.must(f.host.LockCall(f.ctx, locked.ID, true))
	f.close()

	f = start(t, setup{dir: dir})
	v := f.greet(l, func(h *signalling.Hello) { h.Device = device })
	v.send(signalling.Knock{Name: "Eve"})
	if d := expect[signalling.Declined](v); d.MayRetry {
		t.Error("the second decline is forgotten")
	}
	if !f.linkNow(locked.ID).Locked {
		t.Error("the lock is open")
	}
	v = f.greet(locked, nil)
	v.send(signalling.Knock{Name: "Ann"})
	v.ended(signalling.EndLocked)
	f.must(f.host.LockCall(f.ctx, locked.ID, false))
	f.knock(locked, "Ann")
}

func TestWordsThroughTheDoor(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ann := newBrowser(f)
	v := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	f.until("one can write to Ann", func(s hoststate.State) bool { return len(s.Requests) == 1 && s.Requests[0].CanWrite })
	id := f.request("Ann").ID
	if code := fault.CodeOf(f.host.WriteTo(f.ctx, id, " \u202E ")); code != fault.ChatInvalid {
		t.Errorf("nothing was said: %v", code)
	}
	f.must(f.host.WriteTo(f.ctx, id, "Who is it?"))
	if s := expect[signalling.Said](v); len(s.Lines) != 1 || s.Lines[0].Own || s.Lines[0].Text != "Who is it?" {
		t.Errorf("%+v", s)
	}
	v.send(signalling.Word{Text: "It is me"})
	if s := expect[signalling.Said](v); len(s.Lines) != 2 || !s.Lines[1].Own {
		t.Errorf("%+v", s)
	}
	q := f.until("the card has both", func(s hoststate.State) bool { return len(s.Requests) == 1 && len(s.Requests[0].Words) == 2 }).Requests[0]
	if !q.Words[0].Own || q.Words[1].Own || q.Words[1].Text != "It is me" || !q.Seen {
		t.Errorf("%+v", q)
	}
	for i := range 60 { // more than is taken
		if v.trySend(signalling.Word{Text: fmt.Sprint(i)}) != nil {
			break
		}
	}
	back := ann.knock(f, l, "Ann") // a reload keeps what was said
	if s := expect[signalling.Said](back); s.Lines[0].Text != "Who is it?" || len(s.Lines) > signalling.MaxSaid {
		t.Errorf("%+v", s)
	}
	renamed := ann.knock(f, l, "Anne") // another name is another request
	renamed.send(signalling.Word{Text: "and nothing was said to it"})
	if got := expect[signalling.Fault](renamed); got.Code != string(fault.MessageUnexpected) {
		t.Errorf("%+v", got)
	}
	early := f.knock(l, "Eve")
	if code := fault.CodeOf(f.host.WriteTo(f.ctx, f.request("Eve").ID, "Hello")); code != fault.RequestGone {
		t.Errorf("said to a page that can't show it: %v", code)
	}
	early.send(signalling.Word{Text: "first"})
	if got := expect[signalling.Fault](early); got.Code != string(fault.MessageUnexpected) {
		t.Errorf("a guest spoke first: %+v", got)
	}
}

// solve finds what the host asks for.
func solve(t *testing.T, w signalling.Work) string {
	t.Helper()
	challenge, err := base64.RawURLEncoding.DecodeString(w.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(0); ; n++ {
		nonce := []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		sum := sha256.Sum256(append(append([]byte{}, challenge...), nonce...))
		zeros := 0
		for _, b := range sum {
			zeros += bits.LeadingZeros8(b)
			if b != 0 {
				break
			}
		}
		if zeros >= w.Bits {
			return base64.RawURLEncoding.EncodeToString(nonce)
		}
	}
}

// While many knock, a page that can is asked for work, and goes before those that did none.
func TestWorkUnderLoad(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	for i := range 64 {
		f.remote.Key = fmt.Sprint("address ", i) // strangers from many places, who fill the lobby
		v := f.greet(l, nil)
		v.send(signalling.Knock{Name: "Bot"})
		expect[signalling.Waiting](v)
	}
	f.remote.Key = "another"
	v := f.greet(l, nil)
	v.send(signalling.Knock{Name: "Late"})
	v.ended(signalling.EndFull)

	v = f.greet(l, nil)
	knock := signalling.Knock{Name: "Honest", Takes: []string{signalling.TakesWork}}
	v.send(knock)
	wanted := expect[signalling.Work](v)
	knock.Work = "AAAAAAAAAAA"
	v.send(knock)
	if again := expect[signalling.Work](v); again.Challenge == wanted.Challenge {
		t.Error("a challenge may be tried again")
	} else {
		knock.Work = solve(t, again)
	}
	v.send(knock)
	expect[signalling.Waiting](v)
	f.request("Honest")
	if n := len(f.host.Snapshot().Requests); n != 64 {
		t.Errorf("%d requests", n)
	}
	f.must(f.host.Decline(f.ctx, f.request("Honest").ID))
	expect[signalling.Declined](v)
	f.remote.Key = "yet another"
	other := f.greet(l, nil)
	other.send(signalling.Knock{Name: "Bot"})
	expect[signalling.Waiting](other)
	knock.Work = ""
	v.send(knock)
	knock.Work = solve(t, expect[signalling.Work](v)) // work is good for one knock
	v.send(knock)
	expect[signalling.Waiting](v)
	f.admit("Honest")
	v.seated()
}

// What a knock says that is refused does not count for the one of before.
func TestRefusedKnockChangesNothing(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.enter(l, "Stays")
	ann, other := newBrowser(f), newBrowser(f)
	v := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	for {
		v.send(other.prove(v, signalling.Knock{Name: "Ann " + token()[:4]}))
		m, err := v.next()
		f.must(err)
		if refused, ok := m.(signalling.Fault); ok {
			if refused.Code != string(fault.TooFast) {
				t.Fatalf("%+v", refused)
			}
			break
		}
		v.send(ann.prove(v, signalling.Knock{Name: "Ann", Takes: []string{signalling.TakesWord}}))
		expect[signalling.Waiting](v) // the pace ends with the other browser's knock
	}
	id := f.request("Ann").ID
	f.must(f.host.WriteTo(f.ctx, id, "Who is it?"))
	f.must(f.host.Admit(f.ctx, id))
	expect[signalling.Said](v)
	v.seated()
	f.until("Ann is known", func(hoststate.State) bool { return f.host.acquaintances.Facts(ann.id(f), "Ann", l.ID).Times == 1 })
	if n := f.host.acquaintances.Facts(other.id(f), "Ann", l.ID).Times; n != 0 {
		t.Error("another browser is known as Ann")
	}
}

// What was decided for a link ends with it, on the disk as well.
func TestDecisionsEndWithTheirLink(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.always(l, newBrowser(f))
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	f.until("nobody is always let in", func(s hoststate.State) bool { return len(s.Standings) == 0 })
	standings, err := f.store.Standings()
	f.must(err)
	refusals, err := f.store.Refusals()
	f.must(err)
	if len(standings)+len(refusals) != 0 {
		t.Errorf("%+v, %+v", standings, refusals)
	}
}

package client_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// scene is a host at a relay that lies, with one guest in the call whom no lie
// concerns.
type scene struct {
	*porch
	t         *testing.T
	liar      *liar
	id        sealed.LinkID
	address   string
	bystander *visitor
	knocks    sync.Mutex
	rang      map[string]bool // of knocks
}

// The bystander is the connection's first guest.
const bystanderChannel = 1

func newScene(t *testing.T) *scene {
	t.Helper()
	a := newAuthority(t)
	l := newLiar(t, a)
	p := dial(t, l.base, a, nil)
	p.admit("Quentin Bystander")
	s := &scene{porch: p, t: t, liar: l, rang: map[string]bool{}}
	s.listen()
	s.id, s.address = p.link(l.base)
	s.bystander = p.mustJoin(s.address, "Quentin Bystander")
	s.bystander.connected()
	s.bystander.chats("before the lie")
	return s
}

// attempt makes a guest try to come in by the link. The host would let this guest
// in only by hand. It returns why the attempt failed.
func (s *scene) attempt(name string, patience time.Duration) error {
	s.t.Helper()
	v := &visitor{p: s.porch, messages: make(chan signalling.Message, 64), away: make(chan bool, 16)}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	g, err := guest.Join(ctx, s.address, s.options(v, name))
	if err == nil {
		_ = g.Close()
		s.t.Errorf("%s was let in", name)
	}
	return err
}

// asked reports whether a knock of that name has ever reached the host.
func (s *scene) asked(name string) bool {
	s.knocks.Lock()
	defer s.knocks.Unlock()
	return s.rang[name]
}

// listen records the names of all knocks.
func (s *scene) listen() {
	w := s.host.Watch()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			s.knocks.Lock()
			for _, q := range s.host.Snapshot().Requests {
				s.rang[q.Name] = true
			}
			s.knocks.Unlock()
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	})
	s.closers = append(s.closers, func() { w.Close(); wg.Wait() })
}

// fine checks what must hold after every lie.
func (s *scene) fine(words ...string) {
	s.t.Helper()
	s.bystander.chats("after the lie")
	select {
	case <-s.bystander.away:
		s.t.Error("the bystander's path was lost")
	default:
	}
	s.until("only the bystander is in", func(st hoststate.State) bool {
		return len(st.Calls) == 1 && len(st.Calls[0].Participants) == 1 &&
			!slices.ContainsFunc(st.Requests, func(q hoststate.RequestView) bool { return !q.Away })
	})
	if n := s.host.Stats().UnadmittedMedia; n != 0 {
		s.t.Errorf("%d packets to the unadmitted", n)
	}
	l, err := s.book.Get(s.id)
	s.must(err)
	s.liar.readsNothing(append(words, "Quentin", "before the lie", "after the lie", l.Secret.Reveal(), s.bystander.Seat(), s.bystander.Device())...)
}

// closes waits until the host has closed a channel that the liar made up.
func (s *scene) closes(closed <-chan signalling.Closed, numbers ...uint32) {
	s.t.Helper()
	late := time.After(patience)
	for len(numbers) > 0 {
		select {
		case c := <-closed:
			if i := slices.Index(numbers, c.Channel); i >= 0 {
				numbers = slices.Delete(numbers, i, i+1)
			}
		case <-late:
			s.t.Fatalf("the host keeps the channels %v", numbers)
		}
	}
}

// closings passes on the host's Closed messages to closed.
func closings(w way, m message, closed chan<- signalling.Closed) {
	if w != fromHost || typeOf(m) != "closed" {
		return
	}
	if got, err := signalling.DecodeToRelayHost(m.b); err == nil {
		select {
		case closed <- got.(signalling.Closed):
		default:
		}
	}
}

func TestARelaySwapsTheKey(t *testing.T) {
	s := newScene(t)
	own, err := sealed.NewLinkKeys()
	s.must(err)
	s.liar.tell(func(w way, _ int, m message) []message {
		if w == toGuest && typeOf(m) == "opened" {
			return []message{text(t, signalling.Opened{PublicKey: base64.RawURLEncoding.EncodeToString(own.Public())})}
		}
		return []message{m}
	})
	if err := s.attempt("Vera Victim", patience); fault.CodeOf(err) != fault.KeyMismatch {
		t.Errorf("Join = %v", err)
	}
	s.fine("Vera")
}

// TestARelayReplaysAGuest plays an admitted guest to the host a second time.
func TestARelayReplaysAGuest(t *testing.T) {
	s := newScene(t)
	s.admit("Vera Victim")
	var record []message
	closed := make(chan signalling.Closed, 64)
	s.liar.tell(func(w way, _ int, m message) []message {
		if w == toHost && m.kind == websocket.MessageBinary {
			if c, _ := frameOf(m); c != bystanderChannel {
				record = append(record, m)
			}
		}
		closings(w, m, closed)
		return []message{m}
	})
	v := s.mustJoin(s.address, "Vera Victim")
	v.connected()
	v.chats("once only")
	s.bystander.hears("once only")
	s.must(v.Leave())
	s.until("Vera is out", func(st hoststate.State) bool { return len(st.Calls[0].Participants) == 1 })

	s.liar.mu.Lock()
	line := s.liar.sockets[0]
	whole := text(t, signalling.Guest{Channel: 1000, Link: string(s.id)})
	line.say(whole)
	for _, m := range record {
		_, frame := frameOf(m)
		line.say(framed(1000, frame))
	}
	// Once more, but only until the host answers.
	line.say(text(t, signalling.Guest{Channel: 1001, Link: string(s.id)}))
	for _, m := range record[:2] {
		_, frame := frameOf(m)
		line.say(framed(1001, frame))
	}
	_, knock := frameOf(record[2])
	line.say(framed(1001, knock))
	s.liar.mu.Unlock()
	s.closes(closed, 1000, 1001)
	if st := s.host.Snapshot(); len(st.Requests) != 0 {
		t.Errorf("%d requests", len(st.Requests))
	}
	s.fine("Vera", "once only")
}

// TestARelayMeddlesWithFrames reorders, drops, repeats, changes and delays what
// passes between a guest who wants to come in and the host.
func TestARelayMeddlesWithFrames(t *testing.T) {
	// A meddler is called with the frames of one guest in one direction, counted
	// from 0. The guest's 0 is the opening.
	type meddler func(n int, m message, held *[]message) []message
	reorder := func(first int) meddler {
		return func(n int, m message, held *[]message) []message {
			switch n {
			case first:
				*held = append(*held, m)
				return nil
			case first + 1:
				return append([]message{m}, *held...)
			}
			return []message{m}
		}
	}
	drop := func(which int) meddler {
		return func(n int, m message, _ *[]message) []message {
			if n == which {
				return nil
			}
			return []message{m}
		}
	}
	repeat := func(which int) meddler {
		return func(n int, m message, _ *[]message) []message {
			if n == which {
				return []message{m, m}
			}
			return []message{m}
		}
	}
	change := func(which int) meddler {
		return func(n int, m message, _ *[]message) []message {
			if n == which {
				m.b = slices.Clone(m.b)
				m.b[len(m.b)-1] ^= 1
			}
			return []message{m}
		}
	}
	keep := func(from int) meddler {
		return func(n int, m message, _ *[]message) []message {
			if n >= from {
				return nil
			}
			return []message{m}
		}
	}
	cases := []struct {
		name   string
		toHost bool
		rings  bool // the knock still reaches the host, though its guest is lost
		meddle meddler
	}{
		{"control: nothing is done", true, true, func(_ int, m message, _ *[]message) []message { return []message{m} }},
		{"the opening comes after hello", true, false, reorder(0)},
		{"the opening is lost", true, false, drop(0)},
		{"hello is lost", true, false, drop(1)},
		{"the opening comes twice", true, false, repeat(0)},
		{"hello comes twice", true, false, repeat(1)},
		{"the knock comes twice", true, true, repeat(2)},
		{"the opening is changed", true, false, change(0)},
		{"hello is changed", true, false, change(1)},
		{"the knock is changed", true, false, change(2)},
		{"nothing of the guest's comes", true, false, keep(0)},
		{"hello is kept back", true, false, keep(1)},
		{"the knock is kept back", true, false, keep(2)},
		{"the bell comes before the welcome", false, false, reorder(0)},
		{"the welcome is lost", false, false, drop(0)},
		{"the welcome comes twice", false, true, repeat(0)},
		{"the bell comes twice", false, true, repeat(1)},
		{"the welcome is changed", false, false, change(0)},
		{"the bell is changed", false, true, change(1)},
		{"nothing of the host's comes", false, false, keep(0)},
	}
	s := newScene(t)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := fmt.Sprintf("Vera Victim %d", i)
			var held []message
			counts := map[uint32]int{}
			s.liar.tell(func(w way, _ int, m message) []message {
				if m.kind != websocket.MessageBinary || w != toHost && w != fromHost || (w == toHost) != c.toHost {
					return []message{m}
				}
				number, _ := frameOf(m)
				if number == bystanderChannel {
					return []message{m}
				}
				counts[number]++
				return c.meddle(counts[number]-1, m, &held)
			})
			s.t = t
			_ = s.attempt(name, time.Second)
			s.liar.tell(nil)
			s.fine("Vera")
			deadline := time.Now().Add(patience)
			for c.rings && !s.asked(name) && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond) // polls: the host's state follows within milliseconds
			}
			if rang := s.asked(name); rang != c.rings {
				t.Errorf("the bell rang: %v", rang)
			}
		})
	}
}

// TestARelayMeddlesInTheCall swaps, drops and repeats what an admitted guest
// says. The host takes none of it, and the guest comes back by their seat.
func TestARelayMeddlesInTheCall(t *testing.T) {
	s := newScene(t)
	s.admit("Vera Victim")
	v := s.mustJoin(s.address, "Vera Victim")
	v.connected()
	for _, c := range []struct {
		name  string
		after func(m message) []message
	}{
		{"repeated", func(m message) []message { return []message{m, m} }},
		{"lost, and another after it", func(message) []message { return nil }},
		{"changed", func(m message) []message {
			m.b = slices.Clone(m.b)
			m.b[len(m.b)-1] ^= 1
			return []message{m}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			meddled := false
			s.liar.tell(func(w way, _ int, m message) []message {
				if w == toHost && m.kind == websocket.MessageBinary && !meddled {
					if number, _ := frameOf(m); number != bystanderChannel {
						meddled = true
						return c.after(m)
					}
				}
				return []message{m}
			})
			for _, line := range []string{"first " + c.name, "second " + c.name} {
				_ = v.Say(line) // the path may be gone already
			}
			for _, want := range []bool{true, false} { // lost, and back
				select {
				case away := <-v.away:
					if away != want {
						t.Fatalf("away: %v, want %v", away, want)
					}
				case <-time.After(patience):
					t.Fatalf("the guest's path: away is not %v", want)
				}
			}
			v.chats("back after " + c.name)
			s.bystander.hears("back after " + c.name)
		})
	}
	s.must(v.Leave())
	s.fine("Vera", "second", "back after")
}

func TestARelayInventsGuests(t *testing.T) {
	s := newScene(t)
	closed := make(chan signalling.Closed, 256)
	var opening []byte
	s.liar.tell(func(w way, _ int, m message) []message {
		closings(w, m, closed)
		if w == toHost && m.kind == websocket.MessageBinary && opening == nil {
			if number, frame := frameOf(m); number != bystanderChannel {
				opening = slices.Clone(frame)
				return nil
			}
		}
		return []message{m}
	})
	_ = s.attempt("Vera Victim", time.Second)
	noise := func(n int) []byte {
		b := make([]byte, n)
		rand.Read(b)
		return b
	}
	stranger, err := sealed.NewLinkKeys()
	s.must(err)
	foreign, _, err := sealed.OpenGuest(stranger.Public(), stranger.ID())
	s.must(err)
	// The relay knows the id and the public key: it can open a channel, but has
	// no secret to show.
	l, err := s.book.Get(s.id)
	s.must(err)
	own, channel, err := sealed.OpenGuest(l.Keys.Public(), s.id)
	s.must(err)
	hello, err := signalling.Encode(signalling.Hello{
		Version: signalling.ProtocolVersion, Secret: sealed.NewSecret().Reveal(), Device: "AAAAAAAAAAAAAAAAAAAAAA",
	})
	s.must(err)
	guessed, err := channel.Seal(hello)
	s.must(err)
	invented := [][][]byte{
		{},
		{nil},
		{noise(65)},
		{noise(64)},
		{noise(16 << 10), noise(16 << 10)},
		{noise(17 << 10)},
		{opening},
		{opening, noise(200)},
		{opening, opening},
		{foreign, noise(200)},
		{own, guessed},
	}
	s.liar.mu.Lock()
	line := s.liar.sockets[0]
	var numbers []uint32
	for i, frames := range invented {
		number := uint32(2000 + i)
		numbers = append(numbers, number)
		line.say(text(t, signalling.Guest{Channel: number, Link: string(s.id)}))
		for _, f := range frames {
			line.say(framed(number, f))
		}
	}
	// Also guests of links that are not this host's, or do not exist.
	numbers = append(numbers, 3000)
	line.say(text(t, signalling.Guest{Channel: 3000, Link: string(stranger.ID())}))
	line.say(framed(3001, opening))
	line.say(text(t, signalling.Closed{Channel: 3002, Code: signalling.CloseDone}))
	s.liar.mu.Unlock()
	s.closes(closed, numbers...)
	if st := s.host.Snapshot(); len(st.Requests) != 0 {
		t.Errorf("%d requests", len(st.Requests))
	}
	s.fine("Vera")
}

// TestARelayCrossesTwoGuests sends what one guest says to another's channel, both
// ways, after both have opened theirs.
func TestARelayCrossesTwoGuests(t *testing.T) {
	for _, crossed := range []way{toHost, fromHost} {
		t.Run(string(crossed), func(t *testing.T) {
			s := newScene(t)
			var numbers []uint32
			var held []message
			cross := func(m message) message {
				number, frame := frameOf(m)
				other := numbers[0]
				if number == other {
					other = numbers[1]
				}
				return framed(other, frame)
			}
			counts := map[uint32]int{}
			s.liar.tell(func(w way, _ int, m message) []message {
				if w != crossed || m.kind != websocket.MessageBinary {
					return []message{m}
				}
				number, _ := frameOf(m)
				if number == bystanderChannel {
					return []message{m}
				}
				counts[number]++
				if !slices.Contains(numbers, number) {
					numbers = append(numbers, number)
				}
				if w == toHost && counts[number] == 1 {
					return []message{m} // the opening
				}
				held = append(held, m)
				if len(numbers) < 2 {
					return nil
				}
				var out []message
				for _, h := range held {
					out = append(out, cross(h))
				}
				held = nil
				return out
			})
			var wg sync.WaitGroup
			for _, name := range []string{"Vera Victim", "Vito Victim"} {
				wg.Go(func() { _ = s.attempt(name, 2*time.Second) })
			}
			wg.Wait()
			s.liar.tell(nil)
			if len(numbers) != 2 || len(held) != 0 {
				t.Errorf("%d guests came, %d frames were not crossed", len(numbers), len(held))
			}
			if s.asked("Vera Victim") || s.asked("Vito Victim") {
				t.Error("the bell rang")
			}
			s.fine("Vera", "Vito")
		})
	}
}

// TestARelayForgesANote claims that a link has ended which has not, and gives
// other notes for one that has.
func TestARelayForgesANote(t *testing.T) {
	s := newScene(t)
	id, address := s.link(s.liar.base)
	other, _ := s.link(s.liar.base)
	s.must(s.host.Link(string(other)).Remove(s.ctx))
	foreign, ok := host.Note(s.book, other)
	if !ok {
		t.Fatal("no note")
	}
	noise := [sealed.NoteSize]byte{}
	rand.Read(noise[:])
	for _, forged := range [][sealed.NoteSize]byte{noise, foreign, {}} {
		s.liar.tell(func(w way, _ int, m message) []message {
			if w == toGuest && (typeOf(m) == "opened" || typeOf(m) == "unavailable") {
				return []message{text(t, signalling.Unavailable{Note: base64.RawURLEncoding.EncodeToString(forged[:])})}
			}
			return []message{m}
		})
		v := &visitor{p: s.porch, messages: make(chan signalling.Message, 64), away: make(chan bool, 16)}
		if _, err := guest.Join(s.ctx, address, s.options(v, "Vera Victim")); fault.CodeOf(err) != fault.LinkUnavailable {
			t.Errorf("Join = %v", err)
		}
	}
	s.liar.tell(nil)
	// The host's own note says it.
	s.must(s.host.Link(string(id)).Remove(s.ctx))
	v := &visitor{p: s.porch, messages: make(chan signalling.Message, 64), away: make(chan bool, 16)}
	err := error(nil)
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if _, err = guest.Join(s.ctx, address, s.options(v, "Vera Victim")); fault.CodeOf(err) == fault.LinkRemoved {
			break
		}
	}
	if !errors.Is(err, fault.New(fault.LinkRemoved, nil)) {
		t.Errorf("Join = %v", err)
	}
	s.fine("Vera")
}

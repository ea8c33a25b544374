package switchboardtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// RunNodes tests switchboards that open makes, each with all its nodes. It runs
// the whole of Run between the first node and the last, and then tests what
// several nodes must do together. One node alone may be tested as well.
func RunNodes(t *testing.T, open func(t *testing.T) []switchboard.Switchboard) {
	Run(t, func(t *testing.T) (guests, hosts switchboard.Switchboard) {
		nodes := open(t)
		return nodes[0], nodes[len(nodes)-1]
	})
	for _, c := range []struct {
		name string
		run  func(*testing.T, []switchboard.Switchboard)
	}{
		{"every node reaches every node", everyNode},
		{"a link moves from node to node", moves},
		{"hosts race for a link", race},
		{"limits count the guests of all nodes", limitsOfAll},
		{"a detached link is gone at every node", detachedEverywhere},
		{"hosts and guests move while they talk", manyEverywhere},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// at returns a board whose hosts attach at this node. The caller sets its guests.
func at(t *testing.T, hosts switchboard.Switchboard) *board { return &board{t: t, hosts: hosts} }

func newKeys(t *testing.T) sealed.LinkKeys {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func everyNode(t *testing.T, nodes []switchboard.Switchboard) {
	for h, hosts := range nodes {
		l := at(t, hosts).attach()
		for g, guests := range nodes {
			l.guests = guests
			guest, host := l.dial()
			for i := range 10 {
				word := fmt.Sprint(g, " to ", h, " ", i)
				send(t, guest, word)
				send(t, host, word)
				expect(t, host, word)
				expect(t, guest, word)
			}
			for _, code := range []signalling.CloseCode{signalling.CloseDone, signalling.CloseGone} {
				send(t, guest, "leave")
				guest.Close(code)
				expect(t, host, "leave")
				expectEnd(t, host, code)
				guest, host = l.dial()
			}
			host.Close(signalling.CloseRefused)
			expectEnd(t, guest, signalling.CloseRefused)
		}
	}
}

func moves(t *testing.T, nodes []switchboard.Switchboard) {
	keys := newKeys(t)
	var before *link
	for i := range 3*len(nodes) + 1 {
		after := at(t, nodes[i%len(nodes)]).attachAs(keys)
		if before != nil {
			select {
			case <-before.Lost():
			case <-deadline(t).Done():
				t.Fatal("the host before is not told")
			}
		}
		var guests, hosts []switchboard.Frames
		for _, node := range nodes {
			after.guests = node
			guest, host := after.dial()
			send(t, guest, "hello")
			expect(t, host, "hello")
			guests, hosts = append(guests, guest), append(hosts, host)
		}
		if i < 3*len(nodes) { // the next one comes
			defer func() {
				for i := range guests {
					expectEnd(t, guests[i], signalling.CloseHostGone)
					expectEnd(t, hosts[i], signalling.CloseHostGone)
				}
			}()
		}
		before = after
	}
	select {
	case <-before.Lost():
		t.Error("the last host is lost")
	default:
	}
}

// race attaches hosts to one link at all nodes at once. One of them gets it, and
// all guests come to that one.
func race(t *testing.T, nodes []switchboard.Switchboard) {
	for range 5 {
		keys := newKeys(t)
		links := make([]*link, 2*len(nodes))
		var wg sync.WaitGroup
		for i := range links {
			links[i] = &link{id: keys.ID(), public: keys.Public(), accepted: make(chan switchboard.Frames, 1000)}
			wg.Go(func() {
				l := links[i]
				a, err := nodes[i%len(nodes)].Attach(deadline(t), l.id, l.public, func(f switchboard.Frames) { l.accepted <- f })
				if err != nil {
					t.Error(err)
					return
				}
				l.Attachment = a
				t.Cleanup(a.Detach)
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		var winner *link
		for ctx := deadline(t); ; {
			holds := 0
			for _, l := range links {
				select {
				case <-l.Lost():
				default:
					winner = l
					holds++
				}
			}
			if holds == 1 {
				break
			}
			if holds == 0 {
				t.Fatal("nobody has the link")
			}
			if ctx.Err() != nil {
				t.Fatal("several have the link")
			}
		}
		for _, node := range nodes {
			_, guest, err := node.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{})
			if err != nil {
				t.Fatal(err)
			}
			host := <-winner.accepted
			send(t, guest, "hello")
			expect(t, host, "hello")
			guest.Close(signalling.CloseDone)
		}
	}
}

func limitsOfAll(t *testing.T, nodes []switchboard.Switchboard) {
	full := func(l *link, n int, remote switchboard.RemoteInfo) {
		t.Helper()
		for i := range n {
			_, guest, err := nodes[i%len(nodes)].Dial(deadline(t), l.id, remote)
			if err != nil {
				t.Fatal(err)
			}
			defer guest.Close(signalling.CloseDone)
		}
		for _, node := range nodes {
			if _, _, err := node.Dial(deadline(t), l.id, remote); fault.CodeOf(err) != fault.TooFast {
				t.Errorf("Dial = %v", err)
			}
		}
	}
	full(at(t, nodes[0]).attach(), PerLink, switchboard.RemoteInfo{})
	full(at(t, nodes[0]).attach(), PerAddress, switchboard.RemoteInfo{Key: "greedy"})
}

func detachedEverywhere(t *testing.T, nodes []switchboard.Switchboard) {
	l := at(t, nodes[0]).attach()
	var guests []switchboard.Frames
	for _, node := range nodes {
		l.guests = node
		guest, host := l.dial()
		send(t, host, "closing")
		guests = append(guests, guest)
	}
	l.Detach()
	for i, guest := range guests {
		expect(t, guest, "closing")
		expectEnd(t, guest, signalling.CloseHostGone)
		if _, _, err := nodes[i].Dial(deadline(t), l.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.LinkUnavailable {
			t.Errorf("Dial = %v", err)
		}
	}
}

// manyEverywhere has hosts that move from node to node while guests of all nodes
// talk. Every channel passes what was sent, whole and in order, or ends.
func manyEverywhere(t *testing.T, nodes []switchboard.Switchboard) {
	keys := newKeys(t)
	var hosts, guests sync.WaitGroup
	stop := make(chan struct{})
	echo := func(f switchboard.Frames) {
		for {
			frame, err := f.Recv(deadline(t))
			if err != nil || f.Send(frame) != nil {
				return
			}
		}
	}
	guests.Go(func() {
		defer close(stop)
		var before switchboard.Attachment
		for i := range 20 {
			a, err := nodes[i%len(nodes)].Attach(deadline(t), keys.ID(), keys.Public(), func(f switchboard.Frames) {
				hosts.Go(func() { echo(f) })
			})
			if err != nil {
				t.Error(err)
				return
			}
			if before != nil {
				before.Detach()
			}
			before = a
		}
		before.Detach()
	})
	for _, node := range nodes {
		guests.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, f, err := node.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{})
				if err != nil {
					if code := fault.CodeOf(err); code != fault.LinkUnavailable && code != fault.TooFast {
						t.Errorf("Dial = %v", err)
					}
					continue
				}
				for i := range 20 {
					if f.Send([]byte{byte(i)}) != nil {
						break
					}
				}
				for i := range 20 {
					b, err := f.Recv(deadline(t))
					if err != nil {
						var closed switchboard.Closed
						if !errors.As(err, &closed) || closed.Code != signalling.CloseHostGone {
							t.Errorf("Recv = %v", err)
						}
						break
					}
					if len(b) != 1 || b[0] != byte(i) {
						t.Errorf("%v came as number %d", b, i)
					}
				}
				f.Close(signalling.CloseDone)
			}
		})
	}
	guests.Wait()
	hosts.Wait()
}

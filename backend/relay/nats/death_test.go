package nats

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/nats/embedded"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// childVariable names the bus to a child process: the address of a NATS server,
// or the addresses of the child's own server and of another's, separated by a
// space.
const childVariable = "PORCH_NATSBOARD_CHILD"

// child is a node in a process of its own. It reads lines from its standard input
// and answers each with one. "attach PUBLIC" starts an echoing host. "dial ID"
// starts a guest that sends one frame and stays.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t *testing.T, bus string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childVariable+"="+bus)
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

func (c *child) ask(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		t.Fatal(err)
	}
	if !c.out.Scan() || c.out.Text() != "ok" {
		t.Fatalf("the child says %q", c.out.Text())
	}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	_ = c.cmd.Wait()
}

// runChild is the child's side. It ends with its standard input. With a server of
// its own, it begins after that server has joined those of two other nodes.
func runChild(bus string) {
	o := Options{Secret: testSecret, PerLink: 1000, PerAddress: 1000, Logger: slog.New(slog.DiscardHandler)}
	if listen, peer, own := strings.Cut(bus, " "); own {
		s, err := embedded.Start(context.Background(), embedded.Options{
			Listen: listen, Peers: []string{peer}, Key: ownKey, Logger: o.Logger,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
		o.Server, o.Token = s, s.Token()
	} else {
		o.Servers = []string{bus}
	}
	b, err := Open(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	for end := time.Now().Add(patience); o.Server != nil && b.Nodes() < 3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			fmt.Println("joined by", b.Nodes()-1)
			return
		}
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		verb, what, _ := strings.Cut(in.Text(), " ")
		var err error
		switch verb {
		case "attach":
			var public []byte
			if public, err = hex.DecodeString(what); err == nil {
				_, err = b.Attach(context.Background(), sealed.IDOf(public), public, func(f switchboard.Frames) { go echo(f) })
			}
		case "dial":
			var f switchboard.Frames
			if _, f, err = b.Dial(context.Background(), sealed.LinkID(what), switchboard.RemoteInfo{}); err == nil {
				err = f.Send([]byte("hello"))
			}
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ok")
	}
}

// talker is a guest that talks to an echo, as fast as the echo answers.
type talker struct {
	frames switchboard.Frames
	rounds atomic.Uint64
	end    error // set when done
}

// talk checks that all frames come back, whole and in order.
func (k *talker) talk(t *testing.T) {
	const ahead = 4
	var sent uint64
	for i := uint64(0); ; i++ {
		for ; sent < i+ahead; sent++ {
			b := binary.BigEndian.AppendUint64(make([]byte, 0, 64), sent)
			if k.end = k.frames.Send(b[:8+sent%56]); k.end != nil {
				return
			}
		}
		var b []byte
		if b, k.end = k.frames.Recv(context.Background()); k.end != nil {
			return
		}
		if len(b) != int(8+i%56) || binary.BigEndian.Uint64(b) != i {
			t.Errorf("%x came as number %d", b, i)
		}
		k.rounds.Store(i + 1)
	}
}

// TestNodeKilledUnderLoad kills a node's process while its guests and hosts, and
// others, talk.
func TestNodeKilledUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	many := func(o *Options) { o.PerLink, o.PerAddress = 1000, 1000 }
	t.Run("one NATS server", func(t *testing.T) {
		s := natstest.Start(t)
		nodes := openNodes(t, s, 2, many)
		killUnderLoad(t, nodes[0], nodes[1], startChild(t, s.URL()))
	})
	t.Run("a NATS server in each", func(t *testing.T) {
		nodes := openOwn(t, 2, many)
		peer := nodes[0].options.Server.(*embedded.Server)
		c := startChild(t, natstest.FreeAddresses(t, 1)[0]+" "+peer.Address())
		killUnderLoad(t, nodes[0], nodes[1], c)
	})
}

func killUnderLoad(t *testing.T, a, b *Board, c *child) {
	var theirs, ours []sealed.LinkKeys
	visited := attach(t, a, newKeys(t)) // guests at the child visit it
	for range 4 {
		keys := newKeys(t)
		theirs = append(theirs, keys)
		c.ask(t, "attach "+hex.EncodeToString(keys.Public()))
		keys = newKeys(t)
		ours = append(ours, keys)
		at, err := a.Attach(contextFor(t), keys.ID(), keys.Public(), func(f switchboard.Frames) { go echo(f) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(at.Detach)
	}
	var hosts []switchboard.Frames
	for range 8 {
		c.ask(t, "dial "+string(visited.id))
		f := visited.guest(t)
		if b, err := f.Recv(contextFor(t)); err != nil || string(b) != "hello" {
			t.Fatalf("Recv = %q, %v", b, err)
		}
		hosts = append(hosts, f)
	}
	var dying, living []*talker
	var talking sync.WaitGroup
	for i := range 40 {
		from := []*Board{a, b}[i%2]
		d := &talker{frames: dial(t, from, theirs[i%len(theirs)].ID())}
		l := &talker{frames: dial(t, b, ours[i%len(ours)].ID())}
		dying, living = append(dying, d), append(living, l)
		talking.Go(func() { d.talk(t) })
		talking.Go(func() { l.talk(t) })
	}
	progress := func(ks []*talker, n uint64) {
		t.Helper()
		from := make([]uint64, len(ks))
		for i, k := range ks {
			from[i] = k.rounds.Load()
		}
		for i, k := range ks {
			eventually(t, "guests talk", func() bool { return k.rounds.Load() >= from[i]+n })
		}
	}
	progress(dying, 20)
	progress(living, 20)

	killed := time.Now()
	c.kill()
	attach(t, b, newKeys(t)) // must not wait for the dead node
	if took := time.Since(killed); took > 2*time.Second {
		t.Errorf("a host came in after %v", took)
	}
	for _, k := range dying {
		expectEnd(t, peeked{k.frames}, signalling.CloseHostGone)
	}
	for _, f := range hosts {
		expectEnd(t, f, signalling.CloseHostGone)
	}
	took := time.Since(killed)
	t.Logf("80 channels ended %v after their node was killed", took.Round(time.Millisecond))
	if took > 6*time.Second {
		t.Errorf("the channels of a dead node ended after %v", took)
	}
	progress(living, 20) // no other talker has noticed

	// The hosts come back at another node.
	for _, keys := range theirs {
		h := attach(t, a, keys)
		g := dial(t, b, h.id)
		pass(t, g, h.guest(t), "again")
		g.Close(signalling.CloseDone)
	}
	for _, k := range living {
		k.frames.Close(signalling.CloseDone)
	}
	talking.Wait()
	empty(t, a)
	empty(t, b)
	if n := a.Nodes(); n != 2 {
		t.Errorf("a node knows %d", n)
	}
	dial(t, a, visited.id) // the places of its guests are free
}

// peeked is a channel that another goroutine reads.
type peeked struct{ switchboard.Frames }

// Recv waits for the end.
func (p peeked) Recv(ctx context.Context) ([]byte, error) {
	select {
	case <-p.Done():
		return nil, p.Send(nil)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestManyChannelsAcrossNodes runs 500 channels at once.
func TestManyChannelsAcrossNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	many := func(o *Options) {
		o.PerLink, o.PerAddress = 1000, 1000
		o.times.silence = patience // this test is about order, not about time
	}
	nodes := openNodes(t, natstest.Start(t), 3, many)
	const channels, links, rounds = 500, 10, 40
	ids := make([]sealed.LinkID, links)
	for i := range ids {
		keys := newKeys(t)
		a, err := nodes[i%3].Attach(contextFor(t), keys.ID(), keys.Public(), func(f switchboard.Frames) { go echo(f) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Detach)
		ids[i] = keys.ID()
	}
	var talking sync.WaitGroup
	talkers := make([]*talker, channels)
	for i := range talkers {
		// The guest is never at the host's own node.
		k := &talker{frames: dial(t, nodes[(i%links+1+i/links%2)%3], ids[i%links])}
		talkers[i] = k
		talking.Go(func() { k.talk(t) })
	}
	for _, k := range talkers {
		eventually(t, "all guests talk", func() bool { return k.rounds.Load() >= rounds })
		select {
		case <-k.frames.Done():
			t.Fatal("a channel has ended")
		default:
		}
	}
	for _, k := range talkers {
		k.frames.Close(signalling.CloseDone)
	}
	talking.Wait()
	for _, n := range nodes {
		empty(t, n)
	}
}

package backend_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/guest/crowd"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// The flood: so many knocks in a minute, from so many addresses, and sockets that never say what they want.
const (
	floodKnocks    = 5000
	floodAddresses = 200
	floodSilent    = 1000
	// floodVariable is for how many seconds it lasts; 60 is the whole.
	floodVariable = "PORCH_FLOOD_SECONDS"
	floodTarget   = "PORCH_KNOCK_FLOOD" // the link, for the process that floods
)

// door is a guest's socket at the real relay, from an address of its own.
type door struct {
	ws      *websocket.Conn
	channel *sealed.Channel
}

// come dials a link's relay from an address of this computer. It says Open, and, unless it is to be silent, Hello.
func come(ctx context.Context, link string, from net.IP, hello bool) (*door, error) {
	base, id, secret, err := sealed.ParseAddress(link)
	if err != nil {
		return nil, err
	}
	ws, err := connect(ctx, base, from)
	if err != nil {
		return nil, err
	}
	d := &door{ws: ws}
	b, _ := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(id)})
	if err := ws.Write(ctx, websocket.MessageText, b); err != nil {
		return d, err
	}
	_, b, err = ws.Read(ctx)
	if err != nil {
		return d, err
	}
	m, err := signalling.DecodeFromRelay(b)
	opened, ok := m.(signalling.Opened)
	if err != nil || !ok {
		return d, errors.Join(err, errors.New("not opened"))
	}
	public, err := base64.RawURLEncoding.DecodeString(opened.PublicKey)
	if err != nil || !hello {
		return d, err
	}
	opening, channel, err := sealed.OpenGuest(public, id)
	if err != nil {
		return d, err
	}
	d.channel = channel
	if err := ws.Write(ctx, websocket.MessageBinary, opening); err != nil {
		return d, err
	}
	if err := d.say(ctx, signalling.Hello{Version: signalling.ProtocolVersion, Secret: secret.Reveal(), Device: sixteen()}); err != nil {
		return d, err
	}
	switch m, err := d.hear(ctx); m.(type) {
	case signalling.Welcome:
		return d, nil
	default:
		return d, errors.Join(err, fmt.Errorf("not welcome: %+v", m))
	}
}

func connect(ctx context.Context, base string, from net.IP) (*websocket.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	t := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	ws, _, err := websocket.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's to close
		Subprotocols: []string{signalling.Subprotocol}, HTTPClient: &http.Client{Transport: t},
	})
	return ws, err
}

func sixteen() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (d *door) say(ctx context.Context, m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	frame, err := d.channel.Seal(b)
	if err != nil {
		return err
	}
	return d.ws.Write(ctx, websocket.MessageBinary, frame)
}

func (d *door) hear(ctx context.Context) (signalling.Message, error) {
	_, frame, err := d.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	b, err := d.channel.Open(frame)
	if err != nil {
		return nil, err
	}
	return signalling.DecodeFromHost(b, signalling.MaxFrame)
}

func (d *door) close() {
	if d != nil && d.ws != nil {
		_ = d.ws.CloseNow()
	}
}

// work does what a page is asked for.
func work(w signalling.Work) string {
	challenge, _ := base64.RawURLEncoding.DecodeString(w.Challenge)
	text := slices.Concat(challenge, make([]byte, 8))
	for n := uint64(0); ; n++ {
		binary.BigEndian.PutUint64(text[len(text)-8:], n)
		sum := sha256.Sum256(text)
		if binary.BigEndian.Uint32(sum[:])>>(32-w.Bits) == 0 {
			return base64.RawURLEncoding.EncodeToString(text[len(text)-8:])
		}
	}
}

// TestKnockFloodSender is the process that floods; it does nothing by itself.
func TestKnockFloodSender(t *testing.T) {
	link := os.Getenv(floodTarget)
	if link == "" {
		t.Skip("for TestAFloodOfKnocks")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // until the test ends it
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var sent, silent, asked, waiting atomic.Int64
	var all sync.WaitGroup
	for i := range floodSilent {
		all.Go(func() { sayNothing(ctx, link, i, &silent) })
	}
	begun := time.Now()
	for n := 0; ctx.Err() == nil; time.Sleep(time.Millisecond) { // the pace of the sender, not a wait
		for due := int(time.Since(begun).Seconds() * floodKnocks / 60); n < due; n++ {
			all.Go(func() { knockOnce(ctx, link, n, &sent, &asked, &waiting) })
		}
	}
	all.Wait()
	fmt.Printf("sent %d asked %d waited %d silent %d\n", sent.Load(), asked.Load(), waiting.Load(), silent.Load())
}

func address(i int) net.IP { return net.IPv4(127, 2, byte(i%floodAddresses/100), byte(i%100+1)) }

// sayNothing keeps one socket open that never says what it wants: to the relay, to the host, or at the door. When it is
// closed, it comes again.
func sayNothing(ctx context.Context, link string, i int, count *atomic.Int64) {
	base, _, _, _ := sealed.ParseAddress(link)
	for ctx.Err() == nil {
		d := &door{}
		var err error
		if i%3 == 0 {
			d.ws, err = connect(ctx, base, address(i))
		} else {
			d, err = come(ctx, link, address(i), i%3 == 1)
		}
		if err == nil {
			count.Add(1)
			for err == nil {
				_, _, err = d.ws.Read(ctx)
			}
		}
		d.close()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// knockOnce knocks, and stays until it is put out, for 15 s at most. One in fifty does the work that it is asked for.
func knockOnce(ctx context.Context, link string, n int, sent, asked, waiting *atomic.Int64) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	d, err := come(ctx, link, address(n*7), true)
	defer d.close()
	if err != nil {
		return
	}
	k := signalling.Knock{Name: fmt.Sprint("Guest ", n)}
	if n%2 == 0 {
		k.Takes = []string{signalling.TakesWork}
	}
	if d.say(ctx, k) != nil {
		return
	}
	sent.Add(1)
	for {
		m, err := d.hear(ctx)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case signalling.Waiting:
			waiting.Add(1)
		case signalling.Work:
			asked.Add(1)
			if n%50 != 0 {
				return
			}
			k.Work = work(m)
			_ = d.say(ctx, k) // a closed socket shows in hear
		}
	}
}

// TestAFloodOfKnocks sends 5,000 knocks a minute from 200 addresses to one link, and 1,000 sockets that say nothing. The
// host's loop answers, its memory stays, a call goes on, and guests who mean it come to a card and are let in.
func TestAFloodOfKnocks(t *testing.T) {
	if testing.Short() || race {
		t.Skip("measures, for seconds")
	}
	seconds := 10
	if text := os.Getenv(floodVariable); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	b := opened(t, t.TempDir(), func(o *backend.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	h := b.Host()
	l, err := h.CreateLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link := l.Addresses[0].URL
	let := letInByName(t, b, "Crowd", "Ada")
	inCall, err := crowd.Gather(t.Context(), link, 2, guest.Options{Name: "Crowd"})
	if err != nil {
		t.Fatal(err)
	}
	defer inCall.Close()

	for range 5 { // what a call and its door need anyway
		honest(t, link, let)
	}
	for inCall.Received() < 1500 {
		time.Sleep(10 * time.Millisecond)
	}

	before, resident := inUse(), residentSet()
	lost := inCall.Missing()
	end := flood(t, link)
	var most atomic.Uint64
	watching, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	var answers, others []time.Duration
	idle := loop.New(func() {})
	defer idle.Close()
	watch.Go(func() { answers = ask(watching, func() { _ = b.Host().SetCoHost(watching, "none", "none", false) }) })
	watch.Go(func() { others = ask(watching, func() { _ = idle.Do(watching, func() {}) }) })
	watch.Go(func() { watchMemory(watching, &most) })
	var slowest time.Duration
	for begun := time.Now(); time.Since(begun) < time.Duration(seconds)*time.Second; {
		slowest = max(slowest, honest(t, link, let))
	}
	stop()
	watch.Wait()
	t.Log("the flood: ", end())
	missing := inCall.Missing() - lost
	grown := (float64(most.Load()) - float64(resident)) / (1 << 20)
	left := settled(before)
	t.Logf("%d s: the loop answers in %v (p50), %v (p99), an idle one in %v (p99); memory %+.1f MB at most, %+.1f MB in use afterwards; "+
		"a guest's card after %v at most; %d of %d packets missing",
		seconds, answers[len(answers)/2], p99(answers), p99(others), grown, left, slowest, missing, inCall.Received())
	switch {
	case p99(answers)-p99(others) > 50*time.Millisecond: // an idle loop waits for the processor, too
		t.Errorf("the loop answers in %v", p99(answers))
	case grown > 50:
		t.Errorf("memory grew by %.1f MB", grown)
	case left > 10: // the call keeps packets, and the door remembers 1,024 browsers
		t.Errorf("%.1f MB are not given back", left)
	case slowest > 3*time.Second:
		t.Errorf("a guest's card took %v", slowest)
	case missing > 0:
		t.Errorf("%d packets of the call are missing", missing)
	}
}

// flood starts the process that floods. end ends it, and returns what it has done.
func flood(t *testing.T, link string) (end func() string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestKnockFloodSender$", "-test.v")
	child.Env = append(os.Environ(), floodTarget+"="+link)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	return func() (said string) {
		_ = in.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "sent") {
				said = lines.Text()
			}
		}
		return said
	}
}

// letInByName lets in whoever gives a name that begins with one of these.
func letInByName(t *testing.T, b *backend.Backend, names ...string) (let func(name string) (card time.Time)) {
	t.Helper()
	var mu sync.Mutex
	cards := make(map[string]time.Time)
	w := b.Host().Watch()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait(); w.Close() })
	running.Go(func() {
		for {
			for _, q := range b.Host().Snapshot().Requests {
				if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(q.Name, n) }) {
					continue
				}
				mu.Lock()
				if cards[q.Name].IsZero() {
					cards[q.Name] = time.Now()
				}
				mu.Unlock()
				_ = b.Host().Admit(ctx, q.ID) // it may be gone
			}
			if _, err := w.Next(ctx); err != nil {
				return
			}
		}
	})
	return func(name string) time.Time {
		mu.Lock()
		defer mu.Unlock()
		return cards[name]
	}
}

var honestGuests atomic.Int64

// honest is a guest who means it: a page that does the work, from an address of its own, and comes again when it loses its
// connection. It returns how long it took from the first packet to the host's card, and fails if the guest is not let in.
func honest(t *testing.T, link string, card func(string) time.Time) time.Duration {
	t.Helper()
	n := honestGuests.Add(1)
	name := fmt.Sprint("Ada ", n)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	begun := time.Now()
	for {
		err := visit(ctx, link, net.IPv4(127, 3, byte(n/250), byte(n%250+1)), name)
		if err == nil {
			return card(name).Sub(begun)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not let in: %v", name, err)
		case <-time.After(300 * time.Millisecond): // as a page waits
		}
	}
}

// visit knocks until it is let in.
func visit(ctx context.Context, link string, from net.IP, name string) error {
	d, err := come(ctx, link, from, true)
	defer d.close()
	if err != nil {
		return err
	}
	k := signalling.Knock{Name: name, Takes: []string{signalling.TakesWork}}
	if err := d.say(ctx, k); err != nil {
		return err
	}
	for {
		m, err := d.hear(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case signalling.Work:
			k.Work = work(m)
			_ = d.say(ctx, k) // a closed socket shows in hear
		case signalling.Admitted:
			return d.say(ctx, signalling.Leave{})
		case signalling.Fault:
			if m.Code != string(fault.TooFast) {
				return errors.New(m.Code)
			}
			time.Sleep(time.Duration(m.RetryAfter) * time.Millisecond) // as told
			_ = d.say(ctx, k)                                          // the same
		case signalling.Ended:
			return errors.New(string(m.Reason))
		}
	}
}

// ask asks something again and again, and returns how long each answer took, the shortest first.
func ask(ctx context.Context, question func()) (answers []time.Duration) {
	for ctx.Err() == nil {
		begun := time.Now()
		question()
		answers = append(answers, time.Since(begun))
		time.Sleep(5 * time.Millisecond) // the pace of the questions
	}
	slices.Sort(answers)
	return answers
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// inUse returns what this process uses of its memory, in bytes, once garbage is given back.
func inUse() uint64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// residentSet returns what this process has in memory, in bytes (VmRSS, proc(5)).
func residentSet() uint64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func watchMemory(ctx context.Context, most *atomic.Uint64) {
	for ctx.Err() == nil {
		most.Store(max(most.Load(), residentSet()))
		time.Sleep(50 * time.Millisecond) // the pace of the looks
	}
}

// settled returns how many MB are in use more than before, once the flood's sockets have been closed.
func settled(before uint64) (left float64) {
	for range 60 {
		if left = (float64(inUse()) - float64(before)) / (1 << 20); left < 2 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left
}

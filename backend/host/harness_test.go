package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/store"
	"github.com/porch-call/porch/backend/windowsocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// board is a relay without sockets: guests dial its switchboard.
type board struct {
	*switchboard.Memory
	portChanged bool
}

func (b board) Addresses() []relay.Address {
	return []relay.Address{
		{Base: "http://localhost:7674", Reach: relay.ReachComputer},
		{Base: "https://192.0.2.7:7674", Reach: relay.ReachNetwork},
	}
}

func (b board) PortChanged() bool { return b.portChanged }

func (b board) SetOutside(*relay.Outside)        {}
func (b board) SetAudience(relay.Audience)       {}
func (b board) Try(relay.Outside, string) func() { return func() {} }

func (b board) Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (func(), error) {
	a, err := b.Attach(ctx, keys.ID(), keys.Public(), accept)
	if err != nil {
		return nil, err
	}
	return a.Detach, nil
}

// refusals keeps what is logged, and the fault codes in it.
type refusals struct {
	slog.Handler
	mu    sync.Mutex
	codes []fault.Code
	text  strings.Builder
}

func (r *refusals) Enabled(context.Context, slog.Level) bool { return true }

// Pion's loggers are made with WithAttrs and WithGroup.
func (r *refusals) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r *refusals) WithGroup(string) slog.Handler      { return r }

func (r *refusals) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.text, record.Message)
	record.Attrs(func(a slog.Attr) bool {
		fmt.Fprintln(&r.text, a)
		if a.Key == "code" {
			r.codes = append(r.codes, fault.Code(a.Value.String()))
		}
		return true
	})
	return nil
}

func (r *refusals) has(code fault.Code) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.codes, code)
}

// fixture is a host in which only the relay's sockets are not real.
type fixture struct {
	t        *testing.T
	ctx      context.Context
	host     *Host
	book     *links.Book
	store    *store.Store
	board    board
	remote   switchboard.RemoteInfo // of guests who dial
	windows  *windowsocket.Server
	refused  *refusals
	attended chan struct{}
	closers  []func()
}

type setup struct {
	dir      string
	timing   Timing
	notifier notify.Notifier
	board    *board
	disk     func(links.Repository) links.Repository // nil means the real one
	remotes  ways.Remotes
	awake    Awake
	copies   func(text string) error // the second way to the clipboard
	messages *doormessages.Box
	devices  bool // this machine's own, instead of synthetic ones
}

const origin = "wails://wails"

func start(t *testing.T, s setup) *fixture {
	t.Helper()
	if s.timing.Undo == 0 {
		s.timing.Undo = -1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	f := &fixture{t: t, ctx: ctx, refused: &refusals{}, attended: make(chan struct{}, 8)}
	f.closers = append(f.closers, cancel)
	if s.dir == "" {
		s.dir = t.TempDir() // before Cleanup, because Windows removes no folder whose files are open
	}
	t.Cleanup(f.close)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f.board = board{Memory: switchboard.NewMemory(256, 256)}
	if s.board != nil {
		f.board = *s.board
	}
	log := slog.New(f.refused)

	var err error
	f.store, err = store.Open(s.dir)
	must(err)
	f.closers = append(f.closers, func() { _ = f.store.Close() })
	records := links.Repository(f.store)
	if s.disk != nil {
		records = s.disk(records)
	}
	f.book, err = links.Open(records, time.Now)
	must(err)
	known, err := acquaintances.Open(f.store, time.Now)
	must(err)
	calls, err := call.NewEngine(call.Options{Logger: log})
	must(err)
	f.closers = append(f.closers, func() { _ = calls.Close() })
	devices, err := capture.Open(capture.Options{Synthetic: !s.devices, Logger: log})
	must(err)
	f.closers = append(f.closers, func() { _ = devices.Close() })
	var h *Host
	opened := make(chan struct{})
	f.windows, err = windowsocket.Listen(ctx, windowsocket.Options{
		Origins: func(o string) bool { return o == origin },
		Handler: func(c *windowsocket.Conn) {
			<-opened
			h.ServeWindow(c)
		},
		Logger: log,
	})
	must(err)
	f.closers = append(f.closers, func() { _ = f.windows.Close() })
	h, err = Open(ctx, Options{
		Book: f.book, Acquaintances: known, Settings: f.store, Relay: f.board, Remotes: s.remotes, Calls: calls, Capture: devices, Windows: f.windows,
		Notifier: s.notifier, Awake: s.awake, Clipboard: s.copies, Attention: func() { f.attended <- struct{}{} },
		Recordings: s.dir + "/recordings", Messages: s.messages, Synthetic: true, Timing: s.timing, Logger: log,
	})
	must(err)
	close(opened)
	f.host = h
	f.closers = append(f.closers, h.Close)
	return f
}

func (f *fixture) close() {
	for _, c := range slices.Backward(f.closers) {
		c()
	}
	f.closers = nil
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// until waits for a state for which ok is true.
func (f *fixture) until(what string, ok func(hoststate.State) bool) hoststate.State {
	f.t.Helper()
	w := f.host.Watch()
	defer w.Close()
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	for {
		if s := f.host.Snapshot(); ok(s) {
			return s
		}
		if _, err := w.Next(ctx); err != nil {
			b, _ := json.Marshal(f.host.Snapshot())
			f.t.Fatalf("waiting for %s: %v; state %s", what, err, b)
		}
	}
}

func (f *fixture) link() hoststate.LinkView {
	f.t.Helper()
	l, err := f.host.CreateLink(f.ctx)
	f.must(err)
	return l
}

func (f *fixture) linkNow(id string) hoststate.LinkView {
	for _, l := range f.host.Snapshot().Links {
		if l.ID == id {
			return l
		}
	}
	return hoststate.LinkView{}
}

// untilLink waits until ok is true for a link.
func (f *fixture) untilLink(id, what string, ok func(hoststate.LinkView) bool) hoststate.LinkView {
	f.t.Helper()
	f.until(what, func(hoststate.State) bool { return ok(f.linkNow(id)) })
	return f.linkNow(id)
}

// request waits for the join request of a guest with this name.
func (f *fixture) request(name string) hoststate.RequestView {
	f.t.Helper()
	var found hoststate.RequestView
	f.until("a knock of "+name, func(s hoststate.State) bool {
		for _, q := range s.Requests {
			if q.Name == name && !q.Away {
				found = q
				return true
			}
		}
		return false
	})
	return found
}

// admit lets in a guest who has knocked.
func (f *fixture) admit(name string) {
	f.t.Helper()
	f.must(f.host.Admit(f.ctx, f.request(name).ID))
}

// visitor is a guest without media, on the raw channel.
type visitor struct {
	f       *fixture
	frames  switchboard.Frames
	channel *sealed.Channel
	opening []byte
	device  string
	seat    signalling.Admitted
	roster  signalling.Roster
}

func token() string { return randomID() }

func secretOf(t *testing.T, l hoststate.LinkView) (sealed.LinkID, sealed.Secret) {
	t.Helper()
	_, id, secret, err := sealed.ParseAddress(l.Addresses[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret
}

// dial opens a channel and sends nothing on it.
func (f *fixture) dial(l hoststate.LinkView) *visitor {
	f.t.Helper()
	id, _ := secretOf(f.t, l)
	pub, frames, err := f.board.Dial(f.ctx, id, f.remote)
	f.must(err)
	opening, channel, err := sealed.OpenGuest(pub, id)
	f.must(err)
	return &visitor{f: f, frames: frames, channel: channel, opening: opening, device: token()}
}

// greet dials, sends Hello and waits for Welcome.
func (f *fixture) greet(l hoststate.LinkView, change func(*signalling.Hello)) *visitor {
	f.t.Helper()
	v := f.dial(l)
	_, secret := secretOf(f.t, l)
	hello := signalling.Hello{Version: signalling.ProtocolVersion, Secret: secret.Reveal(), Device: v.device}
	if change != nil {
		change(&hello)
		v.device = hello.Device
	}
	f.must(v.frames.Send(v.opening))
	v.send(hello)
	expect[signalling.Welcome](v)
	return v
}

// knock greets and knocks.
func (f *fixture) knock(l hoststate.LinkView, name string) *visitor {
	f.t.Helper()
	v := f.greet(l, nil)
	v.send(signalling.Knock{Name: name})
	expect[signalling.Waiting](v)
	return v
}

// enter knocks, is let in and takes the seat.
func (f *fixture) enter(l hoststate.LinkView, name string) *visitor {
	f.t.Helper()
	v := f.knock(l, name)
	f.admit(name)
	v.seated()
	return v
}

// seated waits for Admitted and the roster. Then it takes the seat, as a page
// does with its answer and its candidates.
func (v *visitor) seated() {
	v.f.t.Helper()
	v.seat = expect[signalling.Admitted](v)
	v.roster = expect[signalling.Roster](v)
	v.send(signalling.Candidate{})
}

// back changes a Hello into one that brings the guest back to their seat.
func (v *visitor) back(h *signalling.Hello) { h.Device, h.Seat = v.device, v.seat.Seat }

func (v *visitor) send(m signalling.Message) {
	v.f.t.Helper()
	v.f.must(v.trySend(m))
}

func (v *visitor) trySend(m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	frame, err := v.channel.Seal(b)
	if err != nil {
		return err
	}
	return v.frames.Send(frame)
}

// next returns the host's next message.
func (v *visitor) next() (signalling.Message, error) {
	ctx, cancel := context.WithTimeout(v.f.ctx, patience)
	defer cancel()
	frame, err := v.frames.Recv(ctx)
	if err != nil {
		return nil, err
	}
	b, err := v.channel.Open(frame)
	if err != nil {
		return nil, err
	}
	return signalling.DecodeFromHost(b, signalling.MaxFrame)
}

// expect waits for a message of type M. It skips other messages, which tell of
// the call, but not the end of the guest's part.
func expect[M signalling.Message](v *visitor) M {
	v.f.t.Helper()
	var want M
	for {
		m, err := v.next()
		if err != nil {
			v.f.t.Fatalf("waiting for %s: %v", want.Type(), err)
		}
		if got, ok := m.(M); ok {
			return got
		}
		switch m.(type) {
		case signalling.Ended, signalling.Declined, signalling.Fault:
			v.f.t.Fatalf("waiting for %s: got %+v", want.Type(), m)
		}
	}
}

// ended waits for the end of the guest's part, and of the channel.
func (v *visitor) ended(reason signalling.EndReason) {
	v.f.t.Helper()
	if got := expect[signalling.Ended](v).Reason; got != reason {
		v.f.t.Fatalf("ended: %s, want %s", got, reason)
	}
	if reason != signalling.EndSeatGone {
		v.closed(signalling.CloseDone)
	}
}

// closed waits for the channel to close.
func (v *visitor) closed(code signalling.CloseCode) {
	v.f.t.Helper()
	for {
		_, err := v.next()
		var closed switchboard.Closed
		switch {
		case err == nil:
		case errors.As(err, &closed) && closed.Code == code:
			return
		default:
			v.f.t.Fatalf("channel: %v, want closed with %d", err, code)
		}
	}
}

// vanish loses the guest's path.
func (v *visitor) vanish() { v.frames.Close(signalling.CloseDone) }

// window is the host's page, without its engine.
type window struct {
	f  *fixture
	ws *websocket.Conn
}

// window enters a call as the host's page does.
func (f *fixture) window(l hoststate.LinkView, engine string) *window {
	f.t.Helper()
	e, err := f.host.EnterCall(f.ctx, l.ID, "window", engine)
	f.must(err)
	ws, response, err := websocket.Dial(f.ctx, e.URL, &websocket.DialOptions{
		Subprotocols: []string{windowsocket.Subprotocol},
		HTTPHeader:   map[string][]string{"Origin": {origin}},
	})
	f.must(err)
	if response.Body != nil {
		_ = response.Body.Close()
	}
	ws.SetReadLimit(1 << 20)
	w := &window{f: f, ws: ws}
	f.t.Cleanup(func() { _ = ws.CloseNow() })
	w.write(fmt.Sprintf(`{"type":"enter","payload":{"token":%q}}`, e.Token))
	return w
}

func (w *window) write(text string) {
	w.f.t.Helper()
	w.f.must(w.ws.Write(w.f.ctx, websocket.MessageText, []byte(text)))
}

func (w *window) send(m signalling.Message) {
	w.f.t.Helper()
	b, err := signalling.Encode(m)
	w.f.must(err)
	w.write(string(b))
}

// message waits for a text message of a type.
func (w *window) message(kind signalling.Type) string {
	w.f.t.Helper()
	ctx, cancel := context.WithTimeout(w.f.ctx, patience)
	defer cancel()
	for {
		k, b, err := w.ws.Read(ctx)
		if err != nil {
			w.f.t.Fatalf("window waits for %s: %v", kind, err)
		}
		if k == websocket.MessageText && strings.Contains(string(b), fmt.Sprintf(`"type":%q`, kind)) {
			return string(b)
		}
	}
}

// picture waits for a frame of the native engine.
func (w *window) picture() []byte {
	w.f.t.Helper()
	ctx, cancel := context.WithTimeout(w.f.ctx, patience)
	defer cancel()
	for {
		k, b, err := w.ws.Read(ctx)
		if err != nil {
			w.f.t.Fatalf("window waits for a picture: %v", err)
		}
		if k == websocket.MessageBinary {
			return b
		}
	}
}

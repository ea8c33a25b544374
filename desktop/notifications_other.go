//go:build darwin || windows

package desktop

import (
	"context"
	"log/slog"
	"sync"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/notify"
)

// pressedNote is what Wails reports when the note itself was pressed.
const pressedNote = "DEFAULT_ACTION"

// notifier shows notifications on macOS and Windows. Wails' runtime prepares the
// system and reports presses. Each system has its own way to show a note (Show,
// Withdraw). It implements notify.Notifier.
type notifier struct {
	ctx   context.Context
	icon  []byte        // a PNG, for Windows
	ready chan struct{} // closed when err is set
	err   error

	mu       sync.Mutex // guards what follows; no other lock is taken under it
	onAction func(noteID, action string)
}

func newNotifier(ctx context.Context, icon []byte) *notifier {
	return &notifier{ctx: ctx, icon: icon, ready: make(chan struct{})}
}

// start prepares the system in the background while the app starts. On macOS the
// host may be asked first, which takes as long as they like.
func (n *notifier) start(h *host.Host) {
	go func() {
		defer close(n.ready)
		n.err = n.prepare()
		if n.err != nil {
			slog.Warn("notifications are not available", "error", n.err)
			h.CannotNotify(n.ctx)
		}
	}()
}

func (n *notifier) prepare() error {
	if !runtime.IsNotificationAvailable(n.ctx) {
		return fault.New(fault.NotifyUnavailable, nil)
	}
	if err := runtime.InitializeNotifications(n.ctx); err != nil {
		return fault.New(fault.NotifyUnavailable, err)
	}
	allowed, err := runtime.RequestNotificationAuthorization(n.ctx)
	if err != nil || !allowed {
		return fault.New(fault.NotifyUnavailable, err)
	}
	runtime.OnNotificationResponse(n.ctx, n.pressed)
	return n.declare()
}

// wait waits until the system is prepared. It returns why the system can't show
// notes.
func (n *notifier) wait() error {
	select {
	case <-n.ready:
		return n.err
	case <-n.ctx.Done():
		return n.ctx.Err()
	}
}

// prepared reports whether notes may have been shown.
func (n *notifier) prepared() bool {
	select {
	case <-n.ready:
		return n.err == nil
	default:
		return false
	}
}

// OnAction implements notify.Notifier.
func (n *notifier) OnAction(f func(noteID, action string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onAction = f
}

func (n *notifier) pressed(result runtime.NotificationResult) {
	n.mu.Lock()
	f := n.onAction
	n.mu.Unlock()
	if result.Error != nil || f == nil {
		return
	}
	action := result.Response.ActionIdentifier
	if action == pressedNote {
		action = notify.ActionOpen
	}
	f(result.Response.ID, action)
}

// activation is needed on Linux only. On other systems the pressed program may
// show its window.
func (n *notifier) activation() string { return "" }

// close releases the system's notifications.
func (n *notifier) close() { runtime.CleanupNotifications(n.ctx) }

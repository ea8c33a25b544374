//go:build !linux

package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/notify"
)

// knockCategory is the kind of notification that has Let in and Decline.
const knockCategory = "porch.knock"

// pressedNote is what Wails reports when the note itself was pressed.
const pressedNote = "DEFAULT_ACTION"

// notifier shows notifications through Wails' runtime, on macOS and Windows. It
// implements notify.Notifier.
type notifier struct {
	ctx   context.Context
	ready chan struct{} // closed when err is set
	err   error

	mu       sync.Mutex // a leaf
	onAction func(noteID, action string)
}

func newNotifier(ctx context.Context) *notifier {
	return &notifier{ctx: ctx, ready: make(chan struct{})}
}

// start prepares the system beside the start of the app: on macOS the host may
// be asked first, which takes as long as they like.
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
	return runtime.RegisterNotificationCategory(n.ctx, runtime.NotificationCategory{
		ID: knockCategory,
		Actions: []runtime.NotificationAction{
			{ID: notify.ActionLetIn, Title: "Let in"},
			{ID: notify.ActionDecline, Title: "Decline", Destructive: true},
		},
	})
}

// Show implements notify.Notifier.
func (n *notifier) Show(note notify.Note) error {
	select {
	case <-n.ready:
	case <-n.ctx.Done():
		return n.ctx.Err()
	}
	if n.err != nil {
		return n.err
	}
	o := runtime.NotificationOptions{ID: note.ID, Title: note.Title, Body: note.Body}
	if len(note.Actions) == 0 {
		return runtime.SendNotification(n.ctx, o)
	}
	o.CategoryID = knockCategory
	return runtime.SendNotificationWithActions(n.ctx, o)
}

// Withdraw implements notify.Notifier. Windows can't take a note back; pressing
// it later decides nothing.
func (n *notifier) Withdraw(id string) error {
	select {
	case <-n.ready:
	default:
		return nil // nothing was shown yet
	}
	if n.err != nil {
		return nil
	}
	return runtime.RemoveNotification(n.ctx, id)
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

// close lets go of the system's notifications.
func (n *notifier) close() { runtime.CleanupNotifications(n.ctx) }

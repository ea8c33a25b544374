package desktop

import (
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/notify"
)

// knockCategory is the category of notifications with the buttons Let in and
// Decline.
const knockCategory = "porch.knock"

// declare tells the system which buttons there are.
func (n *notifier) declare() error {
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
	if err := n.wait(); err != nil {
		return err
	}
	o := runtime.NotificationOptions{ID: note.ID}
	o.Title, o.Body = notify.Apple(note)
	if len(note.Actions) == 0 {
		return runtime.SendNotification(n.ctx, o)
	}
	o.CategoryID = knockCategory
	return runtime.SendNotificationWithActions(n.ctx, o)
}

// Withdraw implements notify.Notifier.
func (n *notifier) Withdraw(id string) error {
	if !n.prepared() {
		return nil
	}
	return runtime.RemoveDeliveredNotification(n.ctx, id)
}

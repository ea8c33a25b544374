package desktop

import (
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/notify"
)

// knockCategory is the category of notifications with the buttons Let in and
// Decline.
const knockCategory = "porch.knock"

// declare tells the system which buttons there are. It is told anew with each
// note, because they are in the host's language.
func (n *notifier) declare() error {
	return n.declareButtons([]notify.Action{{ID: notify.ActionLetIn, Label: "Let in"}, {ID: notify.ActionDecline, Label: "Decline"}})
}

func (n *notifier) declareButtons(buttons []notify.Action) error {
	category := runtime.NotificationCategory{ID: knockCategory}
	for _, b := range buttons {
		category.Actions = append(category.Actions, runtime.NotificationAction{
			ID: b.ID, Title: b.Label, Destructive: b.ID == notify.ActionDecline,
		})
	}
	return runtime.RegisterNotificationCategory(n.ctx, category)
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
	if err := n.declareButtons(note.Actions); err != nil {
		return err
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

package desktop

import (
	"log/slog"
	"os"
	"path/filepath"

	"git.sr.ht/~jackmordaunt/go-toast/v2/wintoast"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/notify"
)

// declare puts the app's icon where Wails has told Windows to look for it
// (InitializeNotifications). Otherwise only Wails' own way to show a toast would
// put it there.
func (n *notifier) declare() error {
	exe, err := os.Executable()
	if err == nil {
		icon := filepath.Base(exe) + wintoast.GUID_ImplNotificationActivationCallback.String() + ".png"
		err = os.WriteFile(filepath.Join(os.TempDir(), icon), n.icon, 0o600)
	}
	if err != nil {
		slog.Warn("notifications have no icon", "error", err)
	}
	return nil
}

// Show implements notify.Notifier. It must not use Wails' own SendNotification,
// which puts texts into XML without escaping them. If Windows then refuses the
// XML, it puts the texts into a script and runs that (go-toast v2.0.3,
// wintoast.PowershellFallback). Push without an option does not do so.
func (n *notifier) Show(note notify.Note) error {
	if err := n.wait(); err != nil {
		return err
	}
	toast := notify.Toast(note, func(action string) string {
		if action == notify.ActionOpen {
			action = pressedNote
		}
		return notify.WailsLaunch(note.ID, action)
	})
	if err := wintoast.Push("", toast); err != nil {
		return fault.New(fault.NotifyUnavailable, err)
	}
	return nil
}

// Withdraw implements notify.Notifier. Windows can't withdraw a note. A later
// press of it decides nothing.
func (n *notifier) Withdraw(string) error { return nil }

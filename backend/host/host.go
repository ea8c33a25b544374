package host

import (
	"context"
	"time"
)

// Host is the owner. Its methods may be called from any goroutine; each waits
// for the answer, for ctx, or for Close, whichever is first. Errors carry a
// fault code.
type Host struct{}

// Snapshot returns the whole state.
func (h *Host) Snapshot() State { return State{} }

// Watch returns a watcher of everything that changes from now on. Take the
// snapshot after it.
func (h *Host) Watch() *Watcher { return &Watcher{} }

// Watcher hands out changes. A reader that is slow gets them merged; it never
// holds up the host.
type Watcher struct{}

// Next waits for the next change. It ends with ctx, or with fault.ShuttingDown.
func (w *Watcher) Next(ctx context.Context) (Change, error) { return nil, ctx.Err() }

// Attend says that client's window is the one the host is looking at: the one
// that enters a call when a guest is let in by a notification.
func (h *Host) Attend(client string) {}

func (h *Host) CreateLink(ctx context.Context) (LinkView, error)          { return LinkView{}, nil }
func (h *Host) RenameLink(ctx context.Context, linkID, name string) error { return nil }
func (h *Host) RemoveLink(ctx context.Context, linkID string) error       { return nil }
func (h *Host) CopyLink(ctx context.Context, linkID, url string) error    { return nil }
func (h *Host) MailLink(ctx context.Context, linkID, url string) error    { return nil }
func (h *Host) MessageLink(ctx context.Context, linkID, url string) error { return nil }
func (h *Host) LinkQR(ctx context.Context, url string) (string, error)    { return "", nil }
func (h *Host) Calendar(ctx context.Context, linkID, url string, start time.Time) (name string, ics []byte, err error) {
	return "", nil, nil
}
func (h *Host) Admit(ctx context.Context, requestID string) error     { return nil }
func (h *Host) Decline(ctx context.Context, requestID string) error   { return nil }
func (h *Host) AskToWait(ctx context.Context, requestID string) error { return nil }
func (h *Host) Block(ctx context.Context, requestID string) error     { return nil }
func (h *Host) AdmitAll(ctx context.Context, linkID string) error     { return nil }
func (h *Host) DeclineAll(ctx context.Context, linkID string) error   { return nil }
func (h *Host) EnterCall(ctx context.Context, linkID, client, engine string) (Entry, error) {
	return Entry{}, nil
}
func (h *Host) LeaveCall(ctx context.Context, linkID string) error                { return nil }
func (h *Host) EndCall(ctx context.Context, linkID string) error                  { return nil }
func (h *Host) SilenceRequests(ctx context.Context, linkID string, on bool) error { return nil }
func (h *Host) LockCall(ctx context.Context, linkID string, on bool) error        { return nil }
func (h *Host) RemoveParticipant(ctx context.Context, linkID, participantID string, block bool) error {
	return nil
}
func (h *Host) MuteParticipant(ctx context.Context, linkID, participantID string) error { return nil }
func (h *Host) SetName(ctx context.Context, name string) error                          { return nil }
func (h *Host) SetSettings(ctx context.Context, s Settings) error                       { return nil }
func (h *Host) Devices(ctx context.Context) (DevicesView, error)                        { return DevicesView{}, nil }
func (h *Host) DismissNotice(ctx context.Context, id uint64) error                      { return nil }

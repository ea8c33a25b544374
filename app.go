package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host"
)

// App is what the host's window may call: its exported methods are the whole
// list, since Wails binds every one of them. It translates and decides
// nothing. A method's error reaches the page as the JSON {"code", "message"}:
// a fault code and its sentence.
type App struct {
	ctx  context.Context // Wails' own, from startup; ends with the app
	host *host.Host
}

// problem is a fault as the page reads it.
type problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// said turns err into what the page reads; nil stays nil.
func said(err error) error {
	if err == nil {
		return nil
	}
	code := fault.CodeOf(err)
	b, _ := json.Marshal(problem{code, fault.Sentence(code)}) // two strings always marshal
	return errors.New(string(b))
}

// Snapshot returns the whole state. The page listens to "porch:change" first,
// then takes the snapshot, then drops changes whose revision is not greater.
func (a *App) Snapshot() host.State { return a.host.Snapshot() }

// Attend says that this window (a random name that the page made for itself)
// is the one the host looks at. Called on load and on focus.
func (a *App) Attend(client string) { a.host.Attend(client) }

// CreateLink makes a link that can be opened at once.
func (a *App) CreateLink() (host.LinkView, error) {
	v, err := a.host.CreateLink(a.ctx)
	return v, said(err)
}

// RenameLink names a link; "" takes the name away.
func (a *App) RenameLink(linkID, name string) error {
	return said(a.host.RenameLink(a.ctx, linkID, name))
}

// RemoveLink removes a link for good; everybody waiting or inside is out.
func (a *App) RemoveLink(linkID string) error { return said(a.host.RemoveLink(a.ctx, linkID)) }

// CopyLink puts one of the link's addresses on the system clipboard.
func (a *App) CopyLink(linkID, url string) error { return said(a.host.CopyLink(a.ctx, linkID, url)) }

// MailLink opens the system's mail program with the address in a new message.
func (a *App) MailLink(linkID, url string) error { return said(a.host.MailLink(a.ctx, linkID, url)) }

// MessageLink opens the system's messages program with the address.
func (a *App) MessageLink(linkID, url string) error {
	return said(a.host.MessageLink(a.ctx, linkID, url))
}

// LinkQR draws one of the host's own addresses as an SVG document.
func (a *App) LinkQR(url string) (string, error) {
	svg, err := a.host.LinkQR(a.ctx, url)
	return svg, said(err)
}

// SaveCalendar asks where to and saves an .ics file with the address as its
// location. start is in Unix milliseconds, 0 for the next full hour. It
// returns the file's path, "" when the host cancelled.
func (a *App) SaveCalendar(linkID, url string, start int64) (string, error) {
	var at time.Time
	if start != 0 {
		at = time.UnixMilli(start)
	}
	_, _, err := a.host.Calendar(a.ctx, linkID, url, at)
	return "", said(err)
}

// Admit lets a guest in.
func (a *App) Admit(requestID string) error { return said(a.host.Admit(a.ctx, requestID)) }

// Decline refuses a guest, who may try once more.
func (a *App) Decline(requestID string) error { return said(a.host.Decline(a.ctx, requestID)) }

// AskToWait tells a guest that the host has seen the request.
func (a *App) AskToWait(requestID string) error { return said(a.host.AskToWait(a.ctx, requestID)) }

// Block declines a guest, who can't ask again at this link.
func (a *App) Block(requestID string) error { return said(a.host.Block(a.ctx, requestID)) }

// AdmitAll lets everyone in who waits at a link.
func (a *App) AdmitAll(linkID string) error { return said(a.host.AdmitAll(a.ctx, linkID)) }

// DeclineAll declines everyone who waits at a link.
func (a *App) DeclineAll(linkID string) error { return said(a.host.DeclineAll(a.ctx, linkID)) }

// EnterCall brings the host into a link's call. engine is what the page can
// do: "webview" when it has RTCPeerConnection, else "native"; the settings
// decide where both are possible.
func (a *App) EnterCall(linkID, client, engine string) (host.Entry, error) {
	e, err := a.host.EnterCall(a.ctx, linkID, client, engine)
	return e, said(err)
}

// LeaveCall takes the host out of a call; others go on. The same as a leave
// message on the loopback socket.
func (a *App) LeaveCall(linkID string) error { return said(a.host.LeaveCall(a.ctx, linkID)) }

// EndCall ends a call for everyone; the link is spent.
func (a *App) EndCall(linkID string) error { return said(a.host.EndCall(a.ctx, linkID)) }

// SilenceRequests quiets bell and notifications of a link.
func (a *App) SilenceRequests(linkID string, on bool) error {
	return said(a.host.SilenceRequests(a.ctx, linkID, on))
}

// LockCall refuses new join requests at a link.
func (a *App) LockCall(linkID string, on bool) error { return said(a.host.LockCall(a.ctx, linkID, on)) }

// RemoveParticipant takes a guest out of a call; with block they can't ask again.
func (a *App) RemoveParticipant(linkID, participantID string, block bool) error {
	return said(a.host.RemoveParticipant(a.ctx, linkID, participantID, block))
}

// MuteParticipant asks a guest's page to mute itself.
func (a *App) MuteParticipant(linkID, participantID string) error {
	return said(a.host.MuteParticipant(a.ctx, linkID, participantID))
}

// SetName sets the name that guests see.
func (a *App) SetName(name string) error { return said(a.host.SetName(a.ctx, name)) }

// SetSettings replaces the settings.
func (a *App) SetSettings(s host.Settings) error { return said(a.host.SetSettings(a.ctx, s)) }

// Devices lists the native engine's devices.
func (a *App) Devices() (host.DevicesView, error) {
	d, err := a.host.Devices(a.ctx)
	return d, said(err)
}

// DismissNotice takes a notice away once the host has seen it.
func (a *App) DismissNotice(id uint64) error { return said(a.host.DismissNotice(a.ctx, id)) }

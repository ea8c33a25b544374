package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/porch-call/porch/backend/call/figures"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/desktop"
)

// App is what the host's window may call. Wails binds every exported method, so
// these are the whole list. It translates calls and decides nothing. A method's
// error reaches the page as the JSON {"code", "message"}: a fault code and its
// sentence. A method that is called while the app is still opening waits for it.
type App struct {
	desktop *desktop.App
}

func newApp() *App {
	a := &App{}
	a.desktop = desktop.New(noteIcon, a.pump)
	return a
}

// ask calls fn with the host, as soon as there is one.
func (a *App) ask(fn func(context.Context, *host.Host) error) error {
	ctx, h, err := a.desktop.Host()
	if err != nil {
		return said(err)
	}
	return said(fn(ctx, h))
}

// get is ask for commands that have a result.
func get[T any](a *App, fn func(context.Context, *host.Host) (T, error)) (T, error) {
	var v T
	err := a.ask(func(ctx context.Context, h *host.Host) (err error) {
		v, err = fn(ctx, h)
		return err
	})
	return v, err
}

// problem is a fault in the form that the page reads.
type problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// said turns err into what the page reads. nil stays nil.
func said(err error) error {
	if err == nil {
		return nil
	}
	code := fault.CodeOf(err)
	b, _ := json.Marshal(problem{code, fault.Sentence(code)}) // two strings always marshal
	return errors.New(string(b))
}

// Snapshot returns the whole state. The page first listens to "porch:change",
// then takes the snapshot, then drops changes whose revision is not greater.
func (a *App) Snapshot() (hoststate.State, error) {
	return get(a, func(_ context.Context, h *host.Host) (hoststate.State, error) { return h.Snapshot(), nil })
}

// Attend says that the host looks at this page: the app's own window, or a page
// in a browser (then client is a random name that it made for itself). A page
// calls it when it is used. A page in a browser also calls it when it has loaded.
func (a *App) Attend(client string) error {
	return a.ask(func(_ context.Context, h *host.Host) error {
		h.Attend(client)
		return nil
	})
}

// CreateLink makes a link that can be opened at once.
func (a *App) CreateLink() (hoststate.LinkView, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.LinkView, error) { return h.CreateLink(ctx) })
}

// RenameLink names a link. "" removes the name.
func (a *App) RenameLink(linkID, name string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.RenameLink(ctx, linkID, name) })
}

// RemoveLink removes a link for good. Guests who wait or are in the call are out.
// Without a guest in the call it takes hold in ten seconds, until which UndoRemove
// takes it back.
func (a *App) RemoveLink(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).Remove(ctx) })
}

// UndoRemove takes a removal back that has not taken hold.
func (a *App) UndoRemove(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).Undo(ctx) })
}

// SetLinkTimes sets when a link opens and when it is spent: "" when everyone has
// left, "at" a time, "keep". Times are Unix milliseconds, 0 for none.
func (a *App) SetLinkTimes(linkID string, opensAt int64, ends string, endsAt int64) error {
	return a.ask(func(ctx context.Context, h *host.Host) error {
		return h.Link(linkID).SetTimes(ctx, links.Times{OpensAt: moment(opensAt), Ends: links.Ends(ends), EndsAt: moment(endsAt)})
	})
}

// moment reads a time of the page.
func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}

// NewAddress gives a link another address of its own. The one of before opens it
// no longer.
func (a *App) NewAddress(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).NewAddress(ctx) })
}

// KeepLink says that a link is wanted although it is not used.
func (a *App) KeepLink(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).Keep(ctx) })
}

// LinkHistory returns the calls of a link in which guests were, the latest first.
func (a *App) LinkHistory(linkID string) ([]hoststate.CallRecordView, error) {
	return get(a, func(_ context.Context, h *host.Host) ([]hoststate.CallRecordView, error) {
		return h.Link(linkID).History(), nil
	})
}

// EraseHistory forgets who was in through a link, and when. A link that has ended
// is forgotten altogether.
func (a *App) EraseHistory(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).EraseHistory(ctx) })
}

// NewCopy gives a link a further address for somebody, and returns the copy's id.
func (a *App) NewCopy(linkID, name string, once bool) (string, error) {
	return get(a, func(ctx context.Context, h *host.Host) (string, error) {
		return h.Link(linkID).NewCopy(ctx, name, once)
	})
}

// RemoveCopy takes a copy of a link away. Those in the call stay.
func (a *App) RemoveCopy(linkID, copyID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Link(linkID).RemoveCopy(ctx, copyID) })
}

// CopyLink puts one of the link's addresses on the system clipboard.
func (a *App) CopyLink(linkID, url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Sharing().Copy(ctx, linkID, url) })
}

// MailLink opens the system's mail program with the address in a new message.
func (a *App) MailLink(linkID, url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Sharing().Mail(ctx, linkID, url) })
}

// MessageLink opens the system's messages program with the address.
func (a *App) MessageLink(linkID, url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Sharing().Message(ctx, linkID, url) })
}

// LinkQR draws one of the host's own addresses as an SVG document.
func (a *App) LinkQR(url string) (string, error) {
	return get(a, func(ctx context.Context, h *host.Host) (string, error) { return h.Sharing().QR(ctx, url) })
}

// Invitation returns the text that goes with an address of a link.
func (a *App) Invitation(linkID, url string) (string, error) {
	return get(a, func(_ context.Context, h *host.Host) (string, error) { return h.Sharing().Invitation(linkID, url) })
}

// SaveCalendar asks for a place and saves a calendar file with the address as its
// location. It returns the file's path, or "" if the host cancelled.
func (a *App) SaveCalendar(linkID, url string, wish hoststate.CalendarWish) (string, error) {
	return get(a, func(ctx context.Context, h *host.Host) (string, error) {
		name, file, err := h.Sharing().Calendar(ctx, linkID, url, wish)
		if err != nil {
			return "", err
		}
		return desktop.SaveFile(ctx, name, file)
	})
}

// Admit lets a guest in.
func (a *App) Admit(requestID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Admit(ctx, requestID) })
}

// Decline refuses a guest, who may try once more.
func (a *App) Decline(requestID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Decline(ctx, requestID) })
}

// AskToWait tells a guest that the host has seen the request. After so many
// minutes, unless it is 0, the bell rings again.
func (a *App) AskToWait(requestID string, minutes int) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.AskToWait(ctx, requestID, minutes) })
}

// AlwaysLetIn lets a guest in, and their browser from now on without asking:
// through the same link, or through all.
func (a *App) AlwaysLetIn(requestID string, everywhere bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.AlwaysLetIn(ctx, requestID, everywhere) })
}

// StopAlways takes that back. linkID is "" for all links.
func (a *App) StopAlways(browser, linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.StopAlways(ctx, browser, linkID) })
}

// WriteTo says a line to a guest who waits.
func (a *App) WriteTo(requestID, text string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.WriteTo(ctx, requestID, text) })
}

// SeeRequests says that the host has looked at the cards of these requests.
func (a *App) SeeRequests(requestIDs []string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.See(ctx, requestIDs) })
}

// Block refuses a guest, who can't ask again at this link.
func (a *App) Block(requestID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Block(ctx, requestID) })
}

// AdmitAll lets in all guests whom the window shows at a link: these requests.
func (a *App) AdmitAll(linkID string, requestIDs []string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.AdmitAll(ctx, linkID, requestIDs) })
}

// DeclineAll declines all guests whom the window shows at a link: these requests.
func (a *App) DeclineAll(linkID string, requestIDs []string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.DeclineAll(ctx, linkID, requestIDs) })
}

// EnterCall brings the host into a link's call. engine says what the page can do:
// "webview" if it has RTCPeerConnection, else "native". If both are possible, the
// settings decide.
func (a *App) EnterCall(linkID, client, engine string) (hoststate.Entry, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.Entry, error) {
		return h.EnterCall(ctx, linkID, client, engine)
	})
}

// LeaveCall takes the host out of a call, and the others go on. A leave message
// on the window socket does the same.
func (a *App) LeaveCall(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.LeaveCall(ctx, linkID) })
}

// EndCall ends a call for all participants. The link is spent.
func (a *App) EndCall(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.EndCall(ctx, linkID) })
}

// SilenceRequests stops the bell and the notifications of a link.
func (a *App) SilenceRequests(linkID string, on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.SilenceRequests(ctx, linkID, on) })
}

// LockCall refuses new join requests at a link.
func (a *App) LockCall(linkID string, on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.LockCall(ctx, linkID, on) })
}

// RemoveParticipant takes a guest out of a call. With block they can't ask again.
func (a *App) RemoveParticipant(linkID, participantID string, block bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error {
		return h.RemoveParticipant(ctx, linkID, participantID, block)
	})
}

// DoorMessage returns at most 1 MiB of a door message, from a place that an earlier
// call has reached; nothing behind its end.
func (a *App) DoorMessage(id string, from int64) ([]byte, error) {
	return get(a, func(_ context.Context, h *host.Host) ([]byte, error) { return h.DoorMessages().Read(id, from) })
}

// KeepDoorMessage says whether a door message stays until it is deleted.
func (a *App) KeepDoorMessage(id string, on bool) error {
	return a.ask(func(_ context.Context, h *host.Host) error {
		defer h.MessagesChanged()
		return h.DoorMessages().Keep(id, on)
	})
}

// DeleteDoorMessage deletes a door message.
func (a *App) DeleteDoorMessage(id string) error {
	return a.ask(func(_ context.Context, h *host.Host) error {
		defer h.MessagesChanged()
		return h.DoorMessages().Delete(id)
	})
}

// LetWaitOutside puts a guest out of the call, to wait until the host lets them in
// again.
func (a *App) LetWaitOutside(linkID, participantID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.LetWaitOutside(ctx, linkID, participantID) })
}

// SetCoHost names a guest in the call a co-host, or takes that back.
func (a *App) SetCoHost(linkID, participantID string, on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.SetCoHost(ctx, linkID, participantID, on) })
}

// Record records a call on this computer, and asks all who are in it.
func (a *App) Record(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Record(ctx, linkID) })
}

// StopRecording ends a recording.
func (a *App) StopRecording(linkID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.StopRecording(ctx, linkID) })
}

// ShowRecording shows the last recording in the system's file manager.
func (a *App) ShowRecording() error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Recordings().Show(ctx) })
}

// DismissRecording says that the host has read where the last recording is.
func (a *App) DismissRecording() error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Recordings().Dismiss(ctx) })
}

// MuteParticipant asks a guest's page to mute itself.
func (a *App) MuteParticipant(linkID, participantID string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.MuteParticipant(ctx, linkID, participantID) })
}

// CallFigures returns what is known of the lines of a call.
func (a *App) CallFigures(linkID string) (figures.Call, error) {
	return get(a, func(ctx context.Context, h *host.Host) (figures.Call, error) { return h.CallFigures(ctx, linkID) })
}

// SaveReport asks for a place and saves a report of a call, which the page has
// made. It returns the file's path, or "" if the host cancelled.
func (a *App) SaveReport(report string) (string, error) {
	return get(a, func(ctx context.Context, _ *host.Host) (string, error) {
		if len(report) > maxReport {
			return "", fault.Newf(fault.MessageInvalid, "a report of %d bytes", len(report))
		}
		return desktop.SaveFile(ctx, "porch-call.json", []byte(report))
	})
}

// maxReport is the size of a report at most, in bytes.
const maxReport = 256 << 10

// Speak sets the language of notifications, mails and calendar files: a locale of
// frontend/messages. An unknown one is English.
func (a *App) Speak(locale string) {
	a.desktop.Speak(locale)
}

// SetName sets the name that guests see.
func (a *App) SetName(name string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.SetName(ctx, name) })
}

// SetSettings replaces the settings.
func (a *App) SetSettings(s hoststate.Settings) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.SetSettings(ctx, s) })
}

// TestRelay dials a public relay once and returns what it offers.
func (a *App) TestRelay(address, invitation string) (hoststate.RelayOfferView, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.RelayOfferView, error) {
		return h.Ways().TestRelay(ctx, address, invitation)
	})
}

// AddRelay stores a public relay and dials it, or gives a stored one another
// invitation.
func (a *App) AddRelay(address, invitation string) (hoststate.RelayView, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.RelayView, error) {
		return h.Ways().AddRelay(ctx, address, invitation)
	})
}

// RemoveRelay forgets a public relay. The links on it stay, and open on this
// computer and its network.
func (a *App) RemoveRelay(url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().RemoveRelay(ctx, url) })
}

// UseRelay sets the public relay on which new links are made, "" for none.
func (a *App) UseRelay(url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().UseRelay(ctx, url) })
}

// SetLinkDoor opens or closes the direct door of a link: a way in from anywhere
// without a relay, by which whoever has the link can see this computer's internet
// address.
func (a *App) SetLinkDoor(linkID string, on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().SetDoor(ctx, linkID, on) })
}

// SetRelayOnly sets whether calls of links on a relay hide this computer's
// address.
func (a *App) SetRelayOnly(on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().SetRelayOnly(ctx, on) })
}

// SetWho sets who may open links: "anywhere", "network" or "computer".
func (a *App) SetWho(who string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().SetWho(ctx, who) })
}

// TestOwn looks at this Porch through an address from outside, and returns what
// was seen.
func (a *App) TestOwn(address string) (hoststate.OwnTestView, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.OwnTestView, error) {
		return h.Ways().TestOwn(ctx, address)
	})
}

// UseOwn makes links open at an address from outside; "" removes it.
func (a *App) UseOwn(address string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().UseOwn(ctx, address) })
}

// SetRouter sets whether the router is asked to let calls in.
func (a *App) SetRouter(on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().SetRouter(ctx, on) })
}

// UseFunnel turns Tailscale Funnel on and off, by Tailscale's own program.
func (a *App) UseFunnel(on bool) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().UseFunnel(ctx, on) })
}

// CopyHostKey puts this host's public key for a relay on the system clipboard.
// With it, the relay's owner can let this host in.
func (a *App) CopyHostKey(url string) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.Ways().CopyHostKey(ctx, url) })
}

// Devices lists the native engine's devices.
func (a *App) Devices() (hoststate.DevicesView, error) {
	return get(a, func(ctx context.Context, h *host.Host) (hoststate.DevicesView, error) { return h.Devices(ctx) })
}

// DismissNotice removes a notice that the host has seen.
func (a *App) DismissNotice(id uint64) error {
	return a.ask(func(ctx context.Context, h *host.Host) error { return h.DismissNotice(ctx, id) })
}

// Program returns what the app knows of itself as a program of this computer.
// "porch:program" says that it has changed.
func (a *App) Program() (desktop.Program, error) {
	return get(a, func(context.Context, *host.Host) (desktop.Program, error) { return a.desktop.Program(), nil })
}

// SetAtLogin sets whether the system starts the app when its user logs in.
func (a *App) SetAtLogin(on bool) error {
	return a.ask(func(context.Context, *host.Host) error { return a.desktop.SetAtLogin(on) })
}

// SetLooks sets whether the host agrees to the app looking for newer versions.
func (a *App) SetLooks(yes bool) error {
	return a.ask(func(context.Context, *host.Host) error { return a.desktop.SetLooks(yes) })
}

// OpenPage opens an address of the web in the system's browser. A stranger may
// have written it.
func (a *App) OpenPage(address string) error {
	return a.ask(func(ctx context.Context, _ *host.Host) error { return handover.Link(ctx, address) })
}

// OpenDownload opens the page of the newer version in the system's browser.
func (a *App) OpenDownload() error {
	return a.ask(func(ctx context.Context, _ *host.Host) error { return a.desktop.OpenDownload(ctx) })
}

// SaveCrashReport asks for a place and saves the report of an earlier crash. It
// returns the file's path, or "" if the host cancelled.
func (a *App) SaveCrashReport() (string, error) {
	return get(a, func(ctx context.Context, _ *host.Host) (string, error) { return a.desktop.SaveCrashReport(ctx) })
}

// ForgetCrash removes the report of an earlier crash.
func (a *App) ForgetCrash() error {
	return a.ask(func(context.Context, *host.Host) error {
		a.desktop.ForgetCrash()
		return nil
	})
}

// EraseEverything ends the app, removes all its data, and starts it anew.
func (a *App) EraseEverything() error {
	return a.ask(func(ctx context.Context, _ *host.Host) error {
		a.desktop.EraseEverything(ctx)
		return nil
	})
}

// Licences returns the licences of what others wrote.
func (a *App) Licences() string { return desktop.Licences() }

// Quit ends the app. Guests are told that the host's app has closed. Links can be
// opened again when the app is.
func (a *App) Quit() error {
	return a.ask(func(ctx context.Context, _ *host.Host) error {
		a.desktop.Quit(ctx)
		return nil
	})
}

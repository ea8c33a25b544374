package desktop

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/draw"
	"image/png"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/sessionbus"
)

// The desktop's notifications (freedesktop.org Desktop Notifications 1.2).
// Porch speaks to the service itself, because Wails reports a dismissed note as
// pressed, and does not withdraw notes.
const (
	notifyService = "org.freedesktop.Notifications"
	notifyPath    = "/org/freedesktop/Notifications"
	pressedNote   = "default" // the action of the note itself

	critical     = byte(2)  // urgency: the note stays until the host deals with it
	neverExpires = int32(0) // expire_timeout

	dismissed = uint32(2) // why a note was closed: by the user
)

// notifier shows notifications over the session bus. It implements
// notify.Notifier.
type notifier struct {
	ctx     context.Context
	picture func() (rawImage, error) // the app's icon

	mu       sync.Mutex // guards what follows; never held while the bus is waited for
	onAction func(noteID, action string)
	conn     *dbus.Conn // nil before the first note, and after the bus is gone
	markup   bool       // the server reads markup in bodies
	shown    map[string]uint32
	token    string // allows the window to come to the front; from the note that was pressed last
}

// newNotifier returns a notifier whose notes show icon, a PNG.
func newNotifier(ctx context.Context, icon []byte) *notifier {
	picture := sync.OnceValues(func() (rawImage, error) { return noteImage(icon) })
	return &notifier{ctx: ctx, picture: picture, shown: make(map[string]uint32)}
}

// start connects in the background while the app starts.
func (n *notifier) start(h *host.Host) {
	go func() {
		if _, _, err := n.connect(); err != nil {
			slog.Warn("notifications are not available", "error", err)
			h.CannotNotify(n.ctx)
		}
	}()
}

// connect returns the connection. If there is none, it makes one.
func (n *notifier) connect() (conn *dbus.Conn, markup bool, err error) {
	n.mu.Lock()
	conn, markup = n.conn, n.markup
	n.mu.Unlock()
	if conn != nil {
		return conn, markup, nil
	}
	conn, err = sessionbus.Connect(n.ctx)
	if err != nil {
		return nil, false, fault.New(fault.NotifyUnavailable, err)
	}
	var capabilities []string
	err = sessionbus.Call(n.ctx, conn.Object(notifyService, notifyPath), notifyService+".GetCapabilities").Store(&capabilities)
	if err == nil {
		err = conn.AddMatchSignal(
			dbus.WithMatchSender(notifyService), dbus.WithMatchInterface(notifyService), dbus.WithMatchObjectPath(notifyPath))
	}
	if err != nil {
		_ = conn.Close()
		return nil, false, fault.New(fault.NotifyUnavailable, err)
	}
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	n.mu.Lock()
	n.conn, n.markup = conn, slices.Contains(capabilities, "body-markup")
	clear(n.shown)
	markup = n.markup
	n.mu.Unlock()
	go n.listen(conn, signals)
	return conn, markup, nil
}

// listen handles the signals for notes until the connection ends.
func (n *notifier) listen(conn *dbus.Conn, signals <-chan *dbus.Signal) {
	for s := range signals {
		if len(s.Body) < 2 {
			continue
		}
		id, ok := s.Body[0].(uint32)
		if !ok {
			continue
		}
		n.mu.Lock()
		note, ours := "", false
		for shown, i := range n.shown {
			if i == id {
				note, ours = shown, true
			}
		}
		f := n.onAction
		text, _ := s.Body[1].(string)
		action := ""
		switch s.Name {
		case notifyService + ".NotificationClosed":
			delete(n.shown, note)
			// Any other reason is not the host: a time-out of the server's own, or another program.
			action = notify.ActionExpired
			if why, _ := s.Body[1].(uint32); why == dismissed {
				action = notify.ActionDismiss
			}
		case notifyService + ".ActivationToken": // comes before the action
			if ours && len(text) <= maxToken && !strings.ContainsRune(text, 0) {
				n.token = text
			}
		case notifyService + ".ActionInvoked":
			action = text
			if text == pressedNote {
				action = notify.ActionOpen
			}
		}
		n.mu.Unlock()
		if ours && f != nil && action != "" {
			f(note, action)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == conn {
		n.conn = nil
	}
}

// maxToken is the longest token that is taken, in bytes.
const maxToken = 256

// activation returns the token with which the press of a note allows a window
// to come to the front (xdg-activation, or the id of a startup notification on
// X11). It returns each token once, and "" if there is none.
func (n *notifier) activation() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	token := n.token
	n.token = ""
	return token
}

// Show implements notify.Notifier.
func (n *notifier) Show(note notify.Note) error {
	conn, markup, err := n.connect()
	if err != nil {
		return err
	}
	summary, body := notify.Desktop(note, markup)
	actions := []string{pressedNote, cmp.Or(note.Open, "Porch")}
	for _, a := range note.Actions {
		actions = append(actions, a.ID, a.Label)
	}
	hints := map[string]dbus.Variant{
		"category":      dbus.MakeVariant("call.incoming"),
		"desktop-entry": dbus.MakeVariant("porch"),
		"urgency":       dbus.MakeVariant(critical), // a guest waits
		"resident":      dbus.MakeVariant(true),     // until it is withdrawn, because opening the window decides nothing
	}
	if picture, err := n.picture(); err == nil {
		hints["image-data"] = dbus.MakeVariant(picture)
	}
	n.mu.Lock()
	replaces := n.shown[note.ID]
	n.mu.Unlock()
	var id uint32
	err = sessionbus.Call(n.ctx, conn.Object(notifyService, notifyPath), notifyService+".Notify",
		"Porch", replaces, "", summary, body, actions, hints, neverExpires).Store(&id)
	if err != nil {
		return fault.New(fault.NotifyUnavailable, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown[note.ID] = id
	return nil
}

// Withdraw implements notify.Notifier.
func (n *notifier) Withdraw(noteID string) error {
	n.mu.Lock()
	id, ok := n.shown[noteID]
	conn := n.conn
	delete(n.shown, noteID)
	n.mu.Unlock()
	if !ok || conn == nil {
		return nil
	}
	// The server answers with an error if it has closed the note by itself.
	_ = sessionbus.Call(n.ctx, conn.Object(notifyService, notifyPath), notifyService+".CloseNotification", id).Err
	return nil
}

// OnAction implements notify.Notifier.
func (n *notifier) OnAction(f func(noteID, action string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onAction = f
}

// close ends the connection.
func (n *notifier) close() {
	n.mu.Lock()
	conn := n.conn
	n.conn = nil
	n.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// rawImage is a picture in the form that notification servers take: RGBA, row
// by row.
type rawImage struct {
	Width, Height, Stride int32
	Alpha                 bool
	BitsPerSample         int32
	Channels              int32
	Data                  []byte
}

// noteImage decodes a PNG.
func noteImage(icon []byte) (rawImage, error) {
	decoded, err := png.Decode(bytes.NewReader(icon))
	if err != nil {
		return rawImage{}, err
	}
	picture := image.NewNRGBA(decoded.Bounds())
	draw.Draw(picture, picture.Bounds(), decoded, decoded.Bounds().Min, draw.Src)
	size := picture.Bounds().Size()
	return rawImage{
		Width: int32(size.X), Height: int32(size.Y), Stride: int32(picture.Stride),
		Alpha: true, BitsPerSample: 8, Channels: 4, Data: picture.Pix,
	}, nil
}

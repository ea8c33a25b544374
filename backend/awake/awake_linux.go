package awake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/porch-call/porch/backend/sessionbus"
)

// take asks logind, which sends the computer to sleep, and one of the session's services, which decide when to ask
// logind for it. One of the two is enough, because a server has no session and a sandbox can't reach logind.
func take(ctx context.Context) (func(), error) {
	system, systemErr := takeSystem(ctx)
	session, sessionErr := takeSession(ctx)
	if system == nil && session == nil {
		return nil, errors.Join(systemErr, sessionErr)
	}
	return func() {
		for _, release := range []func(){system, session} {
			if release != nil {
				release()
			}
		}
	}, nil
}

// takeSystem takes an inhibitor lock of logind (https://systemd.io/INHIBITOR_LOCKS/): a file descriptor, which ends
// with the process. If ctx ends first, a lock that still arrives is closed at once.
func takeSystem(ctx context.Context) (func(), error) {
	locks, refusal := make(chan *os.File), make(chan error, 1)
	go func() {
		lock, err := inhibit(context.WithoutCancel(ctx))
		if err != nil {
			refusal <- err
			return
		}
		select {
		case locks <- lock:
		case <-ctx.Done():
			_ = lock.Close()
		}
	}()
	select {
	case lock := <-locks:
		return func() { _ = lock.Close() }, nil
	case err := <-refusal:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inhibit asks logind for a lock, and waits no longer than sessionbus.Patience. A user without a seat may often inhibit
// only "idle".
func inhibit(ctx context.Context) (*os.File, error) {
	conn, err := sessionbus.ConnectSystem(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the lock does not need the connection
	logind := conn.Object("org.freedesktop.login1", "/org/freedesktop/login1")
	for _, what := range []string{"sleep:idle", "idle"} {
		var fd dbus.UnixFD
		if err = sessionbus.Call(ctx, logind, "org.freedesktop.login1.Manager.Inhibit", what, "Porch", reason, "block").Store(&fd); err == nil {
			syscall.CloseOnExec(int(fd))
			return os.NewFile(uintptr(fd), "inhibitor lock"), nil
		}
	}
	return nil, fmt.Errorf("awake: logind: %w", err)
}

// way is a service of the session that can be told to stay awake. All of these services drop the request when the
// connection ends.
type way struct {
	name string
	take func(context.Context, *dbus.Conn) (release *dbus.Call, err error)
}

// suspend is the flag for "the computer goes to sleep". The portal (org.freedesktop.portal.Inhibit) and GNOME's
// session manager, its model, use the same value.
const suspend = uint32(4)

// ways lists the services, the best first. The portal works in a sandbox too, and passes the request to the desktop.
// GNOME's session manager and the power management of KDE and Xfce don't keep the display lit. The screen saver comes
// last, because it does.
var ways = []way{
	{"the portal", takePortal},
	{"the session manager", func(ctx context.Context, c *dbus.Conn) (*dbus.Call, error) {
		manager := c.Object("org.gnome.SessionManager", "/org/gnome/SessionManager")
		return cookie(ctx, manager, "org.gnome.SessionManager.Inhibit", "org.gnome.SessionManager.Uninhibit", "porch", uint32(0), reason, suspend)
	}},
	{"the power management", func(ctx context.Context, c *dbus.Conn) (*dbus.Call, error) {
		const service = "org.freedesktop.PowerManagement.Inhibit"
		return cookie(ctx, c.Object(service, "/org/freedesktop/PowerManagement/Inhibit"), service+".Inhibit", service+".UnInhibit", "Porch", reason)
	}},
	{"the screen saver", func(ctx context.Context, c *dbus.Conn) (*dbus.Call, error) {
		const service = "org.freedesktop.ScreenSaver"
		return cookie(ctx, c.Object(service, "/org/freedesktop/ScreenSaver"), service+".Inhibit", service+".UnInhibit", "Porch", reason)
	}},
}

// takeSession asks the session's services one after the other until one accepts.
func takeSession(ctx context.Context) (func(), error) {
	conn, err := sessionbus.Connect(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, w := range ways {
		back, err := w.take(ctx, conn)
		if err == nil {
			return func() {
				// No reply is awaited, because the service also drops the request with the connection.
				conn.Object(back.Destination, back.Path).Go(back.Method, dbus.FlagNoReplyExpected, nil, back.Args...)
				_ = conn.Close()
			}, nil
		}
		failed = errors.Join(failed, fmt.Errorf("awake: %s: %w", w.name, err))
	}
	_ = conn.Close()
	return nil, failed
}

// cookie calls a method that returns a number. The returned call gives that number back.
func cookie(ctx context.Context, o dbus.BusObject, inhibit, uninhibit string, arguments ...any) (*dbus.Call, error) {
	var number uint32
	if err := sessionbus.Call(ctx, o, inhibit, arguments...).Store(&number); err != nil {
		return nil, err
	}
	return &dbus.Call{Destination: o.Destination(), Path: o.Path(), Method: uninhibit, Args: []any{number}}, nil
}

// portalPatience is how long the portal may take to say that the desktop refuses. Old portals don't report success.
const portalPatience = 2 * time.Second

// takePortal asks the desktop portal. The portal's answer is a Request object, which lasts as long as the inhibition.
// A signal of it says whether the desktop refused.
func takePortal(ctx context.Context, conn *dbus.Conn) (*dbus.Call, error) {
	const service, request = "org.freedesktop.portal.Desktop", "org.freedesktop.portal.Request"
	match := []dbus.MatchOption{dbus.WithMatchSender(service), dbus.WithMatchInterface(request), dbus.WithMatchMember("Response")}
	signals := make(chan *dbus.Signal, 8)
	conn.Signal(signals)
	defer conn.RemoveSignal(signals)
	if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
		return nil, err
	}
	defer func() { _ = conn.RemoveMatchSignalContext(ctx, match...) }()

	var handle dbus.ObjectPath
	options := map[string]dbus.Variant{"reason": dbus.MakeVariant(reason)}
	portal := conn.Object(service, "/org/freedesktop/portal/desktop")
	if err := sessionbus.Call(ctx, portal, "org.freedesktop.portal.Inhibit.Inhibit", "", suspend, options).Store(&handle); err != nil {
		return nil, err
	}
	back := &dbus.Call{Destination: service, Path: handle, Method: request + ".Close"}
	patience := time.NewTimer(portalPatience)
	defer patience.Stop()
	for {
		select {
		case s := <-signals:
			if s == nil {
				return nil, dbus.ErrClosed
			}
			if s.Path != handle || len(s.Body) == 0 {
				continue
			}
			if code, ok := s.Body[0].(uint32); ok && code != 0 {
				return nil, fmt.Errorf("the desktop does not do it (%d)", code)
			}
			return back, nil
		case <-patience.C:
			return back, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

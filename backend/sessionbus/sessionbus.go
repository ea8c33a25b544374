// Package sessionbus is the one way to the desktop's message bus (D-Bus). It
// connects to a bus that runs, never starts one, and bounds every wait. It knows
// no service; callers call one within a [Patience].
package sessionbus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/godbus/dbus/v5"
)

// Patience is how long a service of the desktop may take to answer. A service
// that the bus starts on the first call needs some seconds.
const Patience = 10 * time.Second

// ErrNone says that no session bus runs here.
var ErrNone = errors.New("sessionbus: no session bus runs")

// Connect connects to the session's bus within Patience. The connection ends with
// ctx or with its Close. Without a bus it returns [ErrNone], because the bus that
// [dbus.ConnectSessionBus] would start has no other program on it and outlives
// this one.
func Connect(ctx context.Context) (*dbus.Conn, error) {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" || address == "autolaunch:" {
		socket := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus")
		if _, err := os.Stat(socket); err != nil || !filepath.IsAbs(socket) {
			return nil, ErrNone
		}
		address = "unix:path=" + dbus.EscapeBusAddressValue(socket)
	}
	return dial(ctx, func(o dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(address, o) })
}

// ConnectSystem connects to the system's bus, as [Connect] does to the session's.
func ConnectSystem(ctx context.Context) (*dbus.Conn, error) {
	return dial(ctx, func(o dbus.ConnOption) (*dbus.Conn, error) { return dbus.ConnectSystemBus(o) })
}

// dial gives up after Patience. A connection ends with its context, so that a
// wait for its first words returns.
func dial(ctx context.Context, connect func(dbus.ConnOption) (*dbus.Conn, error)) (*dbus.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	patience := time.AfterFunc(Patience, cancel)
	conn, err := connect(dbus.WithContext(ctx))
	if err == nil && patience.Stop() {
		context.AfterFunc(conn.Context(), cancel)
		return conn, nil
	}
	patience.Stop()
	cancel()
	if err == nil {
		err = context.DeadlineExceeded
	}
	return nil, fmt.Errorf("sessionbus: connect: %w", err)
}

// Call calls a method within Patience. The bus starts the service if it can.
func Call(ctx context.Context, o dbus.BusObject, method string, arguments ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return o.CallWithContext(ctx, method, 0, arguments...)
}

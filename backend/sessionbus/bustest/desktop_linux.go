package bustest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Desktop records what the services of a test were asked to hold, such as "keep
// this computer awake".
type Desktop struct {
	mu   sync.Mutex
	last uint32
	held map[uint32]string
	said []string // the words of each request
}

// Said returns the words of the requests to the services.
func (d *Desktop) Said() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.said)
}

// add notes that something is held and returns a new number for it. The number
// keeps a late end from ending a newer hold of the same thing.
func (d *Desktop) add(what string, said ...any) (number uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(map[uint32]string)
	}
	d.last++
	d.held[d.last] = what
	d.said = append(d.said, fmt.Sprint(said...))
	return d.last
}

func (d *Desktop) remove(number uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.held, number)
}

// Until waits until exactly this is held, in alphabetical order.
func (d *Desktop) Until(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		d.mu.Lock()
		got = slices.Sorted(maps.Values(d.held))
		d.mu.Unlock()
		if slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("held is %q, want %q", got, want)
}

// Logind holds an inhibitor while the file that it handed out is open in any
// process, as systemd's does. refused names the kinds that polkit forbids.
func (d *Desktop) Logind(t *testing.T, conn *dbus.Conn, refused string) {
	Serve(t, conn, "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", map[string]any{
		"Inhibit": func(sender dbus.Sender, what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
			if refused != "" && strings.Contains(what, refused) || mode != "block" {
				return 0, dbus.NewError("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", nil)
			}
			read, write, err := os.Pipe()
			if err != nil {
				return 0, dbus.MakeFailedError(err)
			}
			number := d.add("logind "+what, who, why)
			fd := dbus.UnixFD(write.Fd())
			go func() {
				untilGone(conn, string(sender)) // by then the answer has arrived
				_ = write.Close()
				_, _ = read.Read(make([]byte, 1)) // ends when no process has it open
				_ = read.Close()
				d.remove(number)
			}()
			return fd, nil
		},
	})
}

// Cookies is a service that answers with a number. Like the real ones, it forgets
// the number when the caller's connection ends.
func (d *Desktop) Cookies(t *testing.T, conn *dbus.Conn, name string, path dbus.ObjectPath, iface, inhibit, uninhibit string) {
	take := func(sender dbus.Sender, said ...any) uint32 {
		number := d.add(name, said...)
		go d.forget(conn, string(sender), number)
		return number
	}
	methods := map[string]any{
		inhibit: func(sender dbus.Sender, who, why string) (uint32, *dbus.Error) { return take(sender, who, why), nil },
		uninhibit: func(number uint32) *dbus.Error {
			d.remove(number)
			return nil
		},
	}
	if name == "org.gnome.SessionManager" {
		methods[inhibit] = func(sender dbus.Sender, who string, window uint32, why string, flags uint32) (uint32, *dbus.Error) {
			return take(sender, who, why, flags), nil
		}
	}
	Serve(t, conn, name, path, iface, methods)
}

// forget ends what a connection holds when that connection ends.
func (d *Desktop) forget(conn *dbus.Conn, sender string, number uint32) {
	untilGone(conn, sender)
	d.remove(number)
}

// untilGone waits until a connection has left the bus, or conn has.
func untilGone(conn *dbus.Conn, sender string) {
	for owned := true; owned; time.Sleep(5 * time.Millisecond) {
		if conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, sender).Store(&owned) != nil {
			return
		}
	}
}

// Portal answers a request with code, in a signal. It holds something only if
// code is 0.
func (d *Desktop) Portal(t *testing.T, conn *dbus.Conn, code uint32) {
	const request = "org.freedesktop.portal.Request"
	Serve(t, conn, "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Inhibit", map[string]any{
		"Inhibit": func(sender dbus.Sender, window string, flags uint32, options map[string]dbus.Variant) (dbus.ObjectPath, *dbus.Error) {
			handle := dbus.ObjectPath("/org/freedesktop/portal/desktop/request/1/refused")
			if code == 0 {
				number := d.add("portal", flags, options["reason"].Value())
				handle = dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/portal/desktop/request/1/porch%d", number))
				err := conn.ExportMethodTable(map[string]any{"Close": func() *dbus.Error {
					d.remove(number)
					return nil
				}}, handle, request)
				if err != nil {
					return "", dbus.MakeFailedError(err)
				}
				go d.forget(conn, string(sender), number)
			}
			_ = conn.Emit(handle, request+".Response", code, map[string]dbus.Variant{})
			return handle, nil
		},
	})
}

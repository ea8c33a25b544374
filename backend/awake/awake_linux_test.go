package awake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godbus/dbus/v5"
	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/sessionbus"
	"github.com/porch-call/porch/backend/sessionbus/bustest"
)

// holds makes this test binary stay awake until it is killed.
const holds = "PORCH_TEST_STAYS_AWAKE"

func TestMain(m *testing.M) {
	if os.Getenv(holds) != "" {
		Open(slog.Default()).Keep(true)
		select {}
	}
	goleak.VerifyTestMain(m)
}

// openLogged opens a keeper and returns its log.
func openLogged(t *testing.T) (*Keeper, *bytes.Buffer) {
	var said bytes.Buffer
	k := Open(slog.New(slog.NewTextHandler(&said, nil)))
	t.Cleanup(func() { _ = k.Close() })
	return k, &said
}

func buses(t *testing.T) (system, session *dbus.Conn) {
	t.Helper()
	systemAddress, sessionAddress := bustest.Start(t), bustest.Start(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", systemAddress)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", sessionAddress)
	return bustest.Connect(t, systemAddress), bustest.Connect(t, sessionAddress)
}

func TestEachWayIsTakenAndGivenBack(t *testing.T) {
	gnome := func(d *bustest.Desktop, t *testing.T, c *dbus.Conn) {
		d.Cookies(t, c, "org.gnome.SessionManager", "/org/gnome/SessionManager", "org.gnome.SessionManager", "Inhibit", "Uninhibit")
	}
	power := func(d *bustest.Desktop, t *testing.T, c *dbus.Conn) {
		const name = "org.freedesktop.PowerManagement.Inhibit"
		d.Cookies(t, c, name, "/org/freedesktop/PowerManagement/Inhibit", name, "Inhibit", "UnInhibit")
	}
	saver := func(d *bustest.Desktop, t *testing.T, c *dbus.Conn) {
		const name = "org.freedesktop.ScreenSaver"
		d.Cookies(t, c, name, "/org/freedesktop/ScreenSaver", name, "Inhibit", "UnInhibit")
	}
	for _, c := range []struct {
		name  string
		serve func(d *bustest.Desktop, t *testing.T, system, session *dbus.Conn)
		want  []string
	}{
		{"a server", func(d *bustest.Desktop, t *testing.T, system, _ *dbus.Conn) { d.Logind(t, system, "") }, []string{"logind sleep:idle"}},
		{"a server that may not block sleep", func(d *bustest.Desktop, t *testing.T, system, _ *dbus.Conn) { d.Logind(t, system, "sleep") }, []string{"logind idle"}},
		{"a desktop", func(d *bustest.Desktop, t *testing.T, system, session *dbus.Conn) {
			d.Logind(t, system, "")
			d.Portal(t, session, 0)
			gnome(d, t, session)
		}, []string{"logind sleep:idle", "portal"}},
		{"a portal that can't, GNOME", func(d *bustest.Desktop, t *testing.T, _, session *dbus.Conn) {
			d.Portal(t, session, 2)
			gnome(d, t, session)
			saver(d, t, session)
		}, []string{"org.gnome.SessionManager"}},
		{"KDE without a portal", func(d *bustest.Desktop, t *testing.T, _, session *dbus.Conn) {
			power(d, t, session)
			saver(d, t, session)
		}, []string{"org.freedesktop.PowerManagement.Inhibit"}},
		{"a screen saver", func(d *bustest.Desktop, t *testing.T, _, session *dbus.Conn) { saver(d, t, session) }, []string{"org.freedesktop.ScreenSaver"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			system, session := buses(t)
			var d bustest.Desktop
			c.serve(&d, t, system, session)
			k, said := openLogged(t)
			for range 2 {
				k.Keep(true)
				d.Until(t, c.want...)
				k.Keep(false)
				d.Until(t)
			}
			k.Keep(true)
			d.Until(t, c.want...)
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			d.Until(t)
			if said.Len() > 0 {
				t.Errorf("it said %s", said)
			}
			for _, words := range d.Said() {
				if !strings.Contains(words, reason) {
					t.Errorf("the system was told %q", words)
				}
			}
		})
	}
}

// The answer of logind carries a file descriptor, so that nothing but its close gives the lock back. Close comes here
// while that answer is on its way.
func TestClosedWhileTheSystemAnswers(t *testing.T) {
	system, _ := buses(t)
	var d bustest.Desktop
	d.Logind(t, system, "")
	for range 50 {
		k, _ := openLogged(t)
		k.Keep(true)
		d.Until(t, "logind sleep:idle")
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		d.Until(t)
	}
}

func TestAKilledProcessHoldsNothing(t *testing.T) {
	system, session := buses(t)
	var d bustest.Desktop
	d.Logind(t, system, "")
	d.Portal(t, session, 0)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holds+"=1")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	d.Until(t, "logind sleep:idle", "portal")
	_ = child.Process.Kill()
	_ = child.Wait() // an error, because it was killed
	d.Until(t)
}

func TestASystemWithoutAnyWay(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/system")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if release, err := take(t.Context()); release != nil || !errors.Is(err, sessionbus.ErrNone) {
		t.Errorf("%v", err)
	}
}

func TestARefusalIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		asked := 0
		k := open(slog.New(slog.NewTextHandler(&said, nil)), func(context.Context) (func(), error) {
			asked++
			return nil, errors.New("no")
		})
		for range 3 {
			k.Keep(true)
			synctest.Wait()
			k.Keep(true)
			synctest.Wait()
			k.Keep(false)
			synctest.Wait()
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(said.String(), "may go to sleep"); n != 1 || asked != 3 {
			t.Errorf("asked %d times, said %d times: %s", asked, n, &said)
		}
	})
}

package desktop

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/sessionbus"
	"github.com/porch-call/porch/backend/sessionbus/bustest"
)

// server is a notification server on its own bus.
type server struct {
	conn   *dbus.Conn
	mu     sync.Mutex
	hints  map[string]dbus.Variant
	expire int32
	closed []uint32
}

func startServer(t *testing.T) *server {
	t.Helper()
	address := bustest.Start(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	s := &server{conn: bustest.Connect(t, address)}
	bustest.Serve(t, s.conn, notifyService, notifyPath, notifyService, map[string]any{
		"GetCapabilities": func() ([]string, *dbus.Error) { return []string{"actions", "body"}, nil },
		"Notify": func(_ string, _ uint32, _, _, _ string, _ []string, hints map[string]dbus.Variant, expire int32) (uint32, *dbus.Error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hints, s.expire = hints, expire
			return 9, nil
		},
		"CloseNotification": func(id uint32) *dbus.Error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closed = append(s.closed, id)
			return nil
		},
	})
	return s
}

func (s *server) say(t *testing.T, signal string, arguments ...any) {
	t.Helper()
	if err := s.conn.Emit(notifyPath, notifyService+"."+signal, arguments...); err != nil {
		t.Fatal(err)
	}
}

// press is what was heard of a press: the note's action, and the token that had
// arrived by then.
type press struct{ note, action, token string }

// noteIcon returns the icon that the app gives its notes.
func noteIcon(t *testing.T) []byte {
	t.Helper()
	icon, err := os.ReadFile("../build/linux/porch-64.png")
	if err != nil {
		t.Fatal(err)
	}
	return icon
}

func TestNotifier(t *testing.T) {
	s := startServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := newNotifier(ctx, noteIcon(t))
	defer n.close()
	presses := make(chan press, 8)
	n.OnAction(func(note, action string) { presses <- press{note, action, n.activation()} })
	if err := n.Show(notify.Note{ID: "knock", Title: "Ada", Body: "Tea"}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	urgency, resident, category := s.hints["urgency"].Value(), s.hints["resident"].Value(), s.hints["category"].Value()
	if urgency != byte(2) || resident != true || category != "call.incoming" || s.expire != 0 {
		t.Errorf("urgency %v, resident %v, category %v, expires %d", urgency, resident, category, s.expire)
	}
	s.mu.Unlock()

	next := func(want press) {
		t.Helper()
		select {
		case got := <-presses:
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %+v", want)
		}
	}
	s.say(t, "ActivationToken", uint32(8), "of-another-program")
	s.say(t, "ActivationToken", uint32(9), "porch-1_TIME1234")
	s.say(t, "ActionInvoked", uint32(9), "default")
	next(press{"knock", notify.ActionOpen, "porch-1_TIME1234"})
	s.say(t, "ActionInvoked", uint32(9), notify.ActionLetIn)
	next(press{"knock", notify.ActionLetIn, ""}) // a token is used once
	s.say(t, "NotificationClosed", uint32(9), uint32(1))
	next(press{"knock", notify.ActionExpired, ""})
	if err := n.Show(notify.Note{ID: "knock", Title: "Ada", Body: "Tea"}); err != nil {
		t.Fatal(err)
	}
	s.say(t, "NotificationClosed", uint32(9), uint32(2))
	next(press{"knock", notify.ActionDismiss, ""})

	if err := n.Show(notify.Note{ID: "knock", Title: "Ada", Body: "Tea"}); err != nil {
		t.Fatal(err)
	}
	if err := n.Withdraw("knock"); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) != 1 || s.closed[0] != 9 {
		t.Errorf("withdrawn: %v", s.closed)
	}
}

func TestNotifierWithoutABus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	begun := time.Now()
	if err := newNotifier(t.Context(), nil).Show(notify.Note{ID: "knock"}); err == nil || time.Since(begun) > sessionbus.Patience {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

package main

import (
	"syscall"
	"testing"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/sessionbus/bustest"
)

// The computer stays awake while a guest is in the call. It may sleep again when the last guest has left, and when
// the command ends or is killed. The test runs on buses like those of a desktop.
func TestStaysAwake(t *testing.T) {
	system, session := bustest.Start(t), bustest.Start(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", system)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", session)
	var d bustest.Desktop
	d.Logind(t, bustest.Connect(t, system), "")
	d.Portal(t, bustest.Connect(t, session), 0)
	held := []string{"logind sleep:idle", "portal"}

	h := startHeadless(t, t.TempDir(), "-admit=all", "-links", "2")
	first, second := h.next("link").Link, h.next("link").Link
	ada := knock(t, first, guest.Options{Name: "Ada"}).in(t)
	d.Until(t, held...)
	if err := ada.Leave(); err != nil {
		t.Error(err)
	}
	d.Until(t)
	boris := knock(t, second, guest.Options{Name: "Boris"}).in(t)
	d.Until(t, held...)
	h.stop(syscall.SIGTERM)
	d.Until(t)
	_ = boris.Close() // it was told that the app has ended, and keeps trying

	h = startHeadless(t, t.TempDir(), "-admit=all")
	ada = knock(t, h.next("link").Link, guest.Options{Name: "Ada"}).in(t)
	d.Until(t, held...)
	h.stop(syscall.SIGKILL)
	d.Until(t)
	_ = ada.Close()
}

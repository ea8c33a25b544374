package handover

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/porch-call/porch/backend/fault"
)

// smsStart is RFC 5724 without a recipient.
const smsStart = "sms:?body="

// openPatience is how long the shell may take.
const openPatience = 10 * time.Second

// open starts the program that is registered for scheme. It first checks that there is one, because otherwise Windows
// would offer to look for one in its store.
func open(ctx context.Context, scheme, uri string) error {
	key, err := registry.OpenKey(registry.CLASSES_ROOT, scheme, registry.QUERY_VALUE)
	if err != nil {
		return unavailable(scheme, err)
	}
	_, _, err = key.GetStringValue("URL Protocol")
	_ = key.Close() // opened for reading
	if err != nil {
		return unavailable(scheme, err)
	}
	return execute(ctx, scheme, uri)
}

// reveal shows the folder of a file.
func reveal(ctx context.Context, path string) error {
	return execute(ctx, "folder", filepath.Dir(path))
}

func unavailable(what string, err error) error {
	return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", what, err))
}

// execute opens a target. what names it in errors.
func execute(ctx context.Context, what, uri string) error {
	target, err := windows.UTF16PtrFromString(uri)
	if err != nil {
		return unavailable(what, err)
	}
	verb, err := windows.UTF16PtrFromString("open")
	if err != nil {
		return unavailable(what, err)
	}
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- shellExecute(verb, target) }() // ends with the shell's answer
	select {
	case err := <-done:
		if err != nil {
			return unavailable(what, err)
		}
		return nil
	case <-ctx.Done():
		return unavailable(what, ctx.Err())
	}
}

// shellExecute calls ShellExecuteW on a thread of its own and lets it make that thread a single-threaded COM
// apartment, as its documentation requires. The window's thread must not become one.
func shellExecute(verb, target *uint16) error {
	runtime.LockOSThread() // never unlocked, so that the thread ends with its goroutine
	const flags = windows.COINIT_APARTMENTTHREADED | windows.COINIT_DISABLE_OLE1DDE
	if err := windows.CoInitializeEx(0, flags); err == nil {
		defer windows.CoUninitialize()
	}
	return windows.ShellExecute(0, verb, target, nil, nil, windows.SW_SHOWNORMAL)
}

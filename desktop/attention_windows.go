package desktop

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Flags of FLASHWINFO.
const (
	flashStop            = 0
	flashTray            = 2
	flashUntilForeground = 12
)

// flashInfo is FLASHWINFO (winuser.h).
type flashInfo struct {
	size    uint32
	window  windows.HWND
	flags   uint32
	count   uint32
	timeout uint32 // milliseconds, 0 for the rate at which the caret blinks
}

var flashWindow = windows.NewLazySystemDLL("user32.dll").NewProc("FlashWindowEx")

// demandAttention flashes the app's button in the taskbar until its window comes to the front.
func demandAttention(on bool) {
	flags := uint32(flashStop)
	if on {
		flags = flashTray | flashUntilForeground
	}
	_ = windows.EnumWindows(flashOwn, unsafe.Pointer(&flags)) // a window that is gone needs no attention
}

// flashOwn flashes a window if it is one of this process. It is made once, because callbacks are never freed.
var flashOwn = syscall.NewCallback(func(window windows.HWND, flags *uint32) uintptr {
	var process uint32
	_, err := windows.GetWindowThreadProcessId(window, &process)
	if err == nil && process == uint32(os.Getpid()) && windows.IsWindowVisible(window) {
		info := flashInfo{window: window, flags: *flags}
		info.size = uint32(unsafe.Sizeof(info))
		_, _, _ = flashWindow.Call(uintptr(unsafe.Pointer(&info))) // the answer is the state of before
	}
	return 1 // go on
})

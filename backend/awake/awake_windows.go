package awake

import (
	"context"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	kernel32      = windows.NewLazySystemDLL("kernel32.dll")
	createRequest = kernel32.NewProc("PowerCreateRequest")
	setRequest    = kernel32.NewProc("PowerSetRequest")
)

// reasonContext is REASON_CONTEXT with a simple string, padded because the union's other arm is longer.
type reasonContext struct {
	version uint32 // POWER_REQUEST_CONTEXT_VERSION
	flags   uint32
	text    *uint16
	_       [2]uintptr
}

const (
	simpleString      = 1 // POWER_REQUEST_CONTEXT_SIMPLE_STRING
	systemRequired    = 1 // PowerRequestSystemRequired
	executionRequired = 3 // PowerRequestExecutionRequired: with Modern Standby the process keeps running
)

// take makes a power request, which ends with its handle. It belongs to the process, so that no thread has to stay
// for it, as SetThreadExecutionState would require.
func take(context.Context) (func(), error) {
	text, err := windows.UTF16PtrFromString(reason)
	if err != nil {
		return nil, err
	}
	c := reasonContext{flags: simpleString, text: text}
	if err := createRequest.Find(); err != nil {
		return nil, fmt.Errorf("awake: %w", err)
	}
	r, _, err := createRequest.Call(uintptr(unsafe.Pointer(&c)))
	request := windows.Handle(r)
	if request == windows.InvalidHandle || request == 0 {
		return nil, fmt.Errorf("awake: PowerCreateRequest: %w", err)
	}
	if ok, _, err := setRequest.Call(uintptr(request), systemRequired); ok == 0 {
		_ = windows.CloseHandle(request)
		return nil, fmt.Errorf("awake: PowerSetRequest: %w", err)
	}
	_, _, _ = setRequest.Call(uintptr(request), executionRequired) // fails where it is not supported
	return func() { _ = windows.CloseHandle(request) }, nil
}

//go:build cgo && !linux && porch_native

package capture

import (
	"sync/atomic"

	"github.com/porch-call/porch/backend/fault"
)

// noScreens is the screenSystem of systems whose webview shares the screen.
type noScreens struct{}

func systemScreens() screenSystem { return noScreens{} }

func (noScreens) screens() ([]Screen, error) { return nil, fault.New(fault.ScreenMissing, nil) }

func (noScreens) open(string, *atomic.Bool) (videoSource, error) {
	return nil, fault.New(fault.ScreenMissing, nil)
}

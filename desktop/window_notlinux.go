//go:build !linux || !cgo

package desktop

import "github.com/wailsapp/wails/v2/pkg/options/linux"

// present is of the desktops that ask for a token.
func present(string) {}

// LinuxOptions is also what scripts/bindings.sh builds with, which opens no
// window and needs no C.
func LinuxOptions([]byte) *linux.Options { return nil }

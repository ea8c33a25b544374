//go:build !linux || !cgo

package desktop

import "github.com/wailsapp/wails/v2/pkg/options/linux"

// present is needed only on desktops that ask for a token.
func present(string) {}

// LinuxOptions returns nil. scripts/bindings.sh also builds with it, because it
// opens no window and has no C.
func LinuxOptions([]byte) *linux.Options { return nil }

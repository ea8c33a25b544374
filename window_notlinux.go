//go:build !linux || !cgo

package main

import "github.com/wailsapp/wails/v2/pkg/options/linux"

// present is of the desktops that ask for a token.
func present(string) {}

// linuxOptions is also what scripts/bindings.sh builds with, which opens no
// window and needs no C.
func linuxOptions() *linux.Options { return nil }

//go:build !linux || !cgo

package main

import "github.com/wailsapp/wails/v2/pkg/options/linux"

// linuxOptions is also what scripts/bindings.sh builds with, which opens no
// window and needs no C.
func linuxOptions() *linux.Options { return nil }

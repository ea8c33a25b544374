package main

import (
	"os"

	"github.com/wailsapp/wails/v2/pkg/options/linux"
)

// gpuPolicy lets WebKit draw with the graphics card where that is known to
// work: with a render node, and not on NVIDIA's own driver, where windows stay
// blank (wailsapp/wails#2977).
func gpuPolicy() linux.WebviewGpuPolicy {
	if _, err := os.Stat("/dev/dri/renderD128"); err != nil {
		return linux.WebviewGpuPolicyNever
	}
	if _, err := os.Stat("/proc/driver/nvidia"); err == nil {
		return linux.WebviewGpuPolicyNever
	}
	return linux.WebviewGpuPolicyOnDemand
}

func linuxOptions() *linux.Options {
	return &linux.Options{Icon: icon, ProgramName: "porch", WebviewGpuPolicy: gpuPolicy()}
}

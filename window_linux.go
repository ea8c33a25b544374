package main

// #cgo pkg-config: gtk+-3.0
// #include <gtk/gtk.h>
//
// static gboolean still(gpointer unused) {
//     g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, NULL);
//     return G_SOURCE_REMOVE;
// }
//
// // In the main loop, which is GTK's only thread.
// static void keep_still(void) { g_idle_add(still, NULL); }
import "C"

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

// linuxOptions also asks the window to keep still where the processor draws it,
// for which the page's prefers-reduced-motion stands: a card that slides in took
// it a quarter of a second, while a call may be going on.
func linuxOptions() *linux.Options {
	policy := gpuPolicy()
	if policy == linux.WebviewGpuPolicyNever {
		C.keep_still()
	}
	return &linux.Options{Icon: icon, ProgramName: "porch", WebviewGpuPolicy: policy}
}

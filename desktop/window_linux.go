package desktop

// #cgo pkg-config: gtk+-3.0
// #include <gtk/gtk.h>
// #ifdef GDK_WINDOWING_WAYLAND
// #include <gdk/gdkwayland.h>
// #endif
// #include <stdlib.h>
// #include <string.h>
//
// // A token of X11 ends with the time of the press (Startup Notification Protocol).
// static guint32 time_of(const char *token) {
//     const char *at = strstr(token, "_TIME");
//     return at ? (guint32)strtoul(at + 5, NULL, 10) : GDK_CURRENT_TIME;
// }
//
// static gboolean present_with(gpointer token) {
//     GList *windows = gtk_window_list_toplevels();
//     for (GList *l = windows; l; l = l->next) {
//         if (!GTK_IS_APPLICATION_WINDOW(l->data)) continue;
//         GtkWindow *window = GTK_WINDOW(l->data);
//         gtk_window_set_startup_id(window, token);
// #ifdef GDK_WINDOWING_WAYLAND
//         GdkDisplay *display = gtk_widget_get_display(GTK_WIDGET(window));
//         if (GDK_IS_WAYLAND_DISPLAY(display)) gdk_wayland_display_set_startup_notification_id(display, token);
// #endif
//         gtk_window_present_with_time(window, time_of(token));
//         break;
//     }
//     g_list_free(windows);
//     free(token);
//     return G_SOURCE_REMOVE;
// }
//
// static void present(char *token) { g_idle_add(present_with, token); }
//
// static gboolean mark(gpointer on) {
//     GList *windows = gtk_window_list_toplevels();
//     for (GList *l = windows; l; l = l->next)
//         if (GTK_IS_APPLICATION_WINDOW(l->data)) gtk_window_set_urgency_hint(GTK_WINDOW(l->data), on != NULL);
//     g_list_free(windows);
//     return G_SOURCE_REMOVE;
// }
//
// static void demand_attention(int on) { g_idle_add(mark, GINT_TO_POINTER(on)); }
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

// gpuPolicy lets WebKit draw with the graphics card where that is known to work: with a render node, and not on
// NVIDIA's own driver, where windows stay blank (wailsapp/wails#2977).
func gpuPolicy() linux.WebviewGpuPolicy {
	if _, err := os.Stat("/dev/dri/renderD128"); err != nil {
		return linux.WebviewGpuPolicyNever
	}
	if _, err := os.Stat("/proc/driver/nvidia"); err == nil {
		return linux.WebviewGpuPolicyNever
	}
	return linux.WebviewGpuPolicyOnDemand
}

// present brings the window to the front, with a token of the desktop. Without one, a program that is not in
// use may not do so, and the desktop would only mark it.
func present(token string) { C.present(C.CString(token)) } // present_with frees the string

// demandAttention marks the window as one that needs the host: the urgency hint of X11 (ICCCM section 4.1.2.4), which
// panels and docks show. Wayland has none.
func demandAttention(on bool) {
	var mark C.int
	if on {
		mark = 1
	}
	C.demand_attention(mark)
}

// LinuxOptions returns the window's options on Linux. icon is a PNG. If the processor draws the window, it also
// asks for no animations, which the page sees as prefers-reduced-motion. A card that slides in took a quarter
// of a second of the processor's time, while a call may be going on.
func LinuxOptions(icon []byte) *linux.Options {
	policy := gpuPolicy()
	if policy == linux.WebviewGpuPolicyNever {
		C.keep_still()
	}
	return &linux.Options{Icon: icon, ProgramName: "porch", WebviewGpuPolicy: policy}
}

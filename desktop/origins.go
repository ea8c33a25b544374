package desktop

import "slices"

// origins are where Wails serves the host's page from: macOS and Linux, then
// Windows. The dev build adds its server's.
var origins = []string{"wails://wails", "http://wails.localhost"}

// isWindow reports whether a page of this origin is the host's window.
func isWindow(origin string) bool { return slices.Contains(origins, origin) }

package desktop

import "slices"

// origins are the origins at which Wails serves the host's page: on macOS and
// Linux, then on Windows. The dev build adds that of its server.
var origins = []string{"wails://wails", "http://wails.localhost"}

// isWindow reports whether a page of this origin is the host's window.
func isWindow(origin string) bool { return slices.Contains(origins, origin) }

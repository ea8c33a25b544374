//go:build dev

package updates

import "os"

// A build for development may be told where to look, so that a test of the app needs no build of its own. Programs that
// are given to people look only where they were built to.
func init() {
	if where := os.Getenv("PORCH_DEV_VERSIONS"); where != "" {
		place, key = where, os.Getenv("PORCH_DEV_VERSIONS_KEY")
	}
}

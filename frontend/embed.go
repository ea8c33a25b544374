// Package frontend holds the built pages: the host's window and the guest's.
// Both are made by `npm run build`; on a fresh clone they are empty.
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Host returns the files of the host's window.
func Host() fs.FS { return sub("dist/host") }

// Guest returns the files of the guest's page.
func Guest() fs.FS { return sub("dist/guest") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(dist, dir)
	if err != nil {
		panic(err) // dir is a constant of this file and always valid
	}
	return f
}

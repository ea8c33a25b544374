// Package backend puts the parts of the host's app together: it opens them in
// order and closes them in reverse. Whoever has a window (the app) or none
// (porch-headless) opens a [Backend] and talks to its host.
//
// Imports run one way, from the words at the bottom to the programs at the top:
// imports_test.go has the table of all parts, and fails when it is broken.
package backend

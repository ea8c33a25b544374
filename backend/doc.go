// Package backend puts the parts of the host's app together. It opens them in
// order and closes them in reverse. The app, which has a window, and
// porch-headless, which has none, open a [Backend] and talk to its host.
//
// Imports run one way, from the words at the bottom to the programs at the top.
// imports_test.go has the table of all parts, and fails if an import breaks it.
package backend

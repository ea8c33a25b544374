// Package x11 takes pictures of the monitors of an X11 display: with MIT-SHM where the server shares memory with this
// process, and over its socket otherwise. It speaks the protocol itself (jezek/xgb), so that nothing is linked and nothing
// runs at start-up.
package x11

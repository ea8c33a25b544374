// Package backend puts the parts of the host's app together: it opens them in
// order and closes them in reverse. Whoever has a window (the app) or none
// (porch-headless) opens a [Backend] and talks to its host.
//
// Imports run one way, and a test keeps it so: fault, signalling and sealed
// are below everything, as is sessionbus; links, lobby, call, capture, handover,
// notify, store, relay, windowsocket and awake never import each other; host joins
// them; backend wires them; the app's main package is on top. Nothing here
// imports Wails.
package backend

// Package desktop is what the app's window needs of the operating system:
// start and end, the system's notifications, the window's options and the save
// dialog, one file a system. Beside the app's main package it is the only one
// that knows Wails.
package desktop

// Package desktop is what the app's window needs of the operating system: start
// and end, notifications, the window's options and the save dialog, one file
// for each system. Besides the app's main package, only this one imports Wails.
package desktop

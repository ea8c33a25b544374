// Package handover has the ways to hand a link over: the system's clipboard, its
// mail and message programs, a QR code and a calendar file.
//
// Programs are started without a shell and with one argument that this package
// has built and encoded itself; nothing of a link's name can become an option
// or a command. Addresses carry a link's secret: no error and no log line of
// this package repeats what was shared. The one place where it shows for a
// moment is the argument of the mail or message program itself, which every
// system hands over in that way.
package handover

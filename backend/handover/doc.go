// Package handover hands a link over: by the system's clipboard, its mail and message programs, a QR code and a
// calendar file.
//
// Programs are started without a shell and with one argument that this package has built and encoded itself, so that
// nothing in a link's name can become an option or a command. Addresses contain a link's secret, so no error and no
// log line of this package repeats what was shared. The secret is visible in one place: the argument of the mail or
// message program, because every system passes it that way.
package handover

// Package files passes files between the participants of a call: from the one who offers a file, through the host's app, to
// those who ask for it. Nothing of a file moves before somebody asks.
//
// A [Book] decides who may offer what; the call's goroutine owns it. A [Desk] moves the bytes. It asks the sender for
// them once, keeps them in a file of its own while the offer lasts (see [spool]), and gives each receiver at most a
// [Window] of bytes that the receiver has not read yet. So neither a sender that floods nor a receiver that never reads
// costs more than that window, and a file takes of a line what the call leaves.
//
// The package knows nothing of data channels and sockets. A [Pipe] is one participant's way for frames; see wire.go.
package files

// Package doormessages keeps what guests leave at the door while no host answers: sound, video or a note.
//
// Each message is one encrypted file, which exists only once all of it is on the disk. There is no other record of it,
// so a crash can neither lose a message that was shown as saved nor show one that is not there. Nothing of a guest's
// message is decoded here: its first bytes say what the window may try to play.
//
// The key is in a file beside the messages, readable by its user only. It protects what leaves the computer without it:
// a message in a backup or a synchronised folder that leaves out the key, or the rest of a deleted file on the disk once
// the key is gone. It does not protect from whoever can read this user's files.
package doormessages

// Package signalling holds the messages that a guest and a host exchange inside
// the sealed channel, and that the host's window exchanges with its backend over
// the window socket: {"type": …, "payload": …}, each type its own struct.
//
// The set is closed. Decoding checks size, then form, then meaning (Validate).
// The TypeScript types in frontend/src/transport/generated are made from this
// package. It knows nothing of sockets, keys or Pion.
package signalling

//go:generate go run ./internal/typescript -out ../../frontend/src/transport/generated/signalling.ts

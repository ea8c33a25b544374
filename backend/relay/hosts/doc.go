// Package hosts takes hosts that dial in to a relay: one WebSocket for all links
// of an app (section 13 of docs/protocol.md; package client is its other end).
//
// A line announces links at the switchboard and brings their guests to the host.
// [Policy] says which hosts may dial in, and how much of the relay one may use.
package hosts

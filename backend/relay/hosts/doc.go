// Package hosts takes hosts that dial in to a relay: one WebSocket for all links
// of an app (section 13 of docs/protocol.md; package client is its other end).
//
// A host connection announces links at the switchboard and carries their
// guests' frames to the host. [Policy] says which hosts may dial in, and how
// much of the relay one may use.
package hosts

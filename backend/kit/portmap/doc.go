// Package portmap asks the routers of this network to let packets from outside in,
// to a port of this computer: by PCP (RFC 6887), NAT-PMP (RFC 6886) and UPnP-IGD 1
// and 2, and for IPv6 by a pinhole with PCP. It keeps what it was granted, and
// withdraws it in the end. What a killed program leaves behind ends with its lease,
// which is an hour at most.
//
// A router is a stranger. What it sends is bounded in size, number and time. Its
// device description and its answers may not lead to another address than its own.
// An address that it names is used only if it can be reached from outside.
package portmap

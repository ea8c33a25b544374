// Package netaddr finds this machine's addresses: all of them ([Own]), those that
// others on a network can open ([Reachable]), and the one on the way to the
// internet ([Outward]).
package netaddr

// Package topology makes the laboratory's network of namespaces: a host, a core and guests, joined by lines of package
// link or, where there is nothing to limit, by the system's own. It needs root and Linux.
//
//	host 44.129.0.2 ── 44.129.0.1 core 44.130.i.1 ── 44.130.i.2 guest i
package topology

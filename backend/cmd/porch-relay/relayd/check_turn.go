package relayd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/signalling"
)

// relayed checks STUN and TURN.
func (c *checker) relayed(ctx context.Context, offer client.Offer) {
	var seen netip.Addr
	for _, address := range offer.STUN {
		seen = c.stun(address)
	}
	if !offer.Turn {
		c.note("TURN", "is off: guests behind strict networks will not get through")
		return
	}
	servers, err := c.credentials(ctx)
	if err != nil {
		c.bad("TURN", "no credentials: "+err.Error(), "see the relay's log")
		return
	}
	for _, s := range servers {
		for _, address := range s.URLs {
			uri, err := stun.ParseURI(address)
			if err != nil || uri.Scheme != stun.SchemeTypeTURN && uri.Scheme != stun.SchemeTypeTURNS {
				continue
			}
			c.turn(ctx, uri, s, seen)
		}
	}
}

// credentials gets TURN credentials as a host does.
func (c *checker) credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	connected := make(chan struct{}, 1)
	o := c.stranger()
	o.OnStatus = func(s client.Status) {
		if s.State == client.StateConnected {
			select {
			case connected <- struct{}{}:
			default:
			}
		}
	}
	r, err := client.Open(o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // loses nothing
	select {
	case <-connected:
		return r.Credentials(ctx)
	case <-ctx.Done():
		return nil, errors.New("no line")
	}
}

// where returns the address of a STUN or TURN server, an IPv4 one if it has one.
func (c *checker) where(uri *stun.URI) string {
	a := c.addresses[0]
	for _, b := range c.addresses {
		if b.Is4() {
			a = b
			break
		}
	}
	if uri.Host == c.host {
		return netip.AddrPortFrom(a, uint16(uri.Port)).String()
	}
	return net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
}

// turnClient returns pion's client, without its log.
func turnClient(conn net.PacketConn, server string, s signalling.ICEServer) (*turn.Client, error) {
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Username: s.Username, Password: s.Credential, Conn: conn, LoggerFactory: pionlog.Silent{},
	})
	if err != nil {
		return nil, err
	}
	if err := client.Listen(); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// stun returns the address that the relay sees of this computer.
func (c *checker) stun(address string) (seen netip.Addr) {
	const what = "STUN"
	uri, err := stun.ParseURI(address)
	if err != nil {
		c.bad(what, "the relay names a server that is none", "see -turn-listen")
		return seen
	}
	do := fmt.Sprintf("open UDP port %d in the firewall of the machine and of its provider", uri.Port)
	conn, err := listenUDP(c.where(uri))
	if err != nil {
		c.bad(what, err.Error(), "this computer has no UDP")
		return seen
	}
	defer conn.Close()
	client, err := turnClient(conn, c.where(uri), signalling.ICEServer{})
	if err != nil {
		c.bad(what, err.Error(), do)
		return seen
	}
	defer client.Close()
	mapped, err := client.SendBindingRequest()
	if err != nil {
		c.bad(what, fmt.Sprintf("UDP port %d does not answer", uri.Port), do)
		return seen
	}
	udp, ok := mapped.(*net.UDPAddr)
	if !ok {
		c.bad(what, "the answer names no address", "see what answers on that port")
		return seen
	}
	seen = udp.AddrPort().Addr().Unmap()
	c.ok(what, "sees this computer as %s", seen)
	return seen
}

// listenUDP opens a socket of the family of an address, because pion asks for
// relayed addresses of its socket's family.
func listenUDP(to string) (net.PacketConn, error) {
	if a, err := netip.ParseAddrPort(to); err == nil && a.Addr().Is6() {
		return net.ListenPacket("udp6", ":0")
	}
	return net.ListenPacket("udp4", ":0")
}

// turn allocates a relayed address over one transport and tries it.
func (c *checker) turn(ctx context.Context, uri *stun.URI, s signalling.ICEServer, seen netip.Addr) {
	what := "TURN/" + uri.Proto.String()
	if uri.Scheme == stun.SchemeTypeTURNS {
		what = "TURN/tls"
	}
	protocol := "TCP"
	if uri.Proto == stun.ProtoTypeUDP {
		protocol = "UDP"
	}
	do := fmt.Sprintf("open %s port %d in the firewall of the machine and of its provider", protocol, uri.Port)
	conn, err := c.turnConn(ctx, uri)
	if err != nil {
		c.bad(what, why(err), do)
		return
	}
	defer conn.Close()
	client, err := turnClient(conn, c.where(uri), s)
	if err != nil {
		c.bad(what, err.Error(), do)
		return
	}
	defer client.Close()
	relayed, err := client.Allocate()
	if err != nil {
		c.bad(what, "no relayed way: "+err.Error(), do+"; see the relay's log")
		return
	}
	defer relayed.Close()
	c.ok(what, "relays at %s", relayed.LocalAddr())
	for _, private := range []string{"10.0.0.1", "127.0.0.1", "169.254.169.254"} {
		// Relayed addresses of the same machine may be reached.
		if relayed.LocalAddr().(*net.UDPAddr).IP.Equal(net.ParseIP(private)) {
			continue
		}
		if client.CreatePermission(&net.UDPAddr{IP: net.ParseIP(private), Port: 40000}) == nil {
			c.bad(what, "relays to "+private+", which is not on the internet: the relay is a way into its own network", "remove -turn-allow")
			return
		}
	}
	c.ok(what, "refuses addresses that are not on the internet")
	if uri.Proto == stun.ProtoTypeUDP {
		c.through(what, client, relayed, seen)
	}
}

// turnConn connects to a TURN server.
func (c *checker) turnConn(ctx context.Context, uri *stun.URI) (net.PacketConn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	switch {
	case uri.Proto == stun.ProtoTypeUDP:
		return listenUDP(c.where(uri))
	case uri.Scheme == stun.SchemeTypeTURNS:
		d := tls.Dialer{Config: &tls.Config{ServerName: uri.Host, RootCAs: c.roots, MinVersion: tls.VersionTLS12}}
		conn, err := d.DialContext(ctx, "tcp", c.where(uri))
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(conn), nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.where(uri))
	if err != nil {
		return nil, err
	}
	return turn.NewSTUNConn(conn), nil
}

// through sends a packet from this computer to the relayed address, which the
// firewall must let in.
func (c *checker) through(what string, client *turn.Client, relayed net.PacketConn, seen netip.Addr) {
	if !seen.IsValid() || client.CreatePermission(&net.UDPAddr{IP: seen.AsSlice(), Port: 40000}) != nil {
		c.note(what, "this computer is not on the internet as the relay sees it: whether its UDP ports are open could not be tried")
		return
	}
	own, err := listenUDP(relayed.LocalAddr().String())
	if err != nil {
		c.note(what, "no second socket: %v", err)
		return
	}
	defer own.Close()
	arrived := make(chan bool, 1)
	deadline := time.Now().Add(c.timeout / 2)
	_ = relayed.SetReadDeadline(deadline) // an error shows at ReadFrom
	go func() {
		var b [64]byte
		n, _, err := relayed.ReadFrom(b[:])
		arrived <- err == nil && string(b[:n]) == "porch-relay check"
	}()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		_, _ = own.WriteTo([]byte("porch-relay check"), relayed.LocalAddr()) // one may be lost; the next may arrive
		select {
		case <-again.C:
		case ok := <-arrived:
			if ok {
				c.ok(what, "lets media in")
			} else {
				c.bad(what, "media does not get in", "open the UDP ports of -turn-ports (49152-65535) in the firewall of the machine and of its provider")
			}
			return
		}
	}
}

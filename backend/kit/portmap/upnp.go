package portmap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
	"golang.org/x/net/ipv4"
)

const (
	maxDatagrams   = 64        // read for one search
	maxPlaces      = 4         // devices whose description is read
	maxDescription = 256 << 10 // bytes of a description, and of an answer
	searchWithin   = 5 * time.Second
	describeWithin = 3 * time.Second
	description    = "Porch" // of a mapping, in the router's list
)

// multicast is where devices listen for searches (UPnP Device Architecture 1.1,
// section 1.3.2).
var multicast = netip.AddrFrom4([4]byte{239, 255, 255, 250})

// connection is the part of a gateway that maps ports. WANIPConnection1,
// WANIPConnection2 and WANPPPConnection1 have it.
type connection interface {
	GetExternalIPAddressCtx(context.Context) (string, error)
	AddPortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string, inner uint16, client string, enabled bool, description string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string) error
}

// anyPort is a connection that picks another port if the wanted one is taken:
// WANIPConnection2.
type anyPort interface {
	AddAnyPortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string, inner uint16, client string, enabled bool, description string, seconds uint32) (uint16, error)
}

// places remembers where UPnP was found, so that renewals need no search.
type places struct {
	mu    sync.Mutex // guards what follows; no other lock is taken under it
	found connection
	at    target // for which found was found
}

func (p *places) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = nil
}

// igd asks by UPnP.
func (m *Mapper) igd(ctx context.Context, w wish, ready <-chan struct{}) (none grant, err error) {
	t := target{w.gateway, netip.AddrPortFrom(w.local.Addr(), 0)}
	m.upnp.mu.Lock()
	c := m.upnp.found
	if m.upnp.at != t {
		c = nil
	}
	m.upnp.mu.Unlock()
	if c != nil {
		if g, err := mapAt(ctx, c, w, ready); err == nil || ctx.Err() != nil {
			return g, err
		}
		m.upnp.forget()
	}
	if c, err = m.search(ctx, w); err != nil {
		return none, err
	}
	g, err := mapAt(ctx, c, w, ready)
	if err == nil {
		m.upnp.mu.Lock()
		m.upnp.found, m.upnp.at = c, t
		m.upnp.mu.Unlock()
	}
	return g, err
}

// search looks for gateways (SSDP), and returns the first whose description can be
// read. Only a device that is where its answer came from is looked at, the router
// or a neighbour in this network.
func (m *Mapper) search(ctx context.Context, w wish) (connection, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.search)
	defer cancel()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.local.Addr(), 0)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	outwards(conn, w.local.Addr())
	locations := make(chan *url.URL, maxPlaces)
	var reader sync.WaitGroup
	reader.Go(func() { listen(conn, locations) })
	defer reader.Wait()
	defer conn.Close()
	again := time.NewTicker(700 * time.Millisecond)
	defer again.Stop()
	m.sendSearch(conn, w.gateway)
	failed := errSilent
	for {
		select {
		case <-ctx.Done():
			return nil, failed
		case <-again.C:
			m.sendSearch(conn, w.gateway)
		case at, more := <-locations:
			if !more {
				return nil, failed
			}
			c, err := describe(ctx, at)
			if err == nil {
				return c, nil
			}
			if !errors.Is(err, errSilent) {
				failed = err
			}
		}
	}
}

// outwards sends multicast by the interface of an address.
func outwards(conn *net.UDPConn, local netip.Addr) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		if slices.ContainsFunc(addrs, func(a net.Addr) bool {
			p, err := netip.ParsePrefix(a.String())
			return err == nil && p.Addr() == local
		}) {
			_ = ipv4.NewPacketConn(conn).SetMulticastInterface(&i) // else by the default route, which is mostly the same
		}
	}
}

// sendSearch asks all devices, and the router by its own address, because some
// networks drop multicast.
func (m *Mapper) sendSearch(conn *net.UDPConn, gateway netip.Addr) {
	for _, kind := range []string{"2", "1"} {
		search := fmt.Sprintf("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:%s\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\r\n", kind)
		for _, to := range []netip.Addr{multicast, gateway} {
			_, _ = conn.WriteToUDPAddrPort([]byte(search), netip.AddrPortFrom(to, m.o.ssdpPort)) // lost ones are sent again
		}
	}
}

// listen reads the answers to a search, and passes on where devices describe
// themselves.
func listen(conn *net.UDPConn, locations chan<- *url.URL) {
	defer close(locations)
	b := make([]byte, 2048)
	var seen []string
	for range maxDatagrams {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		at := locationIn(b[:n], from.Addr().Unmap())
		if at == nil || slices.Contains(seen, at.String()) {
			continue
		}
		seen = append(seen, at.String())
		locations <- at
		if len(seen) == maxPlaces {
			return
		}
	}
}

// locationIn returns where the device describes itself that has sent this answer,
// or nil if that is not the device's own address in a local network.
func locationIn(answer []byte, from netip.Addr) *url.URL {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil || r.StatusCode != http.StatusOK {
		return nil
	}
	_ = r.Body.Close()
	at, err := url.Parse(r.Header.Get("Location"))
	if err != nil || at.Scheme != "http" {
		return nil
	}
	host, err := netip.ParseAddr(at.Hostname())
	if err != nil || host != from || !host.IsPrivate() && !host.IsLinkLocalUnicast() && !host.IsLoopback() && !carrier.Contains(host) {
		return nil
	}
	return at
}

// client returns an HTTP client that reaches one device only, and takes bounded
// answers from it.
func client(device string) http.Client {
	return http.Client{
		Transport: bounded{device, &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 16 << 10,
			ResponseHeaderTimeout:  describeWithin,
			DialContext:            (&net.Dialer{Timeout: describeWithin}).DialContext,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       describeWithin,
	}
}

// bounded sends requests to one device, and reads no more of an answer than may be
// read.
type bounded struct {
	device string
	next   http.RoundTripper
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" || r.URL.Hostname() != b.device {
		return nil, fmt.Errorf("%w: it leads to another address", errLies)
	}
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxDescription), response.Body}
	}
	return response, err
}

// describe reads a device's description, and returns its part that maps ports, the
// newest first.
func describe(ctx context.Context, at *url.URL) (connection, error) {
	c := client(at.Hostname())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", errRefused, response.StatusCode)
	}
	root := new(goupnp.RootDevice)
	d := xml.NewDecoder(response.Body)
	d.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := d.Decode(root); err != nil {
		return nil, fmt.Errorf("%w: %w", errLies, err)
	}
	base := at
	if u, err := url.Parse(root.URLBaseStr); err == nil && root.URLBaseStr != "" {
		base = u
	}
	root.SetURLBase(base)
	if all, err := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, at); err == nil && len(all) > 0 {
		all[0].SOAPClient.HTTPClient = c
		return all[0], nil
	}
	if all, err := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, at); err == nil && len(all) > 0 {
		all[0].SOAPClient.HTTPClient = c
		return all[0], nil
	}
	if all, err := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, at); err == nil && len(all) > 0 {
		all[0].SOAPClient.HTTPClient = c
		return all[0], nil
	}
	return nil, fmt.Errorf("%w: a device that maps no ports", errRefused)
}

// conflict is UPnP's error of a port that is taken (WANIPConnection:2 section
// 2.5.16).
const conflict = 718

// mapAt asks a gateway for a mapping.
func mapAt(ctx context.Context, c connection, w wish, ready <-chan struct{}) (none grant, err error) {
	text, err := c.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return none, upnpError(err)
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case text == "" || err == nil && addr.IsUnspecified():
		return none, refusal{}
	case err != nil || !addr.Is4():
		return none, errLies
	}
	if err := await(ctx, ready); err != nil {
		return none, err
	}
	outer, local, seconds := w.suggested, w.local.Addr().String(), uint32(w.lifetime/time.Second)
	if c2, ok := c.(anyPort); ok {
		outer, err = c2.AddAnyPortMappingCtx(ctx, "", outer, w.protocol.String(), w.local.Port(), local, true, description, seconds)
	} else {
		for try := 0; ; try++ {
			err = c.AddPortMappingCtx(ctx, "", outer, w.protocol.String(), w.local.Port(), local, true, description, seconds)
			if try == 3 || upnpCode(err) != conflict {
				break
			}
			outer = uint16(20000 + rand.IntN(40000)) // another computer has it
		}
	}
	if err != nil {
		return none, upnpError(err)
	}
	return grant{
		external: netip.AddrPortFrom(addr, outer),
		lifetime: w.lifetime, // the answer does not say it
		undo: func(ctx context.Context) {
			_ = c.DeletePortMappingCtx(ctx, "", outer, w.protocol.String()) // it ends with its lease at the latest
		},
	}, nil
}

// upnpCode returns the number of a gateway's error, or 0.
func upnpCode(err error) int {
	if fault := new(soap.SOAPFaultError); errors.As(err, &fault) {
		return fault.Detail.UPnPError.Errorcode
	}
	return 0
}

// upnpError says what an error of a gateway means.
func upnpError(err error) error {
	if code := upnpCode(err); code != 0 {
		return fmt.Errorf("%w: UPnP error %d", errRefused, code)
	}
	return fmt.Errorf("%w: %w", errLies, err)
}

package portmap

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const within = 15 * time.Second

var (
	loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	public   = netip.MustParseAddr("44.1.2.3")
)

// router is a made-up router on loopback.
type router struct {
	t    *testing.T
	pcp  *net.UDPConn
	ssdp *net.UDPConn
	http *httptest.Server

	mu       sync.Mutex
	asked    [][]byte                              // by PCP and NAT-PMP
	searches int                                   //
	actions  []string                              // of UPnP
	answer   func(q []byte) [][]byte               // to PCP and NAT-PMP
	location string                                // in answers to searches; "" for none
	root     string                                // the device's description
	action   func(name, body string) (int, string) // of UPnP
	serve    http.HandlerFunc                      // instead of the description and the actions
}

func newRouter(t *testing.T) *router {
	t.Helper()
	r := &router{t: t, answer: func([]byte) [][]byte { return nil }}
	var serving sync.WaitGroup
	listen := func(each func(c *net.UDPConn, q []byte, from netip.AddrPort)) *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			for b := make([]byte, 2048); ; {
				n, from, err := c.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				each(c, append([]byte(nil), b[:n]...), from)
			}
		})
		return c
	}
	r.pcp = listen(func(c *net.UDPConn, q []byte, from netip.AddrPort) {
		r.mu.Lock()
		r.asked = append(r.asked, q)
		answer := r.answer
		r.mu.Unlock()
		for _, a := range answer(q) {
			_, _ = c.WriteToUDPAddrPort(a, from)
		}
	})
	r.ssdp = listen(func(c *net.UDPConn, _ []byte, from netip.AddrPort) {
		r.mu.Lock()
		r.searches++
		at := r.location
		r.mu.Unlock()
		if at != "" {
			_, _ = fmt.Fprint(writerTo{c, from}, "HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: "+at+"\r\n\r\n")
		}
	})
	r.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		serve, root, action := r.serve, r.root, r.action
		r.mu.Unlock()
		if serve != nil {
			serve(w, q)
			return
		}
		if q.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, root)
			return
		}
		body := make([]byte, 4096)
		n, _ := q.Body.Read(body)
		_, name, _ := strings.Cut(strings.Trim(q.Header.Get("SOAPACTION"), `"`), "#")
		r.mu.Lock()
		r.actions = append(r.actions, name)
		r.mu.Unlock()
		status, answer := action(name, string(body[:n]))
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(func() {
		_, _ = r.pcp.Close(), r.ssdp.Close()
		r.http.Close()
		serving.Wait()
	})
	return r
}

type writerTo struct {
	c  *net.UDPConn
	to netip.AddrPort
}

func (w writerTo) Write(b []byte) (int, error) { return w.c.WriteToUDPAddrPort(b, w.to) }

// mapper returns a mapper that asks r. It is on.
func (r *router) mapper() *Mapper {
	r.t.Helper()
	m := r.silentMapper(0)
	m.Enable(true)
	return m
}

func (r *router) silentMapper(lifetime time.Duration) *Mapper {
	port := func(c *net.UDPConn) uint16 { return uint16(c.LocalAddr().(*net.UDPAddr).Port) }
	m := New(Options{
		Gateways: func() (v4, v6 netaddr.Gateway) {
			return netaddr.Gateway{Addr: loopback, Local: loopback, Interface: "lo"}, netaddr.Gateway{}
		},
		Lifetime: lifetime, pcpPort: port(r.pcp), ssdpPort: port(r.ssdp),
		pauses: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}, search: 1500 * time.Millisecond,
	})
	r.t.Cleanup(m.Close)
	return m
}

// requests returns what was asked by PCP and NAT-PMP.
func (r *router) requests() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]byte(nil), r.asked...)
}

func (r *router) did() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.actions...)
}

func (r *router) set(change func(*router)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// until waits until ok is true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

func settled(t *testing.T, l *Lease) {
	t.Helper()
	select {
	case <-l.Settled():
	case <-time.After(within):
		t.Fatal("no router was asked")
	}
}

// grants answers PCP requests with an address, a port and a lifetime in seconds.
func grants(external netip.AddrPort, seconds uint32) func([]byte) [][]byte {
	return func(q []byte) [][]byte {
		if q[0] != pcpVersion {
			return nil
		}
		a := append([]byte(nil), q...)
		a[1] |= pcpResponse
		if binary.BigEndian.Uint32(q[4:]) > 0 {
			binary.BigEndian.PutUint32(a[4:], seconds)
		}
		clear(a[8:24])
		binary.BigEndian.PutUint16(a[42:], external.Port())
		outside := external.Addr().As16()
		copy(a[44:], outside[:])
		return [][]byte{a}
	}
}

func refuses(q []byte) [][]byte {
	if q[0] != pcpVersion {
		return [][]byte{{0, 0x80 | q[1], 0, 2, 0, 0, 0, 0}} // not authorised
	}
	a := append([]byte(nil), q...)
	a[1] |= pcpResponse
	a[3] = 2 // NOT_AUTHORIZED
	return [][]byte{a}
}

// speaksNATPMP answers as a router from before PCP.
func speaksNATPMP(external netip.AddrPort, seconds uint32) func([]byte) [][]byte {
	return func(q []byte) [][]byte {
		ip := external.Addr().As4()
		switch {
		case q[0] != 0:
			return [][]byte{{0, 0x80 | q[1], 0, 1, 0, 0, 0, 0}}
		case q[1] == 0:
			return [][]byte{{0, 0x80, 0, 0, 0, 0, 0, 9, ip[0], ip[1], ip[2], ip[3]}}
		}
		a := make([]byte, 16)
		a[1] = 0x80 | q[1]
		copy(a[8:], q[4:6])
		binary.BigEndian.PutUint16(a[10:], external.Port())
		if binary.BigEndian.Uint32(q[8:]) > 0 {
			binary.BigEndian.PutUint32(a[12:], seconds)
		}
		return [][]byte{a}
	}
}

const fault = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
	`<faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0">` +
	`<errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`

func ok(service, name, inside string) string {
	return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:` + name + `Response xmlns:u="` +
		service + `">` + inside + `</u:` + name + `Response></s:Body></s:Envelope>`
}

// device describes a gateway with one service, whose control is at a URL.
func device(service, control string) string {
	return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>` +
		`<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>` +
		`<serviceList><service><serviceType>` + service + `</serviceType><serviceId>x</serviceId><SCPDURL>/x</SCPDURL><controlURL>` + control +
		`</controlURL><eventSubURL>/e</eventSubURL></service></serviceList></device></deviceList></device></deviceList></device></root>`
}

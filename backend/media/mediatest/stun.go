package mediatest

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pion/stun/v4"
)

// STUNServer answers binding requests with the address that the test gives, and not at all if that is not valid.
type STUNServer struct {
	Asked atomic.Int32 // requests so far

	conn   *net.UDPConn
	mu     sync.Mutex
	mapped func(from netip.AddrPort) netip.AddrPort
	asker  netip.AddrPort
}

// NewSTUNServer returns a server on this computer. It ends with the test.
func NewSTUNServer(tb testing.TB, mapped func(from netip.AddrPort) netip.AddrPort) *STUNServer {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(tb, err)
	s := &STUNServer{conn: conn, mapped: mapped}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1600)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			m := stun.Message{Raw: b[:n]}
			if m.Decode() != nil || m.Type != stun.BindingRequest {
				continue
			}
			s.Asked.Add(1)
			s.mu.Lock()
			a := s.mapped(from)
			s.asker = from
			s.mu.Unlock()
			if a.IsValid() {
				_, _ = conn.WriteToUDPAddrPort(BindingAnswer(tb, m.TransactionID, a), from)
			}
		}
	}()
	tb.Cleanup(func() {
		must(tb, conn.Close())
		<-done
	})
	return s
}

// Address returns the server's address.
func (s *STUNServer) Address() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// URL returns the server's address in the form that a call takes.
func (s *STUNServer) URL() string { return "stun:" + s.Address().String() }

// LastAsker returns the source address of the newest request.
func (s *STUNServer) LastAsker() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asker
}

// Set changes the function that returns the answers.
func (s *STUNServer) Set(mapped func(from netip.AddrPort) netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mapped = mapped
}

// BindingAnswer returns the answer to the request with this id. It says that the request came from a.
func BindingAnswer(tb testing.TB, id [stun.TransactionIDSize]byte, a netip.AddrPort) []byte {
	tb.Helper()
	m, err := stun.Build(stun.BindingSuccess, stun.NewTransactionIDSetter(id),
		&stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}, stun.Fingerprint)
	if err != nil {
		tb.Error(err)
		return nil
	}
	return m.Raw
}

// Always returns a function for [NewSTUNServer] that answers with one address.
func Always(a string) func(netip.AddrPort) netip.AddrPort {
	p := netip.MustParseAddrPort(a)
	return func(netip.AddrPort) netip.AddrPort { return p }
}

// Silent is a function for [NewSTUNServer] that answers nothing.
func Silent(netip.AddrPort) netip.AddrPort { return netip.AddrPort{} }

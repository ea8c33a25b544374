package turn

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/porch-call/porch/backend/kit/limit"
)

// FuzzPort sends any bytes to the port, over UDP and as a stream, and checks that
// the server still answers.
func FuzzPort(f *testing.F) {
	request, err := stun.Build(stun.BindingRequest, stun.TransactionID)
	must(f, err)
	f.Add(request.Raw)
	allocate, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
		stun.NewUsername("x"), stun.NewRealm(realm), stun.NewNonce("x"), stun.NewShortTermIntegrity("x"))
	must(f, err)
	f.Add(allocate.Raw)
	f.Add([]byte{0x40, 0, 0, 3, 1, 2, 3, 0})
	s, err := Open(context.Background(), Options{
		Secret: testSecret, Realm: realm, Listen: "127.0.0.1:0", Public: []netip.Addr{loopback},
		Logger: slog.New(slog.DiscardHandler), strangers: limit.NewHashed(1_000_000_000, 1_000_000_000),
	})
	must(f, err)
	f.Cleanup(func() { s.Close() })
	at := s.Addr().String()
	f.Fuzz(func(t *testing.T, b []byte) {
		udp, err := net.Dial("udp4", at)
		must(t, err)
		defer udp.Close()
		tcp, err := net.Dial("tcp4", at)
		must(t, err)
		defer tcp.Close()
		if len(b) <= 60000 {
			_, err = udp.Write(b)
			must(t, err)
		}
		_, _ = tcp.Write(b) // the server may have cut it off
		must(t, udp.SetDeadline(time.Now().Add(patience)))
		for answer := make([]byte, 2000); ; {
			_, err := udp.Write(request.Raw)
			must(t, err)
			n, err := udp.Read(answer)
			must(t, err)
			m := stun.Message{Raw: answer[:n]}
			if m.Decode() == nil && m.TransactionID == request.TransactionID {
				return
			}
		}
	})
}

// Package mapped offers guests the address at which a router lets packets to the media sockets in. The address is one
// more candidate of every call, as one that a STUN server tells.
package mapped

import (
	"context"
	"net/netip"
	"sync"

	"github.com/porch-call/porch/backend/kit/portmap"
	"github.com/porch-call/porch/backend/media/path"
)

// Keep asks the router for the media sockets' port, and for that of streams while they are taken, until stop is called, which waits until the router has been told.
func Keep(router *portmap.Mapper, mux *path.Mux, stun *path.STUNClient) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	stun.OnSeen(func(local, outside netip.Addr) { router.SeenFrom(local, outside) })
	l := router.WantAt(ctx, portmap.UDP, mux.Port)
	streams := router.WantAt(ctx, portmap.TCP, mux.StreamsAt)
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-mux.StreamsChanged():
				streams.Again()
				continue
			case <-l.Changed():
			case <-streams.Changed():
			}
			var open []path.Reflexive
			for _, m := range l.Mappings() {
				open = append(open, path.Reflexive{Base: m.Internal, Mapped: m.External})
			}
			for _, m := range streams.Mappings() {
				open = append(open, path.Reflexive{
					Base: netip.AddrPortFrom(m.Internal.Addr(), path.StreamPort), Mapped: m.External,
				})
			}
			stun.SetMapped(open)
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		l.Close()
		streams.Close()
		wg.Wait()
	})
}

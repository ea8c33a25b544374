package remote_test

import (
	"testing"
)

// TestGuestJoinsThroughAPublicRelay takes a guest through a public relay into a
// host's call, over real sockets, TLS and media.
func TestGuestJoinsThroughAPublicRelay(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", nil)
	p := dial(t, s.base(), a, nil)
	p.admit("Ada", "Bo")
	_, address := p.link(s.base())
	ada := p.mustJoin(address, "Ada")
	ada.connected()
	bo := p.mustJoin(address, "Bo")
	bo.connected()
	bo.chats("hello")
	ada.hears("hello")
	p.must(ada.Leave())
	p.must(bo.Leave())
}

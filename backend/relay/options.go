package relay

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/wire"
	"github.com/porch-call/porch/backend/sealed"
)

// Options are the options of a relay.
type Options struct {
	// Dir keeps the port, the certificate and the key of notes. If it is missing,
	// it is made, for its owner only.
	Dir string
	// Listen overrides where to listen: "host:port", ":port", "port" or "host:".
	// Port 0, or none, means the remembered port, or any free one, which is then
	// remembered. "" means all interfaces. It is the value of PORCH_LISTEN.
	Listen string
	// Pages is the built guest page: index.html, and beside it what it loads. A
	// file with .br or .gz added to its name is its compressed form. Pages are
	// read once. nil serves sockets only.
	Pages fs.FS
	// Notes returns the note that a link leaves when it is spent or removed
	// (sealed.SealNote), and false for every other link. It is called for each
	// question about a link that no host answers, and should take no more than a
	// few milliseconds. nil means no notes.
	Notes func(sealed.LinkID) (note [sealed.NoteSize]byte, ok bool)
	// OnNote gets the notes of hosts that have dialled in: a [Notebook]'s Put. It
	// is called from a host's goroutine and must return at once. nil drops them.
	OnNote func(id sealed.LinkID, note [sealed.NoteSize]byte)
	// OnAddresses gets the new Addresses when they have changed after Open. It is
	// called from one goroutine, for which Close waits, so it must not wait for
	// the goroutine that closes the relay. It may be nil.
	OnAddresses func([]Address)
	// Switchboard connects guests with hosts. nil means one in memory.
	Switchboard switchboard.Switchboard
	// Secret is shared by the relays of one cluster. With it they answer alike
	// for links that none of them has, and count a guest's address alike. Without
	// it, a relay has keys of its own for both. It has at least 32 bytes.
	Secret []byte
	// Logger is slog.Default() when nil.
	Logger *slog.Logger

	// Domain makes this a public relay. It is the only host that requests may
	// name. It includes the port that links name, unless that is 443 or the bound one
	// ("relay.example", "relay.example:8443"). A public relay answers over HTTPS
	// only, with the certificates of GetCertificate, and does not watch this
	// computer's addresses. "" means a relay of one app.
	Domain string
	// GetCertificate is tls.Config's. A public relay needs it.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// NextProtos are offered in TLS besides HTTP's (RFC 7301).
	NextProtos []string
	// Plain is where a public relay also listens for plain HTTP, only to redirect
	// browsers to HTTPS: ":80". "" means nowhere.
	Plain string
	// HTTPChallenge answers a request to Plain, and reports whether it did. It is
	// for ACME's http-01 challenge (RFC 8555 section 8.3), and may be nil.
	HTTPChallenge func(http.ResponseWriter, *http.Request) bool
	// Proxies are the networks of proxies that pass connections on to this relay
	// and begin each with a PROXY header (versions 1 and 2). A connection from
	// there without one is refused.
	Proxies []netip.Prefix
	// Hosts are the hosts that may dial in at HostPath. nil means none.
	Hosts *hosts.Policy
	// Turn gives TURN servers and credentials to hosts that have dialled in. nil
	// gives none.
	Turn Turn
	// STUN are the servers that hosts are told: "stun:relay.example:3478".
	STUN []string
	// Meter counts. It may be nil.
	Meter metering.Meter
	// Queued bounds what may wait for hosts and guests that read slowly, in all;
	// one host's connection may hold a sixteenth. A channel that finds no room is
	// closed with [signalling.CloseTooSlow]. nil means one of DefaultQueued.
	Queued *switchboard.Budget
	// Capacity bounds how much is taken on at once.
	Capacity Capacity

	// For tests of this package; the defaults when nil.
	times      *times
	limits     *limits
	interfaces func() ([]netaddr.Interface, netip.Addr)
}

// times are how long this relay waits for each thing.
type times struct {
	firstByte   time.Duration // of a connection
	header      time.Duration // of a request, or a TLS handshake
	request     time.Duration // to read or answer a whole request
	idle        time.Duration // between requests
	open        time.Duration // for the first message of a socket, and for its first frame
	unavailable time.Duration // from the question to the one answer
	frame       time.Duration // from a frame's first byte to its last
	write       time.Duration // of one frame to a guest
	close       time.Duration // for a guest to acknowledge a close
	ping        time.Duration // between pings
	pong        time.Duration // for the answer to one
	watch       time.Duration // between looks at this computer's addresses
	farewell    time.Duration // for guests to acknowledge that Close closes their sockets
}

var defaultTimes = times{
	firstByte: 15 * time.Second, header: 10 * time.Second, request: 30 * time.Second, idle: 60 * time.Second,
	open: 10 * time.Second, unavailable: 40 * time.Millisecond,
	frame: 30 * time.Second, write: 10 * time.Second, close: 5 * time.Second, ping: 10 * time.Second, pong: 8 * time.Second,
	watch: 3 * time.Second, farewell: 1500 * time.Millisecond,
}

func (t times) wire() wire.Times {
	return wire.Times{Frame: t.frame, Write: t.write, Close: t.close, Ping: t.ping, Pong: t.pong}
}

// Turn gives out TURN servers and credentials for guests that can't be reached
// directly.
type Turn interface {
	hosts.Turn
	oneport.StreamServer
}

package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// MinSecret is the least size of a cluster's secret in bytes.
const MinSecret = 32

// Options are the options of a node's board.
type Options struct {
	// Servers are the NATS servers. The node connects to one of them at a time:
	// "nats://bus.example:4222", or "tls://". They name no user.
	Servers []string
	// Server is a server in this process, in place of Servers: see package
	// embedded.
	Server nats.InProcessConnProvider
	// Prefix is what all subjects begin with, "porch" if it is empty. Clusters
	// that share a bus need different ones.
	Prefix string
	// Secret is the same at all nodes of the cluster: at least MinSecret random
	// bytes. Messages are sealed with keys that are derived from it.
	Secret []byte
	// PerLink is how many guests may be connected to one link at a time, and
	// PerAddress how many of them may come from one address, at whichever nodes.
	PerLink, PerAddress int
	// Queued bounds what may wait for guests of this node whose host is at
	// another node. It is the relay's own ([relay.Options]). nil means no bound.
	Queued *switchboard.Budget

	// User and the fields below prove this node to NATS. Set one kind, or none.
	User, Password  string
	Token           string
	CredentialsFile string // a .creds file: a JWT and its key
	NKeyFile        string // a file with the seed of an nkey
	// TLS is for "tls://" servers, and for those that ask for it. nil means the
	// default configuration.
	TLS *tls.Config

	// OnNote gets the notes that other nodes share: a notebook's Put. OnRevoke
	// gets the TURN credentials that other nodes revoke. Both may get the same
	// more than once, must return at once, and may be nil.
	OnNote   func(id sealed.LinkID, note [sealed.NoteSize]byte)
	OnRevoke func(owner, username string)
	// Logger is slog.Default() when nil.
	Logger *slog.Logger

	times *times // for tests; nil means the defaults
}

// times are how long a board waits for each thing.
type times struct {
	connect time.Duration // for the connection to one NATS server, in Open
	retry   time.Duration // between tries to reach the bus again
	ping    time.Duration // between pings to the NATS server; two may stay without an answer
	beat    time.Duration // between heartbeats and tallies
	silence time.Duration // after so long without a message, a node is gone
	ask     time.Duration // for the holder of a link to say its epoch
	flush   time.Duration // for the NATS server to take a subscription
	mark    time.Duration // for a node to answer mark, before it is asked again
	open    time.Duration // for the holder of a link to take a guest, before it is asked again, twice
	goodbye time.Duration // for the last messages to be sent
}

var defaultTimes = times{
	connect: 5 * time.Second, retry: 250 * time.Millisecond, ping: 2 * time.Second,
	beat: time.Second, silence: 3500 * time.Millisecond,
	ask: time.Second, flush: 2 * time.Second, mark: 250 * time.Millisecond, open: 500 * time.Millisecond, goodbye: time.Second,
}

// Bounds of what may wait.
const (
	waitingFrames = 1 << 16  // messages from the bus, for all channels of a node
	waitingBytes  = 32 << 20 // bytes of them
	waitingOpens  = 4096     // questions about links
	waitingLater  = 4096     // small messages to send when there is time
	offlineBytes  = 1 << 20  // messages to the bus, while it is out of reach
)

// prepare checks the options and fills in the defaults.
func (o *Options) prepare() error {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.times == nil {
		o.times = &defaultTimes
	}
	if o.Prefix == "" {
		o.Prefix = "porch"
	}
	if len(o.Secret) < MinSecret {
		return fmt.Errorf("nats: the cluster's secret has fewer than %d bytes", MinSecret)
	}
	if !prefixValid(o.Prefix) {
		return errors.New("nats: the prefix may have letters, digits, - and _, in parts with a dot between, and 64 characters")
	}
	if (len(o.Servers) == 0) == (o.Server == nil) {
		return errors.New("nats: want NATS servers, or one in this process")
	}
	for _, s := range o.Servers {
		// No error contains the address, because it could hold a password.
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Hostname() == "" || (u.Scheme != "nats" && u.Scheme != "tls"):
			return errors.New("nats: a server is not of the form nats://HOST:PORT or tls://HOST:PORT")
		case u.User != nil:
			return errors.New("nats: a server's address names a user; user and password have options of their own")
		}
	}
	return nil
}

func prefixValid(s string) bool {
	if len(s) > 64 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
			return !letter
		}) {
			return false
		}
	}
	return true
}

// connect opens the connection to NATS. b gets its later ends and returns.
func (o *Options) connect(ctx context.Context, b *Board) (*nats.Conn, error) {
	timeout := o.times.connect
	if until, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(until), time.Millisecond))
	}
	settings := []nats.Option{
		nats.Name("porch-relay"),
		nats.Timeout(timeout),
		nats.NoEcho(), // a node does not ask itself
		nats.MaxReconnects(-1),
		nats.ReconnectWait(o.times.retry),
		nats.ReconnectJitter(o.times.retry, o.times.retry),
		nats.ReconnectBufSize(offlineBytes),
		nats.IgnoreAuthErrorAbort(), // credentials may be repaired while this node runs
		nats.PingInterval(o.times.ping),
		nats.MaxPingsOutstanding(2),
		// publish writes each message at once. The client's flusher would add one
		// hand-over between goroutines to a knock's way.
		nats.WriteBufferSize(1),
		// A server that takes no bytes counts as gone. Nothing may follow half a
		// message (see also publish).
		nats.FlusherTimeout(2 * o.times.ping),
		nats.ReconnectOnFlusherError(),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { b.offBus() }),
		nats.ReconnectHandler(func(*nats.Conn) { b.onBus() }),
		nats.ErrorHandler(b.busError),
	}
	if o.User != "" || o.Password != "" {
		settings = append(settings, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		settings = append(settings, nats.Token(o.Token))
	}
	if o.CredentialsFile != "" {
		settings = append(settings, nats.UserCredentials(o.CredentialsFile))
	}
	if o.NKeyFile != "" {
		nkey, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, errors.New("nats: the nkey file can't be read, or holds no seed")
		}
		settings = append(settings, nkey)
	}
	if o.TLS != nil {
		settings = append(settings, nats.Secure(o.TLS.Clone()))
	}
	if o.Server != nil {
		settings = append(settings, nats.InProcessServer(o.Server))
	}
	nc, err := nats.Connect(strings.Join(o.Servers, ","), settings...)
	if err != nil {
		return nil, fmt.Errorf("nats: connect to NATS: %w", err)
	}
	if nc.MaxPayload() < maxEnvelope {
		nc.Close()
		return nil, fmt.Errorf("nats: the NATS server's max_payload is less than %d bytes", maxEnvelope)
	}
	return nc, nil
}

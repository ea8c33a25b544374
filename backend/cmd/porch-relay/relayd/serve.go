package relayd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/turn"
	"github.com/porch-call/porch/backend/version"
	"github.com/porch-call/porch/frontend"
)

// maxNotes is how many notes of ended links are kept: about 20 MB.
const maxNotes = 65536

// program is a running relay with all its parts.
type program struct {
	settings     settings
	log          *slog.Logger
	policy       *hosts.Policy
	certificates certificates
	metrics      *metrics
	turn         *turn.Server // nil if there is none
	bus          *bus         // nil on a relay of one machine
	relay        *relay.Server
	draining     atomic.Bool

	closers []func() // in the order of opening
}

// serve runs a relay until a signal, and then drains it. A second signal ends the
// drain.
func serve(ctx context.Context, s settings, signals <-chan os.Signal, log *slog.Logger) error {
	p := &program{settings: s, log: log}
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}
	for {
		select {
		case got := <-signals:
			if got == syscall.SIGHUP {
				p.reload()
				continue
			}
			p.drain(ctx, signals)
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// open opens the parts in order.
func (p *program) open(ctx context.Context) (err error) {
	s := p.settings
	if p.policy, err = s.policy(); err != nil {
		return err
	}
	all, err := openSecret(s)
	if err != nil {
		return err
	}
	if p.certificates, err = openCertificates(s, p.log); err != nil {
		return err
	}
	p.onClose(p.certificates.close)
	p.metrics = newMetrics(p.certificates.status)

	shared, err := all.key("relay")
	if err != nil {
		return err
	}
	pages := frontend.Guest()
	if s.pages != "" {
		pages = os.DirFS(s.pages)
	}
	if _, err := fs.Stat(pages, "index.html"); err != nil {
		return errors.New("the guest page is missing: it was not built into this program (make relay does), or -pages names another folder")
	}
	proxies, err := prefixes(s.proxies)
	if err != nil {
		return err
	}
	queued := switchboard.NewBudget(int64(s.queued))
	notes := relay.NewNotebook(maxNotes)
	options := relay.Options{
		Dir: filepath.Join(s.data, "relay"), Listen: s.listen, Plain: s.listenHTTP, Pages: pages,
		Domain: s.domain, GetCertificate: p.certificates.get, NextProtos: p.certificates.protocols(),
		HTTPChallenge: p.certificates.challenge,
		Notes:         notes.Get, OnNote: notes.Put, Secret: shared,
		Proxies: proxies, Hosts: p.policy, Meter: p.metrics, Logger: p.log,
		Capacity: relay.Capacity{GuestsPerLink: s.perLink}, Queued: queued,
	}
	if s.turn {
		key, err := all.key("turn")
		if err != nil {
			return err
		}
		if p.turn, err = openTurn(ctx, s, key, newAccounts(p.policy.Allowance, int64(s.addressBytes)).take, p.log); err != nil {
			return err
		}
		p.onClose(func() { _ = p.turn.Close() }) // loses nothing
		p.metrics.registry.MustRegister(turnMetrics{p.turn.Stats})
		p.metrics.watchPanics("turn", func() uint64 { return p.turn.Stats().Panics })
		options.Turn = p.turn
		if options.STUN, _, err = s.turnURLs(); err != nil {
			return err
		}
	}
	if s.severalMachines() {
		revoke := func(string, string) {}
		if p.turn != nil {
			revoke = p.turn.Revoke
		}
		if p.bus, err = openBus(ctx, s, all, queued, notes, revoke, p.log); err != nil {
			return err
		}
		p.onClose(p.bus.close)
		p.metrics.watchPanics("bus", p.bus.Panics)
		options.Switchboard, options.OnNote = p.bus, sharedNotes(notes, p.bus)
		if p.turn != nil {
			options.Turn = sharedTurn{p.turn, p.bus}
		}
	}
	if p.relay, err = relay.Open(ctx, options); err != nil {
		return err
	}
	p.onClose(func() { _ = p.relay.Close() }) // loses nothing
	p.metrics.watchPanics("relay", p.relay.Panics)
	if s.admin != "" {
		a, err := openAdmin(ctx, s.admin, s.pprof, p.metrics.registry, p.health, p.log)
		if err != nil {
			return fmt.Errorf("-admin: %w", err)
		}
		p.onClose(a.close)
	}
	p.certificates.start()
	p.log.Info("porch-relay: open", "version", version.Line("porch-relay"), "address", p.relay.Addresses()[0].Base,
		"hosts", s.hosts, "invitations", len(p.policy.Invitations), "keys", len(p.policy.Keys), "turn", s.turn)
	return nil
}

func (p *program) onClose(f func()) { p.closers = append(p.closers, f) }

func (p *program) close() {
	for len(p.closers) > 0 {
		last := len(p.closers) - 1
		p.closers[last]()
		p.closers = p.closers[:last]
	}
}

// reload reads again which hosts may dial in, and the certificate's files. If the
// lists of hosts can't be read, it changes nothing.
func (p *program) reload() {
	invitations, keys, err := p.settings.guestList()
	if err != nil {
		p.log.Error("porch-relay: not reloaded", "error", err)
		return
	}
	p.policy.Replace(invitations, keys)
	p.certificates.refresh()
	p.log.Info("porch-relay: reloaded", "invitations", len(invitations), "keys", len(keys))
}

// drain lets guests and hosts finish, for as long as the settings allow.
func (p *program) drain(ctx context.Context, signals <-chan os.Signal) {
	p.draining.Store(true)
	p.metrics.draining.Set(1)
	ctx, cancel := context.WithTimeout(ctx, p.settings.drain)
	defer cancel()
	p.log.Info("porch-relay: drains", "at most", p.settings.drain.String())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Its error is ctx's. Connections that are left are then closed.
		_ = p.relay.Drain(ctx)
		p.untilEmpty(ctx)
	}()
	for {
		select {
		case <-ended:
			return
		case got := <-signals:
			if got != syscall.SIGHUP {
				cancel()
				<-ended
				return
			}
		}
	}
}

// untilEmpty waits until there is no guest and no TURN allocation.
func (p *program) untilEmpty(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for p.metrics.guests.Load() > 0 || p.turn != nil && p.turn.Stats().Allocations > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// health returns the state for the operator.
func (p *program) health() health {
	status := p.certificates.status()
	h := health{Draining: p.draining.Load(), Expires: status.expires.UTC(), Certificate: "ok"}
	usable := status.usable(time.Now())
	switch {
	case status.expires.IsZero():
		h.Certificate = "none"
	case !usable:
		h.Certificate = "expired"
	}
	if status.trouble != nil {
		h.Certificate += ": " + status.trouble.Error()
	}
	if p.bus != nil {
		h.Nodes, h.Bus = p.bus.Nodes(), "ok"
		if !p.bus.Connected() {
			h.Bus = "gone" // this machine works on alone
		}
	}
	h.Well = usable && !h.Draining
	return h
}

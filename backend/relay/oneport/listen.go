package oneport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/porch-call/porch/backend/fault"
)

// firstPort is tried before any other if no port is remembered, because a
// familiar number makes the address easier to read out.
const firstPort = 7674

// Endpoint is a parsed Options.Listen. Port 0 means the remembered one, or any.
type Endpoint struct {
	Host string
	Port uint16
}

// ParseEndpoint reads "host:port", ":port", "port", "host:" and "".
func ParseEndpoint(s string) (Endpoint, error) {
	if s == "" {
		return Endpoint{}, nil
	}
	host, port := "", s
	if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return Endpoint{}, fmt.Errorf("relay: Listen on %q: %w", s, err)
		}
	}
	e := Endpoint{Host: host}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return Endpoint{}, fmt.Errorf("relay: Listen on %q: the port is no number up to 65535", s)
		}
		e.Port = uint16(n)
	}
	return e, nil
}

// Memory keeps the port from one run to the next.
type Memory interface {
	Port() uint16 // 0 means none
	RememberPort(port uint16) error
}

// Listen opens the port that was asked for and no other. If none was asked for,
// it opens the remembered one, else firstPort, else any. It remembers a port only
// if none was asked for and none was remembered. changed means that the
// remembered one was in use.
func Listen(ctx context.Context, m Memory, e Endpoint) (l net.Listener, changed bool, err error) {
	if e.Port != 0 {
		l, err = ListenOn(ctx, e.Host, e.Port)
		if inUse(err) {
			return nil, false, fault.New(fault.PortTaken, err)
		}
		return l, false, err
	}
	remembered := m.Port()
	candidates := []uint16{firstPort, 0}
	if remembered != 0 {
		candidates = []uint16{remembered, 0}
	}
	for _, port := range candidates {
		l, err = ListenOn(ctx, e.Host, port)
		if err == nil || !inUse(err) {
			break
		}
	}
	if err != nil {
		return nil, false, err
	}
	if remembered == 0 {
		if err := m.RememberPort(portOf(l)); err != nil {
			l.Close()
			return nil, false, err
		}
	}
	return l, remembered != 0 && portOf(l) != remembered, nil
}

// ListenOn opens one port of one interface; 0 is any.
func ListenOn(ctx context.Context, host string, port uint16) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return l, nil
}

// inUse also covers a port that the system reserves or forbids, as Windows does
// with ranges, because another port is needed then, too.
func inUse(err error) bool {
	const wsaeaddrinuse, wsaeacces = syscall.Errno(10048), syscall.Errno(10013)
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) ||
		errors.Is(err, wsaeaddrinuse) || errors.Is(err, wsaeacces)
}

func portOf(l net.Listener) uint16 { return uint16(l.Addr().(*net.TCPAddr).Port) }

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// profiles serves this process's profiles (/debug/pprof/) at an address of this computer until ctx ends. Profiles tell
// what the process does and has in memory, so they are for nobody else: any other address is refused.
func profiles(ctx context.Context, address string, log *slog.Logger) (stop func(), err error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("-pprof=%s: want an address of this computer, such as 127.0.0.1:6060", address)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	s := &http.Server{Handler: local(mux), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); err != nil && ctx.Err() == nil {
			log.Debug("profiles", "err", err)
		}
	}()
	log.Warn("profiles are served", "address", l.Addr().String())
	return func() {
		_ = s.Close() // nothing of it is needed any more
		<-done
	}, nil
}

// local refuses what a page of another site asks for: its name may lead to this computer, but is not its address.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, err := netip.ParseAddrPort(r.Host); err != nil || !at.Addr().IsLoopback() {
			http.Error(w, "not here", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

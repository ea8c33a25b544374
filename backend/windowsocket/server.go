package windowsocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/signalling"
)

// Subprotocol is the WebSocket subprotocol of the window's socket.
const Subprotocol = "porch.window.v1"

// path is the URL path of the socket.
const path = "/window"

const (
	enterWithin = 5 * time.Second // for the first message
	writeWithin = 10 * time.Second
	closeWithin = 2 * time.Second // to send what is queued and to get the window's close frame
	maxSockets  = 32              // at the same time; a window needs one
	maxEnter    = 1 << 10         // bytes of the first message
	writeBuffer = 256 << 10       // the system's, per socket; kept small because frames in it can't be dropped any more
)

// The WebSocket close codes: closeRefused for a wrong token, closeFault for every other end with a fault.
const (
	closeRefused websocket.StatusCode = 4403
	closeFault   websocket.StatusCode = 4400
)

// Options configure a server.
type Options struct {
	// Origins reports whether a page of this origin is the host's window: "wails://wails", "http://wails.localhost",
	// or the dev server's origin.
	Origins func(origin string) bool
	// Handler is called for each window that has entered, on its own goroutine. The socket closes when Handler
	// returns. Handler must return when Recv returns io.EOF.
	Handler func(*Conn)
	// nil for slog.Default()
	Logger *slog.Logger
}

// Server accepts windows.
type Server struct {
	options Options
	log     *slog.Logger
	host    string // 127.0.0.1:PORT
	http    *http.Server
	tickets tickets
	wg      sync.WaitGroup // counts the listener and all sockets
	closing sync.Once
	panics  contain.Panics

	lifetime context.Context
	end      context.CancelFunc

	mu     sync.Mutex
	closed bool
	open   int
}

// Listen starts a server on a free port of 127.0.0.1. ctx bounds only the start.
func Listen(ctx context.Context, options Options) (*Server, error) {
	if options.Origins == nil || options.Handler == nil {
		return nil, errors.New("windowsocket: Origins and Handler are needed")
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("windowsocket: %w", err)
	}
	s := &Server{options: options, log: options.Logger, host: l.Addr().String()}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.panics.Log, s.panics.Part = s.log, "loopback"
	s.lifetime, s.end = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: enterWithin,
		ReadTimeout:       enterWithin,
		WriteTimeout:      enterWithin,
		IdleTimeout:       enterWithin,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       keepConn,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // its messages quote strangers
	}
	s.wg.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("windowsocket: serve", "error", err)
		}
	})
	return s, nil
}

// Grant returns a ticket. Conn.Claims returns the same claims.
func (s *Server) Grant(claims any) Ticket {
	return Ticket{URL: "ws://" + s.host + path, Token: s.tickets.grant(claims, time.Now())}
}

// Close ends all windows and waits for their handlers. It may be called twice, but not by a Handler.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.end()
		_ = s.http.Close() // the sockets were hijacked; lifetime ends them
	})
	s.wg.Wait()
	return nil
}

type connKey struct{}

// keepConn is http.Server's ConnContext.
func keepConn(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer) // with the default, frames are dropped later
	}
	return context.WithValue(ctx, connKey{}, c)
}

// serve is the only entry. It accepts the window's socket from the window's page.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	origins := r.Header.Values("Origin")
	switch {
	case r.Host != s.host: // against DNS rebinding
		http.Error(w, "misdirected request", http.StatusMisdirectedRequest)
		return
	case r.URL.Path != path || r.URL.RawQuery != "":
		http.Error(w, "not found", http.StatusNotFound)
		return
	case len(origins) != 1 || !s.options.Origins(origins[0]):
		http.Error(w, string(fault.OriginRefused), http.StatusForbidden)
		return
	case !offersSubprotocol(r):
		http.Error(w, "the subprotocol is "+Subprotocol, http.StatusBadRequest)
		return
	case !s.enterSocket():
		http.Error(w, string(fault.TooFast), http.StatusServiceUnavailable)
		return
	}
	defer s.leaveSocket()
	raw, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok {
		http.Error(w, "no connection", http.StatusInternalServerError)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // the origin is checked above
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = ws.CloseNow() }()
	claims, ok := s.admit(ws, raw)
	if !ok {
		s.log.Warn("windowsocket: a window had no valid ticket")
		_ = raw.SetDeadline(time.Now().Add(closeWithin))
		_ = ws.Close(closeRefused, string(fault.TokenRefused))
		return
	}
	c := newConn(ws, raw, claims)
	c.run(s.lifetime, &s.panics, s.options.Handler)
}

// admit reads the first message and uses up the ticket that it names.
func (s *Server) admit(ws *websocket.Conn, raw net.Conn) (claims any, ok bool) {
	_ = raw.SetReadDeadline(time.Now().Add(enterWithin)) // if it fails, Read fails too
	stop := context.AfterFunc(s.lifetime, func() { _ = raw.SetReadDeadline(time.Now()) })
	defer stop()
	ws.SetReadLimit(maxEnter)
	kind, b, err := ws.Read(context.Background())
	if err != nil || kind != websocket.MessageText || s.lifetime.Err() != nil {
		return nil, false
	}
	m, err := decodeWindow(b)
	if err != nil {
		return nil, false
	}
	first, isEnter := m.(enter)
	if !isEnter {
		return nil, false
	}
	claims, ok = s.tickets.use(first.Token, time.Now())
	if ok {
		_ = raw.SetReadDeadline(time.Time{})
		ws.SetReadLimit(signalling.MaxFrame)
	}
	return claims, ok
}

// enterSocket counts a socket. It returns false if there are too many, or the server is closing.
func (s *Server) enterSocket() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= maxSockets {
		return false
	}
	s.open++
	s.wg.Add(1)
	return true
}

func (s *Server) leaveSocket() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.wg.Done()
}

func offersSubprotocol(r *http.Request) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		if slices.ContainsFunc(strings.Split(v, ","), func(p string) bool { return strings.TrimSpace(p) == Subprotocol }) {
			return true
		}
	}
	return false
}

package relay

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// permissionsPolicy allows the page what a call needs and nothing else (W3C
// Permissions Policy).
const permissionsPolicy = "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), " +
	"picture-in-picture=(self), autoplay=(self), screen-wake-lock=(self), clipboard-write=(self), " +
	"accelerometer=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), " +
	"magnetometer=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()"

// contentPolicy returns the Content-Security-Policy of all that is served:
// nothing inline, nothing from elsewhere. It names the socket for browsers whose
// 'self' is only http (Safari before 15.4). host has passed hostAllowed.
func contentPolicy(host string, secure bool) string {
	socket := "ws://" + host
	if secure {
		socket = "wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
		"media-src 'self' blob: mediastream:; connect-src 'self' " + socket + "; manifest-src 'self'; worker-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// WasmPolicy is the Content-Security-Policy of the one script that may compile
// WebAssembly: a worker goes by the policy of its own answer and not by its page's
// (CSP Level 3, section 4.2.2), so the pages themselves may not. The worker has no
// document, and fetches its program and its models from where it came from.
const WasmPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// RunsWasm reports whether a path of a page is that of the worker that draws camera
// effects: frontend/src/media/webview/effects/scene.worker.ts, as Vite names it.
func RunsWasm(urlPath string) bool {
	return strings.HasPrefix(urlPath, "/assets/scene.worker-") && strings.HasSuffix(urlPath, ".js")
}

// strict reports whether an answer carries Strict-Transport-Security (RFC 6797). It
// is for names that only HTTPS answers for: a public relay's, and an address from
// outside at the port of HTTPS. A relay inside an app has no such name otherwise,
// because browsers would not let a guest accept the certificate that it made itself.
func (s *Server) strict(v visit) bool {
	return s.public != nil || v.outside != nil && !strings.Contains(strings.TrimPrefix(v.outside.Origin, "https://"), ":")
}

// setHeaders sets what every answer carries.
func setHeaders(h http.Header, host string, secure, strict bool) {
	if strict {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	h.Set("Content-Security-Policy", contentPolicy(host, secure))
	h.Set("Permissions-Policy", permissionsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Dns-Prefetch-Control", "off")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Origin-Agent-Cluster", "?1")
}

// hostAllowed reports whether the name in the Host header is one of this relay's.
// A page elsewhere could make its own name resolve to this computer (DNS
// rebinding), and would then pass for the same origin. Address literals can't be
// rebound.
func hostAllowed(host string, names []string) bool {
	name, ok := splitHost(host)
	if !ok {
		return false
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Zone() == ""
	}
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// splitHost returns the name, or address, of a Host header. ok is false if it
// can't be one.
func splitHost(host string) (name string, ok bool) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "" // no port: the scheme's default
		if inner, bracket := strings.CutPrefix(host, "["); bracket {
			if name, bracket = strings.CutSuffix(inner, "]"); !bracket {
				return "", false
			}
		}
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return name, true
}

// originAllowed accepts a page that this relay served over the same protocol,
// and clients that are no browsers, which send no Origin (RFC 6454 section 7).
func originAllowed(r *http.Request, outside *Outside) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if outside != nil { // browsers write it in small letters, and without the default port
		return len(values) == 1 && values[0] == outside.Origin
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	// Browsers leave out a default port both in Origin and in Host.
	return len(values) == 1 && strings.EqualFold(values[0], scheme+"://"+r.Host)
}

package relayd

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCheckWell(t *testing.T) {
	r := startRelay(t)
	code, out := r.check()
	if code != exitWell {
		t.Fatalf("%d\n%s", code, out)
	}
	for _, want := range []string{
		"ok     DNS", "leads to https://localhost", "ok     certificate", "ok     page           comes over HTTP/2.0", `ok     health         "ok"`,
		"are told of unknown links", "may dial in: 64 links", "sees this computer as 127.0.0.1",
		"ok     TURN/udp       relays at", "ok     TURN/tcp       relays at", "ok     TURN/tls       relays at",
		"ok     TURN/udp       refuses addresses",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestCheckWrong breaks a relay in each way that check detects.
func TestCheckWrong(t *testing.T) {
	for _, tc := range []struct {
		name  string
		relay []string // settings
		check []string
		spoil func(*running)
		want  []string
	}{
		{name: "no name", check: []string{"-domain", "nowhere.invalid"}, want: []string{"leads nowhere", "A record"}},
		{name: "nothing there", spoil: func(r *running) { _ = r.cmd.Process.Kill(); <-r.ended; r.ended <- nil }, want: []string{"refuses connections", "WRONG  HTTPS", "open TCP port"}},
		{name: "no HTTP", relay: []string{"-listen-http", ""}, want: []string{"WRONG  HTTP ", "the certificate authority asks there"}},
		{name: "another domain", relay: []string{"-domain", "elsewhere.porch.test"}, want: []string{"does not lead to", "not the page for guests"}},
		{name: "another name in the certificate", spoil: func(r *running) { r.recertify(time.Now().Add(24*time.Hour), "other.porch.test") }, want: []string{"is for other.porch.test and not for this name"}},
		{name: "expired", spoil: func(r *running) { r.recertify(time.Now().Add(-time.Hour), "localhost") }, want: []string{"has expired"}},
		{name: "not renewed", spoil: func(r *running) { r.recertify(time.Now().Add(time.Hour), "localhost") }, want: []string{"has not been renewed"}},
		{name: "unknown authority", check: []string{"-root", "testdata/other.pem"}, want: []string{"signed by nobody whom browsers know"}},
		{name: "a wrong invitation", relay: []string{"-invitations", "testdata/invitations"}, check: []string{"-token-file", "testdata/wrong-token"}, want: []string{"this invitation is refused"}},
		{name: "TURN into its own network", relay: []string{"-turn-allow", "0.0.0.0/0"}, want: []string{"relays to 10.0.0.1", "remove -turn-allow"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, tc.relay...)
			if tc.spoil != nil {
				tc.spoil(r)
			}
			code, out := r.check(tc.check...)
			if code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// recertify makes the relay use another certificate, which check is told to
// trust.
func (r *running) recertify(end time.Time, names ...string) {
	r.t.Helper()
	before := r.identity
	r.identity = selfSignedUntil(r.t, end, names...)
	writeFile(r.t, r.path("cert.pem"), r.identity.certificate)
	writeFile(r.t, r.path("key.pem"), r.identity.key)
	r.reload(before)
}

// TestCheckStranger checks a web server that is not a relay.
func TestCheckStranger(t *testing.T) {
	r := prepareRelay(t)
	plain, err := net.Listen("tcp", "127.0.0.1:"+itoa(r.plain))
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome to nginx") })}
	go func() { _ = other.Serve(plain) }() // ends with Close
	secure, err := net.Listen("tcp", "127.0.0.1:"+itoa(r.https))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = other.ServeTLS(secure, r.path("cert.pem"), r.path("key.pem")) }()
	defer other.Close()
	code, out := r.check()
	for _, want := range []string{"answers 200 and does not lead to", "answers 200, not the page for guests", "an unknown link was not answered", "WRONG  hosts"} {
		if code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("%d, no %q in\n%s", code, want, out)
		}
	}
}

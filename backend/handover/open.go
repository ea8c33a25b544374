package handover

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// Mail opens the system's mail program with a new message (RFC 6068). Fault: OpenerUnavailable, if there is no such
// program.
func Mail(ctx context.Context, subject, body string) error {
	return open(ctx, "mailto", mailURI(subject, body))
}

// Messages opens the system's message program with a new message (RFC 5724). Fault: OpenerUnavailable, if there is no
// such program.
func Messages(ctx context.Context, body string) error {
	return open(ctx, "sms", smsURI(body))
}

// webPage is an address that is opened: over TLS, in ASCII, without what means something to a shell, a query or a
// fragment.
var webPage = regexp.MustCompile(`^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,256})?$`)

// Page opens the system's browser with a page of the web. Fault: OpenerUnavailable, if there is no browser, or if it is
// not the address of such a page.
func Page(ctx context.Context, address string) error {
	if !webPage.MatchString(address) {
		return fault.Newf(fault.OpenerUnavailable, "handover: not the address of a page")
	}
	return open(ctx, "https", address)
}

// Reveal shows a file of ours in the system's file manager, or at least its folder. Fault: OpenerUnavailable, if there is
// no file manager.
func Reveal(ctx context.Context, path string) error { return reveal(ctx, path) }

// link is an address of the web as a stranger may write it, in ASCII, without what means something to a shell.
var link = regexp.MustCompile(`^https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~/%:+,@=&-]*)?(\?[A-Za-z0-9._~/?%:+,@=&-]*)?(#[A-Za-z0-9._~/?%:+,@=&-]*)?$`)

// maxLink is how many bytes of an address are opened.
const maxLink = 2048

// Link opens the system's browser with an address that a stranger wrote. Characters that some program might take for more
// than a part of an address are percent-encoded. Fault: OpenerUnavailable, if there is no browser, or if it is not the
// address of a page of the web.
func Link(ctx context.Context, address string) error {
	plain, ok := plainLink(address)
	if !ok {
		return fault.Newf(fault.OpenerUnavailable, "handover: not the address of a page")
	}
	scheme, _, _ := strings.Cut(plain, ":")
	return open(ctx, scheme, plain)
}

// plainLink is the address as it is opened; ok is false for one that is not opened at all.
func plainLink(address string) (plain string, ok bool) {
	plain = odd.ReplaceAllStringFunc(address, func(s string) string { return fmt.Sprintf("%%%02X", s[0]) })
	return plain, len(plain) <= maxLink && link.MatchString(plain)
}

// odd is what browsers leave as it is in an address.
var odd = regexp.MustCompile("[!$'()*;|^`{}]")

func mailURI(subject, body string) string {
	return "mailto:?subject=" + encode(subject) + "&body=" + encode(body)
}

func smsURI(body string) string { return smsStart + encode(body) }

// encode percent-encodes everything but the unreserved characters of RFC 3986. RFC 6068 section 2 requires that in
// the values of header fields, and it is safe for programs that split their arguments. Every line break becomes
// %0D%0A (RFC 6068 section 5).
func encode(s string) string {
	s = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(strings.ToValidUTF8(s, "\uFFFD"))
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

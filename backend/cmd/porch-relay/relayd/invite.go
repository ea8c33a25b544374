package relayd

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

const inviteHelp = `porch-relay invite makes an invitation, with which a host may make links on this
relay. It adds one line to the file of invitations and prints the invitation; the
file keeps its digest only. Give it to the host: in Porch, Settings, Relays, they
paste it beside the relay's address. A running relay reads the file again on
SIGHUP ("systemctl reload porch-relay").

`

// invite makes an invitation.
func invite(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("porch-relay invite", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("invitations", "/etc/porch-relay/invitations", "`file` that the relay reads with -invitations")
	name := flags.String("name", "", "`who` it is for: it stands in the file and in the log")
	quotas := flags.String("quotas", "", "what differs from the other hosts' `quotas`: \"links=10 bytes=5GB\"")
	flags.Usage = func() {
		fmt.Fprint(stderr, inviteHelp)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case strings.ContainsAny(*name, "#=\r\n"):
		return errors.New("-name can't hold #, = or line breaks")
	}
	if rest, _, err := parseQuotas(strings.Fields(*quotas)); err != nil || rest != "" {
		return errors.Join(errors.New("-quotas wants \"links=10 guests=20 guests-per-link=5 bytes=5GB\", or some of them"), err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	token := base64.RawURLEncoding.EncodeToString(random)
	digest := sha256.Sum256([]byte(token))
	line := strings.Join(strings.Fields(digestPrefix+base64.RawURLEncoding.EncodeToString(digest[:])+" "+*name+" "+*quotas), " ") + "\n"

	// All users may read the file, because the service that reads it runs as
	// another user, and a digest of 16 random bytes does not tell the token.
	f, err := os.OpenFile(*file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintln(stdout, token)
	return nil
}

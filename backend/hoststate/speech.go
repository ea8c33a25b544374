package hoststate

import "github.com/porch-call/porch/backend/notify"

// Speech is what Porch itself says to the system and to other programs, in the
// host's language. Empty parts are English.
type Speech struct {
	Notes      notify.Texts
	Unnamed    string // for a link without a name
	Invitation string // goes with an address in mails and messages; has {url} in it

	Screen func(name string) string // title of a participant's screen in a recording; nil means English
}

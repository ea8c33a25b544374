// Package ownname guesses what the host is called, until they say so.
package ownname

import (
	"os/user"
	"runtime"
	"strings"

	"github.com/porch-call/porch/backend/signalling"
)

// OfSystem returns the name that the system knows the host by.
func OfSystem() string {
	u, err := user.Current()
	if err != nil {
		return sayable()
	}
	full, _, _ := strings.Cut(u.Name, ",") // GECOS on Unix: name, room, phone
	login := u.Username
	if runtime.GOOS == "windows" { // the form is DOMAIN\user
		login = login[strings.LastIndexByte(login, '\\')+1:]
	}
	return sayable(full, login)
}

// sayable returns the first of the system's names that identifies a person and
// that guests may be told. A name that breaks the limits would keep Welcome and
// Roster from all guests.
func sayable(names ...string) string {
	for _, name := range names {
		runes := []rune(signalling.CleanName(name))
		name = signalling.CleanName(string(runes[:min(len(runes), signalling.MaxName)]))
		if name != "" && name != "root" {
			return name
		}
	}
	return "Host"
}

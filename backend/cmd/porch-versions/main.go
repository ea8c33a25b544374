// Porch-versions makes the list of versions that Porch asks for (package updates).
//
//	porch-versions key                      makes a key: its public half for the build, its private half for the releases
//	porch-versions add [-list OLD] …        prints a signed list, with one more version than OLD
//	porch-versions read -list LIST …        prints a list if it would be believed
//
// The private key is read from PORCH_VERSIONS_KEY, so that it is in no argument and no file.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/updates"
)

func main() {
	if err := run(os.Args[1:], os.Getenv("PORCH_VERSIONS_KEY"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "porch-versions:", err)
		os.Exit(1)
	}
}

// kept is how many versions a list has at most. Older ones are of no use to anybody.
const kept = 8

func run(args []string, private string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say key, add or read")
	}
	flags := flag.NewFlagSet("porch-versions", flag.ContinueOnError)
	list := flags.String("list", "", "a list that is published")
	place := flags.String("place", "", "where lists are published: https://…")
	public := flags.String("public", "", "the public key, in base64")
	number := flags.String("version", "", "the new version")
	changes := flags.String("changes", "", "a file with its changes, as plain text")
	page := flags.String("page", "", "where it can be downloaded, at the place's own server")
	valid := flags.Duration("valid", 90*24*time.Hour, "how long the list is believed; a new one has to be published before")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "key":
		return makeKey(out)
	case "read":
		who, err := base64.StdEncoding.DecodeString(*public)
		if err != nil {
			return err
		}
		l, err := readList(*list, who, *place)
		if err != nil {
			return err
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(l)
	case "add":
		seed, err := base64.StdEncoding.DecodeString(private)
		if err != nil || len(seed) != ed25519.SeedSize {
			return errors.New("PORCH_VERSIONS_KEY is not a key that porch-versions made")
		}
		text, err := os.ReadFile(*changes)
		if err != nil {
			return err
		}
		v := updates.Version{Number: *number, Changes: string(text), Page: *page}
		return add(out, ed25519.NewKeyFromSeed(seed), *list, *place, v, *valid)
	}
	return fmt.Errorf("there is no %q", args[0])
}

func makeKey(out io.Writer) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "public   %s\nprivate  %s\n",
		base64.StdEncoding.EncodeToString(public), base64.StdEncoding.EncodeToString(private.Seed()))
	return err
}

func readList(path string, who ed25519.PublicKey, place string) (updates.List, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return updates.List{}, err
	}
	return updates.Read(b, who, place, time.Now())
}

// add signs the versions of an old list and one more. What it makes is read as Porch would before it is printed.
func add(out io.Writer, key ed25519.PrivateKey, old, place string, v updates.Version, valid time.Duration) error {
	who := key.Public().(ed25519.PublicKey)
	now := time.Now()
	l := updates.List{Serial: now.Unix(), Expires: now.Add(valid).UTC().Truncate(time.Second), Versions: []updates.Version{v}}
	if old != "" {
		before, err := readList(old, who, place)
		if err != nil {
			return fmt.Errorf("the list so far: %w", err)
		}
		l.Serial = max(l.Serial, before.Serial+1)
		before.Versions = slices.DeleteFunc(before.Versions, func(b updates.Version) bool { return b.Number == v.Number })
		l.Versions = append(l.Versions, before.Versions[:min(len(before.Versions), kept-1)]...)
	}
	signed, err := updates.Sign(l, key)
	if err != nil {
		return err
	}
	if _, err := updates.Read(signed, who, place, now); err != nil {
		return err
	}
	_, err = out.Write(signed)
	return err
}

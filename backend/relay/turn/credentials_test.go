package turn

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestUsernames(t *testing.T) {
	k := newKeys(testSecret)
	expires := time.Unix(2_000_000_000, 0)
	u := k.issue("host_-9", expires)
	if !strings.HasPrefix(u.text, "2000000000:host_-9:") || len(u.text) > maxUsername {
		t.Errorf("%q", u.text)
	}
	again, err := newKeys(testSecret).parse(u.text)
	must(t, err)
	if again != u {
		t.Errorf("%+v became %+v", u, again)
	}
	if other := k.issue("host_-9", expires); other.text == u.text || k.password(other.text) == k.password(u.text) {
		t.Error("the same twice")
	}
	if n := len(k.issue(strings.Repeat("x", maxOwner), time.Unix(999_999_999_999, 0)).text); n != maxUsername {
		t.Errorf("the longest has %d bytes", n)
	}
	foreign := newKeys([]byte(strings.Repeat("x", 32)))
	for _, bad := range []string{
		"", ":", "::", u.text + "A", u.text[:len(u.text)-1], "0" + u.text, "+" + u.text, "-1" + u.text[10:], u.text + ":",
		strings.Replace(u.text, "host", "hose", 1), strings.Replace(u.text, "2000", "3000", 1),
		"2000000000::" + strings.Repeat("A", randomSize), foreign.issue("host_-9", expires).text,
		u.text[:len(u.text)-1] + "\n", "2000000000:a b:" + strings.Repeat("A", randomSize), strings.Repeat("9", 300),
	} {
		if _, err := k.parse(bad); err == nil {
			t.Errorf("%q is a user name", bad)
		}
	}
	// A key has the form of coturn's and of pion's: MD5, 16 bytes.
	if len(k.key(u.text, realm)) != 16 {
		t.Error("no MD5")
	}
}

func TestRevokedIsBounded(t *testing.T) {
	k := newKeys(testSecret)
	now := time.Unix(1_800_000_000, 0)
	ttl := time.Hour
	r := newRevoked()
	r.max, r.maxPerOwner = 8, 3
	issue := func(owner string) username { return k.issue(owner, now.Add(ttl)) }

	kept := issue("one")
	later := k.issue("one", now.Add(ttl+time.Minute)) // given out a minute later
	for range 3 {
		u := issue("one")
		r.add(u, now, ttl)
		if !r.has(u) {
			t.Fatal("not revoked")
		}
	}
	if r.has(kept) {
		t.Error("one too many is revoked")
	}
	fourth := issue("one")
	r.add(fourth, now, ttl)
	if !r.has(fourth) || !r.has(kept) {
		t.Error("the fourth did not revoke all of its owner")
	}
	if r.has(later) || r.has(issue("two")) {
		t.Error("it revoked what is given out later, or to another")
	}
	for i := range 100 {
		u := issue("owner" + strconv.Itoa(i%20))
		r.add(u, now, ttl)
		if !r.has(u) {
			t.Fatalf("%d is not revoked", i)
		}
	}
	if len(r.names) > 8 || len(r.owners) > 21 || len(r.counts) > 8 {
		t.Errorf("%d names, %d owners, %d counts", len(r.names), len(r.owners), len(r.counts))
	}
	r.add(k.issue("late", now.Add(-time.Second)), now, ttl)
	r.sweep(now.Add(ttl - time.Second))
	if !r.has(fourth) {
		t.Error("forgotten too early")
	}
	r.sweep(now.Add(ttl))
	if len(r.names) != 0 || len(r.owners) != 0 || len(r.counts) != 0 {
		t.Errorf("%d names, %d owners, %d counts stay", len(r.names), len(r.owners), len(r.counts))
	}
}

func FuzzUsername(f *testing.F) {
	k := newKeys(testSecret)
	f.Add(k.issue("host", time.Unix(2_000_000_000, 0)).text)
	f.Add("2000000000:host:" + strings.Repeat("A", randomSize))
	f.Add("::")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := k.parse(text)
		if err != nil {
			return
		}
		if !isOwner(u.owner) || !strings.HasPrefix(text, strconv.FormatInt(u.expires.Unix(), 10)+":"+u.owner+":") {
			t.Errorf("%q is %+v", text, u)
		}
	})
}

package icecheck

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
)

const password = "0123456789abcdefghijkl"

func build(tb testing.TB, setters ...stun.Setter) []byte {
	tb.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return m.Raw
}

func good(tb testing.TB) []byte {
	return build(tb, stun.BindingRequest, stun.NewUsername("ours+/12:them"),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}},
		stun.NewShortTermIntegrity(password), stun.Fingerprint)
}

func TestACheckIsReadAsOurOtherReaderReadsIt(t *testing.T) {
	b := good(t)
	c, ok := Read(b)
	if !ok || string(c.Local) != "ours+/12" || string(c.Remote) != "them" {
		t.Fatalf("%q, %q, %v", c.Local, c.Remote, ok)
	}
	m := stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	if c.Transaction() != Transaction(m.TransactionID) {
		t.Error("another transaction")
	}
	if !c.Signed([]byte(password)) {
		t.Error("the right password is refused")
	}
	if c.Signed([]byte(password[1:])) {
		t.Error("a wrong password passes")
	}
	for i := range b[:len(b)-8] { // the fingerprint at the end is not protected
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if c, ok := Read(changed); ok && c.Signed([]byte(password)) {
			t.Errorf("a change of byte %d is not noticed", i)
		}
	}
}

func TestWhatIsNoCheck(t *testing.T) {
	whole := good(t)
	for what, b := range map[string][]byte{
		"nothing":         nil,
		"a part":          whole[:len(whole)-1],
		"more":            append(bytes.Clone(whole), 0, 0, 0, 0),
		"a response":      build(t, stun.BindingSuccess, stun.NewUsername("ours:them")),
		"an indication":   build(t, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.NewUsername("ours:them")),
		"no name":         build(t, stun.BindingRequest),
		"half a name":     build(t, stun.BindingRequest, stun.NewUsername("ours")),
		"short integrity": build(t, stun.BindingRequest, stun.NewUsername("ours:them"), stun.RawAttribute{Type: stun.AttrMessageIntegrity, Value: []byte{1}}),
		"behind integrity": build(t, stun.BindingRequest, stun.NewUsername("ours:them"),
			stun.NewShortTermIntegrity(password), stun.RawAttribute{Type: stun.AttrUseCandidate}),
	} {
		if _, ok := Read(b); ok {
			t.Errorf("%s is taken for a check", what)
		}
	}
	unsigned, ok := Read(build(t, stun.BindingRequest, stun.NewUsername("ours:them")))
	if !ok || unsigned.Signed([]byte(password)) {
		t.Error("a check without integrity passes")
	}
	twice, ok := Read(build(t, stun.BindingRequest, stun.NewUsername("ours:them"), stun.NewUsername("other:them")))
	if !ok || string(twice.Local) != "ours" {
		t.Errorf("of two names, %q counts", twice.Local)
	}
}

func TestValid(t *testing.T) {
	for half, want := range map[string]bool{
		"abcd": true, "aB9+/z": true, "abc": false, "": false, "ab\r\n": false, "ab:d": false, "ab=d": false,
		strings.Repeat("a", 256): true, strings.Repeat("a", 257): false, "äbcd": false,
	} {
		if Valid([]byte(half)) != want {
			t.Errorf("%q: %v", half, !want)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	b := good(t)
	if n := testing.AllocsPerRun(100, func() { Read(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(good(f))
	f.Add(build(f, stun.BindingRequest, stun.NewUsername(":")))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := Read(b)
		if !ok {
			return
		}
		m := stun.Message{Raw: bytes.Clone(b)}
		if err := m.Decode(); err != nil {
			t.Fatalf("another reader refuses it: %v", err)
		}
		var name stun.Username
		if err := name.GetFrom(&m); err != nil || string(name) != string(c.Local)+":"+string(c.Remote) {
			t.Fatalf("the name is %q, here %q and %q", name, c.Local, c.Remote)
		}
		if c.Signed([]byte(password)) && stun.NewShortTermIntegrity(password).Check(&m) != nil {
			t.Fatal("another reader finds it unsigned")
		}
	})
}

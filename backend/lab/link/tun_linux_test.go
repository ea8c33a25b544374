package link

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestALinkJoinsTwoDevices sends a datagram through a link with a delay, between two namespaces.
func TestALinkJoinsTwoDevices(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network devices need root")
	}
	space := fmt.Sprintf("link%d", os.Getpid())
	if b, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %s", b)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", space).Run() })
	near, far := space+"a", space+"b"
	l, err := Open(near, far, Params{Delay: 40 * ms}, Params{Delay: 40 * ms}, 1)
	if err != nil {
		t.Skip(err)
	}
	for _, line := range [][]string{
		{"link", "set", far, "netns", space},
		{"addr", "add", "10.99.87.1", "peer", "10.99.87.2", "dev", near},
		{"link", "set", near, "up"},
		{"-n", space, "addr", "add", "10.99.87.2", "peer", "10.99.87.1", "dev", far},
		{"-n", space, "link", "set", far, "up"},
	} {
		if b, err := exec.Command("ip", line...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", line, b)
		}
	}
	l.Begin(nil, nil)
	c, err := net.Dial("udp4", "10.99.87.2:9") // nobody listens: the answer is from ICMP
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	if _, err := c.Write([]byte("knock")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = c.Read(make([]byte, 10))
	took := time.Since(begin)
	if err == nil || os.IsTimeout(err) || took < 80*ms {
		t.Errorf("answered after %v: %v", took, err)
	}
	there, back, err := l.Close()
	if err != nil {
		t.Error(err)
	}
	if a, b := there.Between(0, time.Minute), back.Between(0, time.Minute); a.Carried < 1 || b.Carried < 1 {
		t.Errorf("carried %+v and %+v", a, b)
	}
}

package door

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	floodRate      = 10_000 // checks a second
	floodAddresses = 1_000  // from which they come
	floodFor       = 4 * time.Second
)

// TestFloodSender is the process that floods; it runs nothing by itself.
func TestFloodSender(t *testing.T) {
	to, ufrag := os.Getenv("PORCH_FLOOD"), os.Getenv("PORCH_FLOOD_UFRAG")
	if to == "" {
		t.Skip("for TestAFlood")
	}
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
	var computers []*net.UDPConn
	for i := range floodAddresses {
		c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(i%250+1))}, at)
		must(t, err)
		computers = append(computers, c)
	}
	b := check(t, ufrag, strings.Repeat("y", 32))
	start := time.Now()
	for sent := 0; time.Since(start) < floodFor; {
		due := int(time.Since(start).Seconds() * floodRate)
		for ; sent < due; sent++ {
			_, _ = computers[sent%floodAddresses].Write(b)
		}
		time.Sleep(time.Millisecond) // the pace of the sender, not a wait
	}
	for _, c := range computers {
		must(t, c.SetReadDeadline(time.Now().Add(time.Microsecond)))
		if n, err := c.Read(make([]byte, 1500)); err == nil {
			t.Errorf("%d bytes came back", n)
		}
	}
}

// TestAFlood checks what 10,000 forged checks a second cost, and that a guest comes in meanwhile.
func TestAFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, tag := range []string{"unknown", "known"} {
		t.Run(tag+" tag", func(t *testing.T) {
			h := newHouse(t)
			ufrag := "nobodynobodynobodynobody"
			if tag == "known" {
				ufrag, _ = h.ufrag(t)
			}
			sender := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFloodSender$", "-test.v")
			sender.Env = append(os.Environ(), "PORCH_FLOOD="+h.at.String(), "PORCH_FLOOD_UFRAG="+ufrag)
			var out bytes.Buffer
			sender.Stdout, sender.Stderr = &out, &out
			must(t, sender.Start())
			c := h.doors.Counts
			for c().Unknown+c().Forged < 100 {
				runtime.Gosched()
			}
			goroutines, heap, cpu, begin, before := runtime.NumGoroutine(), heapOf(), cpuOf(t), time.Now(), c()
			time.Sleep(floodFor / 2) // over which the cost is counted
			seconds, after := time.Since(begin).Seconds(), c()
			used := (cpuOf(t) - cpu).Seconds() / seconds
			got := float64(after.Unknown+after.Forged-before.Unknown-before.Forged) / seconds
			grown := int64(heapOf()) - int64(heap)
			more := runtime.NumGoroutine() - goroutines
			begin = time.Now()
			await(t, "a guest comes in", h.page(t).open)
			late := time.Since(begin)
			if err := sender.Wait(); err != nil {
				t.Errorf("%v: %s", err, out.Bytes())
			}
			t.Logf("%.0f judged a second, %.1f %% of a core, heap %+d KB, goroutines %+d, a guest in after %v; race detector: %v",
				got, 100*used, grown>>10, more, late.Round(time.Millisecond), race)
			if used > 0.1 && !race {
				t.Errorf("%.3f of a core", used)
			}
			if grown > 1<<20 || more > 0 || late > 3*time.Second {
				t.Error("too much")
			}
		})
	}
}

func heapOf() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpuOf(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

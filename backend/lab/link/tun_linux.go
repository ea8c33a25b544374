package link

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const mtu = 1500

// Link is a line between two TUN devices. Its methods may be called from any goroutine.
type Link struct {
	start time.Time
	ends  [2]*os.File
	ways  [2]*way // ways[0] goes from the first device to the second
	wg    sync.WaitGroup
}

// way is one direction, and where its packets go.
type way struct {
	mu        sync.Mutex // guards direction
	direction *Direction
	wake      chan struct{} // buffered 1; full means already woken
	to        *os.File
}

// Open makes two TUN devices with these names in the network namespace of this process, and joins them. The caller
// moves them, sets them up, and closes the link, which removes them.
func Open(first, second string, there, back Params, seed uint64) (*Link, error) {
	l := &Link{start: time.Now()}
	for i, name := range []string{first, second} {
		f, err := openTUN(name)
		if err != nil {
			return nil, errors.Join(err, l.closeEnds())
		}
		l.ends[i] = f
	}
	for i, p := range []Params{there, back} {
		l.ways[i] = &way{direction: NewDirection(p, seed+uint64(i)), wake: make(chan struct{}, 1), to: l.ends[1-i]}
	}
	for i := range l.ways {
		l.wg.Go(func() { l.take(l.ways[i], l.ends[i]) })
		l.wg.Go(func() { l.deliver(l.ways[i]) })
	}
	return l, nil
}

func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	r, err := unix.NewIfreq(name)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("link: device %q: %w", name, err)
	}
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("link: device %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

func (l *Link) now() time.Duration { return time.Since(l.start) }

// take reads packets until the device is closed.
func (l *Link) take(w *way, from *os.File) {
	defer close(w.wake)
	b := make([]byte, mtu)
	for {
		n, err := from.Read(b)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || n == 0 { // the device is down
			time.Sleep(time.Millisecond)
			continue
		}
		w.mu.Lock()
		w.direction.Push(l.now(), append([]byte(nil), b[:n]...))
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// deliver writes packets that have arrived until take has ended.
func (l *Link) deliver(w *way) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case _, open := <-w.wake:
			if !open {
				return
			}
		case <-timer.C:
		}
		for {
			w.mu.Lock()
			p := w.direction.Pop(l.now())
			next, ok := w.direction.Next()
			w.mu.Unlock()
			if p == nil {
				if ok {
					timer.Reset(max(0, next-l.now()))
				}
				break
			}
			_, _ = w.to.Write(p) // a device that is down takes nothing
		}
	}
}

// Begin starts the scripts of both directions at once.
func (l *Link) Begin(there, back []Step) {
	for i, script := range [][]Step{there, back} {
		w := l.ways[i]
		w.mu.Lock()
		w.direction.Begin(l.now(), script)
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Close removes the devices, and returns what was seen in both directions.
func (l *Link) Close() (there, back *Seen, err error) {
	err = l.closeEnds()
	l.wg.Wait()
	now := l.now()
	return l.ways[0].direction.Seen(now), l.ways[1].direction.Seen(now), err
}

func (l *Link) closeEnds() (err error) {
	for _, f := range l.ends {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

package loop

import (
	"context"
	"sync"

	"github.com/porch-call/porch/backend/fault"
)

// Loop runs tasks one after the other on one goroutine, which owns the host's
// state. Tasks are short. They may use the disk, but they never wait for a
// guest or the network.
type Loop struct {
	tasks  chan func()
	after  func() // runs after each task, before the task's caller gets an answer
	closed chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards posted and order; no other lock is taken under it
	posted map[string]func()
	order  []string
	signal chan struct{} // buffered 1; full means already woken
}

func New(after func()) *Loop {
	l := &Loop{
		tasks:  make(chan func()),
		after:  after,
		closed: make(chan struct{}),
		done:   make(chan struct{}),
		posted: make(map[string]func()),
		signal: make(chan struct{}, 1),
	}
	go l.run()
	return l
}

func (l *Loop) run() {
	defer close(l.done)
	for {
		select {
		case task := <-l.tasks:
			task()
		case <-l.signal:
			for _, task := range l.takePosted() {
				task()
			}
			l.after()
		case <-l.closed:
			return
		}
	}
}

// Do runs fn on the loop and waits until it has run. If fn has not run and will
// not, it returns ctx's error or ShuttingDown.
func (l *Loop) Do(ctx context.Context, fn func()) error {
	ran := make(chan struct{})
	task := func() {
		defer close(ran)
		fn()
		l.after()
	}
	select {
	case l.tasks <- task:
		<-ran // the loop has taken the task, and tasks are short
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return fault.New(fault.ShuttingDown, nil)
	}
}

// Post queues fn for the loop and never waits. Other goroutines use it to
// report to this one. Of several posts with the same key that have not run yet,
// only the newest runs, so the number of keys bounds the queue.
func (l *Loop) Post(key string, fn func()) {
	l.mu.Lock()
	if _, ok := l.posted[key]; !ok {
		l.order = append(l.order, key)
	}
	l.posted[key] = fn
	l.mu.Unlock()
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

func (l *Loop) takePosted() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := make([]func(), 0, len(l.order))
	for _, key := range l.order {
		tasks = append(tasks, l.posted[key])
	}
	clear(l.posted)
	l.order = nil
	return tasks
}

// Close ends the loop after the task that is running. Queued tasks don't run. A
// second call waits as well.
func (l *Loop) Close() {
	l.mu.Lock()
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	l.mu.Unlock()
	<-l.done
}

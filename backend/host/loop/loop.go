package loop

import (
	"context"
	"sync"

	"github.com/porch-call/porch/backend/fault"
)

// Loop runs tasks one after the other on one goroutine: the owner of the
// host's state. Tasks are short; they may use the disk, but never wait for a
// guest or for the network.
type Loop struct {
	tasks  chan func()
	after  func() // runs after each task, before its caller is answered
	closed chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards posted; a leaf
	posted map[string]func()
	order  []string
	signal chan struct{} // holds one
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

// Do runs fn on the loop and waits until it has run. It returns ctx's error or
// ShuttingDown if fn did not, and will not, run.
func (l *Loop) Do(ctx context.Context, fn func()) error {
	ran := make(chan struct{})
	task := func() {
		defer close(ran)
		fn()
		l.after()
	}
	select {
	case l.tasks <- task:
		<-ran // tasks are short and the loop has taken this one
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return fault.New(fault.ShuttingDown, nil)
	}
}

// Post runs fn on the loop some time later and never waits: for what other
// loops tell this one. Of several posts with the same key that have not run
// yet, only the newest runs, so the queue is bounded by the number of keys.
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

// Close ends the loop after the task that runs now. Tasks that were not taken
// don't run. A second call waits as well.
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

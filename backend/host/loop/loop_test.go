package loop

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

func TestLoopRunsTheNewestPostOfAKey(t *testing.T) {
	afters := 0
	l := New(func() { afters++ })
	defer l.Close()
	var ran []string
	hold, held := make(chan struct{}), make(chan struct{})
	go func() {
		_ = l.Do(context.Background(), func() {
			close(held)
			<-hold
		})
	}()
	<-held
	for _, v := range []string{"a1", "b1", "a2", "a3"} {
		l.Post(v[:1], func() { ran = append(ran, v) })
	}
	close(hold)
	done := make(chan struct{})
	l.Post("last", func() { close(done) })
	<-done
	if err := l.Do(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	if len(ran) != 2 || ran[0] != "a3" || ran[1] != "b1" {
		t.Fatalf("ran %v", ran)
	}
	if afters < 2 {
		t.Fatalf("after ran %d times", afters)
	}
}

func TestLoopAnswersEverybody(t *testing.T) {
	l := New(func() {})
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Do(context.Background(), func() { close(held); <-hold }); err != nil {
			t.Errorf("the task that ran: %v", err)
		}
	})
	<-held
	wg.Go(func() {
		if err := l.Do(context.Background(), func() {}); err != nil && fault.CodeOf(err) != fault.ShuttingDown {
			t.Errorf("parked at the end: %v", err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Do(ctx, func() { t.Error("ran without its caller") }); !errors.Is(err, context.Canceled) {
		t.Errorf("parked with a dead context: %v", err)
	}
	wg.Go(l.Close)
	close(hold)
	wg.Wait()
	l.Close()
	if err := l.Do(t.Context(), func() { t.Error("ran after the end") }); fault.CodeOf(err) != fault.ShuttingDown {
		t.Errorf("after the end: %v", err)
	}
	l.Post("x", func() { t.Error("ran after the end") })
}

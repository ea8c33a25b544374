package main

import (
	"bufio"
	"encoding/json"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

type numbered struct {
	N     int    `json:"n"`
	Event string `json:"event"`
	Count int    `json:"count"`
}

func TestLinesThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer func() { _ = r.Close() }()
		l := newLines(w)
		n := 0
		write := func(count int) {
			for range count {
				n++
				l.write(numbered{N: n})
			}
			synctest.Wait() // the first line is in the pipe, and no longer in the queue
		}
		scanner := bufio.NewScanner(r)
		read := func() (e numbered) {
			if !scanner.Scan() {
				t.Fatal("no line")
			}
			if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return e
		}
		want := func(from, to int) {
			for i := from; i <= to; i++ {
				if e := read(); e.N != i {
					t.Fatalf("read %+v, want %d", e, i)
				}
			}
		}
		write(1)
		write(maxLines)
		write(7)
		want(1, 2) // now there is room for one, and for the count
		write(1)
		write(2)
		want(3, maxLines+1)
		if e := read(); e.Event != "dropped" || e.Count != 7 {
			t.Fatalf("%+v, want 7 dropped", e)
		}
		want(maxLines+9, maxLines+9)
		if e := read(); e.Event != "dropped" || e.Count != 2 {
			t.Fatalf("%+v, want 2 dropped", e)
		}

		write(1)
		write(maxLines + 1)
		start := time.Now()
		l.close(numbered{Event: "last"})
		if waited := time.Since(start); waited != parting {
			t.Errorf("waited %s for nobody, want %s", waited, parting)
		}
		l.write(numbered{Event: "late"})
		want(maxLines+12, 2*maxLines+12)
		if e := read(); e.Event != "dropped" || e.Count != 1 {
			t.Fatalf("%+v, want 1 dropped", e)
		}
		if e := read(); e.Event != "last" {
			t.Fatalf("%+v, want the last", e)
		}
		<-l.written
	})
}
